package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
)

// GranularStore is what the sender needs of a [granular.Store], whose contract it is.
type GranularStore interface {
	WriteGranular(ctx context.Context, c granular.Change) error
	GranularRelationship(ctx context.Context, k granular.Key, strong bool) (granular.Relationship, error)
}

// DispatchGranular sends what granular administration owes, with the steps of [Dispatcher.Dispatch]: one claim for all, one send each, one
// write for what became of them. A request goes again when its outcome is not known, with the same link; a reminder does not.
func (d *Dispatcher) DispatchGranular(ctx context.Context, queued granular.Relationship) error {
	owner := rand.Text()[:10]
	r, err := d.claimGranular(ctx, queued, owner)
	if err != nil || r == nil {
		return err
	}
	outcomes := map[granular.Notice]granular.MailOutcome{}
	for n, notice := range r.Post.Owed {
		if n > 0 && !timeFor(ctx) {
			break // what was not tried is queued again
		}
		o := d.granularNotice(ctx, *r, notice)
		d.countGranular(ctx, *r, notice, o)
		outcomes[notice] = granular.MailOutcome{State: granular.MailState(o.State), MessageID: o.MessageID, Reason: o.Reason, Later: o.Later}
	}
	return d.settleGranular(ctx, *r, owner, outcomes)
}

// claimGranular gives the relationship as its mails were claimed, or nil when there is nothing to send.
func (d *Dispatcher) claimGranular(ctx context.Context, r granular.Relationship, owner string) (*granular.Relationship, error) {
	for range maxRounds {
		claimed, changed, send := r.ClaimPost(d.now(), owner)
		if !changed {
			return nil, nil
		}
		err := d.Granular.WriteGranular(ctx, granular.Change{Before: &r, After: claimed})
		switch {
		case err == nil && send:
			return &claimed, nil
		case err == nil:
			if r.Post.Attempts >= granular.MaxAttempts {
				d.Metrics.Put(map[string]float64{"MailFailed": 1})
			}
			return nil, nil
		case !errors.Is(err, granular.ErrConflict):
			return nil, fmt.Errorf("mail: claim %s: %w", r.ID, err)
		}
		fresh, gone, err := d.freshGranular(ctx, r.Key)
		if err != nil || gone {
			return nil, err
		}
		r = fresh
	}
	return nil, fmt.Errorf("mail: claim %s: %w", r.ID, granular.ErrConflict)
}

// settleGranular records what became of the mails that were tried, over whatever happened meanwhile.
func (d *Dispatcher) settleGranular(ctx context.Context, r granular.Relationship, owner string, outcomes map[granular.Notice]granular.MailOutcome) error {
	for range maxRounds {
		settled, mine := r.SettlePost(d.now(), owner, outcomes)
		if !mine {
			d.Log.WarnContext(ctx, "claim lost", "granular", r.ID)
			d.Metrics.Put(map[string]float64{"MailClaimLost": 1})
			return nil
		}
		err := d.Granular.WriteGranular(ctx, granular.Change{Before: &r, After: settled})
		if err == nil {
			return nil
		}
		if !errors.Is(err, granular.ErrConflict) {
			return fmt.Errorf("mail: settle %s: %w", r.ID, err)
		}
		fresh, gone, err := d.freshGranular(ctx, r.Key)
		if err != nil || gone {
			return err
		}
		r = fresh
	}
	return fmt.Errorf("mail: settle %s: %w", r.ID, granular.ErrConflict)
}

func (d *Dispatcher) freshGranular(ctx context.Context, k granular.Key) (r granular.Relationship, gone bool, err error) {
	r, err = d.Granular.GranularRelationship(ctx, k, true)
	if problem.Is(err, problem.NotFound) {
		return r, true, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("mail: read %s: %w", k.ID, err)
	}
	return r, false, nil
}

// granularNotice composes and sends one mail under a claim.
func (d *Dispatcher) granularNotice(ctx context.Context, r granular.Relationship, n granular.Notice) Outcome {
	account, err := d.Accounts.Account(ctx, r.Partner, false)
	switch {
	case problem.Is(err, problem.NotFound):
		return unsent(invitation.MailFailed, "partner_not_active")
	case err != nil:
		return unsent(invitation.MailWaiting, "store_unavailable")
	}
	m := Message{To: r.Address(n), ReplyTo: account.Contact.Email, Automatic: n != granular.RequestNotice}
	if n.ToPartner() {
		m = Message{To: account.Contact.Email, Automatic: true}
	}
	if o, stopped := d.granularStopped(ctx, n, account, m.To); stopped {
		return o
	}
	cloud, err := d.Clouds.Cloud(r.Cloud)
	if err != nil {
		return unsent(invitation.MailWaiting, "cloud_not_served")
	}
	q, links := granular.Request{Relationship: r, Partner: account, Portal: cloud}, letter.Links{}
	if !n.ToPartner() { // the customer's links are the customer's
		about := link.Link{Tenant: string(r.Partner), ID: r.ID, Generation: r.Generation}
		token, err := d.Links.Sign(ctx, link.Granular, about)
		allow, failed := d.Links.Sign(ctx, link.AllowGranular, about)
		if err = errors.Join(err, failed); err != nil {
			d.Log.ErrorContext(ctx, "no link", "granular", r.ID, "kind", n, "error", err)
			return unsent(invitation.MailWaiting, "link_unavailable")
		}
		links = answerLinks(cloud.BaseURL + link.Granular.Path(token))
		links.Allow = cloud.BaseURL + link.AllowGranular.Path(allow)
	}
	c, known := letter.Granular(n, q, d.Roles, links, d.Operator)
	if !known {
		// Written by a version of us that knows more, in the middle of a deployment.
		return unsent(invitation.MailWaiting, "kind_not_known")
	}
	m.Tags = map[string]string{"granular": r.ID, "tenant": string(r.Partner), "generation": strconv.Itoa(r.Generation), "kind": string(n)}
	return d.hand(ctx, c, m, r.Post.At)
}

// granularStopped says what keeps a mail from going now, or for ever. That administration ends is told even where the partner may not mail
// any more.
func (d *Dispatcher) granularStopped(ctx context.Context, n granular.Notice, account partner.Account, to string) (Outcome, bool) {
	request := n == granular.RequestNotice
	switch {
	case to == "" && n.ToPartner():
		return unsent(invitation.MailFailed, "no_contact"), true
	case to == "":
		return unsent(invitation.MailFailed, "no_address"), true
	case request && account.Status != partner.Active:
		return unsent(invitation.MailFailed, "partner_not_active"), true
	case request && account.Paused != nil:
		return later("partner_paused", pausedFor), true
	}
	why, err := invitation.Undeliverable(ctx, d.Ledger, to)
	switch {
	case err != nil:
		return unsent(invitation.MailWaiting, "store_unavailable"), true
	case why != nil:
		return unsent(invitation.MailFailed, string(problem.RecipientSuppressed)), true
	}
	return Outcome{}, false
}

// countGranular says what became of one attempt.
func (d *Dispatcher) countGranular(ctx context.Context, r granular.Relationship, n granular.Notice, o Outcome) {
	d.Log.InfoContext(ctx, "mail", "granular", r.ID, "tenant", r.Partner, "kind", n, "outcome", o.State, "reason", o.Reason, "code", o.Code,
		"attempt", r.Post.Attempts, "messageId", o.MessageID)
	d.Metrics.Put(d.figures(string(n), o))
}
