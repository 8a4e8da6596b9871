package web

import (
	"net/http"
	"time"

	"concord/internal/problem"
	"concord/internal/terms"
)

// attestations serves the words that are attested on removal.
type attestations struct {
	texts terms.Catalogue
	now   func() time.Time
}

type attestationDocument struct {
	Type        terms.Type `json:"type"`
	TextVersion string     `json:"textVersion"`
	Language    string     `json:"language"`
	Title       string     `json:"title"`
	Text        string     `json:"text"`
	SHA256      string     `json:"sha256"`
}

// errNoSuchText names the texts that there are, which are the same for everybody.
var errNoSuchText = problem.New(problem.NotFound, "There is no such text: the types are %s and %s.", terms.RelationshipRemoval, terms.PartnershipRemoval)

// read gives the text in force, in the language of the caller's account.
func (a attestations) read(c *call) error {
	u := c.user()
	if u.Tenant == "" {
		return problem.New(problem.RoleNotPermitted, "The token names no tenant.")
	}
	kind := terms.Type(c.r.PathValue("type"))
	if kind != terms.RelationshipRemoval && kind != terms.PartnershipRemoval {
		return errNoSuchText
	}
	account, err := c.gate.Accounts.Account(c.r.Context(), u.Tenant, false)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return err
	}
	text, err := terms.Current(c.r.Context(), a.texts, kind, account.Locale, account.Country, a.now())
	if err != nil {
		return err
	}
	d := attestationDocument{Type: text.Type, TextVersion: text.Version, Language: text.Language, Title: text.Title, Text: text.Body, SHA256: text.Hash}
	if d.Text == "" {
		d.Text = text.URL
	}
	return c.give(http.StatusOK, d)
}

// attestation takes the attestation of a removal out of a body.
func (b *body) attestation() *terms.Attestation {
	g := b.group("attestation")
	if g == nil {
		return nil
	}
	a := &terms.Attestation{Accepted: g.flag("accepted"), Version: g.text("textVersion")}
	b.join("/attestation", g)
	return a
}
