package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
)

// TestType is the type of the event that a partner asks for to try an endpoint.
const TestType = "webhook-test"

// Types are the events that endpoints can want, in the order of their names: those of package events.
func Types() []string {
	return []string{
		"customer-agreement-signed",
		"customer-claimed",
		"delegated-admin-ended",
		"delegated-admin-granted",
		"enrolment-status-changed",
		"granular-admin-activated",
		"granular-admin-created",
		"granular-admin-deleted",
		"granular-admin-delivery-failed",
		"granular-admin-ending",
		"granular-admin-expired",
		"granular-admin-extended",
		"granular-admin-locked",
		"granular-admin-narrowed",
		"granular-admin-rejected",
		"granular-admin-reported",
		"granular-admin-sent",
		"granular-admin-terminated",
		"granular-admin-withdrawn",
		"invitation-accepted",
		"invitation-cancelled",
		"invitation-created",
		"invitation-declined",
		"invitation-delivery-failed",
		"invitation-disputed",
		"invitation-expired",
		"invitation-reminded",
		"invitation-renewal-requested",
		"invitation-reported",
		"invitation-sent",
		"order-completed",
		"partnership-established",
		"partnership-removed",
		"relationship-established",
		"relationship-removed",
		"subscription-changed",
	}
}

// Service is what partners do with endpoints.
type Service struct {
	Store     Store
	Accounts  partner.Accounts
	Seals     Seals
	Addresses Addresses
	// Types are those of the events that there are.
	Types []string
	Now   func() time.Time
}

// Settings are what a partner sets of an endpoint; nil leaves as it is.
type Settings struct {
	URL, Description *string
	Events           *[]string
	Status           *Status
}

func (s *Service) permitted(ctx context.Context, u partner.User) error {
	if err := u.Permit(partner.KeepWebhooks); err != nil {
		return err
	}
	_, err := s.Accounts.Account(ctx, u.Tenant, false)
	if missing(err) {
		return partner.NoAccount()
	}
	return err
}

// Create makes an endpoint and returns its secret, which nobody can read again but by the same command within a day.
// Replayed reports that the command's key had made it. Codes: [problem.RoleNotPermitted], [problem.ValidationFailed],
// [problem.WebhookEndpointLimit] for more than [MaxEndpoints], [problem.IdempotencyKeyReused].
func (s *Service) Create(ctx context.Context, c command.Command, set Settings) (e Endpoint, secret string, replayed bool, err error) {
	if err := s.permitted(ctx, c.User); err != nil {
		return Endpoint{}, "", false, err
	}
	if set.URL == nil {
		c.Findings.Require("/url")
	}
	if err := s.check(c, set); err != nil {
		return Endpoint{}, "", false, err
	}
	now := command.Now(s.Now)
	for _, day := range c.Days(now) {
		k := Key{c.User.Tenant, c.ID(prefix, "webhook", day)}
		stands, err := s.Store.Endpoint(ctx, k)
		if missing(err) {
			return s.make(ctx, c, k, set, now)
		}
		if err != nil {
			return Endpoint{}, "", false, err
		}
		if now.Sub(stands.CreatedAt) < command.Window {
			return s.replay(ctx, c, stands)
		}
	}
	return Endpoint{}, "", false, command.Reused()
}

func (s *Service) make(ctx context.Context, c command.Command, k Key, set Settings, now time.Time) (Endpoint, string, bool, error) {
	all, err := s.Store.Endpoints(ctx, k.Partner)
	if err != nil {
		return Endpoint{}, "", false, err
	}
	if len(all) >= MaxEndpoints {
		return Endpoint{}, "", false, problem.New(problem.WebhookEndpointLimit, "A partner has at most %d webhook endpoints: delete one first.", MaxEndpoints)
	}
	plain, secret, err := s.Seals.fresh(ctx)
	if err != nil {
		return Endpoint{}, "", false, err
	}
	e := Endpoint{
		Key: k, Status: Enabled, Secrets: []Secret{secret}, Body: c.Body, CreatedAt: now, ChangedAt: now, Revision: 1, Version: 1,
	}
	e.apply(set, now)
	err = s.Store.WriteEndpoint(ctx, nil, e)
	if errors.Is(err, command.ErrConflict) { // the same command, at the same moment
		stands, err := s.Store.Endpoint(ctx, k)
		if err != nil {
			return Endpoint{}, "", false, err
		}
		return s.replay(ctx, c, stands)
	}
	return e, plain, false, err
}

// replay shows the secret that the command made, while it is the newest.
func (s *Service) replay(ctx context.Context, c command.Command, e Endpoint) (Endpoint, string, bool, error) {
	if e.Body != c.Body {
		return Endpoint{}, "", false, command.Reused()
	}
	if len(e.Secrets) > 1 {
		return e, "", true, nil
	}
	plain, err := s.Seals.open(ctx, e.Secrets[:1])
	if err != nil {
		return Endpoint{}, "", false, err
	}
	return e, plain[0], true, nil
}

// check finds what is wrong with settings, in their order in the document.
func (s *Service) check(c command.Command, set Settings) error {
	if set.URL != nil {
		c.Findings.Note("/url", s.Addresses.Check(*set.URL))
	}
	if d := set.Description; d != nil && (utf8.RuneCountInString(*d) > MaxDescription || strings.ContainsFunc(*d, unicode.IsControl)) {
		c.Findings.Add("/description", problem.ValidationFailed, "This has at most %d characters, without control characters.", MaxDescription)
	}
	if set.Events != nil {
		for _, t := range *set.Events {
			if !slices.Contains(s.Types, t) {
				c.Findings.Add("/events", problem.ValidationFailed, "There is no event %.60q. The events are %s.", t, problem.And(s.Types))
				break
			}
		}
	}
	if set.Status != nil && *set.Status != Enabled && *set.Status != Disabled {
		c.Findings.Add("/status", problem.ValidationFailed, "This is enabled or disabled.")
	}
	return c.Findings.Err()
}

func (e *Endpoint) apply(set Settings, now time.Time) {
	if set.URL != nil {
		e.URL = *set.URL
	}
	if set.Description != nil {
		e.Description = *set.Description
	}
	if set.Events != nil {
		e.Events = slices.Compact(slices.Sorted(slices.Values(*set.Events)))
	}
	if set.Status != nil && *set.Status != e.Status {
		if *set.Status == Enabled {
			e.enable(now)
		} else {
			e.Status, e.Reason = Disabled, ByPartner
		}
	}
}

// Endpoint returns one of the partner's own. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s *Service) Endpoint(ctx context.Context, u partner.User, id string) (Endpoint, error) {
	if err := s.permitted(ctx, u); err != nil {
		return Endpoint{}, err
	}
	if !publicid.Is(prefix, id) {
		return Endpoint{}, problem.New(problem.NotFound, "There is no such webhook endpoint.")
	}
	return s.Store.Endpoint(ctx, Key{u.Tenant, id})
}

// Endpoints returns the partner's own, by id.
func (s *Service) Endpoints(ctx context.Context, u partner.User) ([]Endpoint, error) {
	if err := s.permitted(ctx, u); err != nil {
		return nil, err
	}
	return s.Store.Endpoints(ctx, u.Tenant)
}

// Change sets what is said. Codes: those of [Service.Endpoint], [problem.ValidationFailed], and those of
// [command.Command.Expects].
func (s *Service) Change(ctx context.Context, c command.Command, id string, set Settings) (Endpoint, error) {
	if _, err := s.Endpoint(ctx, c.User, id); err != nil {
		return Endpoint{}, err
	}
	if err := s.check(c, set); err != nil {
		return Endpoint{}, err
	}
	return s.changed(ctx, c, id, func(e *Endpoint, now time.Time) error {
		e.apply(set, now)
		return nil
	})
}

func (s *Service) changed(ctx context.Context, c command.Command, id string, do func(*Endpoint, time.Time) error) (after Endpoint, err error) {
	now := command.Now(s.Now)
	err = command.Retry(func() error {
		before, err := s.Store.Endpoint(ctx, Key{c.User.Tenant, id})
		if err != nil {
			return err
		}
		if err := c.Expects(before.Revision, "webhook endpoint"); err != nil {
			return err
		}
		after = before.next()
		after.Revision++
		after.ChangedAt = now
		if err := do(&after, now); err != nil {
			return err
		}
		return s.Store.WriteEndpoint(ctx, &before, after)
	})
	return after, err
}

// Remove forgets an endpoint; what was on its way to it goes nowhere. Codes: those of [Service.Change].
func (s *Service) Remove(ctx context.Context, c command.Command, id string) error {
	if _, err := s.Endpoint(ctx, c.User, id); err != nil {
		return err
	}
	return command.Retry(func() error {
		e, err := s.Store.Endpoint(ctx, Key{c.User.Tenant, id})
		if err != nil {
			return err
		}
		if err := c.Expects(e.Revision, "webhook endpoint"); err != nil {
			return err
		}
		return s.Store.RemoveEndpoint(ctx, e)
	})
}

// Rotate makes another secret. The one before signs as well for [Overlap]. Codes: those of [Service.Change].
func (s *Service) Rotate(ctx context.Context, c command.Command, id string) (Endpoint, string, error) {
	if _, err := s.Endpoint(ctx, c.User, id); err != nil {
		return Endpoint{}, "", err
	}
	plain, secret, err := s.Seals.fresh(ctx)
	if err != nil {
		return Endpoint{}, "", err
	}
	e, err := s.changed(ctx, c, id, func(e *Endpoint, now time.Time) error {
		last := e.Secrets[0]
		last.Until = now.Add(Overlap)
		e.Secrets = []Secret{secret, last}
		return nil
	})
	return e, plain, err
}

// Test has an event of [TestType] delivered. Codes: those of [Service.Endpoint], [problem.InvalidTransition].
func (s *Service) Test(ctx context.Context, c command.Command, id string) (Delivery, error) {
	e, err := s.Endpoint(ctx, c.User, id)
	if err != nil {
		return Delivery{}, err
	}
	if e.Status != Enabled {
		return Delivery{}, disabled()
	}
	now := command.Now(s.Now)
	m := Message{ID: c.ID("evt_", "webhook-test "+id, ""), Type: TestType, Partner: c.User.Tenant, At: now}
	if m.Body, err = json.Marshal(map[string]any{
		"type": m.Type, "timestamp": now.Format(time.RFC3339),
		"data": map[string]string{"version": "1", "id": m.ID, "occurredAt": now.Format(time.RFC3339), "partnerTenantId": string(m.Partner)},
	}); err != nil {
		return Delivery{}, err
	}
	d := delivery(e.Key, m, now)
	if err := s.Store.Enter(ctx, d); err != nil {
		return Delivery{}, err
	}
	return d, nudge(ctx, s.Store, e.Key, now)
}

func disabled() error {
	return problem.New(problem.InvalidTransition, "The webhook endpoint is disabled: enable it first, with PATCH and status.")
}

// Deliveries lists those of an endpoint: first what is on its way, then what ended, the newest event first. Codes: those of
// [Service.Endpoint].
func (s *Service) Deliveries(ctx context.Context, u partner.User, id, after string, limit int) (DeliveryPage, error) {
	e, err := s.Endpoint(ctx, u, id)
	if err != nil {
		return DeliveryPage{}, err
	}
	return s.Store.Deliveries(ctx, e.Key, after, limit)
}

// Redeliver has a delivery tried again from the first attempt on, with the same id. Codes: those of [Service.Test].
func (s *Service) Redeliver(ctx context.Context, c command.Command, id, which string) (d Delivery, err error) {
	e, err := s.Endpoint(ctx, c.User, id)
	if err != nil {
		return d, err
	}
	now := command.Now(s.Now)
	err = command.Retry(func() error {
		before, err := s.Store.Delivery(ctx, e.Key, which)
		if err != nil {
			return err
		}
		if e.Status != Enabled {
			return disabled()
		}
		d = before
		d.Result, d.Reason, d.Version = Pending, "", before.Version+1
		d.Box = delivery(e.Key, Message{}, now).Box
		return s.Store.KeepDelivery(ctx, before, d)
	})
	if err != nil {
		return d, err
	}
	return d, nudge(ctx, s.Store, e.Key, now)
}
