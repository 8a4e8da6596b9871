package commerce

import (
	"context"
	"strings"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// Signing is the customer agreement as the answer to an invitation meets it: it can be signed in the same step (domain, 0.8).
type Signing struct {
	Agreements AgreementStore
	Texts      terms.Catalogue
}

// Signable is what a customer may sign.
type Signable struct {
	Text   terms.Text
	Number int // that a signature of it has
}

// Words says which words are offered.
func (o Signable) Words() relationship.AttestedText {
	return relationship.AttestedText{Version: o.Text.Version, Language: o.Text.Language, Hash: o.Text.Hash}
}

// Offer gives the text in force for a company, in the language nearest to one, and nil when the company has signed that version here itself.
// Code: [problem.AgreementTextNotConfigured] when there is none (domain, 0.21).
func (s Signing) Offer(ctx context.Context, company relationship.Customer, lang string, now time.Time) (*Signable, error) {
	text, err := terms.Current(ctx, s.Texts, terms.CustomerAgreement, lang, company.Country, now)
	if err != nil {
		return nil, err
	}
	all, err := s.Agreements.Agreements(ctx, company.Tenant, "")
	if err != nil {
		return nil, err
	}
	o := &Signable{Text: text, Number: 1}
	for _, a := range all {
		if a.Text.Version == text.Version {
			return nil, nil // nothing is left to sign
		}
		o.Number = max(o.Number, a.Number+1)
	}
	return o, nil
}

// Stands reports whether a customer has signed here itself, with whichever partner, or a seller attests that it has. The seller is empty where
// nobody knows it yet.
func (s Signing) Stands(ctx context.Context, customer relationship.Customer, seller partner.TenantID) (bool, error) {
	all, err := AgreementsOf(ctx, s.Agreements, relationship.Relationship{Partner: seller, Customer: customer})
	return len(all) > 0, err
}

// Signed gives the agreement of a signature that goes with a relationship.
func Signed(r relationship.Relationship, s relationship.Signature) Agreement {
	first, last := Names(s.FullName)
	if s.FirstName != "" {
		first, last = s.FirstName, s.LastName
	}
	return Agreement{
		ID: s.ID, Customer: r.Customer.Home(), Source: DirectSigned, Partner: r.Partner, Number: s.Number, Text: s.Text,
		Contact: Person{FirstName: first, LastName: last, Email: s.Email, Phone: s.Phone}, AgreedAt: s.At, Invitation: s.Invitation, At: s.At, By: s.By, CorrelationID: s.CorrelationID, EraseAt: s.EraseAt,
	}
}

// Names takes a name apart, as one that was typed whole stands in an agreement.
func Names(full string) (first, last string) {
	if n := strings.LastIndexByte(full, ' '); n > 0 {
		return full[:n], full[n+1:]
	}
	return full, ""
}

// Reference is by what people call the agreement: short, and no secret.
func (a Agreement) Reference() string {
	_, id, _ := strings.Cut(a.ID, "_")
	return strings.ToUpper(id[:min(5, len(id))] + "-" + id[min(5, len(id)):min(10, len(id))])
}

// Signer is who signs the customer agreement on the company's own page, before it was checked.
type Signer struct {
	FirstName, LastName, Email string
	Phone                      string // empty for none
	Signs, Authorized          bool   // the boxes that say so
}

// Sign records that the company of a relationship signs what it was offered, apart from any answer (rule P1). It counts for the purchases of
// every partner, and the one of the relationship is told. Codes: those of a field. [command.ErrConflict] when somebody else was quicker.
func (s Signing) Sign(ctx context.Context, r relationship.Relationship, o Signable, by Signer, addresses emailaddr.Addresses, a Agreement) (Agreement, error) {
	var f problem.Findings
	var err error
	if !by.Signs {
		f.Add("/signAgreement", problem.ValidationFailed, "Tick the box to sign.")
	}
	for _, name := range []struct {
		pointer, said string
		to            *string
	}{{"/firstName", by.FirstName, &a.Contact.FirstName}, {"/lastName", by.LastName, &a.Contact.LastName}} {
		if *name.to, err = emailaddr.Name(name.said); err != nil {
			f.Note(name.pointer, err)
		}
	}
	if a.Contact.Email, err = addresses.Check(by.Email); err != nil {
		f.Note("/email", err)
	}
	if a.Contact.Phone = strings.TrimSpace(by.Phone); a.Contact.Phone != "" {
		f.Note("/phone", emailaddr.Phone(a.Contact.Phone))
	}
	if !by.Authorized {
		f.Add("/authorized", problem.ValidationFailed, "Confirm that you may act for your company.")
	}
	if err := f.Err(); err != nil {
		return Agreement{}, err
	}
	a.Customer, a.Source, a.Partner, a.Number, a.Text, a.AgreedAt = r.Customer.Tenant, DirectSigned, r.Partner, o.Number, o.Words(), a.At
	return a, s.Agreements.AddAgreement(ctx, a, agreed(r))
}

// IsMissing reports whether an error is that the deployment has no text to sign.
func IsMissing(err error) bool { return problem.Is(err, problem.AgreementTextNotConfigured) }
