// Texts puts the words that people attest and sign into a deployment's catalogue (domain, 0.21). It is an operator's command and no part
// of the stack:
//
//	go run ./infra/texts FILE
//
// What is there stays as it is: other words are another version. It can be repeated. infra/operations.md says what a file holds.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"concord/infra/texts/catalogue"
	"concord/internal/awsenv"
	"concord/internal/dynamo"
	"concord/internal/env"
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

// run gives the exit code: 0 when all is there, 1 when something is not, 2 when it was not asked properly.
func run(ctx context.Context, arguments []string, out io.Writer) int {
	var c config
	if err := env.Load(&c); err != nil || len(arguments) != 1 {
		_, _ = fmt.Fprintln(out, "usage: TABLE_NAME=… go run ./infra/texts FILE", err)
		return 2
	}
	texts, err := catalogue.Load(arguments[0])
	if err != nil {
		_, _ = fmt.Fprintln(out, err)
		return 2
	}
	store, code := dynamo.New(awsenv.Config(), c.Table), 0
	for _, t := range texts {
		if err := store.Publish(ctx, t); err != nil {
			_, _ = fmt.Fprintf(out, "%s %s %s: %v\n", t.Type, t.Version, t.Language, err)
			code = 1
		}
	}
	return code
}
