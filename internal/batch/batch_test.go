package batch_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/text/language"

	"golang.org/x/time/rate"

	"concord/internal/batch"
	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/storetest"
)

const alder = partner.TenantID("a1de0000-0000-4000-8000-000000000001")

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// office is what batches need, over a store in memory and a clock that stands still.
type office struct {
	*batch.Service
	worker *batch.Worker
	store  *storetest.Memory
	clock  time.Time
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{store: &storetest.Memory{}, clock: start}
	now := func() time.Time { return o.clock }
	o.store.PutAccount(partner.Account{
		Tenant: alder, DisplayName: "Alder", Role: partner.DirectBill, Cloud: "public", Country: "US", Status: partner.Active, Locale: "en",
		CreatedAt: start.Add(-time.Hour), Version: 1,
	})
	o.Service = &batch.Service{Store: o.store, Accounts: o.store, Now: now}
	o.worker = &batch.Worker{Store: o.store, Limiter: rate.NewLimiter(rate.Inf, 1), Lanes: 8, Reserve: time.Second, Now: now, Invitations: &invitation.Service{
		Store: o.store, Accounts: o.store, Relationships: o.store, Partnerships: o.store, Regions: partner.ShippedRegions(), Ledger: o.store, Now: now,
		Clouds:    partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://portal.example", AdministrationOptional: true}},
		Addresses: emailaddr.Addresses{AllowReserved: true}, Locales: []language.Tag{language.English},
		Limits: recipient.Limits{Partners: 3, FirstMonth: 100_000, Daily: 100_000},
	}}
	return o
}

func (o *office) limits() *recipient.Limits {
	return &o.worker.Invitations.(*invitation.Service).Limits
}

func by(key string) command.Command {
	return command.Command{User: partner.User{Subject: "ann", Tenant: alder, Roles: []partner.Role{partner.SalesAgent}, Cloud: "public"}, Key: key, Body: "b0d1", CorrelationID: "c-1"}
}

// planted are the rows that fail, by what is wrong with them.
var planted = []struct {
	code problem.Code
	row  func(n int) batch.Row
}{
	{problem.EmailInvalid, func(int) batch.Row { return batch.Row{Proposal: to("nobody at home")} }},
	{problem.ValidationFailed, func(int) batch.Row {
		return batch.Row{Proposal: invitation.Proposal{Kind: "sale", RecipientEmail: new("kind@larch.example")}}
	}},
	{problem.UnknownField, func(int) batch.Row {
		return batch.Row{Proposal: to("field@larch.example"), Findings: problem.Findings{{Pointer: "/colour", Code: problem.UnknownField, Detail: "no"}}}
	}},
	{problem.SelfInvitation, func(int) batch.Row {
		p := to("self@larch.example")
		p.CustomerTenantID = new(string(alder))
		return batch.Row{Proposal: p}
	}},
	// The recipient of the row before it.
	{problem.DuplicateOpenInvitation, func(n int) batch.Row { return batch.Row{Proposal: to(strings.ToUpper(address(n - 1)))} }},
}

func to(address string) invitation.Proposal {
	return invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: &address}
}

func address(n int) string { return fmt.Sprintf("n%d@larch.example", n) }

// rows gives n rows, of which those of a number in bad fail with its code.
func rows(n, every int) (all []batch.Row, bad map[int]problem.Code) {
	bad = map[int]problem.Code{}
	for i := 1; i <= n; i++ {
		r := batch.Row{Proposal: to(address(i))}
		if every > 0 && i%every == 0 {
			p := planted[i/every%len(planted)]
			r, bad[i] = p.row(i), p.code
		}
		r.Number = i
		all = append(all, r)
	}
	return all, bad
}

func (o *office) submit(t *testing.T, send bool, rows []batch.Row) batch.Batch {
	t.Helper()
	b, replayed, err := o.Submit(t.Context(), by("k"), batch.Submission{Send: send, Rows: rows})
	if err != nil || replayed {
		t.Fatal(replayed, err)
	}
	return b
}

func (o *office) outcomes(t *testing.T, b batch.Batch) (all []batch.Row) {
	t.Helper()
	for after, rounds := 0, 0; ; rounds++ {
		page, next, err := o.Rows(t.Context(), by("").User, b.ID, batch.AllRows, after, 100)
		if err != nil || rounds > batch.MaxRows {
			t.Fatal(err)
		}
		all = append(all, page...)
		if after = next; next == 0 {
			return all
		}
	}
}

// check holds every row against what it should have come to, and the invitations against the rows.
func (o *office) check(t *testing.T, b batch.Batch, bad map[int]problem.Code) {
	t.Helper()
	got, err := o.Batch(t.Context(), by("").User, b.ID)
	if err != nil || got.Status() != batch.Completed || got.Created+got.Failed != got.Total || got.Failed != len(bad) {
		t.Fatalf("%+v, %v; want %d failed", got, err, len(bad))
	}
	if at, waits := got.Due(); waits || got.CompletedAt.IsZero() {
		t.Errorf("completed at %v and due at %v", got.CompletedAt, at)
	}
	seen := map[string]bool{}
	all := o.outcomes(t, b)
	for n, r := range all {
		if r.Number != n+1 || r.Outcome == nil || r.Outcome.Code != bad[r.Number] || r.Outcome.Created() == (bad[r.Number] != "") {
			t.Fatalf("row %d: %+v, want %q", r.Number, r.Outcome, bad[r.Number])
		}
		if r.Proposal.RecipientEmail != nil {
			t.Fatalf("row %d: the address is still kept", r.Number)
		}
		if id := r.Outcome.InvitationID; id != "" && seen[id] {
			t.Fatalf("row %d: %s is that of another row", r.Number, id)
		} else if id != "" {
			seen[id] = true
		}
	}
	made := 0
	for after := ""; ; {
		page, err := o.store.Invitations(t.Context(), alder, invitation.Query{Limit: 100, After: after, Status: invitation.AnyStatus, BatchID: b.ID, Now: o.clock})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Invitations {
			if made++; !seen[i.ID] {
				t.Errorf("%s is of no row", i.ID)
			}
			if b.Send != (i.Mail.State != outbox.None) {
				t.Errorf("%s: mail %q", i.ID, i.Mail.State)
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if made != len(seen) || len(all) != b.Total {
		t.Errorf("%d rows, %d invitations of %d rows that made one", len(all), made, len(seen))
	}
}

func TestTenThousandRows(t *testing.T) {
	o := open(t)
	all, bad := rows(batch.MaxRows, 97)
	b := o.submit(t, true, all)
	if b.Status() != batch.Running || len(b.Starts) != 100 {
		t.Fatalf("%+v", b)
	}
	if pending := o.outcomes(t, b); pending[4321].Is() != batch.PendingRows {
		t.Errorf("%+v", pending[4321])
	}
	if _, err := o.worker.Work(t.Context(), b.Key); err != nil {
		t.Fatal(err)
	}
	o.check(t, b, bad)
	var failed []int
	for after := 0; ; {
		page, next, err := o.Rows(t.Context(), by("").User, b.ID, batch.FailedRows, after, 25)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			failed = append(failed, r.Number)
		}
		if after = next; next == 0 {
			break
		}
	}
	if len(failed) != len(bad) || !slices.IsSorted(failed) {
		t.Errorf("%d failed rows listed, %d planted", len(failed), len(bad))
	}
}

// TestCrashes: the worker dies at every one of its writes, before it and after it, and another takes over when the lease is over. Nothing is made
// or mailed twice, no row is left out, and every row has the outcome that it would have had.
func TestCrashes(t *testing.T) {
	const n = 230 // three chunks
	crash := errors.New("killed")
	for _, stored := range []bool{false, true} {
		for _, every := range []int{1, 2, 3, 7, 50} {
			t.Run(fmt.Sprintf("after %d, stored %v", every, stored), func(t *testing.T) {
				o := open(t)
				all, bad := rows(n, 13)
				b := o.submit(t, true, all)
				limit, writes, cancel := every, 0, func() {}
				o.store.Inject(func(op storetest.Operation) storetest.Fault {
					switch op {
					case storetest.Write, storetest.Record, storetest.Count, storetest.WriteBatch:
						if writes++; writes >= limit {
							cancel() // nothing that it does any more comes to anything
							return storetest.Fault{Err: crash, Stored: stored}
						}
					}
					return storetest.Fault{}
				})
				killed := 0
				for {
					limit, writes = every*(killed+1), 0 // ever further
					var ctx context.Context
					ctx, cancel = context.WithCancel(t.Context())
					_, err := o.worker.Work(ctx, b.Key)
					if cancel(); err == nil {
						break
					}
					if killed++; killed > 2000 {
						t.Fatal("never done")
					}
					o.clock = o.clock.Add(batch.StreamGrace)
				}
				o.store.Inject(nil)
				if killed == 0 {
					t.Error("it never died")
				}
				o.check(t, b, bad)
				t.Logf("killed %d times", killed)
			})
		}
	}
}

// TestALateWorkerFindsItsWork: whoever comes back after days makes nothing twice, although Idempotency-Keys of partners are forgotten by then.
func TestALateWorkerFindsItsWork(t *testing.T) {
	o := open(t)
	all, bad := rows(50, 0)
	b := o.submit(t, true, all)
	heads := 0
	o.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.WriteBatch {
			if heads++; heads == 2 { // the outcomes of the chunk
				return storetest.Fault{Err: errors.New("killed")}
			}
		}
		return storetest.Fault{}
	})
	if _, err := o.worker.Work(t.Context(), b.Key); err == nil {
		t.Fatal("it lived")
	}
	o.clock = o.clock.Add(3 * 24 * time.Hour)
	if _, err := o.worker.Work(t.Context(), b.Key); err != nil {
		t.Fatal(err)
	}
	o.check(t, b, bad)
}

// TestWhatNeverWorksFails: one row that cannot be worked off does not hold up the batch for ever.
func TestWhatNeverWorksFails(t *testing.T) {
	o := open(t)
	all, bad := rows(20, 0)
	b := o.submit(t, false, all)
	poison := errors.New("poison")
	o.worker.Invitations = stubborn{o.worker.Invitations.(*invitation.Service), address(7), poison}
	bad[7] = problem.Internal
	for attempt := 1; ; attempt++ {
		_, err := o.worker.Work(t.Context(), b.Key)
		if err == nil {
			if attempt != batch.MaxAttempts+1 {
				t.Errorf("given up after %d attempts", attempt)
			}
			break
		}
		if !errors.Is(err, poison) || attempt > batch.MaxAttempts {
			t.Fatalf("attempt %d: %v", attempt, err)
		}
		o.clock = o.clock.Add(batch.StreamGrace)
	}
	o.check(t, b, bad)
}

type stubborn struct {
	*invitation.Service
	address string
	err     error
}

func (s stubborn) Invite(ctx context.Context, c command.Command, p invitation.Proposal) (invitation.Invitation, bool, error) {
	if p.RecipientEmail != nil && *p.RecipientEmail == s.address {
		return invitation.Invitation{}, false, s.err
	}
	return s.Service.Invite(ctx, c, p)
}

// TestOneWorker: a batch that somebody has is left alone until the lease is over, and one that is done for good.
func TestOneWorker(t *testing.T) {
	o := open(t)
	all, bad := rows(30, 0)
	b := o.submit(t, false, all)
	o.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Chunk {
			return storetest.Fault{Err: errors.New("killed")}
		}
		return storetest.Fault{}
	})
	if _, err := o.worker.Work(t.Context(), b.Key); err == nil {
		t.Fatal("it lived")
	}
	o.store.Inject(nil)
	if got, err := o.worker.Work(t.Context(), b.Key); err != nil || got.Status() != batch.Running {
		t.Errorf("another one took it: %+v, %v", got, err)
	}
	o.clock = o.clock.Add(batch.StreamGrace)
	round := due.Round{Index: o.store, Duties: map[due.Kind]due.Duty{batch.DueKind: batch.Cleanup{Store: o.store}}, Now: o.Now}
	if tally, err := round.Run(t.Context()); err != nil || tally.Done[batch.CountRedriven] != 1 {
		t.Errorf("%+v, %v", tally, err)
	}
	if got, err := o.Batch(t.Context(), by("").User, b.ID); err != nil || got.Job != batch.JobQueued {
		t.Errorf("%+v, %v", got, err)
	}
	for range 2 {
		if _, err := o.worker.Work(t.Context(), b.Key); err != nil {
			t.Fatal(err)
		}
	}
	o.check(t, b, bad)
	o.clock = o.clock.Add(batch.Kept)
	if tally, err := round.Run(t.Context()); err != nil || len(tally.Done) != 0 {
		t.Errorf("when all is done: %+v, %v", tally, err)
	}
	if _, err := o.worker.Work(t.Context(), batch.Key{Partner: alder, ID: "bat_aaaaaaaaaaaaaaaaaaaaaaaaaa"}); err != nil {
		t.Errorf("a batch that is forgotten: %v", err)
	}
}

// TestTheNextWorkerGoesOn: who runs out of time asks for another worker.
func TestTheNextWorkerGoesOn(t *testing.T) {
	o := open(t)
	all, bad := rows(250, 0)
	b := o.submit(t, false, all)
	ctx, cancel := context.WithTimeout(t.Context(), o.worker.Reserve/2)
	defer cancel()
	if got, err := o.worker.Work(ctx, b.Key); err != nil || got.Job != batch.JobQueued {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := o.worker.Work(t.Context(), b.Key); err != nil {
		t.Fatal(err)
	}
	o.check(t, b, bad)
}

// TestMailsWaitForTheirQuota (api, Quotas): what does not fit into a day goes out on the next ones, in the order of the rows, and expires no sooner
// for it (0.9).
func TestMailsWaitForTheirQuota(t *testing.T) {
	o := open(t)
	o.limits().FirstMonth = 50
	o.worker.Lanes = 1
	all, bad := rows(120, 0)
	b := o.submit(t, true, all)
	if _, err := o.worker.Work(t.Context(), b.Key); err != nil {
		t.Fatal(err)
	}
	o.check(t, b, bad)
	got, err := o.Batch(t.Context(), by("").User, b.ID)
	second, third := start.Truncate(24*time.Hour).Add(24*time.Hour), start.Truncate(24*time.Hour).Add(48*time.Hour)
	if err != nil || got.Delayed != 70 || !got.ExpectedAt.Equal(third) {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, r := range o.outcomes(t, b) {
		i, err := o.store.Invitation(t.Context(), invitation.Key{Inviter: alder, ID: r.Outcome.InvitationID}, true)
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]time.Time{true: second, false: third}[r.Number <= 100]
		switch waits := i.Mail.State == outbox.Waiting; {
		case waits != (r.Number > 50), waits && !i.Mail.At.Equal(want), !i.ExpiresAt.IsZero(), i.Status != invitation.Pending:
			t.Fatalf("row %d: %+v", r.Number, i)
		}
	}
	// On its day the mail is queued, and the quota of that day is used up by then.
	o.clock = second
	round := due.Round{Index: o.store, Duties: map[due.Kind]due.Duty{
		invitation.DueKind: invitation.Cleanup{Store: o.store}, batch.DueKind: batch.Cleanup{Store: o.store},
	}, Now: o.Now}
	tally, err := round.Run(t.Context())
	if err != nil || tally.Done[invitation.CountRequeued] != 100 { // fifty that nobody mailed yesterday among them
		t.Errorf("%+v, %v", tally, err)
	}
	service := o.worker.Invitations.(*invitation.Service)
	i, _, err := service.Invite(t.Context(), by("one more"), to("more@larch.example"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := service.Send(t.Context(), by("send it"), i.ID); !problem.Is(err, problem.PartnerQuotaExceeded) {
		t.Errorf("one more: %v", err)
	}
}

// TestNothingIsMadeThatCanNeverBeMailed: and what waits for a cooldown is.
func TestNothingIsMadeThatCanNeverBeMailed(t *testing.T) {
	o := open(t)
	service := o.worker.Invitations.(*invitation.Service)
	earlier, _, err := service.Invite(t.Context(), by("e"), to("cool@larch.example"))
	if err == nil {
		_, _, err = service.Send(t.Context(), by("e"), earlier.ID)
	}
	if err == nil {
		_, _, err = service.Cancel(t.Context(), by("e"), earlier.ID, "")
	}
	if err == nil {
		sum := sha256.Sum256([]byte("gone@larch.example"))
		gone := recipient.Mailings{Recipient: hex.EncodeToString(sum[:16]), Suppressed: &recipient.Suppression{At: start, Reason: "bounced"}, Version: 1}
		err = o.store.Record(t.Context(), gone)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := o.submit(t, true, []batch.Row{
		{Number: 1, Proposal: to("cool@larch.example")}, {Number: 2, Proposal: to("gone@larch.example")}, {Number: 3, Proposal: invitation.Proposal{Kind: invitation.Reseller}},
	})
	if _, err := o.worker.Work(t.Context(), b.Key); err != nil {
		t.Fatal(err)
	}
	o.check(t, b, map[int]problem.Code{2: problem.RecipientSuppressed, 3: problem.RecipientEmailRequired})
	got, err := o.Batch(t.Context(), by("").User, b.ID)
	if err != nil || got.Delayed != 1 || !got.ExpectedAt.Equal(o.clock.Add(recipient.Cooldown)) || !got.From.IsZero() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRowsOfAPartnerThatMayNot(t *testing.T) {
	for _, c := range []struct {
		change func(*partner.Account)
		code   problem.Code
	}{
		{func(a *partner.Account) { a.Status = partner.Suspended }, problem.PartnerNotActive},
		{func(a *partner.Account) { a.Paused = &partner.Pause{At: start, Reason: "complaints"} }, problem.SendingPaused},
	} {
		t.Run(string(c.code), func(t *testing.T) {
			o := open(t)
			all, bad := rows(3, 0)
			b := o.submit(t, true, all)
			account, err := o.store.Account(t.Context(), alder, true)
			if err != nil {
				t.Fatal(err)
			}
			c.change(&account)
			o.store.PutAccount(account)
			if _, err := o.worker.Work(t.Context(), b.Key); err != nil {
				t.Fatal(err)
			}
			for n := range all {
				bad[n+1] = c.code
			}
			o.check(t, b, bad)
		})
	}
}

func TestSubmission(t *testing.T) {
	o := open(t)
	all, _ := rows(3, 0)
	submit := func(key, body string, rows []batch.Row) (batch.Batch, bool, error) {
		c := by(key)
		c.Body = body
		return o.Submit(t.Context(), c, batch.Submission{Rows: rows})
	}
	first, _, err := submit("k", "b1", all)
	if err != nil {
		t.Fatal(err)
	}
	if again, replayed, err := submit("k", "b1", all); err != nil || !replayed || again.ID != first.ID {
		t.Errorf("the same once more: %+v, %v, %v", again, replayed, err)
	}
	if _, _, err := submit("k", "b2", all); !problem.Is(err, problem.IdempotencyKeyReused) {
		t.Errorf("the key with another body: %v", err)
	}
	for _, n := range []int{0, batch.MaxRows + 1} {
		if _, _, err := submit("n", "b", make([]batch.Row, n)); !problem.Is(err, problem.ValidationFailed) {
			t.Errorf("%d rows: %v", n, err)
		}
	}
	o.clock = o.clock.Add(24 * time.Hour)
	later, replayed, err := submit("k", "b2", all)
	if err != nil || replayed || later.ID == first.ID {
		t.Errorf("a day later: %+v, %v, %v", later, replayed, err)
	}
	if again, replayed, err := submit("k", "b2", all); err != nil || !replayed || again.ID != later.ID {
		t.Errorf("once more: %+v, %v, %v", again, replayed, err)
	}
	// A crash between the rows and the head leaves nothing that anybody sees, and the same request goes through.
	o.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.WriteBatch {
			return storetest.Fault{Err: errors.New("killed")}
		}
		return storetest.Fault{}
	})
	if _, _, err := submit("c", "b1", all); err == nil {
		t.Error("it lived")
	}
	o.store.Inject(nil)
	if _, replayed, err := submit("c", "b1", all); err != nil || replayed {
		t.Errorf("after a crash: %v, %v", replayed, err)
	}
	for _, who := range []partner.User{
		{Tenant: alder, Roles: []partner.Role{partner.Operator}},
		{Tenant: "b12c0000-0000-4000-8000-000000000002", Roles: []partner.Role{partner.AdminAgent}},
	} {
		c := by("r")
		c.User = who
		if _, _, err := o.Submit(t.Context(), c, batch.Submission{Rows: all}); !problem.Is(err, problem.RoleNotPermitted) {
			t.Errorf("%v: %v", who.Roles, err)
		}
		if _, err := o.Batch(t.Context(), who, first.ID); !problem.Is(err, problem.RoleNotPermitted) && !problem.Is(err, problem.NotFound) {
			t.Errorf("%v reads it: %v", who.Roles, err)
		}
	}
}

// TestChunksFitIntoItems: rows as large as they may be.
func TestChunksFitIntoItems(t *testing.T) {
	o := open(t)
	var all []batch.Row
	for n := range 250 {
		p := to(address(n))
		p.Tags = map[string]string{}
		for k := range invitation.MaxTags {
			p.Tags[strings.Repeat("鍵", invitation.MaxTag-1)+fmt.Sprint(k)] = strings.Repeat("値", invitation.MaxTag)
		}
		all = append(all, batch.Row{Number: n + 1, Proposal: p})
	}
	b := o.submit(t, false, all)
	if len(b.Starts) < 5 || len(b.Starts) > 10 {
		t.Errorf("%d chunks", len(b.Starts))
	}
	if _, err := o.worker.Work(t.Context(), b.Key); err != nil {
		t.Fatal(err)
	}
	o.check(t, b, nil)
}

func TestKeysOfMessages(t *testing.T) {
	k := batch.Key{Partner: alder, ID: "bat_qmzx3vjl2a5c7hpkywtr4e6n2u"}
	if got, ok := batch.ParseKey(k.String()); !ok || got != k {
		t.Errorf("%v, %v", got, ok)
	}
	for _, s := range []string{"", "/", k.ID, string(alder), string(alder) + "/inv_qmzx3vjl2a5c7hpkywtr4e6n2u", strings.ToUpper(string(alder)) + "/" + k.ID, k.String() + "x"} {
		if got, ok := batch.ParseKey(s); ok {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// TestTheFirstRowOfARecipientWins, however the address is written and however many rows are worked on at a time.
func TestTheFirstRowOfARecipientWins(t *testing.T) {
	o := open(t)
	const of = 6
	var all []batch.Row
	for n := range 20 {
		a := fmt.Sprintf("n%d@bücher.example", n)
		for _, written := range []string{a, " " + a + " ", strings.ToUpper(a), fmt.Sprintf("n%d@xn--bcher-kva.example", n), fmt.Sprintf("N%d@bu\u0308cher.example\t", n), fmt.Sprintf("n%d+tag@bücher.example", n)} {
			all = append(all, batch.Row{Number: len(all)*2 + 2, Proposal: to(written)}) // as lines of a file
		}
	}
	b := o.submit(t, false, all)
	if _, err := o.worker.Work(t.Context(), b.Key); err != nil {
		t.Fatal(err)
	}
	for n, r := range o.outcomes(t, b) {
		// The tag makes another recipient for duplicates, though not for the limits of mail (0.37).
		if first := n%of == 0 || n%of == of-1; r.Number != n*2+2 || r.Outcome.Created() != first || !first && r.Outcome.Code != problem.DuplicateOpenInvitation {
			t.Errorf("row %d: %+v", r.Number, r.Outcome)
		}
	}
}

// turns counts who asked for one.
type turns struct{ asked atomic.Int64 }

func (t *turns) Wait(context.Context) error { t.asked.Add(1); return nil }

// TestMailsOfABatchTakeTurns: each mail of a batch asks for its turn, so that those of people are not behind ten thousand rows; a batch
// that mails nobody does not wait for any.
func TestMailsOfABatchTakeTurns(t *testing.T) {
	for send, want := range map[bool]int64{true: 30, false: 0} {
		o, mails := open(t), &turns{}
		o.worker.Mails = mails
		var rows []batch.Row
		for n := range 30 {
			rows = append(rows, batch.Row{Number: n + 1, Proposal: to(fmt.Sprintf("ada%d@larch%d.example", n, n))})
		}
		b := o.submit(t, send, rows)
		if _, err := o.worker.Work(t.Context(), b.Key); err != nil {
			t.Fatal(err)
		}
		o.check(t, b, nil)
		if got := mails.asked.Load(); got != want {
			t.Errorf("mailed %v: %d turns, want %d", send, got, want)
		}
	}
}
