package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/registry"
	"concord/internal/relationship"
	"concord/internal/review"
)

// by stands in the history of what the command changes.
const by = "infra/people"

// work is one run.
type work struct {
	store   *dynamo.Store
	address string           // of a person, in lower case; empty for all that a partner has
	partner partner.TenantID // empty for every partner
	erase   bool
	now     func() time.Time
	out     io.Writer
	export  *json.Encoder // nil for none

	found, erased, stay int
	serves              int // relationships of the partner that stand
}

// line is an item of an export.
type line struct {
	Key  string `json:"key"`
	Type string `json:"type"`
	Item any    `json:"item"`
}

// do looks at every partner, or at one, and at enrolments.
func (w *work) do(ctx context.Context) error {
	all, err := w.partners(ctx)
	if err != nil {
		return err
	}
	customers := map[partner.TenantID]bool{}
	for _, p := range all {
		for h, err := range w.store.Holdings(ctx, p) {
			if err == nil {
				err = w.item(ctx, h, customers)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", h.Key, err)
			}
		}
		if err := w.agreements(ctx, p, customers); err != nil {
			return err
		}
		if err := w.reviews(ctx, p, customers); err != nil {
			return err
		}
		clear(customers)
	}
	if err := w.enrolments(ctx); err != nil {
		return err
	}
	if w.address == "" {
		if err := w.leave(ctx); err != nil {
			return err
		}
	}
	done := map[bool]string{true: "erased", false: "to be erased with -erase"}[w.erase]
	_, _ = fmt.Fprintf(w.out, "%d found, %d %s, %d stay\n", w.found, w.erased, done, w.stay)
	return nil
}

func (w *work) partners(ctx context.Context) (all []partner.TenantID, err error) {
	if w.partner != "" {
		return []partner.TenantID{w.partner}, nil
	}
	for q := (registry.Query{Limit: 100}); ; {
		page, err := w.store.ListAccounts(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, a := range page.Accounts {
			all = append(all, a.Tenant)
		}
		if q.After = page.Next; q.After == "" {
			return all, nil
		}
	}
}

// kept says why an item stays, by its type.
var kept = map[string]string{
	"account":      "the contact of a partner: change it with PATCH /v1/partners/{tenantId}; the partner changes its support profile",
	"relationship": "says who agreed; the names go with their time (domain 0.23)",
	"granular":     "evidence of the administration that was agreed",
	"grant":        "administration that a customer has given",
	"agreement":    "evidence of a signature; the names go with their time (domain 0.23)",
	"audit":        "the audit, purged with its time",
	"words":        "the partner's words of a draft: they go with the draft",
	"batch":        "a batch of the partner, purged with its time",
	"rows":         "rows of a batch, purged with their time",
	"order":        "what was sold",
	"subscription": "what was sold",
	"partnership":  "who agreed that two partners work together",
}

// item looks at one item of a partner.
func (w *work) item(ctx context.Context, h dynamo.Holding, customers map[partner.TenantID]bool) error {
	value := plain(&types.AttributeValueMemberM{Value: h.Item})
	if h.Type == "relationship" {
		r, err := dynamo.RelationshipFromImage(h.Item)
		if err != nil {
			return err
		}
		customers[r.Customer.Tenant] = true
		if r.Status == relationship.Active {
			w.serves++
		}
	}
	if h.Type == "granular" {
		g, err := dynamo.GranularFromImage(h.Item)
		if err != nil {
			return err
		}
		if g.Customer != "" {
			customers[g.Customer] = true
		}
	}
	if !w.about(value) {
		return nil
	}
	if err := w.note(line{h.Key, h.Type, value}); err != nil {
		return err
	}
	if h.Type == "invitation" {
		i, err := dynamo.InvitationFromImage(h.Item)
		if err != nil {
			return err
		}
		return w.invitation(ctx, h.Key, i)
	}
	if h.Type != "account" || w.address != "" { // what a partner's account says is looked at when all else was
		w.stays(h.Key, h.Type, cmp.Or(kept[h.Type], "names nobody"))
	}
	return nil
}

// about reports whether an item belongs to what was asked for: all of a partner's, or what has the address in it.
func (w *work) about(value any) bool {
	if w.address == "" {
		return true
	}
	switch v := value.(type) {
	case string:
		return strings.Contains(strings.ToLower(v), w.address)
	case []any:
		return slices.ContainsFunc(v, w.about)
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), w.about)
	}
	return false
}

func (w *work) note(l line) error {
	w.found++
	if w.export == nil {
		return nil
	}
	return w.export.Encode(l)
}

func (w *work) stays(key, kind, why string) {
	w.stay++
	_, _ = fmt.Fprintf(w.out, "stays   %s (%s): %s\n", key, kind, why)
}

func (w *work) goes(key, kind string) {
	w.erased++
	_, _ = fmt.Fprintf(w.out, "%s  %s (%s)\n", map[bool]string{true: "erased", false: "erase "}[w.erase], key, kind)
}

func (w *work) invitation(ctx context.Context, key string, i invitation.Invitation) error {
	after, can := i.Forget(w.now().UTC().Truncate(time.Second))
	switch {
	case can:
	case i.Status == invitation.Draft:
		w.stays(key, "invitation", "a draft, forgotten on "+date(i.ForgetAt())+"; the partner or the operator can cancel it before")
		return nil
	case i.Status.Open():
		w.stays(key, "invitation", "open: cancel it, then run this again")
		return nil
	case i.EraseAt.IsZero():
		w.stays(key, "invitation", "names nobody any more")
		return nil
	case i.Answer != nil:
		w.stays(key, "invitation", "evidence of an answer until "+date(i.EraseAt)+" (domain 0.23)")
		return nil
	default:
		w.stays(key, "invitation", "owes a mail yet: run this again in an hour")
		return nil
	}
	if w.erase {
		change := invitation.Change{Before: &i, After: after}
		if i.Edited {
			change.Words = &invitation.Words{} // they may hold what is erased
		}
		if err := w.store.Write(ctx, change); errors.Is(err, invitation.ErrConflict) {
			w.stays(key, "invitation", "was changed meanwhile: run this again")
			return nil
		} else if err != nil {
			return err
		}
	}
	w.goes(key, "invitation")
	return nil
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// agreements looks at what the customers of a partner have signed, themselves or as the partner attests.
func (w *work) agreements(ctx context.Context, p partner.TenantID, customers map[partner.TenantID]bool) error {
	for _, c := range slices.Sorted(maps.Keys(customers)) {
		found, err := w.store.Agreements(ctx, c, p)
		if err != nil {
			return err
		}
		for _, a := range found {
			value, err := said(a)
			if err != nil {
				return err
			}
			if !w.about(value) {
				continue
			}
			key := fmt.Sprintf("agreement %d of %s", a.Number, c)
			if err := w.note(line{key, "agreement", value}); err != nil {
				return err
			}
			w.stays(key, "agreement", kept["agreement"])
		}
	}
	return nil
}

// reviews looks at whom a partner and its customers are asked by to look at who holds rights (domain 0.49). That is
// theirs: who asks for all that a partner has does not ask for it.
func (w *work) reviews(ctx context.Context, p partner.TenantID, customers map[partner.TenantID]bool) error {
	if w.address == "" {
		return nil
	}
	for _, c := range append(slices.Sorted(maps.Keys(customers)), p) {
		r, err := w.store.Review(ctx, c, true)
		if problem.Is(err, problem.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		key := "review of " + string(c)
		if !w.about(r.To) {
			continue
		}
		if err := w.note(line{key, "review", map[string]any{"tenant": c, "to": r.To, "next": date(r.Next)}}); err != nil {
			return err
		}
		after, can := r.Forget()
		if !can {
			w.stays(key, "review", "owes a mail yet: run this again in an hour")
			continue
		}
		if w.erase {
			if err := w.store.WriteReview(ctx, review.Change{Before: &r, After: after}); errors.Is(err, review.ErrConflict) {
				w.stays(key, "review", "was changed meanwhile: run this again")
				continue
			} else if err != nil {
				return err
			}
		}
		w.goes(key, "review")
	}
	return nil
}

// enrolments looks at the applications of companies, which are no partners yet.
func (w *work) enrolments(ctx context.Context) error {
	for q := (enrolment.Query{Limit: 100}); ; {
		page, err := w.store.ListEnrolments(ctx, q)
		if err != nil {
			return err
		}
		for _, e := range page.Enrolments {
			if w.partner != "" && e.Tenant != w.partner {
				continue
			}
			value, err := said(e)
			if err != nil {
				return err
			}
			if !w.about(value) {
				continue
			}
			if err := w.note(line{e.ID, "enrolment", value}); err != nil {
				return err
			}
			if err := w.enrolment(ctx, e); err != nil {
				return err
			}
		}
		if q.After = page.Next; q.After == "" {
			return nil
		}
	}
}

func (w *work) enrolment(ctx context.Context, e enrolment.Enrolment) error {
	after, can := e.Forget(w.now().UTC().Truncate(time.Second))
	if !can {
		why := "how the company became a partner, or its application goes on: it can be withdrawn or rejected"
		if !e.Status.Open() {
			why = "names nobody any more, or owes a mail yet"
		}
		w.stays(e.ID, "enrolment", why)
		return nil
	}
	if w.erase {
		if err := w.store.WriteEnrolment(ctx, enrolment.Change{Before: &e, After: after}); errors.Is(err, enrolment.ErrConflict) {
			w.stays(e.ID, "enrolment", "was changed meanwhile: run this again")
			return nil
		} else if err != nil {
			return err
		}
	}
	w.goes(e.ID, "enrolment")
	return nil
}

// leave takes the people out of the account of a partner that has left.
func (w *work) leave(ctx context.Context) error {
	a, err := w.store.Account(ctx, w.partner, true)
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	const key = "the account's contact and support profile"
	switch {
	case a.Contact == (partner.Contact{}) && a.Support == (partner.SupportProfile{}):
		return nil
	case a.Status != partner.Suspended:
		w.stays(key, "account", "the partner is "+string(a.Status)+": suspend it first")
		return nil
	case w.serves > 0:
		w.stays(key, "account", fmt.Sprintf("%d relationships stand: their customers have to reach somebody", w.serves))
		return nil
	}
	if w.erase {
		after := a
		after.Contact, after.Support = partner.Contact{}, partner.SupportProfile{}
		after = after.Next(partner.Entry{
			At: w.now().UTC().Truncate(time.Second), By: by, Changed: []string{"contact", "supportProfile"}, Why: "the partner has left",
		})
		if err := w.store.WriteAccount(ctx, a, after); err != nil {
			return err
		}
	}
	w.goes(key, "account")
	return nil
}

// said gives a value as JSON has it.
func said(v any) (value any, err error) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &value)
	}
	return value, err
}

// plain gives an attribute as JSON has it.
func plain(a types.AttributeValue) any {
	switch v := a.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return json.Number(v.Value)
	case *types.AttributeValueMemberBOOL:
		return v.Value
	case *types.AttributeValueMemberB:
		return opened(v.Value)
	case *types.AttributeValueMemberSS:
		list := make([]any, len(v.Value))
		for n, s := range v.Value {
			list[n] = s
		}
		return list
	case *types.AttributeValueMemberL:
		list := make([]any, len(v.Value))
		for n, e := range v.Value {
			list[n] = plain(e)
		}
		return list
	case *types.AttributeValueMemberM:
		m := make(map[string]any, len(v.Value))
		for name, e := range v.Value {
			m[name] = plain(e)
		}
		return m
	}
	return nil
}

// opened gives what is kept compressed as the text that it is: the rows of a batch have addresses.
func opened(b []byte) any {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return b
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return b
	}
	return string(text)
}
