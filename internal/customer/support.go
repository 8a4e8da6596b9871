package customer

import (
	"context"
	"slices"

	"concord/internal/commerce"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// Support knows what a partner supports, and ends it with the relationship.
//
// Supported gives the subscriptions of a customer whose support contact a partner is, every write included that was acknowledged before the
// call. End stores all of an ending or nothing: [command.ErrConflict] when something is not as it was before. WriteSubscription is that of
// [commerce.SubscriptionStore].
type Support interface {
	// Supported gives what the partner supports at the customer, strongly consistent; none is no error.
	Supported(ctx context.Context, p, customer partner.TenantID) ([]commerce.Subscription, error)
	// End stores an ending, each over its version, or [command.ErrConflict].
	End(ctx context.Context, e Ending) error
	// WriteSubscription is that of [commerce.SubscriptionStore].
	WriteSubscription(ctx context.Context, c commerce.SubscriptionChange, r *relationship.Change) error
}

// Ending is the end of a relationship, and what ends or falls back with it.
type Ending struct {
	Relationship  relationship.Change
	Invitations   []invitation.Change
	Subscriptions []commerce.SubscriptionChange
}

// maxFallBacks is how many subscriptions fall back in one write with the relationship; a transaction has a limit.
const maxFallBacks = 50

// end stores the end of a relationship. What the partner supports falls back to the sellers with it, is told as a change of each subscription,
// and does not come back by itself (domain, 0.44). Where that is more than fits, the rest falls back just before: a relationship that
// then does not end, because the function does, is ended by the same call again.
func end(ctx context.Context, support Support, e Ending) error {
	var err error
	if e.Subscriptions, err = fallBack(ctx, support, e.Relationship.After, maxFallBacks); err != nil {
		return err
	}
	return support.End(ctx, e)
}

// fallBack gives what falls back with the end of a relationship, at most fit; it has written the rest. [command.ErrConflict] when something
// is not as it was read.
func fallBack(ctx context.Context, support Support, ended relationship.Relationship, fit int) ([]commerce.SubscriptionChange, error) {
	supported, err := support.Supported(ctx, ended.Partner, ended.Customer.Tenant)
	if err != nil {
		return nil, err
	}
	var all []commerce.SubscriptionChange
	for n := range supported {
		all = append(all, commerce.SubscriptionChange{Before: &supported[n], After: supported[n].FallBack(ended.UpdatedAt, ended.CorrelationID)})
	}
	fit = min(fit, len(all))
	for _, c := range all[fit:] {
		if err := support.WriteSubscription(ctx, c, nil); err != nil {
			return nil, err
		}
	}
	return slices.Clip(all[:fit]), nil
}
