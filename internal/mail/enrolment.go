package mail

import (
	"context"

	"concord/internal/enrolment"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/problem"
	"concord/internal/recipient"
)

// Enrolments is what the sender needs of an [enrolment.Store], whose contract it is.
type Enrolments interface {
	WriteEnrolment(ctx context.Context, c enrolment.Change) error
	Enrolment(ctx context.Context, id string) (enrolment.Enrolment, error)
}

// Enrol sends the mails that an enrolment owes, with the steps and the error of [deliver].
func (d *Dispatcher) Enrol(ctx context.Context, queued enrolment.Enrolment) error {
	return deliver(ctx, d, ofEnrolments{d}, queued)
}

// ofEnrolments is the mails about enrolments.
type ofEnrolments struct{ *Dispatcher }

func (ofEnrolments) table() outbox.Table[enrolment.Enrolment] { return enrolment.Mails }

func (ofEnrolments) about(e enrolment.Enrolment) about {
	return about{what: "enrolment", id: e.ID, tenant: e.Tenant, generation: e.Verification.Generation,
		figures: "EnrolmentMail"}
}

func (s ofEnrolments) read(ctx context.Context, e enrolment.Enrolment) (enrolment.Enrolment, error) {
	return s.Enrolments.Enrolment(ctx, e.ID)
}

func (s ofEnrolments) write(ctx context.Context, before, after enrolment.Enrolment) error {
	return s.Enrolments.WriteEnrolment(ctx, enrolment.Change{Before: &before, After: after})
}

func (ofEnrolments) took(enrolment.Enrolment, string) bool { return false }

// compose writes one mail. What cannot reach anybody is given up.
func (s ofEnrolments) compose(ctx context.Context, e enrolment.Enrolment, k outbox.Kind) (letter.Content, Message,
	*Outcome) {
	if !letter.WritesEnrolment(k) {
		return stop(unsent(outbox.Waiting, "kind_not_known"))
	}
	to := enrolment.Mails.Address(e, k)
	if to == "" {
		return stop(unsent(outbox.Failed, "no_address"))
	}
	why, err := recipient.Undeliverable(ctx, s.Ledger, to)
	switch {
	case err != nil:
		return stop(unsent(outbox.Waiting, "store_unavailable"))
	case why != nil:
		return stop(unsent(outbox.Failed, string(problem.RecipientSuppressed)))
	}
	cloud, err := s.Clouds.Cloud(e.Cloud)
	if err != nil {
		return stop(unsent(outbox.Waiting, "cloud_not_served"))
	}
	address := ""
	if k == enrolment.VerificationNotice {
		token, err := s.Links.Sign(ctx, link.Verify, link.Link{Tenant: string(e.Tenant), ID: e.ID,
			Generation: e.Verification.Generation})
		if err != nil {
			s.Log.ErrorContext(ctx, "no link", "enrolment", e.ID, "kind", k, "error", err)
			return stop(unsent(outbox.Waiting, "link_unavailable"))
		}
		address = cloud.BaseURL + link.Verify.Path(token)
	}
	return letter.Enrol(k, e.AtStep(k), address, cloud, s.Operator), Message{To: to, Automatic: true}, nil
}
