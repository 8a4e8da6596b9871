package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/language"

	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/feedback"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/letter/markup"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/observe"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/storetest"
	"concord/internal/stream"
)

const gorse = partner.TenantID("9025e000-0000-4000-8000-000000000007")

// applying is an enrolment with what its mails say.
func applying(tag language.Tag) enrolment.Enrolment {
	return enrolment.Enrolment{
		ID: "enr_ccisylg5pl66zjmsfybwg4mb3a", Tenant: gorse, Cloud: "public", Path: enrolment.Full, Status: enrolment.EmailVerification, Locale: tag.String(),
		Legal:        enrolment.Legal{Name: "Gorse & Sons Networks"},
		Contact:      enrolment.Person{FirstName: "Grace", LastName: "Gorse", Email: "grace@gorse.example"},
		Verification: enrolment.Verification{Generation: 3, ExpiresAt: time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)},
		Reason:       "Which street?\r\nThe register has <another>.",
	}
}

// Every mail about an enrolment in every language (rules E12 to E17): its words are in the golden files, and the one that asks has the one link.
func TestEveryEnrolmentMailInEveryLanguage(t *testing.T) {
	const confirm = "https://portal.example/e/AQID-verify"
	for _, tag := range locale.Tags {
		for name, notice := range map[string]outbox.Kind{
			"verification": enrolment.VerificationNotice, "vetting": enrolment.VettingNotice, "vetting.answered": enrolment.VettingNotice, "action-required": enrolment.ActionRequiredNotice,
			"authorized": enrolment.AuthorizedNotice, "authorized.located": enrolment.AuthorizedNotice, "active": enrolment.ActiveNotice,
			"rejected": enrolment.RejectedNotice, "withdrawn": enrolment.WithdrawnNotice,
		} {
			name = "enrolment." + name
			t.Run(name+"."+tag.String(), func(t *testing.T) {
				e, url := applying(tag), ""
				var want []string
				if notice == enrolment.VerificationNotice {
					url, want = confirm, []string{confirm}
				}
				if strings.Contains(name, "located") {
					e.Location = &enrolment.Location{ID: "1"}
				}
				if strings.Contains(name, "answered") {
					e.Questions = []enrolment.Question{{AnsweredAt: e.Verification.ExpiresAt}}
				}
				if !letter.WritesEnrolment(notice) {
					t.Fatal("nobody has words for it")
				}
				c := letter.Enrol(notice, e, url, partner.Cloud{PortalName: "Concord Portal"}, operator)
				html, err := markup.HTML(c)
				if err != nil {
					t.Fatal(err)
				}
				text := c.Text()
				goldenMail(t, tag, name, c, html)
				if got := address.FindAllString(text, -1); !slices.Equal(got, slices.Concat(want, legal)) {
					t.Errorf("links of the text: %q", got)
				}
				var pressed []string
				for _, a := range anchors.FindAllStringSubmatch(html, -1) {
					pressed = append(pressed, a[1])
				}
				if !slices.Equal(slices.Compact(pressed), slices.Concat(want, []string{"mailto:" + operator.Contact}, legal)) {
					t.Errorf("links of the HTML: %q", pressed)
				}
				if strings.Contains(c.Subject, "Gorse") {
					t.Errorf("what nobody has checked is in the subject: %s", c.Subject)
				}
			})
		}
	}
}

// bureau is an application and our side of it, over a store in memory.
type bureau struct {
	*world
	applications *enrolment.Service
	dispatcher   *Dispatcher
	id           string
}

func newBureau(t *testing.T) *bureau {
	w := newWorld(t)
	records := storetest.Samples()
	b := &bureau{world: w, dispatcher: w.dispatcher(nil), applications: &enrolment.Service{
		Store: w.memory, Accounts: w.memory, Directory: records, Validator: enrolment.Formats{}, Locations: records, Holders: w.memory,
		Addresses: emailaddr.Addresses{AllowReserved: true}, Clouds: clouds, Locales: locale.Tags, Now: time.Now,
	}}
	b.dispatcher.Enrolments = w.memory
	c := b.admin()
	e, _, err := b.applications.Start(t.Context(), c, enrolment.Particulars{
		Legal:   &enrolment.LegalForm{Entry: new("duns"), DUNS: new("000000701")},
		Contact: &enrolment.Person{FirstName: "Grace", LastName: "Gorse", Email: "grace@gorse.example", Phone: "+1 555 0107"},
		Support: &partner.SupportProfile{Email: "help@gorse.example", Phone: "+1 555 0108"},
	})
	if err == nil {
		e, _, err = b.applications.Submit(t.Context(), c, e.ID, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.id = e.ID
	return b
}

func (b *bureau) admin() command.Command {
	return command.Command{User: partner.User{Subject: "grace", Tenant: gorse, Roles: []partner.Role{partner.GlobalAdmin}, Cloud: "public"}}
}

func (b *bureau) now() enrolment.Enrolment {
	b.t.Helper()
	e, err := b.memory.Enrolment(b.t.Context(), b.id)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *bureau) send() enrolment.Enrolment {
	b.t.Helper()
	if err := b.dispatcher.Enrol(b.t.Context(), b.now()); err != nil {
		b.t.Fatal(err)
	}
	return b.now()
}

// The contact gets the link, and after it a mail for each state (rules E12, E13).
func TestEnrolmentIsMailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBureau(t)
		queued := b.now()
		e := b.send()
		mails := b.ses.all()
		if len(mails) != 1 || mails[0].kind != "verification" || mails[0].to != "grace@gorse.example" || mails[0].replyTo != "" || e.Post.State != outbox.None {
			t.Fatalf("%+v, %+v", mails, e.Post)
		}
		token := mails[0].link[strings.LastIndex(mails[0].link, "/")+1:]
		signer := link.NewSigner(link.Key{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)})
		l, err := signer.Verify(link.Verify, token)
		if err != nil || l.ID != b.id || l.Tenant != string(gorse) || l.Generation != 1 || !strings.HasPrefix(mails[0].link, "https://portal.example/e/") {
			t.Errorf("%s leads to %+v, %v", mails[0].link, l, err)
		}
		if _, err := signer.Verify(link.Answer, token); !errors.Is(err, link.ErrMalformed) {
			t.Errorf("the link is one of an invitation too: %v", err)
		}
		// The record comes twice.
		if err := b.dispatcher.Enrol(t.Context(), queued); err != nil || len(b.ses.all()) != 1 {
			t.Errorf("%d mails, %v", len(b.ses.all()), err)
		}
		confirmation := enrolment.Confirmation{Store: b.memory, Now: time.Now}
		if _, c, err := confirmation.Confirm(t.Context(), l, relationship.Person{Subject: "g", Company: relationship.Customer{Tenant: gorse, Domains: []string{"gorse.example"}}}, ""); err != nil || c != enrolment.Confirmed {
			t.Fatal(c, err)
		}
		b.send()
		if _, _, err := b.applications.Withdraw(t.Context(), b.admin(), b.id); err != nil {
			t.Fatal(err)
		}
		b.send()
		var kinds []string
		for _, m := range b.ses.all() {
			kinds = append(kinds, m.kind)
			if m.kind != "verification" && m.link != "" {
				t.Errorf("%s has a link", m.kind)
			}
		}
		if !slices.Equal(kinds, []string{"verification", "vetting", "withdrawn"}) {
			t.Error(kinds)
		}
	})
}

// Whatever SES answers, the mail goes in the end, or is given up for a reason that the history has.
func TestOutcomesOfEnrolmentMails(t *testing.T) {
	for what, want := range map[answer]struct {
		state  outbox.State
		reason string
		wait   time.Duration
	}{
		takes: {outbox.None, "", 0}, throttles: {outbox.Waiting, "rate_exceeded", time.Minute}, overQuota: {outbox.Waiting, "quota_exceeded", 0},
		rejects: {outbox.None, "", 0}, silentAfter: {outbox.Unknown, "", outbox.UnknownGrace}, unreachable: {outbox.Waiting, "", 0},
	} {
		t.Run(answers[what], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBureau(t)
				b.ses.next = func() answer { return what }
				e := b.send()
				if e.Post.State != want.state || want.reason != "" && e.Post.Reason != want.reason || want.wait > 0 && !e.Post.At.Equal(b.dispatcher.now().Add(want.wait)) {
					t.Errorf("%+v", e.Post)
				}
				if last := e.History[len(e.History)-1]; (what == rejects) != (last.Action == enrolment.MailFailed) {
					t.Errorf("%+v", last)
				}
				b.ses.next = nil
				for range 5 {
					time.Sleep(2 * time.Hour)
					cleanup := enrolment.Cleanup{Store: b.memory}
					for a, err := range b.memory.Due(t.Context(), b.dispatcher.now()) {
						if err == nil {
							err = cleanup.Do(t.Context(), a, b.dispatcher.now(), func(string) {})
						}
						if err != nil {
							t.Fatal(err)
						}
					}
					b.send()
				}
				if got := len(b.ses.all()); b.now().Post.State != outbox.None || (what == rejects) != (got == 0) {
					t.Errorf("%d mails, %+v", got, b.now().Post)
				}
			})
		})
	}
}

// A mailer that dies holds the mail until its claim is over and no longer.
func TestEnrolmentMailerDies(t *testing.T) {
	for _, step := range []string{"before making the link", "before the send", "after the send"} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBureau(t)
				mortal := b.world.dispatcher(func(s string) {
					if s == step {
						panic(killed{})
					}
				})
				mortal.Enrolments = b.memory
				if !die(func() { _ = mortal.Enrol(t.Context(), b.now()) }) {
					t.Fatal("nobody died")
				}
				b.send()
				before := len(b.ses.all())
				time.Sleep(time.Until(b.now().Post.At))
				if e := b.send(); e.Post.State != outbox.None || len(b.ses.all()) != before+1 {
					t.Errorf("%d mails before, %d after, %+v", before, len(b.ses.all()), e.Post)
				}
			})
		})
	}
}

// What keeps a mail from going at all, and what has it wait.
func TestEnrolmentMailStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			edit func(*bureau, *enrolment.Enrolment)
			want string
		}{
			"no address":        {func(_ *bureau, e *enrolment.Enrolment) { e.Contact.Email = "" }, "verification no_address"},
			"a cloud elsewhere": {func(_ *bureau, e *enrolment.Enrolment) { e.Cloud = "moon" }, ""},
			"a later notice":    {func(_ *bureau, e *enrolment.Enrolment) { e.Post.Owed = []outbox.Kind{"later"} }, ""},
			"suppressed": {func(b *bureau, _ *enrolment.Enrolment) {
				b.dispatcher.Ledger = suppressing{b.memory}
			}, "verification recipient_suppressed"},
			"no links": {func(b *bureau, _ *enrolment.Enrolment) { b.dispatcher.Links = noLinks{} }, ""},
		} {
			b := newBureau(t)
			before := b.now()
			after := before
			after.Version++
			c.edit(b, &after)
			if err := b.memory.WriteEnrolment(t.Context(), enrolment.Change{Before: &before, After: after}); err != nil {
				t.Fatal(err)
			}
			e := b.send()
			last := e.History[len(e.History)-1]
			if c.want == "" && e.Post.State != outbox.Waiting || c.want != "" && (e.Post.State != outbox.None || last.Why != c.want) || len(b.ses.all()) != 0 {
				t.Errorf("%s: %+v, %+v", name, e.Post, last)
			}
		}
	})
}

type noLinks struct{}

func (noLinks) Sign(context.Context, link.Purpose, link.Link) (link.Secret, error) {
	return "", errors.New("no keys")
}

type suppressing struct{ *storetest.Memory }

func (s suppressing) Mailings(ctx context.Context, known string, strong bool) (recipient.Mailings, error) {
	m, err := s.Memory.Mailings(ctx, known, strong)
	m.Suppressed = &recipient.Suppression{At: time.Now(), Reason: "bounce_permanent"}
	return m, err
}

// With the store down nothing is sent without a claim, and the record comes again.
func TestEnrolmentStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBureau(t)
		down := errors.New("down")
		b.memory.Inject(func(op storetest.Operation) storetest.Fault {
			if op == storetest.WriteEnrolment {
				return storetest.Fault{Err: down}
			}
			return storetest.Fault{}
		})
		if err := b.dispatcher.Enrol(t.Context(), b.now()); !errors.Is(err, down) || len(b.ses.all()) != 0 {
			t.Errorf("%v, %d mails", err, len(b.ses.all()))
		}
	})
}

// Neither the link nor who it goes to is logged.
func TestEnrolmentMailSaysNothingSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBureau(t)
		var log, metrics bytes.Buffer
		b.dispatcher.Log, b.dispatcher.Metrics.Out = slog.New(slog.NewJSONHandler(&log, nil)), &metrics
		b.send()
		token := b.ses.all()[0].link
		for _, secret := range []string{"grace", "gorse.example", "Gorse", token[strings.LastIndex(token, "/")+1:]} {
			if strings.Contains(log.String()+metrics.String(), secret) {
				t.Errorf("%q is in %s %s", secret, log.String(), metrics.String())
			}
		}
		if !strings.Contains(metrics.String(), `"EnrolmentMailSent":1`) {
			t.Error(metrics.String())
		}
	})
}

// The record of the stream that wakes the mailer for an enrolment is what the store writes.
func TestEnrolmentEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBureau(t)
		e := b.now()
		seen := &images{}
		cfg := credentials
		cfg.HTTPClient = seen
		fresh := e
		fresh.ID, fresh.Version = "enr_ccisylg5pl66zjmsfybwg4mb3a", 1 // the same in every run
		if err := dynamo.New(cfg, "table").WriteEnrolment(t.Context(), enrolment.Change{After: fresh}); err != nil {
			t.Fatal(err)
		}
		var image string
		for _, item := range seen.items {
			if strings.Contains(string(item), `"queued"`) {
				var sorted any
				if err := json.Unmarshal(item, &sorted); err != nil {
					t.Fatal(err)
				}
				text, err := json.Marshal(sorted)
				if err != nil {
					t.Fatal(err)
				}
				image = string(text)
			}
		}
		line := strings.ReplaceAll(record(1, fresh.ID, image), `{"pk":{"S":"P#`+string(alder)+`"},"sk":{"S":"I#`+fresh.ID+`"}}`, `{"pk":{"S":"E#enr_ccisylg5pl66zjmsfybwg4mb3a"},"sk":{"S":"E#"}}`)
		batch := event(t, "mailer-enrolment.json", line)
		var got enrolment.Enrolment
		loop := stream.Loop{Log: slog.New(slog.DiscardHandler), Metrics: &observe.Metrics{Out: io.Discard}}
		_, err := loop.Handler(func(_ context.Context, r stream.Record) (err error) {
			got, err = dynamo.EnrolmentFromImage(r.New)
			return err
		})(t.Context(), batch)
		if err != nil || got.ID != fresh.ID || got.Post.State != outbox.Queued || got.Contact != fresh.Contact {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// silent is SES that takes each mail and never says so.
type silent struct{ taken map[string]int }

func (s *silent) Send(_ context.Context, m Message) Outcome {
	s.taken[m.Tags["kind"]]++
	return unsent(outbox.Unknown, "sender_unavailable")
}

// TestAnUnknownOutcomeCounts: a mail of which nobody ever learns whether it went is tried as often as any other, and then given up in a way that
// the company, and the operator by the alarm's metric, can see (reliability, promise 3). It was sent 672 times in eight days.
func TestAnUnknownOutcomeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBureau(t)
		ses, metrics := &silent{map[string]int{}}, &bytes.Buffer{}
		b.dispatcher.Sender, b.dispatcher.Metrics = ses, &observe.Metrics{Stack: "concord", Function: "mailer", Out: metrics}
		cleanup := enrolment.Cleanup{Store: b.memory}
		for began := time.Now(); time.Since(began) < 6*24*time.Hour; time.Sleep(5 * time.Minute) {
			if err := cleanup.Do(t.Context(), due.Item{ID: b.id}, b.dispatcher.now(), func(string) {}); err != nil {
				t.Fatal(err)
			}
			if b.now().Post.State == outbox.Queued {
				b.send()
			}
		}
		e := b.now()
		if n := ses.taken["verification"]; n != outbox.MaxAttempts {
			t.Errorf("sent %d times, want %d", n, outbox.MaxAttempts)
		}
		if e.Post.State != outbox.None || e.Verification.Delivery != outbox.Failed || e.Verification.DeliveryReason != outbox.AttemptsUsedUp {
			t.Errorf("%+v, %+v", e.Post, e.Verification)
		}
		if n := strings.Count(metrics.String(), `"MailFailed":1`); n != 1 {
			t.Errorf("given up %d times for the alarm, want once:\n%s", n, metrics)
		}
	})
}

// TestATakenMailIsNotSentAgain: SES's own event says that it has the mail while nobody knew: then it is owed no more.
func TestATakenMailIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBureau(t)
		b.dispatcher.Sender = &silent{map[string]int{}}
		if e := b.send(); e.Post.State != outbox.Unknown {
			t.Fatalf("%+v", e.Post)
		}
		recorder := feedback.Recorder{Enrolments: b.memory, Ledger: b.memory, Now: time.Now}
		said := outbox.Report{State: outbox.Delivered, Kind: enrolment.VerificationNotice, Generation: 1, MessageID: "ses-1"}
		_, verdict, err := recorder.Record(t.Context(), feedback.Key{Tenant: gorse, ID: b.id}, said)
		if e := b.now(); err != nil || verdict != outbox.Recorded || e.Post.State != outbox.None || e.Verification.Delivery != outbox.Delivered {
			t.Errorf("%s, %v: %+v, %s", verdict, err, e.Post, e.Verification.Delivery)
		}
	})
}

// TestWhatIsGivenUpIsCounted: one metric counts what any kind gives up, for the alarm; a kind whose address gets no mail any more raises none.
func TestWhatIsGivenUpIsCounted(t *testing.T) {
	figures := func(k outbox.Kind, reason string, givenUp bool) map[string]any {
		var out bytes.Buffer
		d := Dispatcher{Log: slog.New(slog.DiscardHandler), Metrics: &observe.Metrics{Stack: "concord", Function: "mailer", Out: &out}}
		d.count(t.Context(), about{what: "granular"}, k, 1, unsent(outbox.Failed, reason), givenUp)
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		return line
	}
	for _, k := range []outbox.Kind{granular.RequestNotice, granular.EndingNotice, enrolment.ActiveNotice, invitation.ReminderNotice} {
		for reason, counts := range map[string]bool{outbox.AttemptsUsedUp: true, "message_rejected": true, "recipient_suppressed": false, "no_contact": false} {
			if line := figures(k, reason, true); (line["MailFailed"] == 1.0) != counts {
				t.Errorf("%s, %s: %v", k, reason, line)
			}
		}
	}
	if line := figures(granular.RequestNotice, "throttled", false); line["MailFailed"] != nil {
		t.Errorf("one that is tried again counts: %v", line)
	}
}
