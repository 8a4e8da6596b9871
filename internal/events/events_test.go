package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"

	"concord/internal/audit"
	"concord/internal/command"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/events/schematest"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/observe"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/storetest"
	"concord/internal/stream"
)

var update = flag.Bool("update", false, "write the events of events/")

const (
	alder    = partner.TenantID("11111111-1111-4111-8111-111111111111")
	larch    = partner.TenantID("22222222-2222-4222-8222-222222222222")
	claimant = "33333333-3333-4333-8333-333333333333" // the tenant of a company that was created
)

// office is the domain over a store in memory. Each write goes through the encoding of the real store and the decoding of a
// stream's images, as functions/events reads it; what it tells is kept and held against the schemas.
type office struct {
	*invitation.Service
	t       *testing.T
	store   *storetest.Memory
	clock   time.Time
	schemas *schematest.Schemas
	said    []Event
	audited []audit.Record // as the stream brought them
	records []string       // of the stream
	items   map[string]json.RawMessage
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, store: &storetest.Memory{}, clock: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), schemas: schematest.Load(t), items: map[string]json.RawMessage{}}
	o.store.PutAccount(partner.Account{
		Tenant: alder, Country: "US", Cloud: "public", Role: partner.DirectBill, Status: partner.Active, Locale: "en", DisplayName: "Alder Cloud",
	})
	o.Service = &invitation.Service{
		Store: spied{o.store, o}, Accounts: o.store, Relationships: o.store, Partnerships: o.store, Regions: partner.ShippedRegions(),
		Clouds:    partner.Clouds{{ID: "public", PortalName: "the admin center", BaseURL: "https://public.example", AdministrationOptional: true}},
		Addresses: emailaddr.Addresses{AllowReserved: true}, Locales: []language.Tag{language.English},
		Ledger: o.store, Limits: recipient.Limits{Partners: 3, FirstMonth: 50, Daily: 500}, Now: func() time.Time { return o.clock },
	}
	return o
}

// spied is the store with every write of it seen.
type spied struct {
	*storetest.Memory
	o *office
}

func (s spied) Write(ctx context.Context, c invitation.Change) error {
	err := s.Memory.Write(ctx, c)
	if err == nil {
		s.o.wrote(func(real *dynamo.Store) error { return real.Write(ctx, invitation.Change{After: c.After}) })
		if lapsed, ok := c.Lapsed(); ok {
			s.o.wrote(func(real *dynamo.Store) error { return real.Write(ctx, invitation.Change{After: lapsed}) })
		}
	}
	return err
}

func (s spied) Commit(ctx context.Context, cs []invitation.Change, rs []relationship.Change) error {
	err := s.Memory.Commit(ctx, cs, rs)
	if err == nil {
		for n := range cs {
			cs[n].Before = nil
		}
		for n := range rs {
			rs[n].Before = nil
		}
		s.o.wrote(func(real *dynamo.Store) error { return real.Commit(ctx, cs, rs) })
	}
	return err
}

func (s spied) WritePartnership(ctx context.Context, c partnership.Change) error {
	err := s.Memory.WritePartnership(ctx, c)
	if err == nil {
		s.o.wrote(func(real *dynamo.Store) error { return real.WritePartnership(ctx, partnership.Change{After: c.After}) })
	}
	return err
}

// partner has the provider alder and the reseller birch work together, and change it as each does.
func (o *office) partner(changes ...func(partnership.Partnership) (partnership.Partnership, bool)) {
	o.t.Helper()
	store := spied{o.store, o}
	p, _ := partnership.Establish(nil, partnership.Authorisation{
		Pair: partnership.Pair{Provider: alder, Reseller: "b12c0000-0000-4000-8000-000000000002"}, Invitation: "inv_jyedebystj55lcqjojbu43wh4u", At: o.clock, By: "nora", CorrelationID: "c1",
	})
	if err := store.WritePartnership(o.t.Context(), partnership.Change{After: p}); err != nil {
		o.t.Fatal(err)
	}
	for _, change := range changes {
		before := p
		var changed bool
		if p, changed = change(before); !changed {
			o.t.Fatal("nothing changed")
		}
		if err := store.WritePartnership(o.t.Context(), partnership.Change{Before: &before, After: p}); err != nil {
			o.t.Fatal(err)
		}
	}
}

// wire keeps the items that are put into DynamoDB, and answers that all went well.
type wire struct{ items []json.RawMessage }

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	var in struct {
		Item          json.RawMessage
		TransactItems []struct {
			Put *struct{ Item json.RawMessage }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	if in.Item != nil {
		w.items = append(w.items, in.Item)
	}
	for _, t := range in.TransactItems {
		if t.Put != nil {
			w.items = append(w.items, t.Put.Item)
		}
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

var credentials = aws.Config{Region: "us-east-1", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "key", SecretAccessKey: "secret"}, nil
})}

// wrote makes stream records of what the real store puts into the table, and tells what they cause.
func (o *office) wrote(write func(*dynamo.Store) error) {
	o.t.Helper()
	seen := &wire{}
	cfg := credentials
	cfg.HTTPClient = seen
	if err := write(dynamo.New(cfg, "table")); err != nil {
		o.t.Fatal(err)
	}
	var passing []string
	for _, item := range seen.items {
		var decoded map[string]map[string]any
		if err := json.Unmarshal(item, &decoded); err != nil {
			o.t.Fatal(err)
		}
		kind := decoded["type"]["S"]
		if kind != "invitation" && kind != "granular" && kind != "relationship" && kind != "partnership" && kind != "enrolment" {
			continue
		}
		key := fmt.Sprint(decoded["pk"]["S"], " ", decoded["sk"]["S"])
		old, news := "", true
		if before, ok := o.items[key]; ok {
			old = `"OldImage":` + string(before) + ","
			var was map[string]map[string]any
			if err := json.Unmarshal(before, &was); err != nil {
				o.t.Fatal(err)
			}
			// An update says so (internal/dynamo has a test that it does); here everything is put.
			if news = !cmp.Equal(was["hi"], decoded["hi"]) || !cmp.Equal(was["history"], decoded["history"]); news {
				decoded["news"] = map[string]any{"BOOL": true}
			}
		}
		sorted, err := json.Marshal(decoded)
		if err != nil {
			o.t.Fatal(err)
		}
		o.items[key] = sorted
		o.records = append(o.records, fmt.Sprintf(`{"eventID":"c4ca4238a0b923820dcc509a6f7584%02d","eventName":%q,"eventVersion":"1.1","eventSource":"aws:dynamodb",
"awsRegion":"us-east-1","dynamodb":{"ApproximateCreationDateTime":%d,"Keys":{"pk":{"S":%q},"sk":{"S":%q}},%s"NewImage":%s,
"SequenceNumber":%q,"SizeBytes":512,"StreamViewType":"NEW_AND_OLD_IMAGES"},
"eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/concord/stream/2026-01-01T00:00:00.000"}`,
			len(o.records), map[bool]string{true: "INSERT", false: "MODIFY"}[old == ""], o.clock.Unix(), decoded["pk"]["S"], decoded["sk"]["S"], old, sorted, sequence(len(o.records))))
		if news {
			passing = append(passing, o.records[len(o.records)-1]) // the filter of the template lets no other pass
		}
	}
	kept := &shelf{}
	answer := runWith(o.t, batchOf(o.t, passing...), Dispatcher{Audit: kept, Tell: func(_ context.Context, group []Event) (int, error) {
		o.said = append(o.said, group...)
		return len(group), nil
	}})
	o.audited = append(o.audited, slices.SortedFunc(maps.Values(kept.records), func(a, b audit.Record) int { return strings.Compare(a.ID, b.ID) })...)
	if len(answer.BatchItemFailures) != 0 {
		o.t.Fatalf("%v", answer)
	}
}

func sequence(n int) string { return fmt.Sprintf("8210000000000000000%04d", n) }

func batchOf(t *testing.T, lines ...string) stream.Batch {
	t.Helper()
	var b stream.Batch
	if err := json.Unmarshal([]byte(`{"Records":[`+strings.Join(lines, ",")+`]}`), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// run does what functions/events does with a batch.
func run(t *testing.T, b stream.Batch, put func(context.Context, []Event) (int, error)) lambdaevents.DynamoDBEventResponse {
	t.Helper()
	return runWith(t, b, Dispatcher{Tell: put, Audit: &shelf{}})
}

func runWith(t *testing.T, b stream.Batch, desk Dispatcher) lambdaevents.DynamoDBEventResponse {
	t.Helper()
	loop := stream.Loop{Log: slog.New(slog.DiscardHandler), Metrics: &observe.Metrics{Out: io.Discard}}
	answer, err := stream.Gather(loop, MaxGroup, func(r stream.Record) ([]Consequence, error) {
		c, err := dynamo.ChangeOf(r.Old, r.New)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", stream.ErrPoison, err)
		}
		return Causes(Written(c)), nil
	}, desk.Deliver)(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// shelf is an audit that fails for the records that it is told to fail for.
type shelf struct {
	sync.Mutex
	records map[string]audit.Record
	fail    func(audit.Record) bool
}

func (s *shelf) AddAudit(_ context.Context, r audit.Record) (bool, error) {
	s.Lock()
	defer s.Unlock()
	if s.fail != nil && s.fail(r) {
		return false, errors.New("the table cannot be reached")
	}
	if _, there := s.records[r.ID]; there {
		return false, nil
	}
	if s.records == nil {
		s.records = map[string]audit.Record{}
	}
	s.records[r.ID] = r
	return true, nil
}

func must[T any](t *testing.T) func(T, bool, error) T {
	return func(v T, replayed bool, err error) T {
		t.Helper()
		if err != nil || replayed {
			t.Fatal(replayed, err)
		}
		return v
	}
}

func (o *office) command() command.Command {
	o.clock = o.clock.Add(time.Hour)
	return command.Command{
		User:          partner.User{Subject: "someone@alder.example", Tenant: alder, Roles: []partner.Role{partner.AdminAgent}, Cloud: "public"},
		CorrelationID: "0b6c4a3e-9f5d-4c6e-8a51-2f7f6f0d9e11",
	}
}

func (o *office) invite() invitation.Invitation {
	o.t.Helper()
	email, name, administered := "nora.berg@larch.example", "Nora Berg", true
	command := o.command()
	command.Key = "key of " + o.clock.String() // the id is made of it
	return must[invitation.Invitation](o.t)(o.Invite(o.t.Context(), command, invitation.Proposal{
		Kind: invitation.Reseller, RecipientEmail: &email, RecipientName: &name, RequestDelegatedAdmin: &administered, Tags: map[string]string{"owner": "Nora"},
	}))
}

func (o *office) send(inv invitation.Invitation) {
	o.t.Helper()
	must[invitation.Invitation](o.t)(o.Send(o.t.Context(), o.command(), inv.ID))
}

// change writes what a job or the mailer makes of an invitation.
func (o *office) change(k invitation.Key, do func(invitation.Invitation) (invitation.Invitation, bool)) {
	o.t.Helper()
	before, err := o.store.Invitation(o.t.Context(), k, true)
	if err != nil {
		o.t.Fatal(err)
	}
	after, changed := do(before)
	if !changed {
		o.t.Fatal("nothing to change")
	}
	if err := o.Store.Write(o.t.Context(), invitation.Change{Before: &before, After: after}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) mail(k invitation.Key, outcome outbox.Outcome) {
	o.t.Helper()
	o.clock = o.clock.Add(time.Minute)
	o.change(k, func(i invitation.Invitation) (invitation.Invitation, bool) {
		n, did := i.Claim(o.clock, "sandbox")
		return n, did.Changed
	})
	o.change(k, func(i invitation.Invitation) (invitation.Invitation, bool) {
		return i.Settle(o.clock, "sandbox", outcome)
	})
}

var taken = outbox.Outcome{State: outbox.Sent, MessageID: "ses-1"}

func (o *office) respond(k invitation.Key, answer string) {
	o.t.Helper()
	o.clock = o.clock.Add(time.Hour)
	inv, err := o.store.Invitation(o.t.Context(), k, true)
	if err != nil {
		o.t.Fatal(err)
	}
	r := invitation.Response{
		Answer: answer, Authorized: true, FullName: "Nora Berg", JobTitle: "Head of IT", CorrelationID: "0b6c4a3e-9f5d-4c6e-8a51-2f7f6f0d9e12",
		Consent: invitation.ConsentText{Version: "1", Language: "en", Hash: "abcd"},
	}
	if answer == "decline" {
		r.Reason, r.Comment = "no-need", "Ask nora.berg@larch.example again next year."
	}
	_, c, err := o.Respond(o.t.Context(), link.Link{Tenant: string(k.Inviter), ID: k.ID, Generation: inv.Generation}, customer(), r)
	if err != nil || c != invitation.AcceptedBy && c != invitation.DeclinedBy {
		o.t.Fatal(c, err)
	}
}

func customer() relationship.Person {
	return relationship.Person{
		Subject: "nora", Name: "Nora Berg", Email: "nora.berg@larch.example", Roles: []partner.Role{partner.GlobalAdmin},
		Company: relationship.Customer{Tenant: larch, CompanyName: "Larch Dairy", Domains: []string{"larch.example"}, Country: "US", CountrySource: "token", Cloud: "public"},
	}
}

// notices has the mailer send what is owed beside the mail.
func (o *office) notices(k invitation.Key) {
	o.t.Helper()
	o.change(k, func(i invitation.Invitation) (invitation.Invitation, bool) {
		n, did := i.ClaimPost(o.clock, "sandbox")
		return n, did.Changed
	})
	o.change(k, func(i invitation.Invitation) (invitation.Invitation, bool) {
		went := map[outbox.Kind]outbox.Outcome{}
		for _, n := range i.Post.Owed {
			went[n] = taken
		}
		return i.SettlePost(o.clock, "sandbox", went)
	})
}

func (o *office) plead(f func(context.Context, link.Link, *invitation.Plea) (invitation.Letter, invitation.Case, error), k invitation.Key, reason string) {
	o.t.Helper()
	if _, _, err := f(o.t.Context(), link.Link{Tenant: string(k.Inviter), ID: k.ID, Generation: 1}, &invitation.Plea{Reason: reason}); err != nil {
		o.t.Fatal(err)
	}
}

// relate changes the one relationship that there is.
func (o *office) relate(do func(relationship.Relationship, relationship.Entry) (relationship.Relationship, bool)) {
	o.t.Helper()
	page, err := o.Relationships.Relationships(o.t.Context(), alder, relationship.Query{Limit: 1})
	if err != nil || len(page.Relationships) != 1 {
		o.t.Fatal(page, err)
	}
	before := page.Relationships[0]
	after, changed := do(before, relationship.Entry{At: o.clock, By: "someone", CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001"})
	if !changed {
		o.t.Fatal("nothing changed")
	}
	if err := o.Store.Commit(o.t.Context(), nil, []relationship.Change{{Before: &before, After: after}}); err != nil {
		o.t.Fatal(err)
	}
}

func TestWhatATransitionTells(t *testing.T) {
	reached := map[string]bool{}
	type transition = struct {
		name string
		do   func(*office)
		want []string // "<type> <status> [<what it tells more>]"
	}
	var granted []transition
	for _, c := range granularCases {
		granted = append(granted, transition{"granular: " + c.name, func(o *office) { c.do(o) }, c.events})
	}
	for _, c := range append([]transition{
		{"accepted", func(o *office) {
			i := o.invite()
			o.send(i)
			o.mail(i.Key, taken)
			o.respond(i.Key, "accept")
		}, []string{"invitation-created draft", "invitation-sent pending concord", "invitation-accepted accepted granted", "relationship-established active", "delegated-admin-granted active"}},
		{"declined as a draft", func(o *office) {
			o.respond(o.invite().Key, "decline")
		}, []string{"invitation-created draft", "invitation-declined declined no-need"}},
		{"accepted twice", func(o *office) {
			i := o.invite()
			o.respond(i.Key, "accept")
			o.respond(o.invite().Key, "accept")
		}, []string{"invitation-created draft", "invitation-accepted accepted granted", "relationship-established active", "delegated-admin-granted active", "invitation-created draft", "invitation-accepted accepted nothing"}},
		{"cancelled while a mailer has it", func(o *office) {
			i := o.invite()
			o.send(i)
			command := o.command()
			o.change(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) {
				n, did := i.Claim(o.clock, "sandbox")
				return n, did.Changed
			})
			must[invitation.Invitation](o.t)(o.Cancel(o.t.Context(), command, i.ID, "Nora Berg said no"))
			o.change(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) {
				return i.Settle(o.clock, "sandbox", taken)
			})
			// What is on its way is told, though its link leads nowhere.
		}, []string{"invitation-created draft", "invitation-cancelled cancelled", "invitation-sent cancelled concord"}},
		{"resent", func(o *office) {
			i := o.invite()
			o.send(i)
			o.mail(i.Key, taken)
			must[invitation.Invitation](o.t)(o.Resend(o.t.Context(), o.command(), i.ID))
			o.mail(i.Key, taken)
		}, []string{"invitation-created draft", "invitation-sent pending concord", "invitation-sent pending concord"}},
		{"mailed by the partner", func(o *office) {
			i := o.invite()
			must[invitation.Invitation](o.t)(o.Done(o.t.Context(), o.command(), i.ID))
		}, []string{"invitation-created draft", "invitation-sent pending partner"}},
		{"waiting and then failed", func(o *office) {
			i := o.invite()
			o.send(i)
			o.mail(i.Key, outbox.Outcome{State: outbox.Waiting, Reason: "sender_unreachable"})
			o.clock = o.clock.Add(time.Hour)
			o.change(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) { return i.Tick(o.clock) })
			o.mail(i.Key, outbox.Outcome{State: outbox.Failed, Reason: "message_rejected"})
		}, []string{"invitation-created draft", "invitation-delivery-failed pending message_rejected"}},
		{"of unknown outcome and then bounced", func(o *office) {
			i := o.invite()
			o.send(i)
			o.mail(i.Key, outbox.Outcome{State: outbox.Unknown, Reason: "sender_silent"})
			o.change(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) {
				n, verdict := i.Feedback(o.clock, outbox.Report{State: outbox.Bounced, Reason: "address_unknown", MessageID: "ses-1", Generation: 1})
				return n, verdict == outbox.Recorded
			})
		}, []string{"invitation-created draft", "invitation-sent pending concord", "invitation-delivery-failed pending address_unknown"}},
		{"delivered", func(o *office) {
			i := o.invite()
			o.send(i)
			o.mail(i.Key, taken)
			o.change(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) {
				n, verdict := i.Feedback(o.clock, outbox.Report{State: outbox.Delivered, MessageID: "ses-1", Generation: 1})
				return n, verdict == outbox.Recorded
			})
		}, []string{"invitation-created draft", "invitation-sent pending concord"}},
		{"expired", func(o *office) {
			i := o.invite()
			o.send(i)
			o.mail(i.Key, taken)
			o.clock = o.clock.AddDate(0, 0, 31)
			o.change(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) { return i.Tick(o.clock) })
		}, []string{"invitation-created draft", "invitation-sent pending concord", "invitation-expired expired"}},
		{"reminded, asked for again and reported", func(o *office) {
			i := o.invite()
			o.send(i)
			o.mail(i.Key, taken)
			o.clock = o.clock.AddDate(0, 0, 23)
			o.change(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) { return i.Tick(o.clock) })
			o.notices(i.Key)
			o.clock = o.clock.AddDate(0, 0, 8)
			o.plead(o.AskAgain, i.Key, "too-late")
			o.notices(i.Key)
			o.plead(o.Report, i.Key, "impersonation")
		}, []string{"invitation-created draft", "invitation-sent pending concord", "invitation-reminded pending 7d", "invitation-renewal-requested pending too-late",
			"invitation-reported pending impersonation"}},
		{"accepted and disputed", func(o *office) {
			i := o.invite()
			o.respond(i.Key, "accept")
			o.notices(i.Key)
			o.plead(o.Dispute, i.Key, "not-us")
		}, []string{"invitation-created draft", "invitation-accepted accepted granted", "relationship-established active", "delegated-admin-granted active",
			"invitation-disputed accepted not-us", "delegated-admin-ended active disputed"}},
		{"administration revoked, then removed", func(o *office) {
			o.respond(o.invite().Key, "accept")
			o.relate(func(r relationship.Relationship, e relationship.Entry) (relationship.Relationship, bool) {
				return r.EndAdministration(e)
			})
			o.relate(func(r relationship.Relationship, e relationship.Entry) (relationship.Relationship, bool) {
				return r.Remove(e, relationship.AttestedText{Version: "1"})
			})
		}, []string{"invitation-created draft", "invitation-accepted accepted granted", "relationship-established active", "delegated-admin-granted active",
			"delegated-admin-ended active revoked", "relationship-removed removed"}},
		{"removed with its administration", func(o *office) {
			o.respond(o.invite().Key, "accept")
			o.relate(func(r relationship.Relationship, e relationship.Entry) (relationship.Relationship, bool) {
				return r.Remove(e, relationship.AttestedText{Version: "1"})
			})
		}, []string{"invitation-created draft", "invitation-accepted accepted granted", "relationship-established active", "delegated-admin-granted active",
			"relationship-removed removed", "delegated-admin-ended removed removed"}},
		{"claimed by its company", func(o *office) {
			o.respond(o.invite().Key, "accept")
			o.relate(func(r relationship.Relationship, e relationship.Entry) (relationship.Relationship, bool) {
				company := relationship.Customer{Tenant: claimant, CompanyName: "Larch Dairy", Domains: []string{"larch.example"}, Country: r.Customer.Country, Cloud: "public"}
				return r.Claim(company, relationship.Record{ID: r.Customer.Tenant, Domain: "larch.example"}, e), true
			})
			if c := o.said[len(o.said)-1].Detail.Relationship; c == nil || c.ClaimedBy != claimant || c.CustomerTenantID != string(larch) {
				o.t.Errorf("%+v", c)
			}
		}, []string{"invitation-created draft", "invitation-accepted accepted granted", "relationship-established active", "delegated-admin-granted active",
			"customer-claimed active"}},
		{"cancelled and renewed", func(o *office) {
			i := o.invite()
			must[invitation.Invitation](o.t)(o.Cancel(o.t.Context(), o.command(), i.ID, ""))
			must[invitation.Invitation](o.t)(o.Renew(o.t.Context(), o.command(), i.ID))
		}, []string{"invitation-created draft", "invitation-cancelled cancelled", "invitation-created draft"}},
		{"changed, edited, reset", func(o *office) {
			i := o.invite()
			name := "Ada"
			command := o.command()
			command.IfVersion = i.Version
			must[invitation.Invitation](o.t)(o.Revise(o.t.Context(), command, i.ID, invitation.Revision{RecipientName: &name}))
			must[invitation.Invitation](o.t)(o.Reset(o.t.Context(), o.command(), i.ID))
		}, []string{"invitation-created draft"}},
		// Rule N6: both sides are told that they work together. Rules N8, X6: nobody is told of what the other side does alone.
		{"partnership", func(o *office) {
			o.partner(func(p partnership.Partnership) (partnership.Partnership, bool) {
				return p.Revoke(partnership.Entry{At: o.clock, Side: partnership.ResellerSide, By: "nora"})
			}, func(p partnership.Partnership) (partnership.Partnership, bool) {
				return p.Remove(partnership.Entry{At: o.clock, Side: partnership.ProviderSide, By: "nora"}, relationship.AttestedText{Version: "1"})
			})
		}, []string{"partnership-established active provider", "partnership-established active reseller", "partnership-removed removed provider"}},
	}, granted...) {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			c.do(o)
			var got []string
			ids := map[string]bool{}
			for _, e := range o.said {
				reached[string(e.Type)] = true
				got = append(got, line(e))
				check(t, o.schemas, e)
				if ids[e.Detail.ID] {
					t.Errorf("%s came before", e.Detail.ID)
				}
				ids[e.Detail.ID] = true
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	reached[string(EnrolmentStatusChanged)] = true                                                // enrolment_test.go
	for _, buying := range []Type{CustomerAgreementSigned, OrderCompleted, SubscriptionChanged} { // commerce_test.go
		reached[string(buying)] = true
	}
	if d := cmp.Diff(schematest.Load(t).Types(), reached); d != "" {
		t.Errorf("schemas and events that were told: %s", d)
	}
}

// line is an event in short.
func line(e Event) string {
	d := e.Detail
	words := []string{string(e.Type)}
	if d.Invitation != nil {
		words = append(words, d.Invitation.Status)
	}
	if d.Relationship != nil {
		words = append(words, d.Relationship.Status)
	}
	if d.GranularAdmin != nil {
		words = append(words, d.GranularAdmin.Status)
	}
	if d.Partnership != nil {
		words = append(words, d.Partnership.Status, d.Partnership.Role)
	}
	if d.Granted != nil {
		words = append(words, map[bool]string{true: "granted", false: "nothing"}[*d.Granted])
	}
	return strings.Join(slices.DeleteFunc(append(words, d.SentBy, d.Reason), func(s string) bool { return s == "" }), " ")
}

// check holds an event against its schema, and looks for what no event may hold.
func check(t *testing.T, schemas *schematest.Schemas, e Event) {
	t.Helper()
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas.Check(string(e.Type), detail); err != nil {
		t.Errorf("%s: %v", detail, err)
	}
	for _, personal := range []string{"@", "Nora", "Berg", "Larch", "Alder", "Ada", "://", "someone", "ses-1", "Head of IT"} {
		if strings.Contains(string(detail), personal) {
			t.Errorf("%q stands in %s", personal, detail)
		}
	}
}

func TestSchemasRefuse(t *testing.T) {
	schemas := schematest.Load(t)
	example := schemas.Examples(string(InvitationSent))[0]
	for _, c := range []struct {
		name, event string
		change      func(map[string]any)
	}{
		{"an unknown type", "invitation-forgotten", func(map[string]any) {}},
		{"an unknown version", "invitation-sent", func(d map[string]any) { d["version"] = "2" }},
		{"no version", "invitation-sent", func(d map[string]any) { delete(d, "version") }},
		{"a field that nobody described", "invitation-sent", func(d map[string]any) { d["recipientEmail"] = "a@b.example" }},
		{"one further down", "invitation-sent", func(d map[string]any) { d["invitation"].(map[string]any)["link"] = "https://x.example/i/y" }},
		{"another type's id", "invitation-sent", func(d map[string]any) { d["id"] = "inv_jyedebystj55lcqjojbu43wh4u.1.invitation-created" }},
		{"a time of another form", "invitation-sent", func(d map[string]any) { d["occurredAt"] = "2026-03-02 09:00" }},
		{"a field too few", "invitation-sent", func(d map[string]any) { delete(d, "partnerTenantId") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			var detail map[string]any
			if err := json.Unmarshal(raw, &detail); err != nil {
				t.Fatal(err)
			}
			if err := schemas.Check("invitation-sent", raw); err != nil {
				t.Fatal(err)
			}
			c.change(detail)
			if raw, err = json.Marshal(detail); err != nil {
				t.Fatal(err)
			}
			if schemas.Check(c.event, raw) == nil {
				t.Error("it passes")
			}
		})
	}
}

// story are the stream records of one accepted invitation, and of what happens then, and the ids of what they tell.
func story(t *testing.T, then ...func(*office, invitation.Key)) (records, ids []string) {
	t.Helper()
	o := open(t)
	i := o.invite()
	o.send(i)
	o.mail(i.Key, taken)
	o.respond(i.Key, "accept")
	for _, more := range then {
		more(o, i.Key)
	}
	for _, e := range o.said {
		ids = append(ids, e.Detail.ID)
	}
	return o.records, ids
}

func TestBatches(t *testing.T) {
	records, ids := story(t)
	if len(records) != 6 || len(ids) != 5 {
		t.Fatalf("%d records tell %v", len(records), ids)
	}
	tell := func(t *testing.T, b stream.Batch, fail int) (told []string, reported string) {
		t.Helper()
		answer := run(t, b, func(_ context.Context, group []Event) (int, error) {
			for n, e := range group {
				if len(told) == fail {
					return n, errors.New("the bus cannot be reached")
				}
				told = append(told, e.Detail.ID)
			}
			return len(group), nil
		})
		for _, f := range answer.BatchItemFailures {
			reported += f.ItemIdentifier
		}
		return told, reported
	}
	t.Run("delivered twice", func(t *testing.T) {
		twice := batchOf(t, append(slices.Clone(records), records...)...)
		if got, reported := tell(t, twice, -1); reported != "" || !slices.Equal(got, append(slices.Clone(ids), ids...)) {
			t.Errorf("%v %s", got, reported)
		}
	})
	t.Run("in any order", func(t *testing.T) {
		turned := slices.Clone(records)
		slices.Reverse(turned)
		got, reported := tell(t, batchOf(t, turned...), -1)
		slices.Sort(got)
		if want := slices.Sorted(slices.Values(ids)); reported != "" || !slices.Equal(got, want) {
			t.Errorf("%v %s", got, reported)
		}
	})
	t.Run("from the record whose event was not taken", func(t *testing.T) {
		// Events 0 to 3 are of the records 0, 3, 4 and 5.
		for fail, record := range []int{0, 3, 4, 5} {
			if got, reported := tell(t, batchOf(t, records...), fail); reported != sequence(record) || len(got) != fail {
				t.Errorf("event %d: %v, from %s", fail, got, reported)
			}
		}
	})
	t.Run("poison is passed over", func(t *testing.T) {
		poison := []string{
			strings.Replace(records[0], `"v":{"N":"1"}`, `"v":{"S":"many"}`, 1),
			strings.Replace(records[3], `"ki":{"S":"reseller"}`, `"ki":{"N":"1"}`, 1), // the image before
			strings.Replace(records[5], `"type":{"S":"relationship"}`, `"type":{"S":"batch"}`, 1), `{"dynamodb":{"SequenceNumber":"1","NewImage":{"x":{"Y":1}}}}`, `7`,
		}
		for n, p := range poison {
			if n < 3 && slices.Contains(records, p) {
				t.Fatalf("record %d is sound", n)
			}
		}
		if got, reported := tell(t, batchOf(t, append(poison, records...)...), -1); reported != "" || !slices.Equal(got, ids) {
			t.Errorf("%v %s", got, reported)
		}
	})
}

// The events of events/ are what the store writes and the stream makes of it.
func TestEventFiles(t *testing.T) {
	records, ids := story(t, func(o *office, k invitation.Key) { o.plead(o.Dispute, k, "not-us") })
	o := open(t)
	o.proposes("P0D").lock().answers("accept")
	granted := make([]string, len(o.said))
	for n, e := range o.said {
		granted[n] = e.Detail.ID
	}
	tiers := open(t)
	tiers.partner()
	partnered := make([]string, len(tiers.said))
	for n, e := range tiers.said {
		partnered[n] = e.Detail.ID
	}
	mutilated := strings.Replace(records[3], `"v":{"N":"4"}`, `"v":{"S":"many"}`, 1)
	for name, c := range map[string]struct {
		records []string
		told    []string
	}{
		"events-created.json":     {records[:1], ids[:1]},
		"events-sent.json":        {records[3:4], ids[1:2]},
		"events-accepted.json":    {records[4:6], ids[2:5]},
		"events-disputed.json":    {records[6:8], ids[5:7]},
		"events-granular.json":    {o.records, granted},
		"events-partnership.json": {tiers.records, partnered},
		"events-poison.json":      {[]string{mutilated, records[4]}, ids[2:3]},
	} {
		t.Run(name, func(t *testing.T) {
			var written bytes.Buffer
			if err := json.Indent(&written, []byte(steady(`{"Records":[`+strings.Join(c.records, ",")+`]}`, ids)), "", "  "); err != nil {
				t.Fatal(err)
			}
			written.WriteByte('\n')
			file := filepath.Join("..", "..", "events", name)
			if *update {
				if err := os.WriteFile(file, written.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(written.String(), string(content)); d != "" {
				t.Errorf("%s is not what the store writes; if it is meant, run the test with -update\n%s", name, d)
			}
			var b stream.Batch
			if err := json.Unmarshal(content, &b); err != nil {
				t.Fatal(err)
			}
			var told []string
			if answer := run(t, b, func(_ context.Context, group []Event) (int, error) {
				for _, e := range group {
					told = append(told, e.Detail.ID)
				}
				return len(group), nil
			}); len(answer.BatchItemFailures) != 0 {
				t.Errorf("%v", answer)
			}
			var want []string
			for _, id := range c.told {
				want = append(want, steady(id, ids))
			}
			if d := cmp.Diff(want, told); d != "" {
				t.Error(d)
			}
		})
	}
}

// steady puts an id that is always the same into a text, in place of the relationship's, which was drawn for this run.
func steady(text string, ids []string) string {
	drawn, _, _ := strings.Cut(ids[3], ".")
	return strings.ReplaceAll(text, drawn, "rel_mfzxe2lomruw4zzanfzsa5dpnu")
}

func TestExamplesAreWhatIsTold(t *testing.T) {
	schemas := schematest.Load(t)
	for _, name := range slices.Sorted(maps.Keys(schemas.Types())) {
		raw, err := json.Marshal(schemas.Examples(name)[0])
		if err != nil {
			t.Fatal(err)
		}
		var d Detail
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if json.Unmarshal(raw, &want) != nil || json.Unmarshal(again, &got) != nil {
			t.Fatal("not JSON")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
