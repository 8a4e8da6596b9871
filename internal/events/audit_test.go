package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/audit"
	"concord/internal/command"
	"concord/internal/dynamo"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/relationship"
	"concord/internal/stream"
)

// step is something that happens in an office, or does not where it is refused.
type step struct {
	name string
	do   func(*office, *rand.Rand, invitation.Invitation)
}

var steps = []step{
	{"revise", func(o *office, _ *rand.Rand, i invitation.Invitation) {
		name := "Ada Oak"
		_, _, _ = o.Revise(o.t.Context(), o.anybody(i), i.ID, invitation.Revision{RecipientName: &name})
	}},
	{"reset", func(o *office, _ *rand.Rand, i invitation.Invitation) {
		_, _, _ = o.Reset(o.t.Context(), o.anybody(i), i.ID)
	}},
	{"done", func(o *office, _ *rand.Rand, i invitation.Invitation) {
		_, _, _ = o.Done(o.t.Context(), o.anybody(i), i.ID)
	}},
	{"send", func(o *office, _ *rand.Rand, i invitation.Invitation) {
		_, _, _ = o.Send(o.t.Context(), o.anybody(i), i.ID)
	}},
	{"resend", func(o *office, _ *rand.Rand, i invitation.Invitation) {
		_, _, _ = o.Resend(o.t.Context(), o.anybody(i), i.ID)
	}},
	{"relink", func(o *office, _ *rand.Rand, i invitation.Invitation) {
		_, _, _ = o.Relink(o.t.Context(), o.anybody(i), i.ID)
	}},
	{"extend", func(o *office, r *rand.Rand, i invitation.Invitation) {
		if r.IntN(8) == 0 { // or nothing is ever reminded
			_, _, _ = o.Extend(o.t.Context(), o.anybody(i), i.ID, nil)
		}
	}},
	{"mail", func(o *office, r *rand.Rand, i invitation.Invitation) {
		outcome := []outbox.Outcome{
			taken, taken, taken, taken, {State: outbox.Waiting, Reason: "sender_unreachable"}, {State: outbox.Unknown, Reason: "sender_silent"},
			{State: outbox.Failed, Reason: "message_rejected"},
		}[r.IntN(7)]
		o.try(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) {
			n, did := i.Claim(o.clock, "sandbox")
			return n, did.Changed
		})
		o.try(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) {
			return i.Settle(o.clock, "sandbox", outcome)
		})
	}},
	{"claim notices", claimNotices},
	{"settle notices", settleNotices},
	{"feedback", func(o *office, r *rand.Rand, i invitation.Invitation) {
		state := []outbox.State{outbox.Sent, outbox.Delayed, outbox.Delivered, outbox.Bounced, outbox.Complained}[r.IntN(5)]
		o.try(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) {
			n, verdict := i.Feedback(o.clock, outbox.Report{State: state, Reason: "a_word", MessageID: "ses-1", Generation: i.Generation})
			return n, verdict == outbox.Recorded
		})
	}},
	{"cancel", func(o *office, r *rand.Rand, i invitation.Invitation) {
		if r.IntN(10) == 0 {
			_, _, _ = o.Cancel(o.t.Context(), o.anybody(i), i.ID, "Nora Berg said no")
		}
	}},
	{"tick", func(o *office, r *rand.Rand, i invitation.Invitation) {
		if due, ok := i.Due(); ok && r.IntN(3) > 0 && due.After(o.clock) {
			o.clock = due
		}
		o.try(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) { return i.Tick(o.clock) })
		if r.IntN(2) == 0 {
			claimNotices(o, r, i)
			settleNotices(o, r, i)
		}
	}},
	{"answer", func(o *office, r *rand.Rand, i invitation.Invitation) {
		if r.IntN(6) == 0 {
			o.answer(i, []string{"accept", "accept", "decline"}[r.IntN(3)])
		}
	}},
	{"ask again", func(o *office, _ *rand.Rand, i invitation.Invitation) { o.ask(o.AskAgain, i, "too-late") }},
	{"report", func(o *office, r *rand.Rand, i invitation.Invitation) {
		if r.IntN(8) == 0 {
			o.ask(o.Report, i, "wrong-person")
		}
	}},
	{"unsubscribe", func(o *office, r *rand.Rand, i invitation.Invitation) {
		if r.IntN(8) == 0 {
			o.ask(o.Unsubscribe, i, "")
		}
	}},
	{"allow", func(o *office, _ *rand.Rand, i invitation.Invitation) { o.ask(o.Allow, i, "") }},
	{"dispute", func(o *office, _ *rand.Rand, i invitation.Invitation) { o.ask(o.Dispute, i, "not-us") }},
	{"confirm", func(o *office, _ *rand.Rand, _ invitation.Invitation) { o.tryRelate(relationship.Relationship.Confirm) }},
	{"end administration", func(o *office, _ *rand.Rand, _ invitation.Invitation) {
		o.tryRelate(relationship.Relationship.EndAdministration)
	}},
	{"remove", func(o *office, _ *rand.Rand, _ invitation.Invitation) {
		o.tryRelate(func(r relationship.Relationship, e relationship.Entry) (relationship.Relationship, bool) {
			return r.Remove(e, relationship.AttestedText{Version: "1"})
		})
	}},
}

func claimNotices(o *office, _ *rand.Rand, i invitation.Invitation) {
	o.try(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) {
		n, did := i.ClaimPost(o.clock, "sandbox")
		return n, did.Changed
	})
}

func settleNotices(o *office, r *rand.Rand, i invitation.Invitation) {
	o.try(i.Key, func(i invitation.Invitation) (invitation.Invitation, bool) {
		outcomes := map[outbox.Kind]outbox.Outcome{}
		for _, n := range i.Post.Owed {
			outcomes[n] = []outbox.Outcome{taken, taken, {State: outbox.Waiting, Reason: "slow"}, {State: outbox.Failed, Reason: "message_rejected"}}[r.IntN(4)]
		}
		return i.SettlePost(o.clock, "sandbox", outcomes)
	})
}

// anybody is a command about what stands, at this very second.
func (o *office) anybody(i invitation.Invitation) command.Command {
	clock := o.clock
	c := o.command()
	o.clock = clock
	c.IfVersion = command.AnyVersion
	c.Key = fmt.Sprint("key ", i.Version)
	return c
}

func (o *office) try(k invitation.Key, do func(invitation.Invitation) (invitation.Invitation, bool)) {
	o.t.Helper()
	before, err := o.store.Invitation(o.t.Context(), k, true)
	if err != nil {
		o.t.Fatal(err)
	}
	if after, changed := do(before); changed {
		if err := o.Store.Write(o.t.Context(), invitation.Change{Before: &before, After: after}); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *office) tryRelate(do func(relationship.Relationship, relationship.Entry) (relationship.Relationship, bool)) {
	o.t.Helper()
	page, err := o.Relationships.Relationships(o.t.Context(), alder, relationship.Query{Limit: 1})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, before := range page.Relationships {
		after, changed := do(before, relationship.Entry{At: o.clock, By: "someone", CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001"})
		if !changed {
			continue
		}
		if err := o.Store.Commit(o.t.Context(), nil, []relationship.Change{{Before: &before, After: after}}); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *office) answer(i invitation.Invitation, answer string) {
	_, _, _ = o.Respond(o.t.Context(), link.Link{Tenant: string(i.Inviter), ID: i.ID, Generation: i.Generation}, customer(), invitation.Response{
		Answer: answer, Authorized: true, FullName: "Nora Berg", JobTitle: "Head of IT", CorrelationID: "0b6c4a3e-9f5d-4c6e-8a51-2f7f6f0d9e12",
		Consent: invitation.ConsentText{Version: "1", Language: "en", Hash: "abcd"},
	})
}

func (o *office) ask(f func(context.Context, link.Link, *invitation.Plea) (invitation.Letter, invitation.Case, error), i invitation.Invitation, reason string) {
	_, _, _ = f(o.t.Context(), link.Link{Tenant: string(i.Inviter), ID: i.ID, Generation: i.Generation}, &invitation.Plea{Reason: reason})
}

// For random histories: what the stream brought, write by write, is what the items' own histories give. What was dropped from a full
// history can only be had from the stream; the rest of it is the same then, too.
func TestTheAuditCanBeRebuilt(t *testing.T) {
	records, full := 0, 0
	operations := map[string]bool{}
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 2026))
		o := open(t)
		var keys []invitation.Key
		trace := []string{}
		for range 120 {
			o.clock = o.clock.Add([]time.Duration{0, 0, 0, time.Second, time.Minute, time.Hour, time.Hour, 30 * time.Hour, 7 * 24 * time.Hour}[r.IntN(9)])
			if r.IntN(40) == 0 {
				o.clock = o.clock.Add(200 * 24 * time.Hour)
			}
			if len(keys) == 0 || seed%5 != 0 && len(keys) < 5 && r.IntN(20) == 0 {
				email, administered := fmt.Sprintf("nora.berg%d@larch.example", len(keys)), r.IntN(2) == 0
				c := o.command()
				c.Key = fmt.Sprint("create ", len(keys))
				if i, _, err := o.Invite(t.Context(), c, invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: &email, RequestDelegatedAdmin: &administered}); err == nil {
					keys = append(keys, i.Key)
				}
				continue
			}
			i, err := o.store.Invitation(t.Context(), keys[max(r.IntN(len(keys)), r.IntN(len(keys)))], true)
			if err != nil {
				t.Fatal(err)
			}
			s := steps[r.IntN(len(steps))]
			if seed%5 == 0 { // long histories, of what ends nothing
				s = steps[r.IntN(slices.IndexFunc(steps, func(s step) bool { return s.name == "cancel" }))]
			}
			trace = append(trace, s.name)
			s.do(o, r, i)
		}
		told := map[string][]audit.Record{} // by resource
		ids := map[string]bool{}
		for _, a := range o.audited {
			records++
			operations[a.Operation] = true
			if ids[a.ID] {
				t.Fatalf("seed %d: %s came twice: %+v", seed, a.ID, a)
			}
			ids[a.ID] = true
			a.Until = time.Time{}
			told[a.ResourceID] = append(told[a.ResourceID], a)
			harmless(t, a)
		}
		for _, raw := range o.items {
			c := decoded(t, raw)
			var id string
			var rebuilt []audit.Record
			entries, status := 0, ""
			if c.Invitation != nil {
				id, rebuilt, entries, status = c.Invitation.After.ID, audit.OfInvitation(nil, c.Invitation.After), len(c.Invitation.After.History), string(c.Invitation.After.Status)
			} else {
				id, rebuilt, entries, status = c.Relationship.After.ID, audit.OfRelationship(nil, c.Relationship.After), len(c.Relationship.After.History), string(c.Relationship.After.Status)
			}
			byID := func(a, b audit.Record) int { return strings.Compare(a.ID, b.ID) }
			want := slices.SortedFunc(slices.Values(told[id]), byID)
			slices.SortFunc(rebuilt, byID)
			stood := ""
			for _, a := range slices.SortedFunc(slices.Values(want), func(a, b audit.Record) int { return a.At.Compare(b.At)*2 + byID(a, b) }) {
				if now := a.New["status"]; now != "" {
					stood = now
				}
			}
			if stood != status {
				t.Fatalf("seed %d: %s is %s, its audit says %s: %v", seed, id, status, stood, trace)
			}
			if entries >= 20 {
				full++
				for _, a := range rebuilt {
					if !slices.ContainsFunc(want, func(b audit.Record) bool {
						return a.ID == b.ID && a.Actor.Kind == b.Actor.Kind && within(b.New, a.New)
					}) {
						t.Fatalf("seed %d: nobody told of %+v", seed, a)
					}
				}
				continue
			}
			// Names that were erased since stay in the audit as long as it is kept.
			for n := range want {
				if n < len(rebuilt) && rebuilt[n].Actor.Subject == "" {
					want[n].Actor.Subject = ""
				}
			}
			if d := cmp.Diff(want, rebuilt); d != "" {
				t.Fatalf("seed %d: told and rebuilt: %s\n%v", seed, d, trace)
			}
		}
	}
	if full == 0 {
		t.Error("no history was ever full")
	}
	var never []string
	for _, operation := range audit.Operations() {
		if !operations[operation] && !strings.HasPrefix(operation, "granularAdmin.") && !strings.HasPrefix(operation, "enrolment.") { // they have tests of their own
			never = append(never, operation)
		}
	}
	// The office has no mailer that sweeps, no mail without an address, no filter at SES, no words of its own for a draft and no operator, nobody buys or is created, and, at random, no partnership.
	if want := []string{"invitation.edited", "invitation.rejected", "invitation.suppressed", "partnerAccount.created", "partnerAccount.changed",
		"customerAgreement.attested", "customerAgreement.signed", "order.completed", "subscription.created", "subscription.statusChanged", "subscription.quantityChanged", "subscription.recordChanged", "subscription.supportChanged",
		"partnership.established", "partnership.removed", "providerAccess.granted", "providerAccess.revoked", "customer.claimed",
		"invitation.moot", "invitation.operatorCancelled", audit.InvitationRead}; !slices.Equal(never, want) {
		t.Errorf("never told: %v, want %v", never, want)
	}
	for operation := range operations {
		if !slices.Contains(audit.Operations(), operation) {
			t.Errorf("%s is not among the operations", operation)
		}
	}
	t.Logf("%d records of %d operations; %d full histories", records, len(operations), full)
}

// within reports whether one has all the states of the other: a full history may have lost from which state it came.
func within(part, whole map[string]string) bool {
	for name, state := range part {
		if whole[name] != state {
			return false
		}
	}
	return true
}

// harmless looks for what no audit record may hold.
func harmless(t *testing.T, r audit.Record) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	plain := strings.ReplaceAll(string(text), `"someone@alder.example"`, "") // the subject of the partner's own user
	for _, personal := range []string{"@", "Nora", "Berg", "Larch", "Alder", "Ada", "://", "said no", "Head of IT", "ses-1"} {
		if strings.Contains(plain, personal) {
			t.Errorf("%q stands in %s", personal, text)
		}
	}
}

// decoded reads an item as a new one.
func decoded(t *testing.T, item json.RawMessage) dynamo.Change {
	t.Helper()
	var c dynamo.Change
	record := `{"eventName":"INSERT","dynamodb":{"SequenceNumber":"1","NewImage":` + string(item) + `}}`
	b := batchOf(t, record)
	loop := stream.Loop{}
	if _, err := loop.Handler(func(_ context.Context, r stream.Record) (err error) {
		c, err = dynamo.ChangeOf(r.Old, r.New)
		if err != nil {
			t.Fatal(err)
		}
		return nil
	})(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return c
}

// A record counts as done when its events are on the bus and its audit records are kept; whatever fails, trying again brings each
// event at least once and each audit record once.
func TestDesk(t *testing.T) {
	records, ids := story(t)
	all := &shelf{}
	told := map[string]int{}
	if answer := runWith(t, batchOf(t, records...), Dispatcher{Audit: all, Tell: counting(told, -1)}); len(answer.BatchItemFailures) > 0 || len(told) != len(ids) {
		t.Fatal(answer, told)
	}
	if len(all.records) < len(ids) {
		t.Fatalf("%d records", len(all.records))
	}
	for _, id := range slices.Sorted(maps.Keys(all.records)) {
		t.Run("audit fails for "+all.records[id].Operation, func(t *testing.T) {
			down := true
			kept := &shelf{fail: func(r audit.Record) bool { return down && r.ID == id }}
			told := map[string]int{}
			answer := runWith(t, batchOf(t, records...), Dispatcher{Audit: kept, Tell: counting(told, -1)})
			if len(answer.BatchItemFailures) != 1 {
				t.Fatalf("reported %v", answer)
			}
			from := slices.IndexFunc(records, func(r string) bool {
				return strings.Contains(r, `"SequenceNumber":"`+answer.BatchItemFailures[0].ItemIdentifier)
			})
			// Nothing before the reported record may be missing.
			complete(t, records[:from], kept, told)
			down = false
			runWith(t, batchOf(t, records[from:]...), Dispatcher{Audit: kept, Tell: counting(told, -1)})
			complete(t, records, kept, told)
			if d := cmp.Diff(all.records, kept.records); d != "" {
				t.Error(d)
			}
		})
	}
	for fail := range ids {
		t.Run(fmt.Sprint("the bus fails after ", fail), func(t *testing.T) {
			kept, told := &shelf{}, map[string]int{}
			answer := runWith(t, batchOf(t, records...), Dispatcher{Audit: kept, Tell: counting(told, fail)})
			if len(answer.BatchItemFailures) != 1 || len(told) != fail {
				t.Fatalf("reported %v, told %v", answer, told)
			}
			from := slices.IndexFunc(records, func(r string) bool {
				return strings.Contains(r, `"SequenceNumber":"`+answer.BatchItemFailures[0].ItemIdentifier)
			})
			complete(t, records[:from], kept, told)
			runWith(t, batchOf(t, records[from:]...), Dispatcher{Audit: kept, Tell: counting(told, -1)})
			complete(t, records, kept, told)
			if d := cmp.Diff(all.records, kept.records); d != "" {
				t.Error(d)
			}
		})
	}
}

// counting is a bus that takes a number of different events; -1 for any number.
func counting(told map[string]int, most int) func(context.Context, []Event) (int, error) {
	return func(_ context.Context, group []Event) (int, error) {
		for n, e := range group {
			if len(told) == most {
				return n, errors.New("the bus cannot be reached")
			}
			told[e.Detail.ID]++
		}
		return len(group), nil
	}
}

// complete fails the test when something that the records cause is missing.
func complete(t *testing.T, records []string, kept *shelf, told map[string]int) {
	t.Helper()
	want, events := &shelf{}, map[string]int{}
	runWith(t, batchOf(t, records...), Dispatcher{Audit: want, Tell: counting(events, -1)})
	for id, r := range want.records {
		if _, there := kept.records[id]; !there {
			t.Errorf("%s is not in the audit", r.Operation)
		}
	}
	for id := range events {
		if told[id] == 0 {
			t.Errorf("%s was not told", id)
		}
	}
}
