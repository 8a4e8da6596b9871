package commerce

import (
	"context"
	"strings"
	"time"

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
func (s Signing) Stands(ctx context.Context, customer, seller partner.TenantID) (bool, error) {
	all, err := s.Agreements.Agreements(ctx, customer, seller)
	return len(all) > 0, err
}

// Signed gives the agreement of a signature that goes with a relationship.
func Signed(r relationship.Relationship, s relationship.Signature) Agreement {
	first, last := s.FullName, ""
	if n := strings.LastIndexByte(s.FullName, ' '); n > 0 {
		first, last = s.FullName[:n], s.FullName[n+1:]
	}
	return Agreement{
		ID: s.ID, Customer: r.Customer.Home(), Source: DirectSigned, Partner: r.Partner, Number: s.Number, Text: s.Text,
		Contact: Person{FirstName: first, LastName: last, Email: s.Email}, AgreedAt: s.At, Invitation: s.Invitation, At: s.At, By: s.By, CorrelationID: s.CorrelationID, EraseAt: s.EraseAt,
	}
}

// IsMissing reports whether an error is that the deployment has no text to sign.
func IsMissing(err error) bool { return problem.Is(err, problem.AgreementTextNotConfigured) }
