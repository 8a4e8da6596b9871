package mail

import (
	"context"

	"concord/internal/letter"
	"concord/internal/outbox"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/review"
)

// Reviews is what the sender needs of a [review.Store], whose contract it is.
type Reviews = review.Store

// Review sends the mail by which a company is asked to look at who holds rights, with the steps and the error of [deliver].
func (d *Dispatcher) Review(ctx context.Context, queued review.Review) error {
	return deliver(ctx, d, ofReviews{d}, queued)
}

// ofReviews is the mails that ask companies to look at who holds rights (domain, 0.49).
type ofReviews struct{ *Dispatcher }

func (ofReviews) table() outbox.Table[review.Review] { return review.Mails }

func (ofReviews) about(r review.Review) about {
	return about{what: "review", id: string(r.Tenant), tenant: r.Tenant}
}

func (s ofReviews) read(ctx context.Context, r review.Review) (review.Review, error) {
	return s.Reviews.Review(ctx, r.Tenant, true)
}

func (s ofReviews) write(ctx context.Context, before, after review.Review) error {
	return s.Reviews.WriteReview(ctx, review.Change{Before: &before, After: after})
}

func (ofReviews) took(review.Review, string) bool { return false }

// compose writes the mail. Its link is the address of the company's page, where its admin signs in: it proves nothing.
func (s ofReviews) compose(ctx context.Context, r review.Review, k outbox.Kind) (letter.Content, Message, *Outcome) {
	if k != review.Notice {
		return stop(unsent(outbox.Waiting, "kind_not_known"))
	}
	to := review.Mails.Address(r, k)
	why, err := recipient.Undeliverable(ctx, s.Ledger, to)
	switch {
	case err != nil:
		return stop(unsent(outbox.Waiting, "store_unavailable"))
	case why != nil:
		return stop(unsent(outbox.Failed, string(problem.RecipientSuppressed)))
	}
	cloud, err := s.Clouds.Cloud(r.Cloud)
	if err != nil {
		return stop(unsent(outbox.Waiting, "cloud_not_served"))
	}
	return letter.Review(r, cloud, s.Operator), Message{To: to, Automatic: true, Notice: true}, nil
}
