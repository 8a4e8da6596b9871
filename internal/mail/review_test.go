package mail

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"concord/internal/granular"
	"concord/internal/letter"
	"concord/internal/letter/markup"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/review"
	"concord/internal/storetest"
)

// The mail in every language: it has one link, to the company's page, and names no partner (domain, 0.49).
func TestReviewMailInEveryLanguage(t *testing.T) {
	const page = "https://portal.example/customer"
	for _, tag := range locale.Tags {
		t.Run(tag.String(), func(t *testing.T) {
			r := review.Review{Tenant: gorse, Cloud: "public", To: "grace@gorse.example", Locale: tag.String()}
			c := letter.Review(r, partner.Cloud{PortalName: "Concord Portal", BaseURL: "https://portal.example"}, operator)
			html, err := markup.HTML(c)
			if err != nil {
				t.Fatal(err)
			}
			goldenMail(t, tag, "review", c, html)
			if got := address.FindAllString(c.Text(), -1); !slices.Equal(got, slices.Concat([]string{page}, legal)) {
				t.Errorf("links of the text: %q", got)
			}
			var pressed []string
			for _, a := range anchors.FindAllStringSubmatch(html, -1) {
				pressed = append(pressed, a[1])
			}
			if want := slices.Concat([]string{page, "mailto:" + operator.Contact}, legal); !slices.Equal(slices.Compact(pressed), want) {
				t.Errorf("links of the HTML: %q", pressed)
			}
		})
	}
}

// watch is a company that has a partner, and our side of it.
type watch struct {
	*world
	dispatcher *Dispatcher
}

// newWatch has somebody noted, and half a year pass.
func newWatch(t *testing.T) *watch {
	w := &watch{world: newWorld(t)}
	w.dispatcher = w.world.dispatcher(nil)
	w.dispatcher.Reviews = w.memory
	who := relationship.Person{Email: "grace@gorse.example", Roles: []partner.Role{partner.GlobalAdmin},
		Company: relationship.Customer{Tenant: gorse, Domains: []string{"gorse.example"}, Cloud: "public"}}
	if err := (review.Notes{Store: w.memory, Now: time.Now}).Note(t.Context(), who, "en"); err != nil {
		t.Fatal(err)
	}
	if err := w.memory.WriteGranular(t.Context(), granular.Change{After: granular.Relationship{
		Key: granular.Key{Partner: alder, ID: "gdr_aaaaaaaaaaaaaaaaaaaaaaaaaa"}, Customer: gorse, Status: granular.Active,
		ActivatedAt: time.Now(), EndAt: time.Now().Add(4*review.Period - 24*time.Hour), Version: 1,
	}}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(review.Period + time.Second)
	w.clean()
	return w
}

func (w *watch) now() review.Review {
	w.t.Helper()
	r, err := w.memory.Review(w.t.Context(), gorse, true)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// clean does what is due.
func (w *watch) clean() {
	w.t.Helper()
	for a, err := range w.memory.Due(w.t.Context(), w.dispatcher.now()) {
		if err == nil && a.Kind == review.DueKind {
			err = review.Cleanup{Store: w.memory, Rights: w.memory}.Do(w.t.Context(), a, w.dispatcher.now(), func(string) {})
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// send does what the stream would.
func (w *watch) send() review.Review {
	w.t.Helper()
	if err := w.dispatcher.Review(w.t.Context(), w.now()); err != nil {
		w.t.Fatal(err)
	}
	return w.now()
}

// A company gets one mail in half a year, however often it is looked at, and none once nobody holds rights.
func TestReviewIsMailedOnceInHalfAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch(t)
		queued := w.now()
		w.send()
		mails := w.ses.all()
		if len(mails) != 1 || mails[0].to != "grace@gorse.example" || mails[0].kind != "review" || mails[0].replyTo != "" {
			t.Fatalf("%+v", mails)
		}
		if !strings.Contains(mails[0].text, "\nhttps://portal.example/customer\n") {
			t.Error(mails[0].text)
		}
		if mails[0].headers["Auto-Submitted"] == "" {
			t.Errorf("%+v", mails[0].headers)
		}
		if err := w.dispatcher.Review(t.Context(), queued); err != nil || len(w.ses.all()) != 1 { // the record comes twice
			t.Errorf("%d mails, %v", len(w.ses.all()), err)
		}
		for day := range 365 * 3 {
			time.Sleep(24 * time.Hour)
			w.clean()
			w.send()
			// The second is due on day 181, the third on day 363, and the roles end before the fourth.
			want := 1
			switch {
			case day >= 364:
				want = 3
			case day >= 182:
				want = 2
			}
			if got := len(w.ses.all()); got != want && day != 181 && day != 363 {
				t.Fatalf("%d mails on day %d, want %d", got, day, want)
			}
		}
		if r := w.now(); r.To != "" || !r.Next.IsZero() {
			t.Errorf("still noted: %+v", r)
		}
	})
}

// Whatever SES answers, the mail goes once in half a year or not at all.
func TestOutcomesOfReviewMails(t *testing.T) {
	for what, want := range map[answer]struct {
		state outbox.State
		mails int // in the end
	}{
		takes: {outbox.None, 1}, throttles: {outbox.Waiting, 1}, overQuota: {outbox.Waiting, 1}, rejects: {outbox.None, 0},
		silentAfter: {outbox.None, 1}, unreachable: {outbox.Waiting, 1},
	} {
		t.Run(answers[what], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatch(t)
				w.ses.next = func() answer { return what }
				if r := w.send(); r.Post.State != want.state {
					t.Errorf("%+v", r.Post)
				}
				w.ses.next = nil
				for range 5 {
					time.Sleep(2 * time.Hour)
					w.clean()
					w.send()
				}
				if r := w.now(); r.Post.State != outbox.None || len(w.ses.all()) != want.mails || r.To == "" || r.Next.IsZero() {
					t.Errorf("%d mails, %+v", len(w.ses.all()), r)
				}
			})
		})
	}
}

// A mailer that dies under its claim, or whose write is lost, sends no second mail; the next one comes in half a year.
func TestReviewMailerDies(t *testing.T) {
	for step, mails := range map[string]int{"before the send": 0, "after the send": 1} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatch(t)
				mortal := w.world.dispatcher(func(s string) {
					if s == step {
						panic(killed{})
					}
				})
				mortal.Reviews = w.memory
				if !die(func() { _ = mortal.Review(t.Context(), w.now()) }) {
					t.Fatal("nobody died")
				}
				w.lapse(mails)
			})
		})
	}
	for _, stored := range []bool{false, true} {
		for nth := 1; nth <= 2; nth++ { // claim and settlement
			synctest.Test(t, func(t *testing.T) {
				w, writes := newWatch(t), 0
				w.memory.Inject(func(op storetest.Operation) storetest.Fault {
					if op == storetest.WriteReview {
						if writes++; writes == nth {
							return storetest.Fault{Err: context.DeadlineExceeded, Stored: stored}
						}
					}
					return storetest.Fault{}
				})
				if err := w.dispatcher.Review(t.Context(), w.now()); err == nil {
					t.Fatal("the write was taken")
				}
				w.memory.Inject(nil)
				w.send() // the record comes again
				if nth == 1 && !stored {
					w.lapse(1)
				} else {
					w.lapse(nth - 1)
				}
			})
		}
	}
}

// lapse has the claim end, and looks at how many mails there are then and half a year later.
func (w *watch) lapse(mails int) {
	w.t.Helper()
	for range 3 {
		time.Sleep(2 * time.Hour)
		w.clean()
		w.send()
	}
	if r := w.now(); r.Post.State != outbox.None || len(w.ses.all()) != mails || r.To == "" {
		w.t.Fatalf("%d mails, want %d; %+v", len(w.ses.all()), mails, r)
	}
	time.Sleep(review.Period)
	w.clean()
	w.send()
	if got := len(w.ses.all()); got != mails+1 {
		w.t.Errorf("%d mails half a year later, want %d", got, mails+1)
	}
}

// What keeps a mail from going at all, and what has it wait. An address that gets no mail is forgotten.
func TestReviewMailStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			edit func(*watch, *review.Review)
			want outbox.State
			to   string
		}{
			"a cloud elsewhere": {func(_ *watch, r *review.Review) { r.Cloud = "moon" }, outbox.Waiting, "grace@gorse.example"},
			"a later notice": {func(_ *watch, r *review.Review) { r.Post.Owed = []outbox.Kind{"later"} },
				outbox.Waiting, "grace@gorse.example"},
			"suppressed": {func(w *watch, _ *review.Review) { w.dispatcher.Ledger = suppressing{w.memory} }, outbox.None, ""},
			"nobody":     {func(_ *watch, r *review.Review) { r.To = "" }, outbox.None, ""},
		} {
			w := newWatch(t)
			before := w.now()
			after := before
			after.Version++
			c.edit(w, &after)
			if err := w.memory.WriteReview(t.Context(), review.Change{Before: &before, After: after}); err != nil {
				t.Fatal(err)
			}
			r := w.send()
			if r.Post.State != c.want || r.To != c.to || len(w.ses.all()) != 0 {
				t.Errorf("%s: %+v, %d mails", name, r, len(w.ses.all()))
			}
			if _, waits := r.Due(); name == "suppressed" && waits {
				t.Errorf("%s: %+v", name, r)
			}
		}
	})
}
