// Replay makes up for what the table's stream could not deliver (reliability, promise 4). It is an operator's command and no part of
// the stack:
//
//	go run ./infra/replay -failed DIR       tell what failed: DIR holds the files of the bucket UndeliveredEvents
//	go run ./infra/replay -rebuild TENANT   add the audit records of a partner that are missing, from its items' own histories
//
// Either can be repeated: events that come twice have the same ids, and an audit record is there once. It exits with 0 when
// nothing is left. infra/operations.md says where its settings come from.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lambda "github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"concord/internal/audit"
	"concord/internal/awsenv"
	"concord/internal/commerce"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/events"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/observe"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/stream"
)

// config is what the events function has, by the same names.
type config struct {
	Table string `env:"TABLE_NAME"`                 // the DynamoDB table of the deployment
	Bus   string `env:"EVENT_BUS" default:""`       // name of its event bus; only -failed needs it
	Years int    `env:"EVIDENCE_YEARS" default:"7"` // how long audit records are kept
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout)
	stop()
	os.Exit(code)
}

// run gives the exit code: 0 when nothing is left, 1 when something is, 2 when it was not asked properly.
func run(ctx context.Context, arguments []string, out io.Writer) int {
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.SetOutput(out)
	failed := flags.String("failed", "", "tell what the files of this `folder` hold")
	rebuild := flags.String("rebuild", "", "add what is missing in the audit of the partner with this `tenant` id")
	if err := flags.Parse(arguments); err != nil {
		return 2
	}
	if (*failed == "") == (*rebuild == "") || flags.NArg() > 0 {
		flags.Usage()
		return 2
	}
	var c config
	if err := env.Load(&c); err != nil {
		_, _ = fmt.Fprintln(out, err)
		return 2
	}
	if *failed != "" && c.Bus == "" { // EventBridge would take the account's own
		_, _ = fmt.Fprintln(out, "EVENT_BUS is not set")
		return 2
	}
	aws := awsenv.Config()
	store := dynamo.New(aws, c.Table)
	keep := time.Duration(c.Years) * 365 * 24 * time.Hour
	var err error
	if *failed != "" {
		err = tell(ctx, out, *failed, events.Dispatcher{Tell: events.NewBus(aws, c.Bus).Put, Audit: store, Keep: keep})
	} else {
		err = restore(ctx, out, *rebuild, store, keep)
	}
	if err != nil {
		_, _ = fmt.Fprintln(out, err)
		return 1
	}
	return 0
}

// errLeft says that something could not be told.
var errLeft = errors.New("something is left: run this again when its cause is gone")

// tell hands the records of every file below a folder to what functions/events does with them.
func tell(ctx context.Context, out io.Writer, folder string, dispatcher events.Dispatcher) error {
	files, left := 0, 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		told, all, why := tellFile(ctx, content, dispatcher)
		_, _ = fmt.Fprintf(out, "%s: %d of %d records told%s\n", name, told, all, why)
		if why != "" {
			left++
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d files, %d with something left\n", files, left)
	if files == 0 {
		return fmt.Errorf("%s holds no file", folder)
	}
	if left > 0 {
		return errLeft
	}
	return nil
}

// tellFile tells what one file holds: the record of a failed invocation as Lambda leaves it in a bucket. Its payload is the
// event that the function was given, as a text. Why is empty when nothing is left.
func tellFile(ctx context.Context, content []byte, dispatcher events.Dispatcher) (told, all int, why string) {
	var failure struct {
		Payload string `json:"payload"`
	}
	var batch stream.Batch
	if err := json.Unmarshal(content, &failure); err != nil {
		return 0, 0, "; it is no record of a failed invocation"
	}
	if failure.Payload == "" {
		return 0, 0, "; it says where the records stood and does not hold them: the audit can be rebuilt, the events cannot"
	}
	if err := json.Unmarshal([]byte(failure.Payload), &batch); err != nil || len(batch.Records) == 0 {
		return 0, 0, "; its payload is no batch of a stream"
	}
	var log, metrics strings.Builder
	loop := stream.Loop{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: brief})), Metrics: &observe.Metrics{Out: &metrics}}
	answer, err := stream.Gather(loop, events.MaxGroup, caused, dispatcher.Deliver)(ctx, batch)
	all = len(batch.Records)
	poisoned := strings.Count(metrics.String(), `"RecordPoisoned":1`)
	switch {
	case err != nil:
		return 0, all, "; " + err.Error()
	case len(answer.BatchItemFailures) > 0:
		// Those before it were told; some of them may be unreadable as well.
		first := slices.IndexFunc(batch.Records, func(raw json.RawMessage) bool { return numberOf(raw) == answer.BatchItemFailures[0].ItemIdentifier })
		return max(first, 0), all, "\n  " + strings.TrimSpace(log.String())
	case poisoned > 0:
		return all - poisoned, all, "\n  " + strings.TrimSpace(log.String())
	}
	return all, all, ""
}

func numberOf(raw json.RawMessage) string {
	var r lambda.DynamoDBEventRecord
	if err := json.Unmarshal(raw, &r); err != nil {
		return ""
	}
	return r.Change.SequenceNumber
}

func brief(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// caused is what functions/events reads in a record.
func caused(r stream.Record) ([]events.Consequence, error) {
	c, err := dynamo.ChangeOf(r.Old, r.New)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", stream.ErrPoison, err)
	}
	return events.Causes(events.Written(c)), nil
}

// atOnce is how many audit records are added at the same time: far below the write units of one partition.
const atOnce = 16

// restore adds the audit records of a partner that are missing, apart from those that would not be kept any more.
func restore(ctx context.Context, out io.Writer, id string, store *dynamo.Store, keep time.Duration) error {
	tenant, ok := partner.ParseTenantID(id)
	if !ok {
		return errors.New("a tenant id is a UUID")
	}
	account, err := store.Account(ctx, tenant, true)
	if err != nil {
		return err
	}
	var added, there atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	put := func(records []audit.Record) {
		for _, r := range records {
			if r = r.Kept(keep); !r.Until.After(time.Now()) {
				continue
			}
			group.Go(func() error {
				fresh, err := store.AddAudit(ctx, r)
				switch {
				case err != nil:
				case fresh:
					added.Add(1)
				default:
					there.Add(1)
				}
				return err
			})
		}
	}
	put(audit.OfAccount(nil, account))
	if err := applications(ctx, store, tenant, put); err != nil {
		return errors.Join(err, group.Wait())
	}
	invitations, relationships, err := histories(ctx, store, tenant, put)
	if err == nil {
		err = partnerships(ctx, store, tenant, put)
	}
	err = errors.Join(err, group.Wait())
	_, _ = fmt.Fprintf(out, "%d invitations, %d relationships: %d audit records added, %d were there\n", invitations, relationships, added.Load(), there.Load())
	return err
}

// partnerships gives put the records of every partnership of a partner.
func partnerships(ctx context.Context, store *dynamo.Store, tenant partner.TenantID, put func([]audit.Record)) error {
	for q := (partnership.Query{Limit: 100}); ; {
		found, err := store.Partnerships(ctx, tenant, q)
		if err != nil {
			return err
		}
		for _, p := range found.Partnerships {
			put(audit.OfPartnership(partnership.Entered{Change: partnership.Change{After: p}, Of: tenant}))
		}
		if q.After = found.Next; q.After == "" {
			return nil
		}
	}
}

// applications gives put the records of every enrolment of a company, the newest first.
func applications(ctx context.Context, store *dynamo.Store, tenant partner.TenantID, put func([]audit.Record)) error {
	e, err := store.LatestEnrolment(ctx, tenant)
	for ; err == nil; e, err = store.Enrolment(ctx, e.Previous) {
		put(audit.OfEnrolment(nil, e))
		if e.Previous == "" {
			return nil
		}
	}
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	return err
}

// histories gives put the records of every invitation and relationship of a partner, granular ones too, by the lists that partners use.
func histories(ctx context.Context, store *dynamo.Store, tenant partner.TenantID, put func([]audit.Record)) (invitations, relationships int, err error) {
	const page = 100
	for q := (invitation.Query{Status: invitation.AnyStatus, Limit: page, Now: time.Now()}); ; {
		found, err := store.Invitations(ctx, tenant, q)
		if err != nil {
			return invitations, relationships, err
		}
		for _, i := range found.Invitations {
			invitations++
			put(audit.OfInvitation(nil, i))
		}
		if q.After = found.Next; q.After == "" {
			break
		}
	}
	for q := (granular.Query{Limit: page, Now: time.Now()}); ; {
		found, err := store.GranularRelationships(ctx, tenant, q)
		if err != nil {
			return invitations, relationships, err
		}
		for _, r := range found.Relationships {
			relationships++
			put(audit.OfGranular(nil, r))
		}
		if q.After = found.Next; q.After == "" {
			break
		}
	}
	for q := (relationship.Query{Limit: page}); ; {
		found, err := store.Relationships(ctx, tenant, q)
		if err != nil {
			return invitations, relationships, err
		}
		for _, r := range found.Relationships {
			relationships++
			put(audit.OfRelationship(nil, r))
			if err := purchases(ctx, store, r, put); err != nil {
				return invitations, relationships, err
			}
		}
		if q.After = found.Next; q.After == "" {
			return invitations, relationships, nil
		}
	}
}

// purchases gives put the records of what a partner attested of a customer, ordered for it and has with it.
func purchases(ctx context.Context, store *dynamo.Store, r relationship.Relationship, put func([]audit.Record)) error {
	own := func(records []audit.Record) {
		put(slices.DeleteFunc(records, func(a audit.Record) bool { return a.Partner != r.Partner }))
	}
	agreements, err := store.Agreements(ctx, r.Customer.Tenant, r.Partner)
	if err != nil {
		return err
	}
	for _, a := range agreements {
		own(audit.OfAgreement(a))
	}
	const page = 100
	for p := (commerce.Page{Limit: page}); ; {
		found, err := store.ListOrders(ctx, r.Partner, r.Customer.Tenant, p)
		if err != nil {
			return err
		}
		for _, o := range found.Orders {
			own(audit.OfOrder(o))
		}
		if p.After = found.Next; p.After == "" {
			break
		}
	}
	for p := (commerce.Page{Limit: page}); ; {
		found, err := store.ListSubscriptions(ctx, commerce.View{Partner: r.Partner, Customer: r.Customer.Tenant}, p)
		if err != nil {
			return err
		}
		for _, s := range found.Subscriptions {
			own(audit.OfSubscription(nil, s))
		}
		if p.After = found.Next; p.After == "" {
			return nil
		}
	}
}
