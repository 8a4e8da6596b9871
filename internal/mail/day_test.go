package mail

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

// told gives the mails that tell the partner of answers.
func (w *world) told() (all []taken) {
	return slices.DeleteFunc(w.ses.all(), func(m taken) bool { return m.kind != string(invitation.AnswerNotice) })
}

// acceptAs has a company of its own accept an invitation.
func (w *world) acceptAs(id string, n int) {
	w.t.Helper()
	p := relationship.Person{
		Subject: fmt.Sprint("lena ", n), Name: "Lena Larch", Email: "head@larch.example", Roles: []partner.Role{partner.GlobalAdmin},
		Company: relationship.Customer{Tenant: partner.TenantID(fmt.Sprintf("22222222-2222-4222-8222-%012d", n)), Cloud: "public",
			CompanyName: fmt.Sprintf("Larch %d Ltd", n), Domains: []string{fmt.Sprintf("larch%d.example", n)}, Country: "US", CountrySource: "token"},
	}
	if _, c, err := w.respondAs(w.get(id), p, "accept"); err != nil || c != invitation.AcceptedBy {
		w.t.Fatal(c, err)
	}
}

// byDay is a world that tells of a day's acceptances at once, with some invitations of which the mails went.
func byDay(t *testing.T, n int) (w *world, ids []string) {
	w = newWorld(t)
	w.daily = true
	w.domain = func(n int) string { return fmt.Sprintf("larch%d.example", n) }
	for k := range n {
		ids = append(ids, w.invite(k))
	}
	w.deliver()
	return w, ids
}

// untilTold lets the days go by until nothing is owed any more.
func (w *world) untilTold(ids ...string) {
	w.t.Helper()
	for range 40 {
		owed := slices.ContainsFunc(ids, func(id string) bool { return w.get(id).Post.State != outbox.None })
		if !owed {
			return
		}
		time.Sleep(time.Hour)
		w.cleanup()
		w.deliver()
	}
	w.t.Fatal("something is still owed")
}

// TestADayOfAcceptances (domain, 0.48): one mail, after six in the morning, names all that accepted; receipts go at once.
func TestADayOfAcceptances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ids := byDay(t, 4)
		for n, id := range ids[:3] {
			w.acceptAs(id, n)
			w.deliver()
			time.Sleep(time.Minute)
		}
		if got := w.told(); len(got) != 0 {
			t.Fatalf("told at once: %+v", got)
		}
		if n := len(w.ses.all()); n != 4+2*3 {
			t.Errorf("%d mails, want the invitations, the receipts and the copies", n)
		}
		box := w.get(ids[0]).Post
		if box.State != outbox.Waiting || box.Attempts != 0 || box.At.UTC().Hour() != 6 {
			t.Errorf("%+v", box)
		}
		w.untilTold(ids[:3]...)
		got := w.told()
		if len(got) != 1 || got[0].to != w.account().Contact.Email || time.Now().UTC().Hour() > 8 {
			t.Fatalf("at %v: %+v", time.Now().UTC(), got)
		}
		for n := range 3 {
			if name := fmt.Sprintf("Larch %d Ltd", n); !strings.Contains(got[0].text, name) {
				t.Errorf("%s is not named:\n%s", name, got[0].text)
			}
		}
		// The next day has one alone, which is told of as ever.
		w.acceptAs(ids[3], 3)
		w.deliver()
		w.untilTold(ids[3])
		if got = w.told(); len(got) != 2 || strings.Contains(got[1].text, "Larch 0 Ltd") || !strings.Contains(got[1].text, "The customer has accepted") {
			t.Errorf("%+v", got)
		}
	})
}

// TestToldAtOnce: each acceptance for who wants that, and whatever needs somebody.
func TestToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ids := byDay(t, 2)
		if _, _, err := w.respond(w.get(ids[0]), "decline"); err != nil {
			t.Fatal(err)
		}
		w.deliver()
		if got := w.told(); len(got) != 1 {
			t.Errorf("a decline: %+v", got)
		}
		a := w.account()
		a.EachAcceptance = true
		w.memory.PutAccount(a)
		w.acceptAs(ids[1], 1)
		w.deliver()
		if got := w.told(); len(got) != 2 {
			t.Errorf("each: %+v", got)
		}
	})
}

// TestNobodyIsLeftOutOfADay: whatever fails or is changed while a day is told of, each customer is named in some mail, and none is
// told of for ever.
func TestNobodyIsLeftOutOfADay(t *testing.T) {
	for name, disturb := range map[string]func(w *world, ids []string, round int){
		"nothing": func(*world, []string, int) {},
		"the partner comes to want each": func(w *world, _ []string, round int) {
			a := w.account()
			a.EachAcceptance = round > 2
			w.memory.PutAccount(a)
		},
		"the table is away now and then": func(w *world, _ []string, round int) {
			w.memory.Inject(func(op storetest.Operation) storetest.Fault {
				if round%3 == 1 && (op == storetest.Invitation || op == storetest.Relationships) {
					return storetest.Fault{Err: errors.New("away")}
				}
				return storetest.Fault{}
			})
		},
		"SES is away now and then": func(w *world, _ []string, round int) {
			w.ses.next = func() answer { return []answer{throttles, unreachable, takes}[round%3] }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const customers = 5
				w, ids := byDay(t, customers)
				for n, id := range ids {
					w.acceptAs(id, n)
					w.deliver()
				}
				for round := range 60 {
					time.Sleep(37 * time.Minute)
					disturb(w, ids, round)
					records := w.records()
					if round%2 == 1 {
						slices.Reverse(records)
					}
					for _, r := range records {
						_ = w.dispatcher(nil).Dispatch(t.Context(), r) // it comes again from the due index
					}
					w.memory.Inject(nil)
					w.cleanup()
				}
				w.ses.next = nil
				w.untilTold(ids...)
				all := ""
				for _, m := range w.told() {
					all += m.text
				}
				for n, id := range ids {
					if !strings.Contains(all, fmt.Sprintf("Larch %d Ltd", n)) {
						t.Errorf("%s was not told of in %d mails", id, len(w.told()))
					}
				}
				if n := len(w.told()); n > 2*customers {
					t.Errorf("%d mails", n)
				}
			})
		})
	}
}

func TestToldAt(t *testing.T) {
	for at, want := range map[string]string{
		"2026-03-02T00:00:00Z": "2026-03-02T06:00:00Z", "2026-03-02T05:49:59Z": "2026-03-02T06:00:00Z", "2026-03-02T05:50:00Z": "2026-03-03T06:00:00Z",
		"2026-03-02T06:00:00Z": "2026-03-03T06:00:00Z", "2026-03-02T23:55:00Z": "2026-03-03T06:00:00Z",
	} {
		moment, err := time.Parse(time.RFC3339, at)
		if got := toldAt(moment).Format(time.RFC3339); err != nil || got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}
