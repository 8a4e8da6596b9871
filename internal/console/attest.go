package console

import (
	"slices"
	"strings"

	"concord/internal/problem"
	"concord/internal/terms"
)

// quotation is a text that somebody confirms, in the language that it is in force in.
type quotation struct{ Title, Body, URL, Lang, Version string }

// attesting puts what has to be confirmed on a page before something ends (invariant 14, X-i): the text in force in
// the language of the account, in which it is recorded, and the box. Without a text in force the page says so in
// place of its form.
func (v *visit) attesting(c *confirmation, texts terms.Catalogue, kind terms.Type) error {
	text, err := terms.Current(v.ctx(), texts, kind, v.account.Locale, v.account.Country, v.now)
	if problem.Is(err, problem.AgreementTextNotConfigured) {
		c.Blocked = append(c.Blocked, note{State: stop, Text: []string{v.sentence(problem.AgreementTextNotConfigured, "")}})
		return nil
	}
	if err != nil {
		return err
	}
	c.Words = &quotation{text.Title, text.Body, text.URL, text.Language, text.Version}
	box := v.input("check", "accepted", v.T("console-partner.attest"), "")
	box.Checked = v.form.on("accepted")
	version := field{Kind: "hidden", Name: "textVersion", Value: text.Version}
	c.Fields = append(c.Fields, box, version)
	return nil
}

// attested reads what such a page confirms.
func (v *visit) attested() *terms.Attestation {
	return &terms.Attestation{Accepted: new(v.form.on("accepted")), Version: v.form.said("textVersion")}
}

// moved has the findings of an error whose pointers begin in one way at fields that begin in another; what has no
// field of its own is at the one that is named last.
func moved(err error, from, to, rest string) error {
	refusal, ok := err.(*problem.Error) //nolint:errorlint // use cases give it as it is
	if !ok {
		return err
	}
	n := *refusal
	n.Findings = slices.Clone(n.Findings)
	for i, f := range n.Findings {
		if after, found := strings.CutPrefix(f.Pointer, from+"/"); found && after != "textVersion" {
			n.Findings[i].Pointer = to + "/" + after
		} else if found || f.Pointer == from {
			n.Findings[i].Pointer = rest
		}
	}
	return &n
}

// reworded has findings that say no more than that a field is wrong say it in the reader's language, by the key of
// the field's sentence.
func (v *visit) reworded(err error, keys map[string]string) error {
	refusal, ok := err.(*problem.Error) //nolint:errorlint // use cases give it as it is
	if !ok {
		return err
	}
	n := *refusal
	n.Findings = slices.Clone(n.Findings)
	for i, f := range n.Findings {
		if key := keys[f.Pointer]; key != "" && f.Code == problem.ValidationFailed {
			n.Findings[i].Detail = v.T(key)
		}
	}
	return &n
}
