// People shows, exports and erases what a deployment keeps of a person or of a partner. It is an operator's command and
// no part of the stack:
//
//	go run ./infra/people -address ADDRESS [-partner TENANT] [-export FILE] [-erase]   of a person
//	go run ./infra/people -partner TENANT [-export FILE] [-erase]                      of a partner
//
// Without -erase nothing is written: it says of every trace what would become of it, and why what stays does. With it,
// each write is on condition that nobody changed the item meanwhile, so that it can be stopped and run again.
// infra/operations.md says what it cannot find.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"concord/internal/awsenv"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/partner"
)

type config struct {
	Table string `env:"TABLE_NAME"` // the DynamoDB table of the deployment
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(code)
}

// run gives the exit code: 0 when all was looked at, 1 when it was not, 2 when it was not asked properly.
func run(ctx context.Context, arguments []string, out io.Writer) int {
	flags := flag.NewFlagSet("people", flag.ContinueOnError)
	flags.SetOutput(out)
	address := flags.String("address", "", "the email `address` of a person")
	tenant := flags.String("partner", "", "the `tenant` id of a partner: of its data, or to look for the person there alone")
	export := flags.String("export", "", "a `file` for every item that was found, one JSON object a line; it must not be there yet")
	erase := flags.Bool("erase", false, "erase what need not stay")
	if err := flags.Parse(arguments); err != nil {
		return 2
	}
	p, ok := partner.ParseTenantID(*tenant)
	if flags.NArg() > 0 || *address == "" && *tenant == "" || *tenant != "" && !ok || *address != "" &&
		!strings.Contains(*address, "@") {
		flags.Usage()
		return 2
	}
	var c config
	if err := env.Load(&c); err != nil {
		_, _ = fmt.Fprintln(out, err)
		return 2
	}
	w := work{store: dynamo.New(awsenv.Config(), c.Table), address: strings.ToLower(*address), partner: p, erase: *erase,
		now: time.Now, out: out}
	err := w.into(ctx, *export)
	if err != nil {
		_, _ = fmt.Fprintln(out, err)
		return 1
	}
	return 0
}

// into does the work, with an export into a file unless its name is empty.
func (w *work) into(ctx context.Context, name string) (err error) {
	if name == "" {
		return w.do(ctx)
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	lines := bufio.NewWriter(file)
	w.export = json.NewEncoder(lines)
	return errors.Join(w.do(ctx), lines.Flush(), file.Close())
}
