package letter

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
)

var notified = Links{Answer: link, Report: link + "/report", Unsubscribe: "https://portal.example/u/AQID", Allow: "https://portal.example/m/AQID", Dispute: "https://portal.example/r/AQID"}

func answered(tag language.Tag, status invitation.Status) invitation.Letter {
	l := request(tag)
	l.Inviter.Locale = tag.String()
	l.Invitation.ID, l.Invitation.Status, l.Invitation.RecipientEmail = "inv_ccisylg5pl66zjmsfybwg4mb3a", status, "nora@larch.example"
	l.Invitation.Answer = &invitation.Given{FullName: "Nora Berg", JobTitle: "Head of IT", Company: "Larch Ltd", At: time.Date(2026, 3, 2, 12, 1, 0, 0, time.UTC)}
	return l
}

// Every reason that somebody can choose has words of its own in every language; one that is not known is left out.
func TestEveryReasonHasWords(t *testing.T) {
	for _, tag := range locale.Tags {
		for _, c := range []struct {
			reasons []string
			say     func(reason string) Content
		}{
			{invitation.Reasons, func(reason string) Content {
				l := answered(tag, invitation.Declined)
				l.Invitation.Answer.Reason = reason
				return Tell(invitation.AnswerNotice, l, operator)
			}},
			{invitation.Reasons, func(reason string) Content {
				l := answered(tag, invitation.Declined)
				l.Invitation.Answer.Reason = reason
				return Receipt(l, notified, operator)
			}},
			{invitation.RenewalReasons, func(reason string) Content {
				l := answered(tag, invitation.Expired)
				l.Invitation.Answer, l.Invitation.History = nil, []invitation.Entry{{Action: "renewal requested", Why: reason}}
				return Tell(invitation.RenewalNotice, l, operator)
			}},
			{invitation.DisputeReasons, func(reason string) Content {
				l := answered(tag, invitation.Accepted)
				l.Invitation.History = []invitation.Entry{{Action: "disputed", Why: reason}}
				return Tell(invitation.DisputeNotice, l, operator)
			}},
		} {
			without := len(c.say("").Facts)
			var seen []string
			for _, reason := range c.reasons {
				facts := c.say(reason).Facts
				at := slices.IndexFunc(facts, func(f Fact) bool { return f.Label == locale.For(tag).T("mail.fact.reason") })
				if len(facts) != without+1 || at < 0 || facts[at].Value == "" || slices.Contains(seen, facts[at].Value) {
					t.Errorf("%v: %s is said as %v", tag, reason, facts)
					continue
				}
				seen = append(seen, facts[at].Value)
			}
			if len(c.say("of a later version").Facts) != without {
				t.Errorf("%v: an unknown reason is said", tag)
			}
		}
	}
}

// There are words for every notice to a partner's contact, and for no other.
func TestTells(t *testing.T) {
	for n, want := range map[outbox.Kind]bool{
		invitation.AnswerNotice: true, invitation.RenewalNotice: true, invitation.DisputeNotice: true,
		invitation.ReminderNotice: false, invitation.ReceiptNotice: false, invitation.CopyNotice: false, "of a later version": false,
	} {
		if Tells(n) != want || invitation.Notices.ToPartner(n) != want {
			t.Errorf("%s: %v", n, Tells(n))
		}
	}
}

// A receipt is in the language of the invitation and quotes the consent in that of the page (0.39); what the inviter reads is in the language of
// its account.
func TestLanguageOfNotices(t *testing.T) {
	l := answered(language.Japanese, invitation.Accepted)
	l.Inviter.Locale = "es"
	if c := Receipt(l, notified, operator); c.Language != "ja" {
		t.Errorf("receipt in %s", c.Language)
	}
	if c := Receipt(l, notified, operator); c.Quote == nil || c.Quote.Language != "ja" {
		t.Errorf("consent without a language is quoted as %+v", c.Quote)
	}
	l.Invitation.Answer.Consent.Language = "fr"
	for _, links := range []Links{notified, {}} { // for who was asked, and for who answered
		for _, kind := range []invitation.Kind{invitation.Reseller, invitation.DualReseller, invitation.Partnership} {
			l.Invitation.Kind, l.Provider.DisplayName = kind, "Elm Distribution"
			c := Receipt(l, links, operator)
			plain := l
			plain.Invitation.Answer = new(*l.Invitation.Answer)
			plain.Invitation.Answer.Consent.Language = "ja"
			around := Receipt(plain, links, operator)
			if c.Language != "ja" || c.Quote == nil || c.Quote.Language != "fr" || slices.Equal(c.Quote.Lines, around.Quote.Lines) {
				t.Fatalf("%s: receipt in %s quotes %+v", kind, c.Language, c.Quote)
			}
			if want := Question(locale.For(language.French), disarmed(l), right(l)); c.Quote.Lines[len(c.Quote.Lines)-1] != want {
				t.Errorf("%s: the quote ends with %q, want %q", kind, c.Quote.Lines[len(c.Quote.Lines)-1], want)
			}
			quoted := "> " + strings.Join(c.Quote.Lines, "\n> ") + "\n"
			if got := c.Text(); !strings.Contains(got, quoted) || strings.Replace(got, quoted, "", 1) != strings.Replace(around.Text(), "> "+strings.Join(around.Quote.Lines, "\n> ")+"\n", "", 1) {
				t.Errorf("%s: the words around the quote are not those of the invitation's language:\n%s", kind, got)
			}
		}
	}
	l.Invitation.Kind = invitation.Reseller
	declined := l
	declined.Invitation.Status = invitation.Declined
	if c := Receipt(declined, notified, operator); c.Language != "ja" || c.Quote != nil {
		t.Errorf("a receipt of a declined request in %s quotes %+v", c.Language, c.Quote)
	}
	q := granular.Request{
		Relationship: granular.Relationship{
			Key: granular.Key{ID: "gdap_ccisylg5pl66zjmsfybwg4mb3a"}, CustomerName: "Larch Ltd", Roles: []string{granular.ShippedRoles().GlobalAdministrator},
			Duration: granular.Period{Months: 3}, Mail: granular.Mail{Locale: "ja"}, Answer: &granular.Given{Consent: granular.ConsentText{Language: "fr"}},
		},
		Partner: l.Inviter, Portal: l.Cloud,
	}
	if c, _ := Granular(granular.ReceiptNotice, q, granular.ShippedRoles(), notified, operator); c.Language != "ja" || c.Quote == nil || c.Quote.Language != "fr" ||
		!slices.Contains(c.Quote.Lines, locale.For(language.French).T("page.consent.granular.all", "partner", l.Inviter.DisplayName)) {
		t.Errorf("the receipt of granular administration in %s quotes %+v", c.Language, c.Quote)
	}
	if c := Tell(invitation.AnswerNotice, l, operator); c.Language != "es" {
		t.Errorf("notice in %s", c.Language)
	}
}

// A receipt says what was agreed to, how it ends, and until when it can be disputed.
func TestWhatAReceiptSays(t *testing.T) {
	for _, tag := range locale.Tags {
		l := answered(tag, invitation.Accepted)
		without := Receipt(l, notified, operator).Text()
		l.Invitation.RequestDelegatedAdmin = true
		with := Receipt(l, notified, operator).Text()
		l.Invitation.Status = invitation.Declined
		declined := Receipt(l, notified, operator).Text()
		until := locale.For(tag).DateTime(l.Invitation.Answer.At.Add(invitation.DisputeWindow))
		for _, text := range []string{without, with, declined} {
			for _, part := range []string{"CCISY-LG5PL", "Nora Berg", "Head of IT", "Larch Ltd", "Dogwood Cloud Services", "dogwood.example", "Example Operator", "Microsoft", until} {
				if !strings.Contains(text, part) {
					t.Errorf("%v: %q is not in\n%s", tag, part, text)
				}
			}
			overview := "https://portal.example/customer"
			if !strings.Contains(text, overview) {
				t.Errorf("%v: nothing says where to see and end it", tag)
			}
			aloneOnce(t, strings.NewReplacer(overview, "", operator.Privacy, "", operator.Imprint, "").Replace(text), notified.Dispute)
		}
		if without == with || with == declined {
			t.Errorf("%v: the receipts are the same", tag)
		}
	}
}

// What a rehearsal is called stays in the subject however short a mail program wants it.
func TestARehearsalSaysSo(t *testing.T) {
	for _, tag := range locale.Tags {
		l := request(tag)
		plain := Compose(l, link, operator)
		l.Invitation.Sandbox = true
		l.Inviter.DisplayName = strings.Repeat("社", 100)
		c := Compose(l, link, operator)
		uri, ok := c.Mailto(strings.Repeat("a", 254))
		mark, _, _ := strings.Cut(c.Subject, "社")
		word := strings.Trim(mark, "[]【】 ")
		if i := strings.IndexAny(word, "]】"); i >= 0 {
			word = word[:i]
		}
		if plain.Banner != "" || c.Banner == "" || !strings.Contains(c.Text(), c.Banner) || word == "" || !ok || !strings.Contains(uri, escape(word)) {
			t.Errorf("%v: subject %q, banner %q, %v %s", tag, c.Subject, c.Banner, ok, uri)
		}
		if r := Remind(l, notified, operator); !strings.Contains(r.Subject, word) || r.Subject == c.Subject || !strings.HasSuffix(r.Subject, c.Subject) {
			t.Errorf("%v: the reminder's subject is %q", tag, r.Subject)
		}
	}
}

// What somebody has typed keeps its lines and nothing that does not show.
func TestQuote(t *testing.T) {
	for text, want := range map[string][]string{
		"":                          nil,
		" \r\n\t\u202e ":            nil,
		"one":                       {"one"},
		"one\ntwo":                  {"one", "two"},
		"one\r\n\r\n two \rthree":   {"one", "two", "three"},
		"a\tb\u0007c\u202ed\u2066e": {"a bcde"},
		"> not a quote":             {"> not a quote"},
	} {
		q := quote("by", text)
		if q == nil && want != nil || q != nil && (!slices.Equal(q.Lines, want) || q.By != "by") {
			t.Errorf("%q: %+v, want %q", text, q, want)
		}
	}
}

func TestAFileKeepsLoneCarriageReturnsApart(t *testing.T) {
	if _, body := opened(t, Message("", "", "x", "\r=\n", written)); body != "\r\n=\r\n" {
		t.Errorf("%q", body)
	}
}

// Decision 0.38: a company may be called like a domain, and no part of a letter has its name so that a mail program makes a link of it.
func TestNoNameBecomesALink(t *testing.T) {
	const inviter, provider, company = "Rowanberry.com Holdings", "Zwölftanne.de GmbH", "37-rowans.net"
	for _, tag := range locale.Tags {
		for kind := range kinds {
			l := answered(tag, invitation.Accepted)
			l.Invitation.Kind = kind
			l.Inviter.DisplayName, l.Provider.DisplayName = inviter, provider
			l.Invitation.Answer.Company, l.Invitation.Answer.JobTitle = company, "Head of larch.com"
			for name, c := range map[string]Content{
				"draft": Compose(l, link, operator), "mail": Mail(l, notified, operator), "reminder": Remind(l, notified, operator), "receipt": Receipt(l, notified, operator),
				"answer": Tell(invitation.AnswerNotice, l, operator),
			} {
				texts := []string{c.Subject, c.Text()}
				if name == "draft" {
					texts = append(texts, c.Short())
				}
				for _, text := range texts {
					for _, dotted := range []string{"Rowanberry.com", "Zwölftanne.de", "37-rowans.net", "larch.com"} {
						if strings.Contains(text, dotted) {
							t.Errorf("%v %s %s: %s in %q", tag, kind, name, dotted, text)
						}
					}
				}
				if !strings.Contains(strings.ReplaceAll(c.Text(), "\u2060", ""), map[bool]string{true: company, false: inviter}[name == "answer"]) {
					t.Errorf("%v %s %s does not name the company", tag, kind, name)
				}
			}
		}
	}
}

func TestNoNameOfAnApplicationBecomesALink(t *testing.T) {
	for n := range applications {
		c := Enrol(n, enrolment.Enrolment{ID: "enr_ccisylg5pl66zjmsfybwg4mb3a", Locale: "en", Legal: enrolment.Legal{Name: "Rowanberry.com Holdings"}}, "", partner.Cloud{}, operator)
		if text := c.Text(); strings.Contains(text, "Rowanberry.com") || !strings.Contains(text, "Rowanberry.\u2060com") {
			t.Errorf("%s: %q", n, text)
		}
	}
	q := granular.Request{Partner: partner.Account{DisplayName: "Rowanberry.com Holdings"}, Relationship: granular.Relationship{CustomerName: "37-rowans.net"}}
	for _, n := range []outbox.Kind{granular.RequestNotice, granular.ReceiptNotice, granular.NarrowedNotice, granular.CustomerEndingNotice, granular.AnswerNotice, granular.EndingNotice} {
		c, known := Granular(n, q, granular.ShippedRoles(), Links{}, operator)
		if text := c.Subject + c.Text(); !known || strings.Contains(text, "Rowanberry.com") || strings.Contains(text, "rowans.net") || !strings.Contains(text, "\u2060") {
			t.Errorf("%s: %q", n, text)
		}
	}
}
