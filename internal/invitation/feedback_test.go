package invitation_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"concord/internal/feedback"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/storetest"
)

const (
	sesID   = "0100019523ab4c5d-1"
	olderID = "0100019523ab4c5d-0"
)

// reports are one of each kind.
var reports = []outbox.Report{
	{State: outbox.Sent},
	{State: outbox.Delayed, Reason: "mailbox_full"},
	{State: outbox.Bounced, Reason: outbox.TransientBounce},
	{State: outbox.Delivered},
	{State: outbox.Rejected, Reason: "bad_content"},
	{State: outbox.Suppressed, Reason: "bounced_before", Undeliverable: true},
	{State: outbox.Bounced, Reason: "address_unknown", Undeliverable: true},
	{State: outbox.Complained, Reason: "complaint_abuse", Undeliverable: true},
}

// after are the states of a mail that SES is known to have, in their order: a report is recorded over those before it.
var after = []struct{ state, reason string }{
	{"sent", ""}, {"delayed", "mailbox_full"}, {"bounced", outbox.TransientBounce}, {"delivered", ""}, {"rejected", "bad_content"},
	{"suppressed", "bounced_before"}, {"bounced", "address_unknown"}, {"complained", "complaint_abuse"},
}

// Every state of a mail and every report about it, about an older mail and about none that was ever handed over.
func TestFeedback(t *testing.T) {
	now := start.Add(5 * time.Minute)
	cells := 0
	for _, status := range []invitation.Status{invitation.Draft, invitation.Pending, invitation.Accepted, invitation.Declined, invitation.Cancelled, invitation.Expired} {
		for _, state := range allMailStates {
			for n, r := range reports {
				cells++
				r.MessageID, r.Generation = sesID, 1
				name := fmt.Sprintf("%s, %q, %s %s", status, state, r.State, r.Reason)
				i := letterIn(status, state)
				i.Mail.Reason = "before"
				known := slices.IndexFunc(after, func(a struct{ state, reason string }) bool {
					return a.state == string(state) && (state != "bounced" || n == 2)
				})
				if known < 0 && state == "bounced" {
					known = 6
				}
				if known >= 0 {
					i.Mail.MessageID, i.Mail.SentAt, i.Mail.Reason = sesID, start, after[known].reason
					i.ExpiresAt = start.Add(48 * time.Hour)
				}
				got, verdict := i.Feedback(now, r)
				if got.Status != status || got.Generation != 1 {
					t.Errorf("%s: now %s, generation %d", name, got.Status, got.Generation)
				}
				if n <= known {
					if verdict != outbox.Known || got.Version != i.Version || got.Mail != i.Mail {
						t.Errorf("%s: %s, %+v", name, verdict, got.Mail)
					}
					continue
				}
				want := invitation.Mail{State: r.State, Reason: r.Reason, Attempts: 2, MessageID: sesID, SentAt: now}
				expires, lines := i.ExpiresAt, []string{string(r.State)}
				if known >= 0 {
					want.SentAt = start
				} else {
					lines = []string{"mailed", string(r.State)}
					if status.Open() {
						expires = now.Add(48 * time.Hour)
					}
				}
				if r.State == outbox.Sent {
					lines = []string{"mailed"}
				}
				if verdict != outbox.Recorded || got.Version != i.Version+1 || got.Mail != want || !got.ExpiresAt.Equal(expires) {
					t.Errorf("%s: %s, %+v, expires %s", name, verdict, got.Mail, got.ExpiresAt)
				}
				var noted []string
				for _, e := range got.History {
					noted = append(noted, e.Action)
					if e.By != "feedback" || !e.At.Equal(now) {
						t.Errorf("%s: noted %+v", name, e)
					}
				}
				if !slices.Equal(noted, lines) {
					t.Errorf("%s: noted %v, want %v", name, noted, lines)
				}
				if twice, verdict := got.Feedback(now.Add(time.Hour), r); verdict != outbox.Known || twice.Version != got.Version {
					t.Errorf("%s: the second time %s", name, verdict)
				}
				if due, ok := got.Due(); got.Mail.State.Owed() || ok && !due.Equal(got.ExpiresAt) {
					t.Errorf("%s: due %s for a mail that SES has", name, due)
				}

				for what, stale := range map[string]func(*invitation.Invitation, *outbox.Report){
					"an older link":     func(i *invitation.Invitation, _ *outbox.Report) { i.Generation, i.Mail.MessageID = 2, "" },
					"another mail":      func(i *invitation.Invitation, _ *outbox.Report) { i.Mail.MessageID = olderID },
					"no attempt":        func(i *invitation.Invitation, _ *outbox.Report) { i.Mail.Attempts, i.Mail.MessageID = 0, "" },
					"no word of SES":    func(_ *invitation.Invitation, r *outbox.Report) { r.State = outbox.Waiting },
					"no id of the mail": func(i *invitation.Invitation, r *outbox.Report) { i.Mail.MessageID, r.MessageID = olderID, "" },
				} {
					cells++
					i, r := i, r
					stale(&i, &r)
					if got, verdict := i.Feedback(now, r); verdict != outbox.Stale || got.Version != i.Version || got.Mail != i.Mail {
						t.Errorf("%s, %s: %s, %+v", name, what, verdict, got.Mail)
					}
				}
			}
		}
	}
	t.Logf("%d cells", cells)
}

// However reports are ordered and doubled, the mail ends in the same state.
func TestFeedbackInAnyOrder(t *testing.T) {
	sent := letterIn(invitation.Pending, outbox.Unknown)
	orders := 0
	var permute func(left, taken []outbox.Report, want outbox.Report)
	permute = func(left, taken []outbox.Report, want outbox.Report) {
		if len(left) == 0 {
			orders++
			i := sent
			for _, r := range append(slices.Clone(taken), taken...) {
				r.MessageID, r.Generation = sesID, 1
				i, _ = i.Feedback(start, r)
			}
			if i.Mail.State != want.State || i.Mail.Reason != want.Reason || i.Mail.MessageID != sesID || !i.ExpiresAt.Equal(start.Add(48*time.Hour)) {
				t.Fatalf("%v: %+v", taken, i.Mail)
			}
			return
		}
		for n := range left {
			permute(slices.Delete(slices.Clone(left), n, n+1), append(slices.Clone(taken), left[n]), want)
		}
	}
	for last := range reports {
		permute(reports[max(0, last-4):last+1], nil, reports[last])
	}
	t.Logf("%d orders", orders)
}

// reporting is the use case over a store with one mailed invitation.
func reporting(t *testing.T) (*office, feedback.Recorder, invitation.Invitation) {
	t.Helper()
	o := open(t)
	inv := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	return o, feedback.Recorder{Invitations: o.store, Ledger: o.store, Now: o.now}, inv
}

// meddler does something before the first write.
type meddler struct {
	*storetest.Memory
	before func()
}

func (m *meddler) Write(ctx context.Context, c invitation.Change) error {
	if before := m.before; before != nil {
		m.before = nil
		before()
	}
	return m.Memory.Write(ctx, c)
}

func TestRecord(t *testing.T) {
	delivered := outbox.Report{State: outbox.Delivered}
	about := func(inv invitation.Invitation, r outbox.Report) outbox.Report {
		r.MessageID, r.Generation = inv.Mail.MessageID, inv.Generation
		return r
	}
	t.Run("delivered", func(t *testing.T) {
		o, f, inv := reporting(t)
		got, verdict, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, about(inv, delivered))
		if err != nil || verdict != outbox.Recorded || got != outbox.Delivered {
			t.Fatalf("%s, %v, %+v", verdict, err, got)
		}
		if stored := o.stored(t, inv.Key); stored.Mail.State != outbox.Delivered || stored.Status != invitation.Pending {
			t.Errorf("stored %s %+v", stored.Status, stored.Mail)
		}
		if _, verdict, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, about(inv, delivered)); err != nil || verdict != outbox.Known {
			t.Errorf("the second time: %s, %v", verdict, err)
		}
	})
	t.Run("an invitation that does not exist", func(t *testing.T) {
		_, f, inv := reporting(t)
		if _, verdict, err := f.Record(t.Context(), feedback.Key{Tenant: fir, ID: inv.ID}, about(inv, delivered)); err != nil || verdict != outbox.OfNobody {
			t.Errorf("%s, %v", verdict, err)
		}
	})
	t.Run("somebody else is quicker", func(t *testing.T) {
		o, f, inv := reporting(t)
		f.Invitations = &meddler{Memory: o.store, before: func() {
			if _, _, err := o.Cancel(t.Context(), by(alder), inv.ID, ""); err != nil {
				t.Fatal(err)
			}
		}}
		if _, verdict, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, about(inv, delivered)); err != nil || verdict != outbox.Recorded {
			t.Fatalf("%s, %v", verdict, err)
		}
		if stored := o.stored(t, inv.Key); stored.Status != invitation.Cancelled || stored.Mail.State != outbox.Delivered {
			t.Errorf("stored %s %+v", stored.Status, stored.Mail)
		}
	})
	t.Run("the store is away", func(t *testing.T) {
		o, f, inv := reporting(t)
		for _, operation := range []storetest.Operation{storetest.Invitation, storetest.Write} {
			o.store.Inject(func(op storetest.Operation) storetest.Fault {
				if op == operation {
					return storetest.Fault{Err: errors.New("away")}
				}
				return storetest.Fault{}
			})
			if _, _, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, about(inv, delivered)); err == nil || errors.Is(err, invitation.ErrConflict) {
				t.Errorf("%s: %v", operation, err)
			}
			o.store.Inject(nil)
		}
		if stored := o.stored(t, inv.Key); stored.Mail.State != outbox.Sent {
			t.Errorf("stored %+v", stored.Mail)
		}
	})
}

// What bounced for good, or was complained about, gets no more mail of anybody.
func TestSuppression(t *testing.T) {
	bounced := outbox.Report{State: outbox.Bounced, Reason: "address_unknown", Undeliverable: true}
	t.Run("sending to it", func(t *testing.T) {
		o, f, inv := reporting(t)
		bounced.MessageID, bounced.Generation = inv.Mail.MessageID, inv.Generation
		if _, _, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, bounced); err != nil {
			t.Fatal(err)
		}
		if _, _, err := o.Resend(t.Context(), by(alder), inv.ID); !problem.Is(err, problem.RecipientSuppressed) {
			t.Errorf("resend: %v", err)
		}
		o.pass(40 * 24 * time.Hour)
		other := o.invite(t, by(fir), to("NORA@Larch.example"))
		if _, _, err := o.Send(t.Context(), by(fir), other.ID); !problem.Is(err, problem.RecipientSuppressed) {
			t.Errorf("another partner, 40 days later: %v", err)
		}
		if stored := o.stored(t, other.Key); stored.Status != invitation.Draft {
			t.Errorf("the draft is %s", stored.Status)
		}
		if _, _, err := o.Done(t.Context(), by(fir), other.ID); err != nil {
			t.Errorf("a link that the partner mails itself: %v", err)
		}
		someone := o.invite(t, by(fir), to("paul@larch.example"))
		if _, _, err := o.Send(t.Context(), by(fir), someone.ID); err != nil {
			t.Errorf("somebody else: %v", err)
		}
	})
	t.Run("by an older mail", func(t *testing.T) {
		o, f, inv := reporting(t)
		bounced.MessageID, bounced.Generation = olderID, 0
		if _, verdict, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, bounced); err != nil || verdict != outbox.Stale {
			t.Fatalf("%s, %v", verdict, err)
		}
		if _, _, err := o.Resend(t.Context(), by(alder), inv.ID); !problem.Is(err, problem.RecipientSuppressed) {
			t.Errorf("resend: %v", err)
		}
	})
	t.Run("what may yet arrive", func(t *testing.T) {
		o, f, inv := reporting(t)
		for _, r := range []outbox.Report{{State: outbox.Delayed, Reason: "mailbox_full"}, {State: outbox.Bounced, Reason: "mailbox_full"}} {
			r.MessageID, r.Generation = inv.Mail.MessageID, inv.Generation
			if _, verdict, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, r); err != nil || verdict != outbox.Recorded {
				t.Fatalf("%s, %v", verdict, err)
			}
		}
		o.pass(recipient.Cooldown)
		again, _, err := o.Resend(t.Context(), by(alder), inv.ID)
		if err != nil || again.Mail.State != outbox.Queued || again.Mail.Reason != "" || again.Mail.MessageID != "" {
			t.Errorf("%v, %+v", err, again.Mail)
		}
	})
	t.Run("the simulator", func(t *testing.T) {
		o := open(t)
		inv := o.mailed(t, o.invite(t, by(alder), to("Bounce+1@Simulator.AmazonSES.com")), outbox.Sent)
		bounced.MessageID, bounced.Generation = inv.Mail.MessageID, inv.Generation
		f := feedback.Recorder{Invitations: o.store, Ledger: o.store, Now: o.now}
		if _, _, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, bounced); err != nil {
			t.Fatal(err)
		}
		o.pass(recipient.Cooldown)
		if _, _, err := o.Resend(t.Context(), by(alder), inv.ID); err != nil {
			t.Errorf("resend: %v", err)
		}
	})
	t.Run("a crash before it is recorded", func(t *testing.T) {
		o, f, inv := reporting(t)
		bounced.MessageID, bounced.Generation = inv.Mail.MessageID, inv.Generation
		var failed atomic.Int32
		o.store.Inject(func(op storetest.Operation) storetest.Fault {
			if op == storetest.Record && failed.Add(1) == 1 {
				return storetest.Fault{Err: errors.New("away")}
			}
			return storetest.Fault{}
		})
		if _, _, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, bounced); err == nil {
			t.Fatal("no error")
		}
		if _, verdict, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, bounced); err != nil || verdict != outbox.Known {
			t.Fatalf("%s, %v", verdict, err)
		}
		o.store.Inject(nil)
		if _, _, err := o.Resend(t.Context(), by(alder), inv.ID); !problem.Is(err, problem.RecipientSuppressed) {
			t.Errorf("resend: %v", err)
		}
	})
}

// A report about a notice is not taken for one about the mail that invites; only that a reminded recipient cannot be reached, or
// complains, is said of it.
func TestFeedbackOfNotices(t *testing.T) {
	for _, c := range []struct {
		notice        outbox.Kind
		state         outbox.State
		undeliverable bool
		generation    int
		verdict       outbox.Verdict
		delivery      outbox.State
	}{
		{invitation.ReminderNotice, outbox.Delivered, false, 1, outbox.OfNotice, outbox.None}, // nobody reads for it
		{invitation.ReminderNotice, outbox.Bounced, true, 1, outbox.Recorded, outbox.Bounced},
		{invitation.ReminderNotice, outbox.Complained, true, 1, outbox.Recorded, outbox.Complained},
		{invitation.ReminderNotice, outbox.Complained, true, 2, outbox.OfNotice, outbox.Sent},
		{invitation.ReceiptNotice, outbox.Complained, true, 1, outbox.OfNotice, outbox.Sent},
		{invitation.CopyNotice, outbox.Bounced, true, 1, outbox.OfNotice, outbox.Sent},
		{invitation.AnswerNotice, outbox.Bounced, true, 1, outbox.OfNotice, outbox.Sent},
		{"of a later version", outbox.Bounced, true, 1, outbox.OfNotice, outbox.Sent},
		{invitation.RenewalNotice, outbox.Complained, true, 1, outbox.OfNotice, outbox.Sent},
		{invitation.DisputeNotice, outbox.Suppressed, true, 1, outbox.OfNotice, outbox.Sent},
		{invitation.ReminderNotice, outbox.Suppressed, true, 1, outbox.Recorded, outbox.Suppressed},
		{invitation.ReminderNotice, outbox.Rejected, false, 1, outbox.OfNotice, outbox.None}, // nobody reads for it
		{invitation.ReminderNotice, outbox.Delayed, false, 1, outbox.OfNotice, outbox.None},  // nobody reads for it
	} {
		o := open(t)
		inv := mailIs(outbox.Sent)(t, o)
		o.answer(t, linkOf(inv), admin(larch), acceptance)
		f := feedback.Recorder{Invitations: o.store, Ledger: o.store, Now: o.now}
		report := outbox.Report{State: c.state, Reason: "a word", MessageID: "ses-9", Generation: c.generation, Kind: c.notice, Undeliverable: c.undeliverable}
		for round := range 2 {
			got, verdict, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, report)
			want := c.verdict
			if round > 0 && want == outbox.Recorded {
				want = outbox.Known
			}
			if err != nil || verdict != want || got != c.delivery {
				t.Errorf("%s, %s: %s, %s, %v", c.notice, c.state, verdict, got, err)
			}
		}
		// A notice to the inviter says itself where it went.
		report.To = "Hello@Alder.example"
		if _, _, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, report); err != nil {
			t.Error(err)
		}
		for address, suppressed := range map[string]bool{
			"hello@alder.example": c.undeliverable && invitation.Notices.ToPartner(c.notice),
			"nora@larch.example":  c.undeliverable && (c.notice == invitation.ReminderNotice || c.notice == invitation.ReceiptNotice),
			"admin@larch.example": c.undeliverable && c.notice == invitation.CopyNotice,
		} {
			why, err := recipient.Undeliverable(t.Context(), o.store, address)
			if err != nil || (why != nil) != suppressed {
				t.Errorf("%s, %s: %s is suppressed: %v, %v", c.notice, c.state, address, why, err)
			}
		}
	}
}

// TestWhatPassesChangesNothing: a report for which nobody reads the invitation would have changed nothing of one in any state, and
// nothing that is kept of the address or held against the partner; and every report that would is read for.
func TestWhatPassesChangesNothing(t *testing.T) {
	o := open(t)
	inv := mailIs(outbox.Sent)(t, o)
	passed := 0
	for _, kind := range []outbox.Kind{"", invitation.ReminderNotice, invitation.ReceiptNotice, invitation.CopyNotice, invitation.AnswerNotice,
		invitation.RenewalNotice, invitation.DisputeNotice, "of a later version"} {
		for _, state := range []outbox.State{outbox.Sent, outbox.Delayed, outbox.Delivered, outbox.Rejected, outbox.Bounced, outbox.Suppressed, outbox.Complained} {
			for _, undeliverable := range []bool{false, true} {
				r := outbox.Report{State: state, Generation: inv.Generation, MessageID: "ses-9", Kind: kind, Undeliverable: undeliverable}
				after, verdict := inv.Feedback(o.now(), r)
				matters := kind == "" || undeliverable || state == outbox.Bounced || state == outbox.Complained || state == outbox.Suppressed
				if invitation.Passes(r) == matters {
					t.Errorf("%q, %s, %v passes: %v", kind, state, undeliverable, !matters)
				}
				if invitation.Passes(r) {
					passed++
					if verdict != outbox.OfNotice || after.Version != inv.Version {
						t.Errorf("%q, %s: %s", kind, state, verdict)
					}
				}
			}
		}
	}
	if passed != 7*4 {
		t.Errorf("%d passed", passed)
	}
}

// voiceOfLarch is that of everybody at larch.example: the beginning of the SHA-256 of that domain.
const voiceOfLarch = "b10e39e2f41175eac067228426b7c387"

// counted remembers what is held against partners.
type counted struct {
	lines []string
	fail  error
}

func (c *counted) note(what, p, id string) error {
	if c.fail != nil {
		return c.fail
	}
	c.lines = append(c.lines, what+" "+p+" "+id)
	return nil
}

func (c *counted) Complained(_ context.Context, p partner.TenantID, id string) error {
	return c.note("complained", string(p), id)
}

func (c *counted) Bounced(_ context.Context, p partner.TenantID, id string) error {
	return c.note("bounced", string(p), id)
}

// What is held against a partner: complaints and lasting bounces of mail to recipients, whatever is known of the mail by now, and
// nothing of rehearsals, of the simulator and of mail to the partner itself.
func TestWhatCountsAgainstAPartner(t *testing.T) {
	complaint, bounce := reports[len(reports)-1], reports[len(reports)-2]
	for name, c := range map[string]struct {
		edit   func(*invitation.Invitation)
		report outbox.Report
		alter  func(*outbox.Report)
		want   string
		by     string // whose voice it is, where it is not the mail
	}{
		"complaint":                     {report: complaint, want: "complained", by: voiceOfLarch},
		"bounce for good":               {report: bounce, want: "bounced"},
		"complaint that is known":       {report: complaint, edit: func(i *invitation.Invitation) { i.Mail.State = outbox.Complained }, want: "complained", by: voiceOfLarch},
		"complaint about an older mail": {report: complaint, alter: func(r *outbox.Report) { r.MessageID = olderID }, want: "complained", by: voiceOfLarch},
		"complaint about a reminder":    {report: complaint, alter: func(r *outbox.Report) { r.Kind = invitation.ReminderNotice }, want: "complained", by: voiceOfLarch},
		"complaint of the partner":      {report: complaint, alter: func(r *outbox.Report) { r.Kind, r.To = invitation.AnswerNotice, "hello@alder.example" }},
		"complaint in a rehearsal":      {report: complaint, edit: func(i *invitation.Invitation) { i.Sandbox = true }},
		"complaint of the simulator":    {report: complaint, edit: func(i *invitation.Invitation) { i.RecipientEmail = "complaint@simulator.amazonses.com" }},
		"bounce at the simulator":       {report: bounce, edit: func(i *invitation.Invitation) { i.RecipientEmail = "bounce+1@simulator.amazonses.com" }},
		"complaint after the erasure":   {report: complaint, edit: func(i *invitation.Invitation) { i.RecipientEmail = "" }, want: "complained"},
		"delivery":                      {report: reports[3]},
		"bounce for a while":            {report: reports[2]},
		"not tried because of its list": {report: reports[5]},
		"refused for what it says":      {report: reports[4]},
	} {
		t.Run(name, func(t *testing.T) {
			inv := letterIn(invitation.Pending, outbox.Delivered)
			inv.Mail.MessageID, inv.Mail.SentAt, inv.RecipientEmail = sesID, start, "nora@larch.example"
			if c.edit != nil {
				c.edit(&inv)
			}
			r := c.report
			r.MessageID, r.Generation = sesID, 1
			if c.alter != nil {
				c.alter(&r)
			}
			store, against := &storetest.Memory{}, &counted{}
			store.PutInvitation(inv)
			f := feedback.Recorder{Invitations: store, Ledger: store, Reputation: against, Now: func() time.Time { return start }}
			if _, _, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, r); err != nil {
				t.Fatal(err)
			}
			var want []string
			if c.want != "" {
				want = []string{c.want + " " + string(inv.Inviter) + " " + cmp.Or(c.by, inv.ID)}
			}
			if !slices.Equal(against.lines, want) {
				t.Errorf("%v, want %v", against.lines, want)
			}
			if c.want == "" {
				return
			}
			// What cannot be counted comes again.
			against.fail = errors.New("the table is away")
			if _, _, err := f.Record(t.Context(), feedback.Key{Tenant: inv.Inviter, ID: inv.ID}, r); !errors.Is(err, against.fail) {
				t.Errorf("%v", err)
			}
		})
	}
}

// 0.36: all addresses of one registrable domain are one voice, so that no organisation pauses a partner alone; at a webmail provider each
// mailbox is one, whatever its tag.
func TestWhoseVoiceCounts(t *testing.T) {
	against := &counted{}
	voice := func(address string) string {
		inv := letterIn(invitation.Pending, outbox.Delivered)
		inv.RecipientEmail = address
		if err := inv.HoldAgainst(t.Context(), against); err != nil {
			t.Fatal(err)
		}
		return against.lines[len(against.lines)-1]
	}
	for _, same := range [][]string{
		{"nora@larch.example", "Paul+x@mail.LARCH.example", "helpdesk@a.b.larch.example"},
		{"nora@larch.co.uk", "paul@mail.larch.co.uk"},
		{"ada@bücher.example", "bert@xn--bcher-kva.example"},
		{"nora@gmail.com", "Nora+one@GMAIL.com", "nora+two@gmail.com"},
	} {
		for _, address := range same[1:] {
			if voice(address) != voice(same[0]) {
				t.Errorf("%s and %s are two voices", address, same[0])
			}
		}
	}
	for _, other := range []string{"nora@oak.example", "nora@evil-larch.example", "nora@gmail.com", "paul@gmail.com", "nora@oak.co.uk"} {
		for _, each := range []string{"nora@larch.example", "ada@gmail.com"} {
			if voice(other) == voice(each) {
				t.Errorf("%s and %s are one voice", other, each)
			}
		}
	}
}

// A recipient that reports a request by its link is held against the partner as a complaint is.
func TestHoldAgainst(t *testing.T) {
	inv := letterIn(invitation.Pending, outbox.Delivered)
	inv.RecipientEmail = "nora@larch.example"
	against := &counted{}
	rehearsal, simulated := inv, inv
	rehearsal.Sandbox, simulated.RecipientEmail = true, "success@simulator.amazonses.com"
	for _, i := range []invitation.Invitation{inv, rehearsal, simulated} {
		if err := i.HoldAgainst(t.Context(), against); err != nil {
			t.Error(err)
		}
	}
	if len(against.lines) != 1 || against.lines[0] != "complained "+string(inv.Inviter)+" "+voiceOfLarch {
		t.Errorf("%v", against.lines)
	}
	against.fail = errors.New("away")
	if err := inv.HoldAgainst(t.Context(), against); !errors.Is(err, against.fail) {
		t.Error(err)
	}
	if err := inv.HoldAgainst(t.Context(), nil); err != nil {
		t.Error(err)
	}
}
