package mail

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/language"

	"concord/internal/command"
	"concord/internal/feedback"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/letter/markup"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

var links = letter.Links{Answer: url, Report: url + "/report", Unsubscribe: "https://portal.example/u/AQID-unsubscribe", Allow: "https://portal.example/m/AQID-allow", Dispute: "https://portal.example/r/AQID-dispute"}

// answered is an example with an answer.
func answered(tag language.Tag, status invitation.Status, edit func(*invitation.Invitation)) invitation.Letter {
	l := example(tag, true)
	l.Inviter.Locale = tag.String()
	l.Invitation.ID, l.Invitation.Status, l.Invitation.RecipientEmail = "inv_ccisylg5pl66zjmsfybwg4mb3a", status, "nora.berg@larch.example"
	l.Invitation.Answer = &invitation.Given{Company: "Larch Ltd", FullName: "Nora Berg", JobTitle: "Head of IT", At: time.Date(2026, 3, 2, 12, 1, 0, 0, time.UTC)}
	if edit != nil {
		edit(&l.Invitation)
	}
	return l
}

// administration is an example of a mail about granular administration.
func administration(tag language.Tag, n outbox.Kind, reason ...string) letter.Content {
	l := example(tag, false)
	l.Inviter.Locale = tag.String()
	r := granular.Relationship{
		Key: granular.Key{ID: "gdap_ccisylg5pl66zjmsfybwg4mb3a"}, DisplayName: "Desk & devices", CustomerName: "Larch <Lyon> Ltd",
		Roles: []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8", "f2ef992c-3afb-46b9-b7cf-a126ee74c451"}, Duration: granular.Period{Months: 18},
		ApproveBy: time.Date(2026, 5, 30, 9, 0, 0, 0, time.UTC), EndAt: time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC), Mail: granular.Mail{Locale: tag.String()},
	}
	to := letter.Links{Answer: url, Report: url + "/report", Allow: links.Allow}
	switch n {
	case granular.RequestNotice, granular.ReceiptNotice:
		r.AutoExtend, r.Duration = true, granular.Period{Days: 1}
	case granular.AnswerNotice, granular.EndingNotice:
		to, r.Reason = letter.Links{}, strings.Join(reason, "")
	}
	c, known := letter.Granular(n, granular.Request{Relationship: r, Partner: l.Inviter, Portal: l.Cloud}, granular.ShippedRoles(), to, operator)
	if !known {
		panic("no words for " + string(n))
	}
	return c
}

// day is what a day's acceptances have established, newest first.
func day(n int) (all []relationship.Relationship) {
	for k := range n {
		name := []string{"Larch Ltd", "Oak & Sons", "tilia.example GmbH"}[k%3]
		all = append(all, relationship.Relationship{Customer: relationship.Customer{CompanyName: name},
			EstablishedAt: time.Date(2026, 3, 2, 18, 40-k, 0, 0, time.UTC)})
	}
	return all
}

// further are the further mails of a language, each with the links that it has, in their order: the first stands alone on its line.
func further(tag language.Tag) map[string]struct {
	content letter.Content
	links   []string
} {
	said := example(tag, false)
	said.Invitation.Message = "We met at the trade fair <Lyon> & talked."
	beside := example(tag, false)
	beside.Invitation.GranularID, beside.Granular = "gdap_ccisylg5pl66zjmsfybwg4mb3a", &granular.Relationship{
		Roles: []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8", "62e90394-69f5-4237-9190-012177145e10"}, Duration: granular.Period{Months: 12},
	}
	rehearsal := example(tag, false)
	rehearsal.Invitation.Sandbox = true
	open := example(tag, true)
	open.Invitation.Message = said.Invitation.Message
	open.Invitation.ExpiresAt = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)
	reminded := open
	reminded.Invitation.Sandbox = true
	receipt := func(l letter.Links, status invitation.Status, edit func(*invitation.Invitation)) letter.Content {
		return letter.Receipt(answered(tag, status, edit), l, operator)
	}
	tell := func(n outbox.Kind, status invitation.Status, edit func(*invitation.Invitation)) letter.Content {
		return letter.Tell(n, answered(tag, status, edit), operator)
	}
	history := func(action, why string) func(*invitation.Invitation) {
		return func(i *invitation.Invitation) {
			i.History = []invitation.Entry{{Action: action, Why: "before"}, {Action: action, Why: why}, {Action: "reminded"}}
		}
	}
	reseller := func(i *invitation.Invitation) { i.RequestDelegatedAdmin = false }
	noChange := func(i *invitation.Invitation) { i.Answer.NoChange = true }
	dual := func(i *invitation.Invitation) { i.Kind = invitation.DualReseller }
	partnership := func(i *invitation.Invitation) { i.Kind, i.RequestDelegatedAdmin = invitation.Partnership, false }
	sandbox := func(i *invitation.Invitation) { i.Sandbox, i.Answer.NoChange = true, true }
	asks, dispute, own := []string{url, url + "/report", links.Allow}, []string{links.Dispute, overview}, []string{overview}
	all, only := letter.Links{Dispute: links.Dispute}, letter.Links{}
	accepted, declined := invitation.Accepted, invitation.Declined
	return map[string]struct {
		content letter.Content
		links   []string
	}{
		"invitation.message":           {letter.Mail(said, links, operator), asks},
		"invitation.sandbox":           {letter.Mail(rehearsal, links, operator), asks},
		"reminder":                     {letter.Remind(open, links, operator), append(asks, links.Unsubscribe)},
		"reminder.sandbox":             {letter.Remind(reminded, links, operator), append(asks, links.Unsubscribe)},
		"receipt.accepted":             {receipt(all, accepted, nil), dispute},
		"receipt.accepted.reseller":    {receipt(all, accepted, reseller), dispute},
		"receipt.accepted.no-change":   {receipt(all, accepted, noChange), dispute},
		"receipt.accepted.sandbox":     {receipt(all, accepted, sandbox), dispute},
		"receipt.accepted.dual":        {receipt(all, accepted, dual), dispute},
		"receipt.accepted.partnership": {receipt(all, accepted, partnership), dispute},
		"answer.accepted.dual":         {tell(invitation.AnswerNotice, accepted, dual), nil},
		"answer.accepted.partnership":  {tell(invitation.AnswerNotice, accepted, partnership), nil},
		"answer.declined.partnership":  {tell(invitation.AnswerNotice, declined, partnership), nil},
		"dispute.partnership": {tell(invitation.DisputeNotice, accepted, func(i *invitation.Invitation) {
			partnership(i)
			history("disputed", "not-us")(i)
		}), nil},
		"receipt.declined": {receipt(all, declined, func(i *invitation.Invitation) {
			i.Answer.JobTitle, i.Answer.Company, i.Answer.Reason = "", "", "no-need"
		}), dispute},
		"copy.accepted":             {receipt(only, accepted, nil), own},
		"copy.declined":             {receipt(only, declined, nil), own},
		"answer.day":                {letter.Day(answered(tag, accepted, nil), day(3), operator), nil},
		"answer.day.many":           {letter.Day(answered(tag, accepted, nil), day(40), operator), nil},
		"answer.accepted":           {tell(invitation.AnswerNotice, accepted, nil), nil},
		"answer.accepted.reseller":  {tell(invitation.AnswerNotice, accepted, reseller), nil},
		"answer.accepted.no-change": {tell(invitation.AnswerNotice, accepted, noChange), nil},
		"answer.accepted.unproven": {tell(invitation.AnswerNotice, accepted, func(i *invitation.Invitation) {
			i.Answer.Unproven, i.Answer.Company = true, "Oak Inc"
		}), nil},
		"answer.declined": {tell(invitation.AnswerNotice, declined, func(i *invitation.Invitation) {
			i.Answer.Reason, i.Answer.Comment = "other-partner", "Thank you, but not now.\r\n\u202ePerhaps later,\u0007 with more time."
		}), nil},
		"answer.declined.held": {tell(invitation.AnswerNotice, declined, func(i *invitation.Invitation) {
			i.Answer.Reason, i.Answer.Comment = "other", "See\nhttps://larch.example/i/evil\n"
		}), nil},
		"renewal":                   {tell(invitation.RenewalNotice, invitation.Expired, history("renewal requested", "mail-lost")), nil},
		"dispute":                   {tell(invitation.DisputeNotice, accepted, history("disputed", "not-us")), nil},
		"invitation.granular":       {letter.Mail(beside, links, operator), asks},
		"receipt.accepted.granular": {receipt(all, accepted, func(i *invitation.Invitation) { i.RequestDelegatedAdmin, i.Answer.Granular = false, true }), dispute},
		"granular":                  {administration(tag, granular.RequestNotice), asks},
		"granular.answer":           {administration(tag, granular.AnswerNotice), nil},
		"granular.answer.declined":  {administration(tag, granular.AnswerNotice, granular.Rejected), nil},
		"granular.receipt":          {administration(tag, granular.ReceiptNotice), []string{url, overview}},
		"granular.narrowed":         {administration(tag, granular.NarrowedNotice), []string{url, overview}},
		"granular.ending":           {administration(tag, granular.CustomerEndingNotice), []string{url, overview}},
		"granular.partner":          {administration(tag, granular.EndingNotice), nil},
		"dispute.declined":          {tell(invitation.DisputeNotice, declined, history("disputed", "mistake")), nil},
	}
}

// overview is where a customer sees its partners; legal is what stands in the footer of every mail.
const overview = "https://portal.example/customer"

var legal = []string{operator.Privacy, operator.Imprint}

var anchors = regexp.MustCompile(`href="([^"]+)"`)

// Every further mail in every language: what it says is in the golden files. The links are those that it should have and no others, and
// whoever takes the first that looks like one for an answer has the right one.
func TestEveryNoticeInEveryLanguage(t *testing.T) {
	for _, tag := range locale.Tags {
		for name, each := range further(tag) {
			t.Run(name+"."+tag.String(), func(t *testing.T) {
				c := each.content
				html, err := markup.HTML(c)
				if err != nil {
					t.Fatal(err)
				}
				text := c.Text()
				goldenMail(t, tag, name, c, html)
				var alone []string
				for line := range strings.Lines(text) {
					if line = strings.TrimSpace(line); strings.HasPrefix(line, "https://") {
						alone = append(alone, line)
					}
				}
				if first := slices.DeleteFunc(slices.Clone(each.links), func(l string) bool { return l == overview }); !slices.Equal(alone, first[:min(1, len(first))]) {
					t.Errorf("alone on a line: %q", alone)
				}
				// What asks for something says where it is found without the link, as an address to type.
				all := each.links
				if len(all) > 1 && strings.HasSuffix(all[1], "/report") && c.Banner == "" {
					all = slices.Insert(slices.Clone(all), 1, overview)
				}
				if got := address.FindAllString(text, -1); !slices.Equal(got, slices.Concat(all, legal)) {
					t.Errorf("links of the text: %q, want %q", got, each.links)
				}
				var pressed []string
				for _, a := range anchors.FindAllStringSubmatch(html, -1) {
					pressed = append(pressed, a[1])
				}
				if !slices.Equal(pressed, slices.Concat(each.links, []string{"mailto:" + operator.Contact}, legal)) {
					t.Errorf("links of the HTML: %q, want %q", pressed, each.links)
				}
				// The first stands in clear as well.
				if got := address.FindAllString(html, -1); !slices.Equal(got, slices.Concat(alone, all, legal)) {
					t.Errorf("addresses of the HTML: %q", got)
				}
				if len(html) > maxHTML || strings.ContainsAny(c.Subject, "\r\n") || !strings.Contains(html, `<html lang="`+tag.String()+`"`) {
					t.Error("length, subject or language")
				}
				for _, typed := range []string{"<Lyon>", "\u202e", "\u0007", "evil"} {
					if strings.Contains(html, typed) {
						t.Errorf("the HTML has %q", typed)
					}
				}
				if strings.Contains(c.Subject, "Lyon") || strings.Contains(c.Subject, "Larch") || strings.Contains(c.Subject, "Berg") {
					t.Error("somebody has typed a part of the subject")
				}
				if rehearsal := strings.Contains(name, "sandbox"); rehearsal != (c.Banner != "") {
					t.Errorf("banner %q", c.Banner)
				}
			})
		}
	}
}

// Whatever a partner or a customer has typed stands behind a mark, line by line, and in none of the short texts.
func TestWhatOthersHaveTyped(t *testing.T) {
	for _, tag := range locale.Tags {
		all := further(tag)
		for name, want := range map[string]string{
			"invitation.message": "> We met at the trade fair <Lyon> & talked.\n\n",
			"reminder":           "> We met at the trade fair <Lyon> & talked.\n\n",
			"answer.declined":    "> Thank you, but not now.\n> Perhaps later, with more time.\n\n",
		} {
			if text := all[name].content.Text(); !strings.Contains(text, want) {
				t.Errorf("%s, %v: no %q in\n%s", name, tag, want, text)
			}
		}
		for _, name := range []string{"invitation.message", "reminder"} {
			if short := all[name].content.Short(); strings.Contains(short, "Lyon") {
				t.Errorf("%s, %v: %s", name, tag, short)
			}
		}
	}
}

// What is mailed after an answer, and before: to whom, as what, and with which links.
func TestNoticesAreMailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.invite(1)
		w.deliver()
		inv := w.get(id)
		time.Sleep(time.Until(inv.ExpiresAt) - 7*24*time.Hour + time.Minute)
		w.cleanup()
		w.deliver()
		inv = w.get(id)
		mails := w.ses.all()
		if len(mails) != 2 || mails[1].kind != "reminder" || mails[1].link != mails[0].link || mails[1].to != inv.RecipientEmail || mails[1].replyTo != mails[0].replyTo {
			t.Fatalf("%+v", mails)
		}
		if h := mails[1].headers; !strings.HasPrefix(h["List-Unsubscribe"], "<https://") || !strings.Contains(h["List-Unsubscribe"], "/u/") || h["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click" {
			t.Errorf("headers %v", h)
		}
		if len(mails[0].headers) != 0 {
			t.Errorf("the invitation has headers %v", mails[0].headers)
		}
		if inv.Post.State != outbox.None || inv.RemindedAt.IsZero() || inv.Mail.State != outbox.Sent {
			t.Errorf("%+v", inv)
		}
		w.accept(inv)
		w.deliver()
		inv = w.get(id)
		kinds := map[string]taken{}
		for _, m := range w.ses.all()[2:] {
			kinds[m.kind] = m
		}
		if len(kinds) != 3 || len(w.ses.all()) != 5 || kinds["receipt"].to != inv.RecipientEmail || kinds["copy"].to != "head@larch.example" || kinds["answer"].to != w.account().Contact.Email {
			t.Errorf("%+v", kinds)
		}
		if !strings.Contains(kinds["receipt"].link, "/r/") || kinds["copy"].link != "" || kinds["answer"].link != "" || kinds["answer"].replyTo != "" {
			t.Errorf("%+v", kinds)
		}
		if inv.Post.State != outbox.None {
			t.Errorf("%+v", inv.Post)
		}
	})
}

// 0.40: who accepts one request is not reminded of another of the same partner, nor mailed what waits; the partner is told when that is
// done, and what could not be done is made up for.
func TestAnAcceptanceSilencesTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.invite(1), w.invite(2)
		w.deliver()
		waits := w.invite(3) // its mail is queued when the answer comes
		w.accept(w.get(first))
		away := true
		w.memory.Inject(func(op storetest.Operation) storetest.Fault {
			if op == storetest.SlotHolders && away {
				return storetest.Fault{Err: errors.New("the table is away")}
			}
			return storetest.Fault{}
		})
		records := w.records()
		d := w.dispatcher(nil)
		for _, r := range records {
			if r.ID == first {
				if err := d.Dispatch(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		if inv := w.get(first); !slices.Equal(inv.Post.Owed, []outbox.Kind{invitation.AnswerNotice}) || inv.Post.State != outbox.Waiting {
			t.Fatalf("the partner is told before the others are silent: %+v", inv.Post)
		}
		away = false
		time.Sleep(time.Minute)
		w.cleanup()
		for _, r := range w.records() {
			if r.ID == first {
				if err := d.Dispatch(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, r := range records { // the record of the queued mail comes late
			if err := d.Dispatch(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		for range 35 {
			time.Sleep(24 * time.Hour)
			w.cleanup()
			w.deliver()
		}
		for _, id := range []string{second, waits} {
			inv := w.get(id)
			if inv.Moot == nil || inv.Reminded != 0 || inv.Status != invitation.Expired {
				t.Errorf("%+v", inv)
			}
		}
		kinds := map[string]int{}
		for _, m := range w.ses.all() {
			kinds[m.kind]++
		}
		if kinds["invitation"] != 2 || kinds["reminder"] != 0 || kinds["answer"] != 1 {
			t.Errorf("%v", kinds)
		}
	})
}

// Who may not mail does not remind; what a customer has agreed to still reaches it.
func TestWhatStopsNotices(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, *world, invitation.Invitation)
		want  []string // kinds after the reminder is due, and after the answer
	}{
		{"nothing", func(*testing.T, *world, invitation.Invitation) {}, []string{"reminder", "receipt", "copy", "answer"}},
		{"the partner is paused", func(_ *testing.T, w *world, _ invitation.Invitation) {
			a := w.account()
			a.Paused = &partner.Pause{At: time.Now(), Reason: "complaints"}
			w.memory.PutAccount(a)
		}, []string{"receipt", "copy", "answer"}},
		{"the partner is suspended", func(_ *testing.T, w *world, _ invitation.Invitation) {
			a := w.account()
			a.Status = partner.Suspended
			w.memory.PutAccount(a)
		}, []string{"receipt", "copy", "answer"}},
		{"the partner has no address", func(_ *testing.T, w *world, _ invitation.Invitation) {
			a := w.account()
			a.Contact.Email = ""
			w.memory.PutAccount(a)
		}, []string{"reminder", "receipt", "copy"}},
		{"the recipient's address is suppressed", func(t *testing.T, w *world, i invitation.Invitation) {
			f := feedback.Recorder{Invitations: w.memory, Ledger: w.memory, Now: time.Now}
			if _, _, err := f.Record(t.Context(), feedback.Key{Tenant: i.Inviter, ID: i.ID}, outbox.Report{State: outbox.Delivered, Generation: 7, Kind: invitation.ReceiptNotice, Undeliverable: true}); err != nil {
				t.Fatal(err)
			}
		}, []string{"copy", "answer"}},
		{"the recipient does not want the partner's mail", func(t *testing.T, w *world, i invitation.Invitation) {
			if _, _, err := w.service.Unsubscribe(t.Context(), link.Link{Tenant: string(i.Inviter), ID: i.ID, Generation: 1}, &invitation.Plea{}); err != nil {
				t.Fatal(err)
			}
		}, []string{"receipt", "copy", "answer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id := w.invite(1)
				w.deliver()
				inv := w.get(id)
				c.spoil(t, w, inv)
				time.Sleep(time.Until(inv.ExpiresAt) - 7*24*time.Hour + time.Minute)
				w.cleanup()
				w.deliver()
				if c.name == "the partner is suspended" { // who was active when it was answered
					a := w.account()
					a.Status = partner.Active
					w.memory.PutAccount(a)
					w.accept(w.get(id))
					a.Status = partner.Suspended
					w.memory.PutAccount(a)
				} else {
					w.accept(w.get(id))
				}
				w.deliver()
				var got []string
				for _, m := range w.ses.all()[1:] {
					got = append(got, m.kind)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("%v, want %v", got, c.want)
				}
				if inv := w.get(id); inv.Post.State != outbox.None {
					t.Errorf("%+v", inv.Post)
				}
			})
		})
	}
}

// owing makes an invitation that owes a reminder, or what an answer owes, and gives its record in the stream.
func (w *world) owing(answer bool) (id string, record invitation.Invitation) {
	w.t.Helper()
	id = w.invite(1)
	w.deliver()
	inv := w.get(id)
	if answer {
		w.accept(inv)
	} else {
		time.Sleep(time.Until(inv.ExpiresAt) - 7*24*time.Hour + time.Minute)
		w.cleanup()
	}
	records := w.records()
	if len(records) != 1 || records[0].Post.State != outbox.Queued {
		w.t.Fatalf("%+v", records)
	}
	w.ses.forget()
	return id, records[0]
}

func (a *amazon) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taken = nil
}

// kinds counts the mails that SES has taken, by their kind.
func (a *amazon) kinds() map[string]int {
	n := map[string]int{}
	for _, m := range a.all() {
		n[m.kind]++
	}
	return n
}

// givenUp are the notices that the timeline says were given up, with the reason.
func givenUp(inv invitation.Invitation) (why []string) {
	for _, e := range inv.History {
		if e.Action == "notice failed" {
			why = append(why, e.Why)
		}
	}
	return why
}

// Every answer of SES means for a notice what it means for the mail, but that a reminder does not go again when nobody knows.
func TestOutcomesOfNotices(t *testing.T) {
	for _, c := range []struct {
		answer    answer
		state     outbox.State
		reason    string
		attempts  int
		due       time.Duration
		receipts  int    // in the end, when everything works again
		reminder  string // why it is given up at once; empty when it is tried again
		reminders int
		refused   bool
	}{
		{answer: takes, receipts: 1, reminders: 1},
		{answer: throttles, state: outbox.Waiting, reason: "rate_exceeded", due: time.Minute, receipts: 1, reminders: 1},
		{answer: overQuota, state: outbox.Waiting, reason: "quota_exceeded", due: 15 * time.Minute, receipts: 1, reminders: 1},
		{answer: paused, state: outbox.Waiting, reason: "sending_paused", due: 15 * time.Minute, receipts: 1, reminders: 1},
		{answer: rejects, reason: "message_rejected", reminder: "message_rejected", refused: true},
		{answer: failsBefore, state: outbox.Unknown, reason: "sender_unavailable", attempts: 1, due: outbox.UnknownGrace, receipts: 1, reminder: "sender_unavailable"},
		{answer: failsAfter, state: outbox.Unknown, reason: "sender_unavailable", attempts: 1, due: outbox.UnknownGrace, receipts: 2, reminder: "sender_unavailable", reminders: 1},
		{answer: silentBefore, state: outbox.Unknown, reason: "sender_silent", attempts: 1, due: outbox.UnknownGrace, receipts: 1, reminder: "sender_silent"},
		{answer: silentAfter, state: outbox.Unknown, reason: "sender_silent", attempts: 1, due: outbox.UnknownGrace, receipts: 2, reminder: "sender_silent", reminders: 1},
		{answer: unreachable, state: outbox.Waiting, reason: "sender_unreachable", attempts: 1, due: 30 * time.Second, receipts: 1, reminders: 1},
	} {
		for _, answered := range []bool{true, false} {
			t.Run(answers[c.answer]+map[bool]string{true: ", receipts", false: ", a reminder"}[answered], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					id, record := w.owing(answered)
					w.ses.next = func() answer { return c.answer }
					if err := w.dispatcher(nil).Dispatch(t.Context(), record); err != nil {
						t.Fatal(err)
					}
					inv := w.get(id)
					want, why := outbox.Box{State: c.state, Attempts: c.attempts, Reason: c.reason}, []string(nil)
					switch {
					case c.refused && answered:
						want, why = outbox.Box{}, []string{"receipt message_rejected", "copy message_rejected", "answer message_rejected"}
					case c.reminder != "" && !answered:
						want, why = outbox.Box{}, []string{"reminder " + c.reminder}
					}
					if p := inv.Post; p.State != want.State || p.Attempts != want.Attempts || p.Reason != want.Reason || p.Owner != "" || !slices.Equal(givenUp(inv), why) {
						t.Errorf("%+v, given up %q", p, givenUp(inv))
					}
					if want.State != outbox.None && time.Until(inv.Post.At).Round(2*time.Second) != c.due {
						t.Errorf("due in %v", time.Until(inv.Post.At))
					}
					if inv.Mail.State != outbox.Sent || inv.Mail.MessageID != "m" {
						t.Errorf("the mail that invites is %+v", inv.Mail)
					}
					w.ses.next = nil
					time.Sleep(20 * time.Minute)
					w.cleanup()
					w.deliver()
					got := w.ses.kinds()
					if answered && (got["receipt"] != c.receipts || got["copy"] != c.receipts || got["answer"] != c.receipts) || !answered && got["reminder"] != c.reminders {
						t.Errorf("SES took %v", got)
					}
					if inv := w.get(id); inv.Post.State != outbox.None {
						t.Errorf("in the end: %+v", inv.Post)
					}
				})
			})
		}
	}
}

// The sender of notices is killed before and after each thing that it does. Nothing is lost, what goes twice is the same mail with the
// same link, and a reminder goes once at most.
func TestNoticesKilledAtEveryStep(t *testing.T) {
	for _, answered := range []bool{true, false} {
		sends := map[bool]int{true: 3, false: 1}[answered]
		again := 0
		at := 0
		for ; ; at++ {
			dead := true
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id, record := w.owing(answered)
				n, where, sent := 0, "", 0
				dead = die(func() {
					_ = w.dispatcher(func(name string) {
						if name == "after the send" {
							sent++
						}
						if n == at {
							where = name
							panic(killed{})
						}
						n++
					}).Dispatch(t.Context(), record)
				})
				if !dead {
					return
				}
				settled := len(w.get(id).Post.Owed) == 0
				for range 3 {
					if err := w.dispatcher(nil).Dispatch(t.Context(), record); err != nil {
						t.Error(err)
					}
					time.Sleep(outbox.Lease + outbox.StreamGrace)
					w.cleanup()
					w.deliver()
				}
				inv := w.get(id)
				if inv.Post.State != outbox.None {
					t.Errorf("killed %s: %+v", where, inv.Post)
				}
				mails := w.ses.all()
				byKind := map[string]taken{}
				for _, m := range mails {
					if first, twice := byKind[m.kind]; twice && (first.link != m.link || first.to != m.to) {
						t.Errorf("killed %s: the second %s is another", where, m.kind)
					}
					byKind[m.kind] = m
				}
				again += len(mails) - len(byKind)
				switch {
				case answered && (len(byKind) != sends || len(mails) != sends+map[bool]int{true: 0, false: sent}[settled]):
					t.Errorf("killed %s after %d sends: SES has %v", where, sent, w.ses.kinds())
				case !answered && (len(mails) > 1 || len(mails) == 0 && !slices.Equal(givenUp(inv), []string{"reminder outcome_unknown"})):
					t.Errorf("killed %s: SES has %v, given up %q", where, w.ses.kinds(), givenUp(inv))
				}
			})
			if !dead {
				break
			}
		}
		t.Logf("%d steps, %d mails twice", at, again)
		if at < 2+4*sends || answered && again == 0 || !answered && again > 0 {
			t.Errorf("%d steps, %d mails twice", at, again)
		}
	}
}

// A record with a mail and notices that are owed brings both home; one that comes late or twice brings nothing.
func TestBothQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id, record := w.owing(false)
		if _, _, err := w.service.AskAgain(t.Context(), link.Link{Tenant: string(alder), ID: id, Generation: 1}, &invitation.Plea{Reason: "other"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(recipient.Cooldown)
		if _, _, err := w.service.Resend(t.Context(), command.Command{User: agent}, id); err != nil {
			t.Fatal(err)
		}
		if _, c, err := w.service.AskAgain(t.Context(), link.Link{Tenant: string(alder), ID: id, Generation: 1}, &invitation.Plea{Reason: "mail-lost"}); err != nil || c != invitation.RenewalAsked {
			t.Fatal(c, err)
		}
		inv := w.get(id)
		if inv.Mail.State != outbox.Queued || inv.Post.State != outbox.Queued || len(inv.Post.Owed) != 1 {
			t.Fatalf("%+v %+v", inv.Mail, inv.Post)
		}
		w.records()
		for range 2 {
			for _, r := range []invitation.Invitation{record, inv} {
				if err := w.dispatcher(nil).Dispatch(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
		}
		w.deliver()
		if got := w.ses.kinds(); len(w.ses.all()) != 2 || got["invitation"] != 1 || got["renewal"] != 1 {
			t.Errorf("SES has %v", got)
		}
		if inv := w.get(id); inv.Mail.State != outbox.Sent || inv.Post.State != outbox.None {
			t.Errorf("%+v %+v", inv.Mail, inv.Post)
		}
	})
}

// An invocation that is nearly over sends what it can; the rest goes in the next, at once.
func TestNoTimeForAllNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id, record := w.owing(true)
		ctx, cancel := context.WithTimeout(t.Context(), 3*SendTimeout)
		defer cancel()
		d := w.dispatcher(func(step string) {
			if step == "before the send" {
				time.Sleep(SendTimeout - time.Second)
			}
		})
		if err := d.Dispatch(ctx, record); err != nil || ctx.Err() != nil {
			t.Fatal(err, ctx.Err())
		}
		if inv := w.get(id); len(w.ses.all()) != 2 || inv.Post.State != outbox.Queued || !slices.Equal(inv.Post.Owed, []outbox.Kind{invitation.AnswerNotice}) {
			t.Errorf("SES has %v, %+v", w.ses.kinds(), inv.Post)
		}
		w.deliver()
		if inv := w.get(id); len(w.ses.all()) != 3 || inv.Post.State != outbox.None {
			t.Errorf("SES has %v, %+v", w.ses.kinds(), inv.Post)
		}
	})
}

// Notices of which this version knows nothing wait for the one that does, and harm no other.
func TestANoticeOfALaterVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, record := w.owing(true)
		d := w.dispatcher(nil)
		for _, c := range []struct {
			notice outbox.Kind
			edit   func(*invitation.Invitation)
		}{
			{"thanks", func(*invitation.Invitation) {}},
			{invitation.ReceiptNotice, func(i *invitation.Invitation) { i.Kind = "of a later version" }},
			{invitation.ReceiptNotice, func(i *invitation.Invitation) { i.Answer = nil }},
			{invitation.DisputeNotice, func(i *invitation.Invitation) { i.Answer = nil }},
		} {
			inv := record
			c.edit(&inv)
			l := invitation.Letter{Invitation: inv, Inviter: w.account(), Cloud: clouds[0]}
			if _, err := d.words(t.Context(), c.notice, l, &Message{}); !errors.Is(err, errNoWords) {
				t.Errorf("%s: %v", c.notice, err)
			}
		}
		if got := attempt(t.Context(), d, ofNotices{invitations{d}}, record, invitation.CopyNotice, record.Post.At); got.State != outbox.Sent {
			t.Errorf("%+v", got)
		}
	})
}

// No mail holds a link of a purpose that it should not have: whoever reads a notice to a partner's contact can answer nothing.
func TestPurposes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, record := w.owing(true)
		record.History = append(record.History, invitation.Entry{Action: "disputed", Why: "not-us"})
		d := w.dispatcher(nil)
		l := invitation.Letter{Invitation: record, Inviter: w.account(), Cloud: clouds[0]}
		for notice, want := range map[outbox.Kind][]link.Purpose{
			invitation.ReminderNotice: {link.Answer, link.Answer, link.Allow, link.Unsubscribe}, invitation.ReceiptNotice: {link.Receipt}, invitation.CopyNotice: nil,
			invitation.AnswerNotice: nil, invitation.RenewalNotice: nil, invitation.DisputeNotice: nil,
		} {
			var m Message
			c, err := d.words(t.Context(), notice, l, &m)
			if err != nil {
				t.Fatal(err)
			}
			var got []link.Purpose
			for _, u := range address.FindAllString(c.Text(), -1) {
				if u == overview && slices.Contains([]outbox.Kind{invitation.ReminderNotice, invitation.ReceiptNotice, invitation.CopyNotice}, notice) {
					continue // which needs no link of anybody's own
				}
				path, own := strings.CutPrefix(u, "https://portal.example/")
				p, token, _ := strings.Cut(strings.TrimSuffix(path, "/report"), "/")
				to, err := signer.Verify(link.Purpose(p[0]), token)
				if !own || err != nil || to != (link.Link{Tenant: string(alder), ID: record.ID, Generation: 1}) {
					t.Errorf("%s: a link to %+v, %v", notice, to, err)
				}
				got = append(got, link.Purpose(p[0]))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: links of %q, want %q", notice, got, want)
			}
			if (m.Unsubscribe != "") != (notice == invitation.ReminderNotice) || m.Unsubscribe != "" && !strings.Contains(c.Text(), m.Unsubscribe) {
				t.Errorf("%s: unsubscribe by %q", notice, m.Unsubscribe)
			}
		}
	})
}

var signer = link.NewSigner(link.Key{ID: 1, Secret: bytes.Repeat([]byte{7}, 32)})

// TestNoticesSayNothingSecret looks for links, addresses and names in everything that the sender of notices prints.
func TestNoticesSayNothingSecret(t *testing.T) {
	for what := range lastAnswer + 1 {
		for _, answered := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				_, record := w.owing(answered)
				w.ses.next = func() answer { return what }
				var out bytes.Buffer
				d := w.dispatcher(nil)
				d.Log, d.Metrics.Out = slog.New(slog.NewJSONHandler(&out, nil)), &out
				if err := d.Dispatch(t.Context(), record); err != nil {
					t.Error(err)
				}
				for _, secret := range []string{"larch", "ada1", "head@", "Berg", "/i/", "/r/", "/u/", "Alder", "alder.example"} {
					if strings.Contains(out.String(), secret) {
						t.Errorf("%s: the log holds %q:\n%s", answers[what], secret, out.String())
					}
				}
				kinds := []string{"reminder", "Reminder"}
				if answered {
					kinds = []string{"receipt", "copy", "answer", "Receipt", "Copy", "Answer"}
				}
				for _, kind := range kinds {
					if !strings.Contains(out.String(), `"kind":"`+kind+`"`) && !strings.Contains(out.String(), `"Name":"`+kind) {
						t.Errorf("%s: neither line nor figure of %s:\n%s", answers[what], kind, out.String())
					}
				}
				if what == paused && !strings.Contains(out.String(), `"MailBlocked":1`) {
					t.Errorf("nobody hears that SES sends nothing:\n%s", out.String())
				}
			})
		}
	}
}

// The other reasons for which a notice waits or is given up.
func TestNoticesNotSentForAReason(t *testing.T) {
	for name, c := range map[string]struct {
		answered bool
		broken   func(*world, *Dispatcher)
		waits    string
		gone     []string
	}{
		"account gone":          {true, func(_ *world, d *Dispatcher) { d.Accounts = &storetest.Memory{} }, "", []string{"receipt partner_not_active", "copy partner_not_active", "answer partner_not_active"}},
		"account not readable":  {true, failing(storetest.Account), "store_unavailable", nil},
		"ledger not readable":   {true, failing(storetest.Mailings), "store_unavailable", nil},
		"reminder not recorded": {false, failing(storetest.Record), "store_unavailable", nil},
		"cloud not served":      {true, func(_ *world, d *Dispatcher) { d.Clouds = nil }, "cloud_not_served", nil},
		"no secret":             {false, func(_ *world, d *Dispatcher) { d.Links = brokenLinks{} }, "link_unavailable", nil},
		"sending paused": {false, func(w *world, _ *Dispatcher) {
			a := w.account()
			a.Paused = &partner.Pause{At: time.Now(), Reason: "complaints"}
			w.memory.PutAccount(a)
		}, "partner_paused", nil},
		"partner suspended": {false, func(w *world, _ *Dispatcher) {
			a := w.account()
			a.Status = partner.Suspended
			w.memory.PutAccount(a)
		}, "", []string{"reminder partner_not_active"}},
		"no contact": {true, func(w *world, _ *Dispatcher) {
			a := w.account()
			a.Contact.Email = ""
			w.memory.PutAccount(a)
		}, "", []string{"answer no_contact"}},
		"mailed a moment ago": {false, func(w *world, _ *Dispatcher) {
			other := w.draft(2)
			inv := w.get(other)
			inv.RecipientEmail, inv.Reminded = "ada1@larch.example", 1
			if err := inv.AllowReminder(w.t.Context(), w.memory, time.Now()); err != nil {
				w.t.Fatal(err)
			}
		}, "resend_cooldown", nil},
		"held up until the lease is nearly over": {false, func(_ *world, d *Dispatcher) { d.Links = slowLinks{d.Links} }, "out_of_time", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				id, record := w.owing(c.answered)
				d := w.dispatcher(nil)
				c.broken(w, d)
				if err := d.Dispatch(t.Context(), record); err != nil {
					t.Error(err)
				}
				w.memory.Inject(nil)
				inv := w.get(id)
				state := outbox.None
				if c.waits != "" {
					state = outbox.Waiting
				}
				if inv.Post.State != state || inv.Post.Reason != c.waits || !slices.Equal(givenUp(inv), c.gone) {
					t.Errorf("%+v, given up %q", inv.Post, givenUp(inv))
				}
			})
		})
	}
}

func failing(operation storetest.Operation) func(*world, *Dispatcher) {
	return func(w *world, _ *Dispatcher) {
		w.memory.Inject(func(op storetest.Operation) storetest.Fault {
			if op == operation {
				return storetest.Fault{Err: errors.New("down")}
			}
			return storetest.Fault{}
		})
	}
}

// The mail that invites waits while the partner's sending is paused, for as long as that lasts.
func TestPausedPartner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.invite(1)
		a := w.account()
		a.Paused = &partner.Pause{At: time.Now(), Reason: "complaints"}
		w.memory.PutAccount(a)
		for range 48 {
			w.deliver()
			if m := w.get(id).Mail; m.State != outbox.Waiting || m.Reason != "partner_paused" || m.Attempts != 0 {
				t.Fatalf("%+v", m)
			}
			time.Sleep(time.Hour)
			w.cleanup()
		}
		a.Paused = nil
		w.memory.PutAccount(a)
		w.deliver()
		if m := w.get(id).Mail; m.State != outbox.Sent || len(w.ses.all()) != 1 {
			t.Errorf("%+v", m)
		}
	})
}
