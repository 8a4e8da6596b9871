package mail

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/time/rate"

	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/emailaddr"
	"concord/internal/feedback"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/observe"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/review"
	"concord/internal/storetest"
)

// answer is what the SES of a test does with a mail.
type answer int

const (
	takes answer = iota
	throttles
	overQuota
	paused
	rejects
	failsBefore  // 5xx, mail not taken
	failsAfter   // 5xx, mail taken
	silentBefore // time-out, mail not taken
	silentAfter  // time-out, mail taken
	unreachable  // no connection
	lastAnswer   = unreachable
)

var answers = map[answer]string{
	takes: "takes", throttles: "throttles", overQuota: "overQuota", paused: "paused", rejects: "rejects", failsBefore: "failsBefore",
	failsAfter: "failsAfter", silentBefore: "silentBefore", silentAfter: "silentAfter", unreachable: "unreachable",
}

// amazon is SES behind the SDK's own client: what it took, and what it does next. It speaks the wire protocol without a wire,
// so that it works on the clock of a synctest bubble.
type amazon struct {
	next func() answer

	mu    sync.Mutex
	taken []taken
}

// taken is a mail that SES has.
type taken struct {
	id, generation, link, to, replyTo, kind, text string
	headers                                       map[string]string
}

func (a *amazon) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	what := takes
	if a.next != nil {
		what = a.next()
	}
	if what == unreachable {
		return nil, errors.New("connection refused")
	}
	httptrace.ContextClientTrace(r.Context()).GotConn(httptrace.GotConnInfo{})
	var in struct {
		ConfigurationSetName string
		Destination          struct{ ToAddresses []string }
		ReplyToAddresses     []string
		EmailTags            []struct{ Name, Value string }
		Content              struct {
			Simple struct {
				Body    struct{ Text struct{ Data string } }
				Headers []struct{ Name, Value string }
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	for _, t := range in.EmailTags {
		// What SES does not tell is what nobody would record.
		notice := t.Name == "kind" && invitation.Passes(outbox.Report{Kind: outbox.Kind(t.Value), State: outbox.Delivered})
		_, known := invitation.Notices.Of(outbox.Kind(t.Value))
		asked := t.Value == string(review.Notice)
		if t.Name == "kind" && (known && notice || asked) != (in.ConfigurationSetName == "notices") {
			return nil, fmt.Errorf("the mail %s goes by the set %s", t.Value, in.ConfigurationSetName)
		}
	}
	switch what {
	case takes, failsAfter, silentAfter:
		m := taken{text: in.Content.Simple.Body.Text.Data, to: strings.Join(in.Destination.ToAddresses, " "), replyTo: strings.Join(in.ReplyToAddresses, " ")}
		for _, t := range in.EmailTags {
			switch t.Name {
			case "invitation":
				m.id = t.Value
			case "generation":
				m.generation = t.Value
			case "kind":
				m.kind = t.Value
			}
		}
		for _, h := range in.Content.Simple.Headers {
			if m.headers == nil {
				m.headers = map[string]string{}
			}
			m.headers[h.Name] = h.Value
		}
		for line := range strings.Lines(in.Content.Simple.Body.Text.Data) {
			if strings.HasPrefix(line, "https://") {
				m.link = strings.TrimSpace(line)
			}
		}
		a.mu.Lock()
		a.taken = append(a.taken, m)
		a.mu.Unlock()
	}
	respond := func(status int, code, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"X-Amzn-Errortype": {code}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	switch what {
	case takes:
		return respond(200, "", `{"MessageId":"m"}`)
	case throttles:
		return respond(429, "TooManyRequestsException", `{}`)
	case overQuota:
		return respond(400, "LimitExceededException", `{}`)
	case paused:
		return respond(400, "SendingPausedException", `{}`)
	case rejects:
		return respond(400, "MessageRejected", `{}`)
	case failsBefore, failsAfter:
		return respond(500, "InternalServiceErrorException", `{}`)
	default:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
}

func (a *amazon) all() []taken {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]taken(nil), a.taken...)
}

// killed ends a process between two steps.
type killed struct{}

// stepped tells of every step of a process, so that it can be killed before it and after it.
type stepped struct {
	*storetest.Memory
	step func(string)
}

func (s stepped) Write(ctx context.Context, c invitation.Change) error {
	s.step("before write of " + string(c.After.Mail.State))
	err := s.Memory.Write(ctx, c)
	s.step("after write of " + string(c.After.Mail.State))
	return err
}

func (s stepped) Account(ctx context.Context, id partner.TenantID, strong bool) (partner.Account, error) {
	s.step("before reading the account")
	return s.Memory.Account(ctx, id, strong)
}

func (s stepped) Sign(_ context.Context, p link.Purpose, l link.Link) (link.Secret, error) {
	s.step("before making the link")
	return link.NewSigner(link.Key{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}).Sign(p, l)
}

type steppedSender struct {
	Sender
	step func(string)
}

func (s steppedSender) Send(ctx context.Context, m Message) Outcome {
	s.step("before the send")
	o := s.Sender.Send(ctx, m)
	s.step("after the send")
	return o
}

// steps is how many there are from the claim to the end.
const steps = 8

// world is a partner with its customers, and our side of it.
type world struct {
	domain  func(n int) string // of the recipient of the nth invitation; empty for larch.example
	t       *testing.T
	memory  *storetest.Memory
	ses     *amazon
	http    aws.HTTPClient // in the place of ses; nil for it
	daily   bool           // a day's acceptances are told of at once
	service *invitation.Service
	mu      sync.Mutex
	queued  []invitation.Invitation // what the stream has not delivered yet
}

const alder = partner.TenantID("11111111-1111-4111-8111-111111111111")

var agent = partner.User{Subject: "agent", Tenant: alder, Roles: []partner.Role{partner.AdminAgent}, Cloud: "public"}

func newWorld(t *testing.T) *world {
	w := &world{domain: func(int) string { return "" }, t: t, memory: &storetest.Memory{}, ses: &amazon{}}
	w.memory.PutAccount(partner.Account{
		Tenant: alder, DisplayName: "Alder", Status: partner.Active, Cloud: "public", Country: "US", Locale: "en", Version: 1,
		Contact: partner.Contact{Email: "hello@alder.example"},
	})
	w.memory.OnQueued(func(i invitation.Invitation) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.queued = append(w.queued, i)
	})
	w.service = &invitation.Service{
		Store: w.memory, Accounts: w.memory, Relationships: w.memory, Partnerships: w.memory, Regions: partner.ShippedRegions(), Clouds: clouds,
		Addresses: emailaddr.Addresses{AllowReserved: true}, Locales: locale.Tags, Now: time.Now,
		Ledger: w.memory, Limits: recipient.Limits{FirstMonth: 1000, Daily: 1000},
	}
	return w
}

var clouds = partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://portal.example", AdministrationOptional: true}}

// dispatcher is one sandbox of the mailer.
func (w *world) dispatcher(step func(string)) *Dispatcher {
	if step == nil {
		step = func(string) {}
	}
	cfg := credentials
	cfg.HTTPClient = w.ses
	if w.http != nil {
		cfg.HTTPClient = w.http
	}
	ses, err := NewSES(cfg, "Concord <invitations@mail.example>", Sets{Followed: "set", Notices: "notices"})
	if err != nil {
		w.t.Fatal(err)
	}
	s := stepped{w.memory, step}
	var customers Relationships
	if w.daily {
		customers = w.memory
	}
	return &Dispatcher{
		Customers: customers,
		Store:     s, Accounts: s, Ledger: w.memory, Clouds: clouds,
		Others: invitation.Sweep{Store: w.memory, Relationships: w.memory, Partnerships: w.memory, Accounts: w.memory, Granular: w.memory, Now: time.Now}, Links: s, Sender: steppedSender{ses, step}, Limiter: rate.NewLimiter(rate.Inf, 1), Operator: emailaddr.Operator{Name: "Example"},
		Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: &observe.Metrics{Function: "mailer", Out: io.Discard},
	}
}

// invite makes an invitation of which the mail is queued.
func (w *world) invite(n int) string {
	w.t.Helper()
	id := w.draft(n)
	if _, _, err := w.service.Send(w.t.Context(), command.Command{User: agent}, id); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// draft makes an invitation that nobody has sent.
func (w *world) draft(n int) string { return w.draftFor(n, invitation.DefaultDuration) }

func (w *world) draftFor(n int, open time.Duration) string {
	w.t.Helper()
	to := fmt.Sprintf("ada%d@%s", n, cmp.Or(w.domain(n), "larch.example"))
	inv, _, err := w.service.Invite(w.t.Context(), command.Command{User: agent, Key: fmt.Sprint("invite ", n)},
		invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: &to, Duration: &open})
	if err != nil {
		w.t.Fatal(err)
	}
	return inv.ID
}

func (w *world) get(id string) invitation.Invitation {
	w.t.Helper()
	inv, err := w.memory.Invitation(w.t.Context(), invitation.Key{Inviter: alder, ID: id}, true)
	if err != nil {
		w.t.Fatal(err)
	}
	return inv
}

// records gives what the stream has for the mailer since the last call.
func (w *world) records() []invitation.Invitation {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.queued
	w.queued = nil
	return r
}

// deliver dispatches every record of the stream.
func (w *world) deliver() {
	w.t.Helper()
	for _, r := range w.records() {
		if err := w.dispatcher(nil).Dispatch(w.t.Context(), r); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) round(store invitation.Store, now func() time.Time) due.Round {
	return due.Round{Index: w.memory, Now: now, Duties: map[due.Kind]due.Duty{invitation.DueKind: invitation.Cleanup{Store: store}}}
}

func (w *world) cleanup() due.Tally {
	w.t.Helper()
	tally, err := w.round(w.memory, time.Now).Run(w.t.Context())
	if err != nil {
		w.t.Error(err)
	}
	return tally
}

func (w *world) account() partner.Account {
	w.t.Helper()
	a, err := w.memory.Account(w.t.Context(), alder, true)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// accept has the customer's head answer.
func (w *world) accept(inv invitation.Invitation) {
	w.t.Helper()
	if _, c, err := w.respond(inv, "accept"); err != nil || c != invitation.AcceptedBy {
		w.t.Fatal(c, err)
	}
}

func (w *world) respond(inv invitation.Invitation, answer string) (invitation.Letter, invitation.Case, error) {
	return w.respondAs(inv, relationship.Person{
		Subject: "head", Email: "head@larch.example", Roles: []partner.Role{partner.GlobalAdmin},
		Company: relationship.Customer{Tenant: "22222222-2222-4222-8222-222222222222", CompanyName: "Larch Ltd", Domains: []string{"larch.example"}, Country: "US", Cloud: "public"},
	}, answer)
}

func (w *world) respondAs(inv invitation.Invitation, p relationship.Person, answer string) (invitation.Letter, invitation.Case, error) {
	return w.service.Respond(w.t.Context(), linkOf(inv, 0), p, invitation.Response{Answer: answer, Authorized: true, FullName: "Nora Berg", JobTitle: "Head of IT"})
}

// die runs a process and reports whether it was killed.
func die(process func()) (was bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(killed); !ok {
				panic(r)
			}
			was = true
		}
	}()
	process()
	return false
}

func TestOutcomes(t *testing.T) {
	for _, c := range []struct {
		answer   answer
		state    outbox.State
		reason   string
		attempts int
		due      time.Duration
		mails    int // in the end, when everything works again
	}{
		{takes, outbox.Sent, "", 1, 0, 1},
		{throttles, outbox.Waiting, "rate_exceeded", 0, time.Minute, 1},
		{overQuota, outbox.Waiting, "quota_exceeded", 0, 15 * time.Minute, 1},
		{paused, outbox.Waiting, "sending_paused", 0, 15 * time.Minute, 1},
		{rejects, outbox.Failed, "message_rejected", 1, 0, 0},
		{failsBefore, outbox.Unknown, "sender_unavailable", 1, outbox.UnknownGrace, 1},
		{failsAfter, outbox.Unknown, "sender_unavailable", 1, outbox.UnknownGrace, 2},
		{silentBefore, outbox.Unknown, "sender_silent", 1, outbox.UnknownGrace, 1},
		{silentAfter, outbox.Unknown, "sender_silent", 1, outbox.UnknownGrace, 2},
		{unreachable, outbox.Waiting, "sender_unreachable", 1, 30 * time.Second, 1},
	} {
		t.Run(answers[c.answer], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.invite(1)
				w.ses.next = func() answer { return c.answer }
				w.deliver()
				m := w.get(id).Mail
				if m.State != c.state || m.Reason != c.reason || m.Attempts != c.attempts || m.Owner != "" {
					t.Errorf("mail is %+v", m)
				}
				if c.due > 0 && time.Until(m.At).Round(2*time.Second) != c.due {
					t.Errorf("due in %v", time.Until(m.At))
				}
				w.ses.next = nil
				time.Sleep(20 * time.Minute)
				w.cleanup()
				w.deliver()
				if n := len(w.ses.all()); n != c.mails {
					t.Errorf("SES took %d mails, want %d", n, c.mails)
				}
				inv := w.get(id)
				if inv.Mail.State.Owed() || inv.ExpiresAt.IsZero() {
					t.Errorf("in the end: %+v, expires %v", inv.Mail, inv.ExpiresAt)
				}
			})
		})
	}
}

func TestWhatIsMailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.invite(1)
		w.deliver()
		time.Sleep(recipient.Cooldown)
		if _, _, err := w.service.Resend(t.Context(), command.Command{User: agent}, id); err != nil {
			t.Fatal(err)
		}
		w.deliver()
		sent := w.ses.all()
		if len(sent) != 2 {
			t.Fatalf("%d mails", len(sent))
		}
		for i, m := range sent {
			token, ok := strings.CutPrefix(m.link, "https://portal.example/i/")
			l, err := link.NewSigner(link.Key{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)}).Verify(link.Answer, token)
			if want := (link.Link{Tenant: string(alder), ID: id, Generation: i + 1}); !ok || err != nil || l != want {
				t.Errorf("link leads to %+v, %v, want %+v", l, err, want)
			}
			if m.to != "ada1@larch.example" || m.replyTo != "hello@alder.example" || m.id != id || m.generation != strconv.Itoa(i+1) {
				t.Errorf("mail to %s, replies to %s, tags %s %s", m.to, m.replyTo, m.id, m.generation)
			}
		}
		inv := w.get(id)
		if got := inv.ExpiresAt.Sub(inv.Mail.SentAt); got != inv.Duration {
			t.Errorf("open for %v after the mail", got)
		}
	})
}

// TestOverQuotaIsNeverDropped has SES refuse for two days.
func TestOverQuotaIsNeverDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.invite(1)
		end := time.Now().Add(48 * time.Hour)
		w.ses.next = func() answer {
			if time.Now().Before(end) {
				return overQuota
			}
			return takes
		}
		for len(w.ses.all()) == 0 && time.Now().Before(end.Add(time.Hour)) {
			w.deliver()
			time.Sleep(5 * time.Minute)
			w.cleanup()
		}
		if m := w.get(id).Mail; m.State != outbox.Sent {
			t.Errorf("after the quota came back: %+v", m)
		}
	})
}

func TestAttemptsUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.invite(1)
		w.ses.next = func() answer { return unreachable }
		for range 48 {
			w.deliver()
			time.Sleep(time.Hour / 2)
			w.cleanup()
		}
		inv := w.get(id)
		if inv.Mail.State != outbox.Failed || inv.Mail.Reason != "attempts_used_up" || inv.Mail.Attempts != outbox.MaxAttempts {
			t.Errorf("mail is %+v", inv.Mail)
		}
		if inv.Mail.State.Delivery() != outbox.DeliveryFailed || inv.ExpiresAt.IsZero() {
			t.Errorf("the partner sees %s, it expires %v", inv.Mail.State.Delivery(), inv.ExpiresAt)
		}
	})
}

// TestKilledAtEveryStep kills the sender before and after each thing that it does, and lets everything else go well.
func TestKilledAtEveryStep(t *testing.T) {
	for at := range steps {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			id := w.invite(1)
			n, where := 0, ""
			record := w.records()[0]
			dead := die(func() {
				_ = w.dispatcher(func(name string) {
					if n == at {
						where = name
						panic(killed{})
					}
					n++
				}).Dispatch(t.Context(), record)
			})
			if !dead {
				t.Fatalf("there are only %d steps", n)
			}
			// Lambda delivers the record again, at once.
			if err := w.dispatcher(nil).Dispatch(t.Context(), record); err != nil {
				t.Error(err)
			}
			for range 2 {
				time.Sleep(outbox.Lease + outbox.StreamGrace)
				w.cleanup()
				w.deliver()
			}
			want := 1
			if where == "after the send" || where == "before write of sent" {
				want = 2 // the window that is named in the package's documentation
			}
			sent := w.ses.all()
			if len(sent) != want {
				t.Errorf("killed %s: %d mails, want %d", where, len(sent), want)
			}
			for _, m := range sent {
				if m.link != sent[0].link {
					t.Errorf("killed %s: a second mail has another link", where)
				}
			}
			if m := w.get(id).Mail; m.State != outbox.Sent {
				t.Errorf("killed %s: mail is %+v", where, m)
			}
		})
	}
}

func TestOneMailWhoeverIsWoken(t *testing.T) {
	t.Run("record delivered twice", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.invite(1)
			record := w.records()[0]
			for range 2 {
				if err := w.dispatcher(nil).Dispatch(t.Context(), record); err != nil {
					t.Error(err)
				}
			}
			if n := len(w.ses.all()); n != 1 {
				t.Errorf("%d mails", n)
			}
		})
	})
	t.Run("record lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			id := w.invite(1)
			w.records()
			time.Sleep(outbox.StreamGrace)
			if tally := w.cleanup(); tally.Done["Requeued"] != 1 {
				t.Errorf("cleanup: %+v", tally)
			}
			w.deliver()
			if n := len(w.ses.all()); n != 1 || w.get(id).Mail.State != outbox.Sent {
				t.Errorf("%d mails, %+v", n, w.get(id).Mail)
			}
		})
	})
	t.Run("SES's event is quicker than its answer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			id := w.invite(1)
			record := w.records()[0]
			claimed, _ := record.Claim(time.Now().UTC().Truncate(time.Second), "me")
			if err := w.memory.Write(t.Context(), invitation.Change{Before: &record, After: claimed}); err != nil {
				t.Fatal(err)
			}
			report := outbox.Report{State: outbox.Delivered, MessageID: "ses-1", Generation: claimed.Generation}
			if _, verdict, err := (feedback.Recorder{Invitations: w.memory, Ledger: w.memory, Now: time.Now}).Record(t.Context(), feedback.Key{Tenant: claimed.Inviter, ID: claimed.ID}, report); err != nil || verdict != outbox.Recorded {
				t.Fatalf("%s, %v", verdict, err)
			}
			var lines bytes.Buffer
			d := w.dispatcher(nil)
			d.Log = slog.New(slog.NewTextHandler(&lines, nil))
			o := Outcome{Outcome: outbox.Outcome{State: outbox.Sent, MessageID: "ses-1"}}
			if err := settle(t.Context(), d, ofInvites{invitations{d}}, claimed, "me", map[outbox.Kind]outbox.Outcome{invitation.InviteMail: o.Outcome}); err != nil || strings.Contains(lines.String(), "claim lost") {
				t.Errorf("%v: %s", err, &lines)
			}
			if m := w.get(id).Mail; m.State != outbox.Delivered || m.MessageID != "ses-1" {
				t.Errorf("%+v", m)
			}
			o.MessageID = "ses-2"
			if err := settle(t.Context(), d, ofInvites{invitations{d}}, claimed, "me", map[outbox.Kind]outbox.Outcome{invitation.InviteMail: o.Outcome}); err != nil || !strings.Contains(lines.String(), "claim lost") {
				t.Errorf("another mail: %v: %s", err, &lines)
			}
		})
	})
	t.Run("eight at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.invite(1)
			record := w.records()[0]
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					if err := w.dispatcher(func(string) { time.Sleep(time.Millisecond) }).Dispatch(t.Context(), record); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if n := len(w.ses.all()); n != 1 {
				t.Errorf("%d mails", n)
			}
		})
	})
}

func TestCancelledMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		when  string
		mails int
		state outbox.State
	}{
		"before the claim":  {"before write of claimed", 0, outbox.None},
		"while it is held":  {"before the send", 1, outbox.Sent},
		"after it was sent": {"after the send", 1, outbox.Sent},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.invite(1)
				done := false
				d := w.dispatcher(func(step string) {
					if step != c.when || done {
						return
					}
					done = true
					if _, _, err := w.service.Cancel(t.Context(), command.Command{User: agent}, id, ""); err != nil {
						t.Error(err)
					}
				})
				if err := d.Dispatch(t.Context(), w.records()[0]); err != nil {
					t.Error(err)
				}
				inv := w.get(id)
				if inv.Status != invitation.Cancelled || inv.Mail.State != c.state || len(w.ses.all()) != c.mails || !done {
					t.Errorf("%s, %+v, %d mails", inv.Status, inv.Mail, len(w.ses.all()))
				}
				if c.mails > 0 && inv.Mail.MessageID == "" {
					t.Error("it does not say that its mail went out")
				}
			})
		})
	}
}

func TestNotSentForAReason(t *testing.T) {
	for name, c := range map[string]struct {
		broken func(*world, *Dispatcher)
		state  outbox.State
		reason string
	}{
		"partner suspended": {func(w *world, _ *Dispatcher) {
			w.memory.PutAccount(partner.Account{Tenant: alder, Status: partner.Suspended, Version: 1})
		}, outbox.Failed, "partner_not_active"},
		"cloud no longer served": {func(_ *world, d *Dispatcher) { d.Clouds = nil }, outbox.Waiting, "cloud_not_served"},
		"account cannot be read": {func(w *world, _ *Dispatcher) {
			w.memory.Inject(func(op storetest.Operation) storetest.Fault {
				if op == storetest.Account {
					return storetest.Fault{Err: errors.New("down")}
				}
				return storetest.Fault{}
			})
		}, outbox.Waiting, "store_unavailable"},
		"secret cannot be read": {func(_ *world, d *Dispatcher) { d.Links = brokenLinks{} }, outbox.Waiting, "link_unavailable"},
		"held up until the lease is nearly over": {func(_ *world, d *Dispatcher) {
			d.Links = slowLinks{d.Links}
		}, outbox.Waiting, "out_of_time"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.invite(1)
				d := w.dispatcher(nil)
				c.broken(w, d)
				if err := d.Dispatch(t.Context(), w.records()[0]); err != nil {
					t.Error(err)
				}
				if m := w.get(id).Mail; m.State != c.state || m.Reason != c.reason || len(w.ses.all()) != 0 {
					t.Errorf("%+v, %d mails", m, len(w.ses.all()))
				}
			})
		})
	}
}

type brokenLinks struct{}

func (brokenLinks) Sign(context.Context, link.Purpose, link.Link) (link.Secret, error) {
	return "", errors.New("down")
}

type slowLinks struct{ Links }

func (s slowLinks) Sign(ctx context.Context, p link.Purpose, l link.Link) (link.Secret, error) {
	time.Sleep(max(outbox.Lease, outbox.StreamGrace) - SendTimeout + 2*time.Second)
	return s.Links.Sign(ctx, p, l)
}

// TestStoreDown has the batch fail, so that Lambda comes again.
func TestStoreDown(t *testing.T) {
	for _, stored := range []bool{false, true} {
		for _, call := range []int{1, 2} { // the claim, the result
			t.Run(fmt.Sprintf("write %d, stored %v", call, stored), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					id := w.invite(1)
					record, n := w.records()[0], 0
					w.memory.Inject(func(op storetest.Operation) storetest.Fault {
						if op == storetest.Write {
							if n++; n == call {
								return storetest.Fault{Err: errors.New("down"), Stored: stored}
							}
						}
						return storetest.Fault{}
					})
					if err := w.dispatcher(nil).Dispatch(t.Context(), record); err == nil {
						t.Error("no error: Lambda would go on")
					}
					w.memory.Inject(nil)
					if err := w.dispatcher(nil).Dispatch(t.Context(), record); err != nil {
						t.Error(err)
					}
					time.Sleep(outbox.Lease + outbox.StreamGrace)
					w.cleanup()
					w.deliver()
					if m := w.get(id).Mail; m.State != outbox.Sent {
						t.Errorf("in the end: %+v", m)
					}
					want := 1
					if call == 2 && !stored {
						want = 2
					}
					if n := len(w.ses.all()); n != want {
						t.Errorf("%d mails, want %d", n, want)
					}
				})
			})
		}
	}
}

// TestNothingSecretIsLogged looks for link, address and names in everything that the sender prints.
func TestNothingSecretIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for what := range lastAnswer + 1 {
			w := newWorld(t)
			w.invite(1)
			w.ses.next = func() answer { return what }
			var out bytes.Buffer
			d := w.dispatcher(nil)
			d.Log, d.Metrics.Out = slog.New(slog.NewJSONHandler(&out, nil)), &out
			if err := d.Dispatch(t.Context(), w.records()[0]); err != nil {
				t.Error(err)
			}
			for _, secret := range []string{"larch", "ada1", "/i/", "Alder", "alder.example"} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("%s: the log holds %q:\n%s", answers[what], secret, out.String())
				}
			}
			if !strings.Contains(out.String(), `"outcome"`) || !strings.Contains(out.String(), `"Mail`) {
				t.Errorf("%s: neither log nor figure:\n%s", answers[what], out.String())
			}
		}
	})
}

// What a mail says rests on the role in which the partner asks (0.34), on the roles of the directory that are asked for, and on when the request ends.
func TestWhatAMailIsMadeOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		d := w.dispatcher(nil)
		d.Granular = w.memory
		account := w.account()
		account.Role, account.Also = partner.DirectBill, []partner.ProgramRole{partner.IndirectReseller}
		g := granular.Relationship{Key: granular.Key{Partner: alder, ID: "gdap_1"}, DisplayName: "Desk", Roles: []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8"}, Status: granular.Pending, Version: 1}
		if err := w.memory.WriteGranular(t.Context(), granular.Change{After: g}); err != nil {
			t.Fatal(err)
		}
		for role, itself := range map[partner.ProgramRole]bool{"": true, partner.DirectBill: true, partner.IndirectReseller: false} {
			inv := invitation.Invitation{Key: invitation.Key{Inviter: alder, ID: "inv_1"}, Kind: invitation.Reseller, ActingRole: role, GranularID: g.ID}
			l, err := d.letter(t.Context(), inv, account, clouds[0])
			if err != nil || l.OrdersItself() != itself || l.Granular == nil || len(l.Granular.Roles) != 1 {
				t.Errorf("%q: %+v, %v", role, l, err)
			}
		}
		if l, err := d.letter(t.Context(), invitation.Invitation{Key: invitation.Key{Inviter: alder, ID: "inv_1"}, GranularID: "gdap_gone"}, account, clouds[0]); err != nil || l.Granular != nil {
			t.Errorf("what has been deleted: %+v, %v", l.Granular, err)
		}
		id := w.invite(1)
		w.deliver()
		inv := w.get(id)
		if mails := w.ses.all(); len(mails) != 1 || !strings.Contains(mails[0].text, locale.For(locale.Tags[0]).Date(inv.ExpiresAt)) {
			t.Errorf("the mail does not say that the request ends on %v: %+v", inv.ExpiresAt, mails)
		}
	})
}
