package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/problem"
)

// Enrolments is what the sender needs of an [enrolment.Store], whose contract it is.
type Enrolments interface {
	WriteEnrolment(ctx context.Context, c enrolment.Change) error
	Enrolment(ctx context.Context, id string) (enrolment.Enrolment, error)
}

// Enrol sends the mails that an enrolment owes, with the steps of notices: one claim for all, one send each, one write for what became of
// them. An error means that the table could not be reached and that the same call is to be made again.
func (d *Dispatcher) Enrol(ctx context.Context, queued enrolment.Enrolment) error {
	owner := rand.Text()[:10]
	e, err := d.claimEnrolment(ctx, queued, owner)
	if err != nil || e == nil {
		return err
	}
	outcomes := map[enrolment.Notice]Outcome{}
	for n, notice := range e.Post.Owed {
		if n > 0 && !timeFor(ctx) {
			break // what was not tried is queued again
		}
		outcomes[notice] = d.enrolmentNotice(ctx, *e, notice)
		// A crash here sends again, at the end of the lease, what has gone: with the same link and the same words.
	}
	return d.settleEnrolment(ctx, *e, owner, outcomes)
}

// claimEnrolment gives the enrolment as its mails were claimed, or nil when there is nothing to send.
func (d *Dispatcher) claimEnrolment(ctx context.Context, e enrolment.Enrolment, owner string) (*enrolment.Enrolment, error) {
	for range maxRounds {
		claimed, changed, send := e.ClaimPost(d.now(), owner)
		if !changed {
			return nil, nil
		}
		err := d.Enrolments.WriteEnrolment(ctx, enrolment.Change{Before: &e, After: claimed})
		if err == nil && send {
			return &claimed, nil
		}
		if err == nil {
			return nil, nil
		}
		if !errors.Is(err, enrolment.ErrConflict) {
			return nil, fmt.Errorf("mail: claim %s: %w", e.ID, err)
		}
		id := e.ID
		e, err = d.Enrolments.Enrolment(ctx, id) // the record was older than the table
		if problem.Is(err, problem.NotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("mail: claim %s: %w", id, err)
		}
	}
	return nil, fmt.Errorf("mail: claim %s: %w", e.ID, enrolment.ErrConflict)
}

// enrolmentNotice composes and sends one mail under a claim. What cannot reach anybody is given up.
func (d *Dispatcher) enrolmentNotice(ctx context.Context, e enrolment.Enrolment, n enrolment.Notice) Outcome {
	if !letter.WritesEnrolment(n) {
		return unsent(invitation.MailWaiting, "kind_not_known")
	}
	to := e.Contact.Email
	if to == "" {
		return unsent(invitation.MailFailed, "no_address")
	}
	why, err := invitation.Undeliverable(ctx, d.Ledger, to)
	switch {
	case err != nil:
		return unsent(invitation.MailWaiting, "store_unavailable")
	case why != nil:
		return unsent(invitation.MailFailed, string(problem.RecipientSuppressed))
	}
	cloud, err := d.Clouds.Cloud(e.Cloud)
	if err != nil {
		return unsent(invitation.MailWaiting, "cloud_not_served")
	}
	address := ""
	if n == enrolment.VerificationNotice {
		token, err := d.Links.Sign(ctx, link.Verify, link.Link{Tenant: string(e.Tenant), ID: e.ID, Generation: e.Verification.Generation})
		if err != nil {
			d.Log.ErrorContext(ctx, "no link", "enrolment", e.ID, "kind", n, "error", err)
			return unsent(invitation.MailWaiting, "link_unavailable")
		}
		address = cloud.BaseURL + link.Verify.Path(token)
	}
	m := Message{To: to, Automatic: true, Tags: map[string]string{
		"enrolment": e.ID, "tenant": string(e.Tenant), "generation": strconv.Itoa(e.Verification.Generation), "kind": string(n),
	}}
	return d.hand(ctx, letter.Enrol(n, e.AtStep(n), address, cloud, d.Operator), m, e.Post.At)
}

// settleEnrolment records what became of the mails that were tried, over whatever happened to the enrolment meanwhile.
func (d *Dispatcher) settleEnrolment(ctx context.Context, e enrolment.Enrolment, owner string, outcomes map[enrolment.Notice]Outcome) error {
	became := make(map[enrolment.Notice]enrolment.Sent, len(outcomes))
	for n, o := range outcomes {
		d.countEnrolment(ctx, e, n, o)
		became[n] = enrolment.Sent{
			Done: o.State == invitation.MailSent || o.State == invitation.MailFailed, Failed: o.State == invitation.MailFailed, Reason: o.Reason, Later: o.Later,
		}
		if o.State == invitation.MailUnknown {
			became[n] = enrolment.Sent{Reason: o.Reason, Later: invitation.UnknownGrace}
		}
	}
	for range maxRounds {
		settled, mine := e.SettlePost(d.now(), owner, became)
		if !mine {
			d.Log.WarnContext(ctx, "claim of mails lost", "enrolment", e.ID)
			d.Metrics.Put(map[string]float64{"MailClaimLost": 1})
			return nil
		}
		err := d.Enrolments.WriteEnrolment(ctx, enrolment.Change{Before: &e, After: settled})
		if err == nil {
			return nil
		}
		if !errors.Is(err, enrolment.ErrConflict) {
			return fmt.Errorf("mail: settle %s: %w", e.ID, err)
		}
		id := e.ID
		e, err = d.Enrolments.Enrolment(ctx, id)
		if problem.Is(err, problem.NotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("mail: settle %s: %w", id, err)
		}
	}
	return fmt.Errorf("mail: settle %s: %w", e.ID, enrolment.ErrConflict)
}

// countEnrolment says what became of one attempt: EnrolmentMailSent and the like.
func (d *Dispatcher) countEnrolment(ctx context.Context, e enrolment.Enrolment, n enrolment.Notice, o Outcome) {
	d.Log.InfoContext(ctx, "mail", "enrolment", e.ID, "tenant", e.Tenant, "kind", n, "outcome", o.State, "reason", o.Reason, "code", o.Code,
		"attempt", e.Post.Attempts, "messageId", o.MessageID)
	f := map[string]float64{"EnrolmentMail" + figures[o.State]: 1}
	if slices.Contains(blocked, o.Reason) {
		f["MailBlocked"] = 1
	}
	d.Metrics.Put(f)
}
