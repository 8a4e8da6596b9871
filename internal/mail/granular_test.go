package mail

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"concord/internal/due"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/link"
	"concord/internal/observe"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

// counter is a sender that keeps what it was given.
type counter struct {
	sent []Message
	next Outcome
}

func (c *counter) Send(_ context.Context, m Message) Outcome {
	c.sent = append(c.sent, m)
	return c.next
}

// desk is granular administration that one partner has asked one customer for, with the mailer beside it.
type desk struct {
	*testing.T
	memory  *storetest.Memory
	clock   time.Time
	sender  *counter
	signer  *link.Signer
	failing error
	key     granular.Key
	*Dispatcher
}

func (d *desk) Sign(_ context.Context, p link.Purpose, l link.Link) (link.Secret, error) {
	if d.failing != nil {
		return "", d.failing
	}
	return d.signer.Sign(p, l)
}

func newDesk(t *testing.T) *desk {
	d := &desk{
		T: t, memory: &storetest.Memory{}, clock: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), signer: link.NewSigner(link.Key{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}),
		sender: &counter{next: Outcome{Outcome: outbox.Outcome{State: outbox.Sent, MessageID: "0100-1"}}},
		key:    granular.Key{Partner: "a1de0000-0000-4000-8000-000000000001", ID: "gdap_qmzx3vjl2a5c7hpkywtr4e6n2u"},
	}
	d.account(partner.Active)
	d.Dispatcher = &Dispatcher{
		Store: d.memory, Granular: d.memory, Roles: granular.ShippedRoles(), Accounts: d.memory, Ledger: d.memory, Links: d, Sender: d.sender, Limiter: rate.NewLimiter(rate.Inf, 1),
		Clouds: partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://portal.example"}}, Operator: emailaddr.Operator{Name: "Example"}, Now: func() time.Time { return d.clock },
		Log: slog.New(slog.DiscardHandler), Metrics: &observe.Metrics{Function: "mailer", Out: io.Discard},
	}
	d.memory.PutGranular(granular.Relationship{
		Key: d.key, DisplayName: "Larch support", Cloud: "public", Roles: []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8"}, Duration: granular.Period{Days: 90},
		Status: granular.Pending, Generation: 2, CreatedAt: d.clock, ApproveBy: d.clock.Add(granular.ApprovalTime), Version: 3,
		Mail: granular.Mail{To: "ada@larch.example", Locale: "fr"},
		Post: outbox.Box{State: outbox.Queued, Owed: []outbox.Kind{granular.RequestNotice}, At: d.clock.Add(outbox.StreamGrace)},
	})
	return d
}

func (d *desk) account(status partner.ProgramStatus, edit ...func(*partner.Account)) {
	a := partner.Account{
		Tenant: "a1de0000-0000-4000-8000-000000000001", DisplayName: "Alder Cloud Services", VerifiedDomain: "alder.example", Cloud: "public", Country: "US", Status: status,
		Locale: "en", Contact: partner.Contact{Email: "hello@alder.example"}, CreatedAt: d.clock, Version: 1,
	}
	for _, f := range edit {
		f(&a)
	}
	d.memory.PutAccount(a)
}

func (d *desk) stored() granular.Relationship {
	d.Helper()
	r, err := d.memory.GranularRelationship(d.Context(), d.key, true)
	if err != nil {
		d.Fatal(err)
	}
	return r
}

func (d *desk) dispatch() granular.Relationship {
	d.Helper()
	if err := d.DispatchGranular(d.Context(), d.stored()); err != nil {
		d.Fatal(err)
	}
	return d.stored()
}

func (d *desk) tick() {
	d.Helper()
	err := granular.Cleanup{Store: d.memory}.Do(d.Context(), due.Item{Kind: granular.DueKind, Partner: d.key.Partner, ID: d.key.ID, At: d.clock}, d.clock, func(string) {})
	if err != nil {
		d.Fatal(err)
	}
}

// TestGranularMail: the request goes to whom it was sent, in the language that was asked for, with a link of its own purpose, once.
func TestGranularMail(t *testing.T) {
	d := newDesk(t)
	before := d.stored()
	if r := d.dispatch(); r.Delivery() != "sent" || r.Mail.MessageID != "0100-1" || !r.Mail.SentAt.Equal(d.clock) {
		t.Errorf("%+v", r.Mail)
	}
	if err := d.DispatchGranular(t.Context(), before); err != nil || len(d.sender.sent) != 1 { // the record comes again
		t.Errorf("%v, %d mails", err, len(d.sender.sent))
	}
	m := d.sender.sent[0]
	token, err := d.signer.Sign(link.Granular, link.Link{Tenant: string(d.key.Partner), ID: d.key.ID, Generation: 2})
	if err != nil {
		t.Fatal(err)
	}
	if m.To != "ada@larch.example" || m.ReplyTo != "hello@alder.example" || m.Automatic || m.Unsubscribe != "" || !strings.Contains(m.Subject, "demande") ||
		!strings.Contains(m.Text, "\nhttps://portal.example"+link.Granular.Path(token)+"\n") || !strings.Contains(m.Text, "Helpdesk Administrator") {
		t.Errorf("%+v", m)
	}
	// Nobody but who is mailed has the link that lets mails through again.
	if allow, err := d.signer.Sign(link.AllowGranular, link.Link{Tenant: string(d.key.Partner), ID: d.key.ID, Generation: 2}); err != nil ||
		!strings.Contains(m.Text, "https://portal.example"+link.AllowGranular.Path(allow)+"\n") {
		t.Errorf("%v\n%s", err, m.Text)
	}
	if m.Tags["granular"] != d.key.ID || m.Tags["tenant"] != string(d.key.Partner) || m.Tags["generation"] != "2" || m.Tags["kind"] != "granular" || m.Tags["invitation"] != "" {
		t.Errorf("%v", m.Tags)
	}
}

// TestGranularReminders: 30, 7 and 1 days before the end, to the partner without a link and to who has approved with it.
func TestGranularReminders(t *testing.T) {
	d := newDesk(t)
	service := granular.Service{Store: d.memory, Accounts: d.memory, Clouds: d.Clouds, Addresses: emailaddr.Addresses{AllowReserved: true}, Now: d.Now}
	who := relationship.Person{Subject: "lena", Email: "lena@larch.example", Company: relationship.Customer{Tenant: "1a2c0000-0000-4000-8000-000000000011", Cloud: "public"}, Roles: []partner.Role{partner.GlobalAdmin}}
	l := link.Link{Tenant: string(d.key.Partner), ID: d.key.ID, Generation: 2}
	if _, c, err := service.Respond(t.Context(), l, who, granular.Response{Answer: "accept", Authorized: true, FullName: "Lena Larch", JobTitle: "Head"}); c != granular.ApprovedBy || err != nil {
		t.Fatal(c, err)
	}
	start := d.clock
	d.dispatch()
	if got := d.sender.sent; len(got) != 2 || got[1].To != "lena@larch.example" || got[1].Tags["kind"] != "granularReceipt" || !strings.Contains(got[1].Text, "/g/") ||
		got[0].To != "hello@alder.example" || got[0].Tags["kind"] != "granularAnswer" || strings.Contains(got[0].Text, "/g/") || strings.Contains(got[0].Text+got[1].Text, "/n/") {
		t.Errorf("the answer is told by %+v", got)
	}
	d.account(partner.Suspended) // that it ends is told all the same
	var got []string
	for _, days := range []int{59, 60, 83, 89, 90} {
		d.clock = start.Add(time.Duration(days) * 24 * time.Hour)
		d.sender.sent = nil
		d.tick()
		d.dispatch()
		line := ""
		for _, m := range d.sender.sent {
			line += m.To + " " + m.Tags["kind"]
			if strings.Contains(m.Text, "/g/") {
				line += " link"
			}
			line += "; "
			if !m.Automatic {
				t.Errorf("%+v", m)
			}
		}
		got = append(got, line)
	}
	both := "hello@alder.example granularEnding; lena@larch.example customerGranularEnding link; "
	if want := []string{"", both, both, both, ""}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestGranularIsHeldBack: what keeps a request from going now, and for ever.
func TestGranularIsHeldBack(t *testing.T) {
	for name, c := range map[string]struct {
		set           func(*desk)
		state, reason string
	}{
		"suspended":  {func(d *desk) { d.account(partner.Suspended) }, "failed", "partner_not_active"},
		"no account": {func(d *desk) { d.Accounts = &storetest.Memory{} }, "failed", "partner_not_active"},
		"paused": {func(d *desk) {
			d.account(partner.Active, func(a *partner.Account) { a.Paused = &partner.Pause{At: d.clock} })
		}, "sending", "partner_paused"},
		"no such cloud":  {func(d *desk) { d.Clouds = nil }, "sending", "cloud_not_served"},
		"no link":        {func(d *desk) { d.failing = errors.New("no key") }, "sending", "link_unavailable"},
		"it has to wait": {func(d *desk) { d.sender.next = later("throttled", time.Minute) }, "sending", "throttled"},
		"SES refuses":    {func(d *desk) { d.sender.next = unsent(outbox.Failed, "message_rejected") }, "failed", "message_rejected"},
		"who can tell":   {func(d *desk) { d.sender.next = unsent(outbox.Unknown, "timeout") }, "sending", "timeout"},
		"suppressed": {func(d *desk) {
			if err := recipient.Suppress(d.Context(), d.memory, "Ada@larch.example", outbox.Report{State: outbox.Bounced, Reason: "bounce_permanent"}, d.Now()); err != nil {
				d.Fatal(err)
			}
		}, "failed", "recipient_suppressed"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			c.set(d)
			r := d.dispatch()
			reason := r.Mail.Reason
			if r.Delivery() == "sending" {
				reason = r.Post.Reason
			}
			if r.Delivery() != c.state || reason != c.reason {
				t.Errorf("%s, %s", r.Delivery(), reason)
			}
		})
	}
}

// TestGranularMailFaults: an error means that the same call is to be made again; then it goes once more, with the same link.
func TestGranularMailFaults(t *testing.T) {
	lost := errors.New("lost")
	for n := range 2 { // the claim, and what became of the mail
		for _, stored := range []bool{false, true} {
			d := newDesk(t)
			writes := 0
			d.memory.Inject(func(op storetest.Operation) storetest.Fault {
				if op == storetest.WriteGranular {
					if writes++; writes == n+1 {
						return storetest.Fault{Err: lost, Stored: stored}
					}
				}
				return storetest.Fault{}
			})
			if err := d.DispatchGranular(t.Context(), d.stored()); !errors.Is(err, lost) {
				t.Errorf("%d: %v", n, err)
			}
			d.memory.Inject(nil)
			d.clock = d.clock.Add(outbox.StreamGrace + outbox.Lease)
			d.tick()
			r := d.dispatch()
			if len(d.sender.sent) == 0 || r.Delivery() != "sent" {
				t.Errorf("%d, stored %v: %s after %d mails", n, stored, r.Delivery(), len(d.sender.sent))
			}
			if sent := d.sender.sent; len(sent) > 1 && sent[0].Text != sent[1].Text {
				t.Error("the second mail has another text")
			}
		}
	}
	d := newDesk(t)
	d.memory.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.WriteGranular {
			return storetest.Fault{Err: granular.ErrConflict}
		}
		return storetest.Fault{}
	})
	if err := d.DispatchGranular(t.Context(), d.stored()); !errors.Is(err, granular.ErrConflict) {
		t.Error(err)
	}
}
