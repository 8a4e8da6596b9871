// Records puts companies, PartnerIDs and the days on which enrolments are reviewed into a deployment's table (rules E6,
// E8, E14). It is an operator's command and no part of the stack:
//
//	go run ./infra/records FILE [WHY]
//
// What the file does not name stays as it is; a record is retired, not deleted. It can be repeated, and says what
// became of each record. infra/operations.md says what a file holds.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"concord/infra/records/file"
	"concord/internal/awsenv"
	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/env"
)

type config struct {
	Table string `env:"TABLE_NAME"` // the DynamoDB table of the deployment
}

// by stands in the history of what the command changes.
const by = "infra/records"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(code)
}

// run gives the exit code: 0 when all is there, 1 when something is not, 2 when it was not asked properly.
func run(ctx context.Context, arguments []string, out io.Writer) int {
	var c config
	if err := env.Load(&c); err != nil || len(arguments) < 1 || len(arguments) > 2 {
		_, _ = fmt.Fprintln(out, "usage: TABLE_NAME=… go run ./infra/records FILE [WHY]", err)
		return 2
	}
	entries, err := file.Load(arguments[0])
	if err != nil {
		_, _ = fmt.Fprintln(out, err)
		return 2
	}
	why := "from a file"
	if len(arguments) == 2 {
		why = arguments[1]
	}
	return put(ctx, enrolment.Records{Store: dynamo.New(awsenv.Config(), c.Table), Now: time.Now}, why, entries, out)
}

func put(ctx context.Context, kept enrolment.Records, why string, entries []file.Entry, out io.Writer) (code int) {
	for _, e := range entries {
		outcome, err := file.Put(ctx, kept, by, why, e)
		if err != nil {
			_, _ = fmt.Fprintf(out, "%s %s: %v\n", e.Kind, e.ID, err)
			code = 1
			continue
		}
		_, _ = fmt.Fprintf(out, "%s %s: %s\n", e.Kind, e.ID, outcome)
	}
	return code
}
