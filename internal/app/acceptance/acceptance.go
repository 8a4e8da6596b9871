// Package acceptance puts together the function that answers every emailed link.
package acceptance

import (
	"errors"
	"strings"

	"concord/internal/apigw"
	"concord/internal/app"
	"concord/internal/app/partnering"
	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/env"
	"concord/internal/feedback"
	"concord/internal/granular"
	"concord/internal/identity"
	"concord/internal/invitation"
	"concord/internal/keyring"
	"concord/internal/locale"
	"concord/internal/pages"
	"concord/internal/partner"
	"concord/internal/registry"
	"concord/internal/relationship"
	"concord/internal/review"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	app.Operator
	Stack  string `env:"STACK"`       // name of the stack; a dimension of every metric
	Table  string `env:"TABLE_NAME"`  // name of the table
	Secret string `env:"LINK_SECRET"` // ARN of the master secret of links and cookies
	// Authorities are the clouds with their identity providers, as identity.Parse reads them.
	Authorities string `env:"AUTHORITIES"`
	Clouds      string `env:"CLOUDS"` // the clouds with their portals, as partner.ParseClouds reads them
	// EvidenceYears is for how long answers are kept with the names of who gave them (domain, 0.23).
	EvidenceYears int `env:"EVIDENCE_YEARS" default:"7"`
	// NeedsAgreement makes the signature of the customer agreement a condition of an acceptance (domain, 0.8).
	NeedsAgreement bool `env:"ACCEPTANCE_NEEDS_AGREEMENT" default:"false"`
	// How many complaints pause a partner's mails: of a thousand of them in seven days, and at least.
	ComplaintsPerMille int `env:"COMPLAINT_PAUSE_PER_MILLE"`
	ComplaintsLeast    int `env:"COMPLAINT_PAUSE_LEAST"`
	// AdminAgentsAccept lets admin agents of a reseller authorise a provider (0.2).
	AdminAgentsAccept bool `env:"ADMIN_AGENT_MAY_ACCEPT_PARTNERSHIP" default:"false"`
	// CustomersLeave lets a customer's Global admins end the relationship themselves (0.45).
	CustomersLeave bool `env:"CUSTOMER_MAY_END_RELATIONSHIP" default:"false"`
	// AcceptingRoles may answer beside Global admins where neither administration nor a signature is asked for (0.26), with commas.
	AcceptingRoles string `env:"ACCEPTING_ROLES" default:""`
}

// New makes the function.
func New(c Config, given app.Given) (apigw.Function, error) {
	site, base, err := parts(c, given)
	if err != nil {
		return nil, err
	}
	handler, err := site.Handler()
	if err != nil {
		return nil, err
	}
	return apigw.Handler(handler, base, given.Log), nil
}

// parts gives what the pages consist of, and the URL at which they are reached.
func parts(c Config, given app.Given) (site pages.Site, base string, err error) {
	clouds, cloudsErr := partner.ParseClouds(c.Clouds)
	authorities, authoritiesErr := identity.Parse(c.Authorities)
	operator, operatorErr := c.Checked()
	if err := errors.Join(cloudsErr, authoritiesErr, operatorErr); err != nil {
		return site, "", err
	}
	var accepting []partner.Role
	for role := range strings.SplitSeq(c.AcceptingRoles, ",") {
		accepting = append(accepting, partner.Role(role))
	}
	now, store, metrics := c.Clock(), dynamo.New(given.AWS, c.Table), given.Metrics(c.Stack, "acceptance")
	addresses := emailaddr.Addresses{AllowReserved: c.AllowReserved}
	recognition := relationship.Recognition{
		Companies: store, Relationships: store, Accounts: store, Regions: partner.ShippedRegions(), Register: store,
		Reviews: review.Notes{Store: store, Now: now},
	}
	administration := &granular.Service{
		Store: store, Accounts: store, Clouds: clouds, Addresses: addresses, Roles: granular.ShippedRoles(), Recognition: recognition, Now: now,
	}
	signing := &commerce.Signing{Agreements: store, Texts: store}
	invitations := &invitation.Service{
		Store: store, Accounts: store, Relationships: store, Recognition: recognition, Partnerships: store, Granular: store,
		GranularRoles: granular.ShippedRoles(), Regions: partner.ShippedRegions(), Clouds: clouds, Addresses: addresses,
		Locales: locale.Tags, Ledger: store, Agreements: signing, NeedsAgreement: c.NeedsAgreement,
		AdminAgentsAcceptPartnerships: c.AdminAgentsAccept, AcceptingRoles: accepting, Evidence: app.Years(c.EvidenceYears), Now: now,
		Reputation: registry.Reputation{
			Store: store, Now: now, Paused: feedback.Paused(given.Log, metrics),
			Complaints: registry.Threshold{PerMille: c.ComplaintsPerMille, Least: c.ComplaintsLeast},
		},
	}
	site = pages.Site{
		Invitations: invitations, Granular: administration,
		Customers: customer.Portal{
			Store: store, Register: store, Accounts: store, Purchases: store, Support: store, Granular: administration, Requests: store, Answers: invitations,
			Recognition: recognition, Tiers: partnering.New(store, now),
			Signing: signing, Addresses: addresses, Evidence: app.Years(c.EvidenceYears), MayLeave: c.CustomersLeave, Now: now,
		},
		Enrolments: enrolment.Confirmation{Store: store, Calendar: enrolment.Records{Store: store}, Now: now},
		Keys:       keyring.New(given.AWS, c.Secret), Operator: operator, Authorities: authorities, Log: given.Log,
	}
	return site, clouds[0].BaseURL, nil
}
