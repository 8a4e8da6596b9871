// Package review asks a company, twice a year, to look at who holds rights over it (domain, 0.49).
//
// What is asked is one mail to one Global admin who has answered here, with the link to the company's own page and nothing
// else. Whom to ask is noted at an answer that gives rights, once for a tenant; what is left to do then is on the due index.
package review

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Period is how long after the answer a company is asked, and after each mail again.
const Period = 182 * 24 * time.Hour

// Review is whom a company is asked by, and when next. There is one for a tenant.
type Review struct {
	Tenant partner.TenantID
	Cloud  partner.CloudID
	// To is the address of a Global admin, at a domain that the company has proven; empty for nobody.
	To     string
	Locale string // BCP 47: the language in which the admin answered
	// Next is when the company is asked; zero while nobody is.
	Next    time.Time
	Post    outbox.Box
	Version int // 1 for a new one, raised by each write
}

// Change is one version over another; Before is nil for the first.
type Change struct {
	Before *Review
	After  Review
}

// ErrConflict is that somebody else was quicker.
var ErrConflict = command.ErrConflict

// Store keeps what is noted. WriteReview stores one version over the one before, or a first one where there is none, and gives
// [ErrConflict] where somebody was quicker.
type Store interface {
	// Review gives what is noted of a tenant, strongly consistent with strong set and else a second behind; code
	// [problem.NotFound].
	Review(ctx context.Context, tenant partner.TenantID, strong bool) (Review, error)
	// WriteReview stores a change, while what is stored is as Before says; else [ErrConflict].
	WriteReview(ctx context.Context, c Change) error
}

// Notes notes who is to be asked.
type Notes struct {
	Store Store
	Now   func() time.Time
}

// Note notes that somebody has answered in a language: the first Global admin of a company whose address is at a domain that
// its identity provider says is its own. Who is noted stays so, and everybody else changes nothing. It is stored before the
// answer is: what comes to nothing then gives nobody rights, and nobody is asked.
func (n Notes) Note(ctx context.Context, who relationship.Person, language string) error {
	if !asked(who) {
		return nil
	}
	before, err := n.Store.Review(ctx, who.Company.Tenant, false)
	c := Change{After: Review{
		Tenant: who.Company.Tenant, Cloud: who.Company.Cloud, To: who.Email, Locale: language,
		Next: command.Now(n.Now).Add(Period), Version: 1,
	}}
	switch {
	case problem.Is(err, problem.NotFound):
	case err != nil:
		return err
	case before.To != "":
		return nil
	default:
		c.Before, c.After.Version = &before, before.Version+1
	}
	if err := n.Store.WriteReview(ctx, c); !errors.Is(err, ErrConflict) {
		return err
	}
	return nil // somebody else has noted one
}

// asked reports whether somebody can be asked for the company: a Global admin, at a domain that is proven (0.27).
func asked(who relationship.Person) bool {
	_, domain, ok := strings.Cut(emailaddr.Normalise(who.Email), "@")
	return ok && who.Company.Tenant != "" && who.Has(partner.GlobalAdmin) &&
		slices.Contains(who.Company.Verified(), domain)
}

// Notice is the kind of the mail.
const Notice outbox.Kind = "review"

// Mails is the one kind of mail. It goes once at most: the next one comes in half a year.
var Mails = outbox.Table[Review]{
	Kinds: []outbox.Mail[Review]{{
		Kind: Notice, Once: true, To: func(r Review) string { return r.To },
		Pointless: func(r Review, _ time.Time) bool { return r.To == "" },
	}},
	Load: func(r Review) outbox.Box { return r.Post },
	Save: func(r *Review, b outbox.Box) { r.Post = b },
	Next: func(r Review) Review { r.Version++; return r },
	GivenUp: func(r *Review, _ time.Time, _ outbox.Kind, reason string) {
		if reason == string(problem.RecipientSuppressed) {
			r.forget() // who answers next is asked
		}
	},
}

// Forget gives it without whom it names, before its time (0.23), and false where it names nobody, or a mail is owed.
func (r Review) Forget() (Review, bool) {
	if r.To == "" || r.Post.State != outbox.None {
		return r, false
	}
	r.Version++
	r.forget()
	return r, true
}

// forget has nobody asked.
func (r *Review) forget() { r.To, r.Locale, r.Next, r.Post = "", "", time.Time{}, outbox.Box{} }

// Due gives when a machine looks at it next, and false when none has to.
func (r Review) Due() (at time.Time, waits bool) {
	if r.Post.State != outbox.None {
		return r.Post.At, true
	}
	return r.Next, !r.Next.IsZero()
}
