package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v3"

	"concord/client"
)

func batches() *cli.Command {
	send := &cli.BoolFlag{Name: "send", Usage: "have each invitation mailed"}
	return &cli.Command{Name: "batches", Aliases: []string{"b"}, Usage: "many invitations from one CSV file", Commands: []*cli.Command{
		{Name: "check", Usage: "say what would become of each row; nothing is made", ArgsUsage: "FILE.csv", Action: checkBatch},
		{
			Name: "upload", Usage: "make the invitations", ArgsUsage: "FILE.csv", Action: uploadBatch, Flags: []cli.Flag{
				send, &cli.BoolFlag{Name: "watch", Usage: "wait until every row is worked off, and show which failed"},
				&cli.StringFlag{Name: "key", Usage: "Idempotency-Key; a new one by default"},
			},
		},
		{Name: "watch", Usage: "wait until every row is worked off", ArgsUsage: "ID", Action: func(ctx context.Context, c *cli.Command) error {
			id, api, err := one(c)
			if err != nil {
				return err
			}
			return watchBatch(ctx, c, api, id)
		}},
		{
			Name: "rows", Usage: "list the rows", ArgsUsage: "ID", Action: func(ctx context.Context, c *cli.Command) error {
				id, api, err := one(c)
				if err != nil {
					return err
				}
				return printRows(ctx, c, api, id, some[client.RowOutcome](c, "outcome"))
			},
			Flags: []cli.Flag{&cli.StringFlag{Name: "outcome", Usage: "pending, created or failed", Validator: oneOf("pending", "created", "failed")}},
		},
	}}
}

// file reads a file, or standard input for a dash.
func file(c *cli.Command) (io.Reader, error) {
	names, err := arguments(c, "one CSV file", false)
	if err != nil {
		return nil, err
	}
	var b []byte
	if names[0] == "-" {
		b, err = io.ReadAll(c.Root().Reader)
	} else {
		b, err = os.ReadFile(names[0])
	}
	return bytes.NewReader(b), err
}

func checkBatch(ctx context.Context, c *cli.Command) error {
	content, err := file(c)
	if err != nil {
		return err
	}
	api, err := connect(c)
	if err != nil {
		return err
	}
	r, err := api.SubmitInvitationBatchWithBodyWithResponse(ctx,
		&client.SubmitInvitationBatchParams{IdempotencyKey: client.NewKey(), DryRun: new(true)}, "text/csv", content)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, x := range r.JSON200.Items {
		detail := text(x.Detail)
		if x.FirstRow != nil {
			detail = fmt.Sprintf("as row %d", *x.FirstRow)
		}
		if x.Errors != nil {
			for _, e := range *x.Errors {
				detail = found(detail, text(e.Pointer), text(e.Detail))
			}
		}
		rows = append(rows, []string{strconv.Itoa(x.Row), string(x.Verdict), text(x.Code), detail})
	}
	ready := 0
	if n := r.JSON200.Counts.Ready; n != nil {
		ready = *n
	}
	_, _ = fmt.Fprintf(c.Root().ErrWriter, "%d rows, %d ready\n", r.JSON200.Total, ready)
	return print(c, r.JSON200, []string{"ROW", "VERDICT", "CODE", "DETAIL"}, rows)
}

func uploadBatch(ctx context.Context, c *cli.Command) error {
	content, err := file(c)
	if err != nil {
		return err
	}
	api, err := connect(c)
	if err != nil {
		return err
	}
	key := c.String("key")
	if key == "" {
		key = client.NewKey()
	}
	r, err := api.SubmitInvitationBatchWithBodyWithResponse(ctx,
		&client.SubmitInvitationBatchParams{IdempotencyKey: key, Send: new(c.Bool("send"))}, "text/csv", content)
	if err != nil {
		return err
	}
	if c.Bool("watch") {
		return watchBatch(ctx, c, api, r.JSON202.Id)
	}
	return printBatch(c, r.JSON202)
}

func printBatch(c *cli.Command, b *client.Batch) error {
	return print(c, b, []string{"ID", "STATUS", "ROWS", "CREATED", "FAILED", "DELAYED"}, [][]string{{
		string(b.Id), string(b.Status), strconv.Itoa(b.Total), strconv.Itoa(b.Created), strconv.Itoa(b.Failed), strconv.Itoa(b.Delayed),
	}})
}

// watchBatch shows how far a batch is, then what came of it, then the rows that failed.
func watchBatch(ctx context.Context, c *cli.Command, api *client.Concord, id client.BatchId) error {
	var bar *progressbar.ProgressBar
	for {
		r, err := api.GetInvitationBatchWithResponse(ctx, id)
		if err != nil {
			return err
		}
		b := r.JSON200
		if bar == nil {
			bar = progressbar.NewOptions(b.Total, progressbar.OptionSetWriter(c.Root().ErrWriter), progressbar.OptionShowCount(),
				progressbar.OptionSetDescription("rows"), progressbar.OptionOnCompletion(func() { _, _ = fmt.Fprintln(c.Root().ErrWriter) }))
		}
		_ = bar.Set(b.Created + b.Failed)
		if b.Status == client.BatchStatusCompleted {
			_ = bar.Finish()
			if err := printBatch(c, b); err != nil || b.Failed == 0 || c.String("output") != "table" {
				return err
			}
			_, _ = fmt.Fprintln(c.Root().Writer)
			return printRows(ctx, c, api, id, new(client.RowOutcomeFailed))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func printRows(ctx context.Context, c *cli.Command, api *client.Concord, id client.BatchId, outcome *client.RowOutcome) error {
	items := []client.BatchRow{}
	var rows [][]string
	for x, err := range api.BatchRows(ctx, id, client.ListInvitationBatchRowsParams{Outcome: outcome}) {
		if err != nil {
			return err
		}
		detail := text(x.Detail)
		if x.Errors != nil {
			for _, e := range *x.Errors {
				detail = found(detail, e.Pointer, e.Detail)
			}
		}
		items, rows = append(items, x), append(rows, []string{strconv.Itoa(x.Row), string(x.Outcome), text(x.InvitationId), text(x.Code), detail})
	}
	return print(c, items, []string{"ROW", "OUTCOME", "INVITATION", "CODE", "DETAIL"}, rows)
}

// found adds what is wrong with a field, and only where when the whole says the same.
func found(detail, pointer, wrong string) string {
	if detail == wrong {
		return detail + " (" + pointer + ")"
	}
	return detail + " " + pointer + ": " + wrong
}
