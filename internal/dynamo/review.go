package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/partner"
	"concord/internal/review"
)

var _ review.Store = (*Store)(nil)

// Review is that of [review.Store].
func (s *Store) Review(ctx context.Context, tenant partner.TenantID, strong bool) (r review.Review, err error) {
	defer func() { wrap(&err, "review of %s", tenant) }()
	stored, err := s.read(ctx, reviewKey(tenant), strong, "Nobody of this company is asked.")
	if err != nil {
		return r, err
	}
	return ReviewFromImage(stored)
}

// WriteReview is that of [review.Store]: one conditional write of one item.
func (s *Store) WriteReview(ctx context.Context, c review.Change) (err error) {
	defer func() { wrap(&err, "write the review of %s", c.After.Tenant) }()
	after := encodeReview(c.After)
	if c.Before == nil {
		return s.single(ctx, s.fresh(after), after)
	}
	return s.single(ctx, s.over(encodeReview(*c.Before), after, reviewKey(c.After.Tenant), c.Before.Version), after)
}

var reviewWaits = newWaiting(review.DueKind, reviewPrefix)

func encodeReview(r review.Review) item {
	i := newItem(reviewKey(r.Tenant), reviewType)
	at, waits := r.Due()
	reviewWaits.enter(i, string(r.Tenant), at, waits)
	return written(i, reviewFields, &r)
}

// ReviewFromImage gives the review of an item, also of a stream record's image. The error is that of [InvitationFromImage].
func ReviewFromImage(image map[string]types.AttributeValue) (r review.Review, err error) {
	c, err := reading(image, reviewType)
	if err != nil {
		return r, err
	}
	r.Tenant = partner.TenantID(c.owner(customerPrefix))
	if reviewFields(&c, &r); c.err != nil {
		return review.Review{}, c.err
	}
	return r, nil
}

// reviewFields are those of a review, apart from its tenant.
func reviewFields(c *coder, r *review.Review) {
	text(c, aCloud, &r.Cloud)
	text(c, "to", &r.To)
	text(c, aLocale, &r.Locale)
	moment(c, "next", &r.Next)
	boxFields(c, aPost, &r.Post)
	needNumber(c, aVersion, &r.Version)
}
