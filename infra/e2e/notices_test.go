package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// about waits for the mail of a kind to an address that names a reference.
func about(t testing.TB, address, kind, reference string) email {
	t.Helper()
	var found []email
	eventually(t, kind+" to "+address, func() bool {
		found = mailTo(t, address, 0)
		found = slices.DeleteFunc(found, func(m email) bool { return m.Tags["kind"] != kind || !strings.Contains(m.Body.Text, reference) })
		return len(found) > 0
	})
	if len(found) != 1 {
		t.Fatalf("%d mails", len(found))
	}
	return found[0]
}

var anyLink = regexp.MustCompile(`https?://\S+/[a-z]/[A-Za-z0-9_-]{20,}`)

// Both sides have in their mailbox what was answered, the inviter what is said about it later, each in its language; nobody but who was
// asked has a link.
func TestBothSidesAreTold(t *testing.T) {
	dogwood := newPartner(t, "dogwood")
	const recipient, signer, contact = "told@larch.example", "admin@larch.example", "partners@dogwood.example"
	dogwood.do("PATCH", "/v1/account", `{"acceptanceMails":"each"}`, "If-Match", "*").want(t, 200) // else it is told tomorrow
	id, link := dogwood.invite(`{"kind":"reseller","requestDelegatedAdmin":true,"locale":"fr","recipientEmail":"`+recipient+`"}`, recipient)
	first := about(t, recipient, "invitation", "")
	if got := anyLink.FindAllString(first.Body.Text, -1); len(got) != 3 || got[0] != link || got[1] != link || got[2] != otherLink(t, first, "m") || !strings.Contains(first.Body.Text, link+"/report") {
		t.Errorf("%d links in the mail", len(got))
	}
	if first.header("Auto-Submitted") != "" || first.header("List-Unsubscribe") != "" || !slices.Equal(first.ReplyTo, []string{contact}) {
		t.Errorf("headers of the mail that invites: %v, reply to %v", first.Headers, first.ReplyTo)
	}
	person := newBrowser(t)
	accepted := person.submit(person.signIn(link, signer).want(t, 200), accepting()).want(t, 200)
	reference := accepted.text(t, "reference")

	receipt, copied, told := about(t, recipient, "receipt", reference), about(t, signer, "copy", reference), about(t, contact, "answer", reference)
	for _, m := range []email{receipt, copied} {
		for _, part := range []string{"Lara Larch", "Head of IT", "Référence", "administration déléguée"} {
			if !strings.Contains(m.Body.Text, part) {
				t.Errorf("%s does not say %q:\n%s", m.Tags["kind"], part, m.Body.Text)
			}
		}
	}
	if !strings.Contains(told.Body.Text, "The customer has accepted your request") || !strings.Contains(told.Body.Text, recipient) {
		t.Errorf("the inviter reads\n%s", told.Body.Text)
	}
	dispute := otherLink(t, receipt, "r")
	if !slices.Contains(strings.Split(receipt.Body.Text, "\n"), dispute) || anyLink.MatchString(copied.Body.Text+copied.Body.HTML+told.Body.Text+told.Body.HTML) || len(told.ReplyTo) != 0 {
		t.Error("the link of the receipt does not stand alone, or others have links")
	}
	b := newBrowser(t)
	b.submit(b.get(dispute).want(t, 200), because("not-authorised")).want(t, 200)
	if m := about(t, contact, "dispute", reference); !strings.Contains(m.Body.Text, "The person who answered isn’t authorised to act for the company") || anyLink.MatchString(m.Body.Text) || m.header("Auto-Submitted") != "auto-generated" {
		t.Errorf("of the dispute the inviter reads\n%s", m.Body.Text)
	}
	// What SES says of notices is said of no invitation.
	if state, reason := dogwood.delivery(id); state != "delivered" || reason != "" {
		t.Errorf("delivery %s %s", state, reason)
	}
}

// A reminder that is called unwanted is said of the invitation, and its address gets no more mail of anybody; a receipt's fate is its own.
func TestTheFateOfAReminder(t *testing.T) {
	alder := newPartner(t, "alder")
	const recipient = "unwanted@larch.example"
	id, link := alder.invite(`{"kind":"reseller","expiresIn":"P3D","recipientEmail":"`+recipient+`"}`, recipient)
	alder.arrived(id)
	fate(t, "complains:abuse", recipient)
	advance(t, "P2DT1H")
	reminder := mailTo(t, recipient, 2)[1]
	if linkIn(t, reminder) != link || reminder.header("List-Unsubscribe") != "<"+otherLink(t, reminder, "u")+">" || reminder.header("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
		t.Errorf("%s, headers %v", reminder.Subject, reminder.Headers)
	}
	alder.becomes(id, "complained", "complaint_abuse")
	if got := alder.timeline("/v1/invitations/" + id); !slices.Contains(got, "reminded mailer") && !slices.ContainsFunc(got, func(e string) bool { return strings.HasPrefix(e, "reminded") }) {
		t.Errorf("timeline %q", got)
	}
	// Nothing more goes there: not even the receipt.
	person := newBrowser(t)
	accepted := person.submit(person.signIn(link, "admin@larch.example").want(t, 200), accepting()).want(t, 200)
	about(t, "admin@larch.example", "copy", accepted.text(t, "reference"))
	if n := len(mailTo(t, recipient, 2)); n != 2 {
		t.Errorf("%d mails", n)
	}
}
