package mail

import (
	"context"
	"errors"

	"concord/internal/granular"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
)

// GranularStore is what the sender needs of a [granular.Store], whose contract it is.
type GranularStore interface {
	WriteGranular(ctx context.Context, c granular.Change) error
	GranularRelationship(ctx context.Context, k granular.Key, strong bool) (granular.Relationship, error)
}

// DispatchGranular sends what granular administration owes, with the steps and the error of [deliver].
func (d *Dispatcher) DispatchGranular(ctx context.Context, queued granular.Relationship) error {
	return deliver(ctx, d, ofGranular{d}, queued)
}

// ofGranular is the mails about granular administration.
type ofGranular struct{ *Dispatcher }

func (ofGranular) table() outbox.Table[granular.Relationship] { return granular.Mails }

func (ofGranular) about(r granular.Relationship) about {
	return about{what: "granular", id: r.ID, tenant: r.Partner, generation: r.Generation}
}

func (s ofGranular) read(ctx context.Context, r granular.Relationship) (granular.Relationship, error) {
	return s.Granular.GranularRelationship(ctx, r.Key, true)
}

func (s ofGranular) write(ctx context.Context, before, after granular.Relationship) error {
	return s.Granular.WriteGranular(ctx, granular.Change{Before: &before, After: after})
}

func (ofGranular) took(granular.Relationship, string) bool { return false }

func (s ofGranular) compose(ctx context.Context, r granular.Relationship, k outbox.Kind) (letter.Content, Message,
	*Outcome) {
	toPartner := granular.Mails.ToPartner(k)
	account, err := s.Accounts.Account(ctx, r.Partner, false)
	switch {
	case problem.Is(err, problem.NotFound):
		return stop(unsent(outbox.Failed, "partner_not_active"))
	case err != nil:
		return stop(unsent(outbox.Waiting, "store_unavailable"))
	}
	m := Message{To: granular.Mails.Address(r, k), ReplyTo: account.Contact.Email, Automatic: k != granular.RequestNotice}
	if toPartner {
		m = Message{To: account.Contact.Email, Automatic: true}
	}
	if o, stopped := s.granularStopped(ctx, k, account, m.To); stopped {
		return stop(o)
	}
	cloud, err := s.Clouds.Cloud(r.Cloud)
	if err != nil {
		return stop(unsent(outbox.Waiting, "cloud_not_served"))
	}
	q, links := granular.Request{Relationship: r, Partner: account, Portal: cloud}, letter.Links{}
	if !toPartner { // the customer's links are the customer's
		about := link.Link{Tenant: string(r.Partner), ID: r.ID, Generation: r.Generation}
		token, err := s.Links.Sign(ctx, link.Granular, about)
		allow, failed := s.Links.Sign(ctx, link.AllowGranular, about)
		if err = errors.Join(err, failed); err != nil {
			s.Log.ErrorContext(ctx, "no link", "granular", r.ID, "kind", k, "error", err)
			return stop(unsent(outbox.Waiting, "link_unavailable"))
		}
		links = answerLinks(cloud.BaseURL + link.Granular.Path(token))
		links.Allow = cloud.BaseURL + link.AllowGranular.Path(allow)
	}
	c, known := letter.Granular(k, q, s.Roles, links, s.Operator)
	if !known {
		// Written by a version of us that knows more, in the middle of a deployment.
		return stop(unsent(outbox.Waiting, "kind_not_known"))
	}
	return c, m, nil
}

// granularStopped says what keeps a mail from going now, or for ever. That administration ends is told even where the
// partner may not mail any more.
func (d *Dispatcher) granularStopped(ctx context.Context, n outbox.Kind, account partner.Account,
	to string) (Outcome, bool) {
	request := n == granular.RequestNotice
	switch {
	case to == "" && granular.Mails.ToPartner(n):
		return unsent(outbox.Failed, "no_contact"), true
	case to == "":
		return unsent(outbox.Failed, "no_address"), true
	case request && account.Status != partner.Active:
		return unsent(outbox.Failed, "partner_not_active"), true
	case request && account.Paused != nil:
		return later("partner_paused", pausedFor), true
	}
	why, err := recipient.Undeliverable(ctx, d.Ledger, to)
	switch {
	case err != nil:
		return unsent(outbox.Waiting, "store_unavailable"), true
	case why != nil:
		return unsent(outbox.Failed, string(problem.RecipientSuppressed)), true
	}
	return Outcome{}, false
}
