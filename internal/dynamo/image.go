package dynamo

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/batch"
	"concord/internal/commerce"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/registry"
	"concord/internal/relationship"
	"concord/internal/webhook"
)

// Change is what a record of the table's stream says was written. One of its fields is set.
type Change struct {
	Invitation   *invitation.Change
	Relationship *relationship.Change
	Batch        *batch.Change
	Account      *registry.Change
	Agreement    *commerce.Agreement // recorded once, never changed
	Order        *commerce.Order     // the same
	Subscription *commerce.SubscriptionChange
	Granular     *granular.Change
	Partnership  *partnership.Entered
	Enrolment    *enrolment.Change
	Endpoint     *webhook.Endpoint // as it is now
}

// ChangeOf reads the two images of a stream record, of which the old one is nil for a new item. The error is [ErrOtherItem] for items
// that are none of what a [Change] can hold, and names the attribute that is missing or of the wrong type.
func ChangeOf(old, new map[string]types.AttributeValue) (Change, error) {
	if before, after, err := pair(old, new, InvitationFromImage); !errors.Is(err, ErrOtherItem) {
		return Change{Invitation: &invitation.Change{Before: before, After: after}}, err
	}
	if before, after, err := pair(old, new, BatchFromImage); !errors.Is(err, ErrOtherItem) {
		return Change{Batch: &batch.Change{Before: before, After: after}}, err
	}
	if before, after, err := pair(old, new, AccountFromImage); !errors.Is(err, ErrOtherItem) {
		return Change{Account: &registry.Change{Before: before, After: after}}, err
	}
	if a, err := AgreementFromImage(new); !errors.Is(err, ErrOtherItem) {
		return Change{Agreement: &a}, err
	}
	if o, err := OrderFromImage(new); !errors.Is(err, ErrOtherItem) {
		return Change{Order: &o}, err
	}
	if before, after, err := pair(old, new, SubscriptionFromImage); !errors.Is(err, ErrOtherItem) {
		return Change{Subscription: &commerce.SubscriptionChange{Before: before, After: after}}, err
	}
	if before, after, err := pair(old, new, GranularFromImage); !errors.Is(err, ErrOtherItem) {
		return Change{Granular: &granular.Change{Before: before, After: after}}, err
	}
	if p, err := enteredOf(old, new); !errors.Is(err, ErrOtherItem) {
		return Change{Partnership: p}, err
	}
	if before, after, err := pair(old, new, EnrolmentFromImage); !errors.Is(err, ErrOtherItem) {
		return Change{Enrolment: &enrolment.Change{Before: before, After: after}}, err
	}
	if e, err := EndpointFromImage(new); !errors.Is(err, ErrOtherItem) {
		return Change{Endpoint: &e}, err
	}
	before, after, err := pair(old, new, RelationshipFromImage)
	return Change{Relationship: &relationship.Change{Before: before, After: after}}, err
}

func pair[T any](old, new map[string]types.AttributeValue, read func(map[string]types.AttributeValue) (T, error)) (before *T, after T, err error) {
	if after, err = read(new); err != nil || old == nil {
		return nil, after, err
	}
	was, err := read(old)
	if err != nil {
		return nil, after, fmt.Errorf("what was before: %w", err)
	}
	return &was, after, nil
}

// enteredOf reads a partnership with the directory that it stands in.
func enteredOf(old, new map[string]types.AttributeValue) (*partnership.Entered, error) {
	var of partner.TenantID
	before, after, err := pair(old, new, func(stored map[string]types.AttributeValue) (p partnership.Partnership, err error) {
		p, of, err = PartnershipFromImage(stored)
		return p, err
	})
	return &partnership.Entered{Change: partnership.Change{Before: before, After: after}, Of: of}, err
}
