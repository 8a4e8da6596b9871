// Package console puts the console together: its main starts what this makes, and tests make the same.
package console

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"concord/internal/batch"
	"concord/internal/commerce"
	pages "concord/internal/console"
	"concord/internal/contact"
	"concord/internal/customer"
	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/identity"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/masterkey"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/relationship"
)

// Config is what template.yaml sets.
type Config struct {
	Table    string `env:"TABLE_NAME"`         // the DynamoDB table of this deployment
	Secret   string `env:"LINK_SECRET"`        // ARN or name of the secret from which the keys of cookies are derived
	Operator string `env:"OPERATOR_NAME"`      // who operates this deployment; every page says so
	Contact  string `env:"OPERATOR_CONTACT"`   // the email address where people ask the operator
	Privacy  string `env:"PRIVACY_NOTICE_URL"` // its privacy notice
	Imprint  string `env:"IMPRINT_URL" default:""`
	// Authorities are the clouds with their identity providers, as identity.Parse reads them, and Clouds their portals.
	Authorities string `env:"AUTHORITIES"`
	Clouds      string `env:"CLOUDS"`
	// Audiences are those of the tokens that the API takes, separated by commas: what a program asks its provider for.
	Audiences string `env:"API_AUDIENCES" default:""`
	// How many mails a partner may send, as for the API, with which they count together.
	FirstMonth int `env:"FIRST_MONTH_QUOTA" default:"50"`
	Daily      int `env:"DAILY_QUOTA" default:"500"`
	Partners   int `env:"PARTNERS_PER_RECIPIENT" default:"3"`
	Domain     int `env:"DOMAIN_QUOTA" default:"50"`
	// SalesAgentsRequest lets sales agents request partnerships (0.1); AdminAgentsAsk keeps them from delegated
	// administration (0.5).
	SalesAgentsRequest bool `env:"SALES_AGENT_MAY_REQUEST_PARTNERSHIP" default:"false"`
	AdminAgentsAsk     bool `env:"DELEGATED_ADMIN_NEEDS_ADMIN_AGENT" default:"false"`
	// AssociationGrants, ResellersRemove, RemovalNeedsNone, CreatedDaily and EvidenceYears are those of the API's functions: whether a
	// reseller administers what its provider creates for it (0.18), who may end a relationship (0.7) and when (0.6), how many customers are
	// created on a day, and for how long agreements name who signed them (0.23).
	AssociationGrants bool `env:"ASSOCIATION_GRANTS_DELEGATED_ADMIN" default:"false"`
	ResellersRemove   bool `env:"RESELLER_MAY_REMOVE_RELATIONSHIP" default:"true"`
	RemovalNeedsNone  bool `env:"REMOVAL_NEEDS_NO_ACTIVE_SUBSCRIPTION" default:"true"`
	CreatedDaily      int  `env:"CREATIONS_PER_DAY" default:"50"`
	EvidenceYears     int  `env:"EVIDENCE_YEARS" default:"7"`
	// AllowReserved accepts addresses under .example and .test and serves the page of components: only a local stack
	// does.
	AllowReserved bool `env:"ALLOW_RESERVED_DOMAINS" default:"false"`
}

const year = 365 * 24 * time.Hour

// New makes the handler, and gives the URL at which it is reached.
func New(c Config, to aws.Config, now func() time.Time, log *slog.Logger) (http.Handler, string, error) {
	clouds, fault := partner.ParseClouds(c.Clouds)
	authorities, err := identity.Parse(c.Authorities)
	operator := contact.Operator{Name: c.Operator, Contact: c.Contact, Privacy: c.Privacy, Imprint: c.Imprint}
	if err := errors.Join(err, fault, operator.Check()); err != nil {
		return nil, "", err
	}
	store, keys := dynamo.New(to, c.Table), masterkey.New(to, c.Secret)
	addresses := contact.Addresses{AllowReserved: c.AllowReserved}
	limits := recipient.Limits{Partners: c.Partners, FirstMonth: c.FirstMonth, Daily: c.Daily, Domain: c.Domain}
	records := enrolment.Records{Store: store, Now: now}
	invitations := &invitation.Service{
		Store: store, Accounts: store, Relationships: store, Partnerships: store, Granular: store, GranularRoles: granular.ShippedRoles(),
		Regions: partner.ShippedRegions(), Clouds: clouds, Recognition: relationship.Recognition{Companies: store}, Slots: store,
		Addresses: addresses, Locales: locale.Tags, Ledger: store, Limits: limits, Now: now,
		SalesAgentsRequestPartnerships: c.SalesAgentsRequest, DelegatedAdminNeedsAdminAgent: c.AdminAgentsAsk,
	}
	handler, err := pages.Console{
		Invitations: invitations,
		Batches:     &batch.Service{Store: store, Accounts: store, Invitations: invitations, Now: now},
		Customers: customer.Service{
			Store: store, Register: store, Support: store, Customers: store, Directory: store, Grants: store, Partnerships: store, Accounts: store,
			Texts: store, Regions: partner.ShippedRegions(), Clouds: clouds, Addresses: addresses, Webmail: contact.Webmail, Now: now,
			SubscriptionsStay: !c.RemovalNeedsNone, ResellersKeep: !c.ResellersRemove, AssociationGrants: c.AssociationGrants, Daily: c.CreatedDaily,
		},
		Relationships: store, Week: store, Audit: store, Audiences: c.Audiences,
		Partnerships: partnership.Service{Store: store, Accounts: store, Tiers: store, Texts: store, Now: now},
		Registry:     &registry.Service{Store: store, Clouds: clouds, Addresses: addresses, Locales: locale.Tags, Now: now},
		Regions:      partner.ShippedRegions(),
		Enrolments: &enrolment.Service{
			Store: store, Accounts: store, Directory: records, Validator: enrolment.Formats{}, Locations: records, Holders: store,
			Calendar: records, Texts: store, Addresses: addresses, Clouds: clouds, Locales: locale.Tags, Now: now,
		},
		Granular: &granular.Service{
			Store: store, Accounts: store, Clouds: clouds, Addresses: addresses, Roles: granular.ShippedRoles(), Locales: locale.Tags, Now: now,
			Quota: recipient.Quota{Ledger: store, Limits: limits},
		},
		Commerce: &commerce.Service{
			Accounts: store, Holders: store, Records: enrolment.Records{Store: store}, Relationships: store, Agreements: store, Orders: store,
			Subscriptions: store, Partnerships: commerce.Tiers{Store: store},
			Granular: &granular.Service{Store: store, Roles: granular.ShippedRoles(), Now: now}, Texts: store,
			Evidence: time.Duration(c.EvidenceYears) * year, Regions: partner.ShippedRegions(), Offers: commerce.ShippedOffers(),
			Addresses: addresses, Now: now,
		},
		Agreed:   commerce.Agreed{Signatures: store, Accounts: store, Partnerships: commerce.Tiers{Store: store}, Tiers: store},
		Accounts: store, Clouds: clouds, Keys: keys, Operator: operator, Authorities: authorities, Kit: c.AllowReserved, Log: log, Now: now,
	}.Handler()
	return handler, clouds[0].BaseURL, err
}
