package pages_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"concord/internal/commerce"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/relationship"
	"concord/internal/storetest"
	"concord/internal/terms"
)

// offering deploys the pages with a customer agreement to sign.
func offering(t *testing.T) *deployment {
	t.Helper()
	d := deploy(t)
	d.service.Agreements = &commerce.Signing{Agreements: d.store, Texts: d.store}
	d.publish("sample-1", "en", "Sample, no legal effect.\nThe company agrees.")
	d.publish("sample-1", "fr", "Sans effet juridique.")
	return d
}

func (d *deployment) publish(version, language, body string) {
	d.t.Helper()
	sum := sha256.Sum256([]byte(body))
	if err := d.store.Publish(d.t.Context(), terms.Text{
		Type: terms.CustomerAgreement, Version: version, Language: language, Title: "Sample agreement", Body: body, Hash: hex.EncodeToString(sum[:]), From: time.Now().Add(-time.Hour),
	}); err != nil {
		d.t.Fatal(err)
	}
}

// signing gives the fields of the form with which its agreement is signed; false when none is offered.
func (s seen) signing(form url.Values) (url.Values, bool) {
	for _, in := range find(s.doc, "input") {
		if attr(in, "name") == "agreementRead" {
			return with(form, "signAgreement", "on", "agreementRead", attr(in, "value")), true
		}
	}
	return form, false
}

// Test08: the customer agreement is offered on the acceptance page, not preselected and not required, and is signed in the same transaction
// (domain, 0.8; invariant 3).
func Test08(t *testing.T) {
	d := offering(t)
	inv, token := d.invite()
	b := d.browser()
	form := b.signIn(token, lara)
	form.want(t, "answer", 200)
	form.has(t, "Sample, no legal effect. The company agrees.", "I sign this agreement for Larch Trading Ltd")
	for _, in := range find(form.doc, "input") {
		if attr(in, "name") == "signAgreement" && slices.ContainsFunc(in.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) {
			t.Error("it is signed before anybody chose")
		}
	}
	signed, _ := form.signing(acceptance)
	answer := b.post("/i/"+token, signed)
	if answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
	}
	b.get("/i/"+token).has(t, "The customer agreement is signed")
	all, err := d.store.Agreements(t.Context(), larch, "")
	if err != nil || len(all) != 1 {
		t.Fatalf("%v %v", all, err)
	}
	a := all[0]
	if a.Source != commerce.DirectSigned || a.Partner != alder || a.Invitation != inv.ID || a.Text.Version != "sample-1" || a.Text.Language != "en" || len(a.Text.Hash) != 64 ||
		a.Contact != (commerce.Person{FirstName: "Lara", LastName: "Larch", Email: "admin@larch.example"}) || a.By != "u-lara" || a.CorrelationID == "" {
		t.Errorf("%+v", a)
	}
	rel, err := d.store.Relationship(t.Context(), alder, larch)
	if err != nil || !rel.AgreementSigned || rel.Version != 1 || !d.stored(inv).Answer.AgreementSigned {
		t.Errorf("%+v, %v", rel, err)
	}
	// Who has signed what is in force is not asked again; a new version is signed beside the one before, although nothing else is new.
	again, token := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("other@larch.example") })
	b = d.browser()
	if _, offered := b.signIn(token, lara).signing(acceptance); offered {
		t.Error("it is offered again")
	}
	d.publish("sample-2", "en", "Other words.")
	next, offered := b.get("/i/" + token).signing(acceptance)
	if !offered {
		t.Fatal("a new version is not offered")
	}
	if answer := b.post("/i/"+token, next); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
	}
	if all, err = d.store.Agreements(t.Context(), larch, ""); err != nil || len(all) != 2 || all[1].Number != 2 || all[1].Text.Version != "sample-2" {
		t.Errorf("%+v %v", all, err)
	}
	if got := d.stored(again); !got.Answer.NoChange || !got.Answer.AgreementSigned {
		t.Errorf("%+v", got.Answer)
	}
	if rel, err = d.store.Relationship(t.Context(), alder, larch); err != nil || rel.Version != 2 || len(rel.History) != 1 {
		t.Errorf("%+v, %v", rel, err)
	}
}

func TestAcceptWithoutSigning(t *testing.T) {
	d := offering(t)
	inv, token := d.invite()
	b := d.browser()
	form := b.signIn(token, lara)
	// A box without the words that it is about, and one about other words, sign nothing: the form is shown again.
	for _, read := range []string{"", "sample-1/en/0000"} {
		p := b.post("/i/"+token, with(acceptance, "signAgreement", "on", "agreementRead", read))
		p.want(t, "answer", 422)
		p.has(t, "The text has changed since you opened this page")
	}
	// What was read in one language is signed in that one.
	french, _ := b.get("/i/" + token + "?lang=fr").signing(acceptance)
	if !strings.Contains(french.Get("agreementRead"), "/fr/") {
		t.Errorf("%v", french)
	}
	b.post("/i/"+token, with(french, "words", "en")).want(t, "answer", 422)
	declined, _ := form.signing(with(acceptance, "answer", "decline"))
	_, other := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("other@larch.example") })
	b.post("/i/"+other, declined)
	if answer := b.post("/i/"+token, acceptance); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
	}
	b.get("/i/"+token).has(t, "Alder Cloud Services Inc. will ask you to sign it")
	all, err := d.store.Agreements(t.Context(), larch, "")
	if err != nil || len(all) != 0 || d.stored(inv).Answer.AgreementSigned {
		t.Errorf("%v %v", all, err)
	}
	// A rehearsal offers nothing.
	_, token = d.invite(rehearse)
	if _, offered := b.get("/i/" + token).signing(acceptance); offered {
		t.Error("a rehearsal offers it")
	}
}

// Who has signed already, with whichever partner, is not told that anybody will ask for it (0.33).
func TestSignedBefore(t *testing.T) {
	d := offering(t)
	d.tiers(true)
	_, token := d.invite()
	b := d.browser()
	signed, _ := b.signIn(token, lara).signing(acceptance)
	b.post("/i/"+token, signed)
	inv, token := d.ask(birch, invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: to("jo@larch.example")})
	if answer := b.post("/i/"+token, acceptance); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
	}
	if a := d.stored(inv).Answer; a.AgreementSigned || !a.AgreementStood {
		t.Errorf("%+v", a)
	}
	page := b.get("/i/" + token)
	page.has(t, "The customer agreement is signed. Company b12c places the orders you ask for.")
	if strings.Contains(page.text, "will ask") {
		t.Errorf("somebody is said to ask for a signature: %s", page.text)
	}
}

// TestAgreementNeeded: policy acceptanceNeedsAgreement.
func TestAgreementNeeded(t *testing.T) {
	d := offering(t)
	d.service.NeedsAgreement = true
	inv, token := d.invite()
	b := d.browser()
	form := b.signIn(token, lara)
	form.has(t, "Grove Marketplace Ltd requires the customer agreement to be signed")
	p := b.post("/i/"+token, acceptance)
	p.want(t, "answer", 422)
	p.has(t, "Sign the customer agreement, or decline")
	if d.stored(inv).Answer != nil {
		t.Error("answered")
	}
	signed, _ := form.signing(acceptance)
	if answer := b.post("/i/"+token, signed); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
	}
	// Who has signed already signs nothing again.
	_, token = d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("other@larch.example") })
	if answer := b.post("/i/"+token, acceptance); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
	}
	// Without a text nothing can be accepted where one is needed (0.21).
	d = deploy(t)
	d.service.Agreements, d.service.NeedsAgreement = &commerce.Signing{Agreements: d.store, Texts: d.store}, true
	inv, token = d.invite()
	b = d.browser()
	b.signIn(token, lara).want(t, "answer", 200)
	b.post("/i/"+token, acceptance).want(t, "service-trouble", 503)
	if d.stored(inv).Answer != nil {
		t.Error("answered")
	}
}

// TestAgreementConflict: two answers that sign at the same time both stand, each with a number of its own.
func TestAgreementConflict(t *testing.T) {
	d := offering(t)
	_, token := d.invite()
	b := d.browser()
	signed, _ := b.signIn(token, lara).signing(acceptance)
	inner := true
	d.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Commit && inner {
			inner = false
			return storetest.Fault{Err: invitation.ErrConflict}
		}
		return storetest.Fault{}
	})
	if answer := b.post("/i/"+token, signed); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
	}
	all, err := d.store.Agreements(t.Context(), larch, "")
	if err != nil || len(all) != 1 {
		t.Errorf("%v %v", all, err)
	}
	d.fault.Store(nil)
	rel, err := d.store.Relationship(t.Context(), alder, larch)
	if err != nil || rel.Status != relationship.Active || !rel.AgreementSigned {
		t.Errorf("%+v %v", rel, err)
	}
}

func TestAgreementInEveryLanguage(t *testing.T) {
	for _, tag := range locale.Tags {
		d := offering(t)
		_, token := d.invite(func(p *invitation.Proposal) {
			p.Locale, p.RequestDelegatedAdmin = to(tag.String()), to(true)
		})
		b := d.browser()
		b.signIn(token, nowhere)
		d.service.NeedsAgreement = true
		p := b.post("/i/"+token, with(acceptance, "country", "US"))
		p.want(t, "answer", 422)
		if p.id("f-agreement-fault") == nil || len(p.text) > 30<<10 {
			t.Errorf("%s: %d bytes", tag, len(p.text))
		}
		want := "en"
		if tag.String() == "fr" {
			want = "fr"
		}
		if i := slices.IndexFunc(find(p.doc, "p"), func(n *html.Node) bool { return attr(n, "class") == "words" }); i < 0 || attr(find(p.doc, "p")[i], "lang") != want {
			t.Errorf("%s: the words are in another language", tag)
		}
	}
	// Words that are elsewhere are led to.
	d := offering(t)
	if err := d.store.Publish(t.Context(), terms.Text{
		Type: terms.CustomerAgreement, Version: "sample-9", Language: "en", Title: "Sample agreement", URL: "https://agreement.example/9", Hash: strings.Repeat("0f", 32), From: time.Now().Add(-time.Minute),
	}); err != nil {
		t.Fatal(err)
	}
	_, token := d.invite()
	if p := d.browser().signIn(token, lara); !slices.Contains(p.links(), "https://agreement.example/9") {
		t.Errorf("%v", p.links())
	}
}
