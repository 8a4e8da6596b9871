// Command acceptance answers every emailed link: what is asked, the sign-in of who follows it, the answer, and what a recipient can do
// beside answering.
package main

import (
	"log/slog"
	"os"
	"strings"
	"time"

	"concord/internal/apigw"
	"concord/internal/awsenv"
	"concord/internal/commerce"
	"concord/internal/contact"
	"concord/internal/customer"
	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/env"
	"concord/internal/feedback"
	"concord/internal/granular"
	"concord/internal/identity"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/masterkey"
	"concord/internal/observe"
	"concord/internal/pages"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/registry"
	"concord/internal/relationship"
)

// config is what template.yaml sets.
type config struct {
	Stack    string `env:"STACK"`         // name of the stack; a dimension of every metric
	Table    string `env:"TABLE_NAME"`    // name of the table
	Secret   string `env:"LINK_SECRET"`   // ARN of the master secret of links and cookies
	Operator string `env:"OPERATOR_NAME"` // who operates this deployment; every page says so
	// The email address where people ask the operator, its privacy notice, and who is legally responsible: empty where the law asks for none.
	Contact string `env:"OPERATOR_CONTACT"`
	Privacy string `env:"PRIVACY_NOTICE_URL"`
	Imprint string `env:"IMPRINT_URL" default:""`
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
	// AllowReserved accepts addresses under .example and .test, which only a local stack does.
	AllowReserved bool `env:"ALLOW_RESERVED_DOMAINS" default:"false"`
}

const year = 365 * 24 * time.Hour

func main() {
	log := observe.Logger()
	if err := run(log); err != nil {
		log.Error("acceptance cannot start", "error", err.Error())
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	var c config
	if err := env.Load(&c); err != nil {
		return err
	}
	now, err := env.Clock()
	if err != nil {
		return err
	}
	clouds, err := partner.ParseClouds(c.Clouds)
	if err != nil {
		return err
	}
	authorities, err := identity.Parse(c.Authorities)
	if err != nil {
		return err
	}
	operator := contact.Operator{Name: c.Operator, Contact: c.Contact, Privacy: c.Privacy, Imprint: c.Imprint}
	if err := operator.Check(); err != nil {
		return err
	}
	var accepting []partner.Role
	for role := range strings.SplitSeq(c.AcceptingRoles, ",") {
		accepting = append(accepting, partner.Role(role))
	}
	aws := awsenv.Config()
	store := dynamo.New(aws, c.Table)
	metrics := &observe.Metrics{Stack: c.Stack, Function: "acceptance"}
	reputation := registry.Reputation{
		Store: store, Now: now, Paused: feedback.Paused(log, metrics),
		Complaints: registry.Threshold{PerMille: c.ComplaintsPerMille, Least: c.ComplaintsLeast},
	}
	addresses := contact.Addresses{AllowReserved: c.AllowReserved}
	recognition := relationship.Recognition{Companies: store, Relationships: store, Accounts: store, Regions: partner.ShippedRegions(), Register: store}
	administration := &granular.Service{Store: store, Accounts: store, Clouds: clouds, Addresses: addresses, Roles: granular.ShippedRoles(), Recognition: recognition, Now: now}
	signing := &commerce.Signing{Agreements: store, Texts: store}
	handler, err := pages.Site{
		Granular: administration,
		Invitations: &invitation.Service{
			Store: store, Accounts: store, Relationships: store, Recognition: recognition, Partnerships: store, AdminAgentsAcceptPartnerships: c.AdminAgentsAccept, AcceptingRoles: accepting, Granular: store, GranularRoles: granular.ShippedRoles(), Regions: partner.ShippedRegions(), Clouds: clouds,
			Addresses: addresses, Locales: locale.Tags, Ledger: store, Reputation: reputation,
			Agreements: signing, NeedsAgreement: c.NeedsAgreement,
			Evidence: time.Duration(c.EvidenceYears) * year, Now: now,
		},
		Customers: customer.Self{
			Store: store, Register: store, Accounts: store, Purchases: store, Support: store, Granular: administration, Recognition: recognition,
			Tiers:   partnership.Service{Store: store, Accounts: store, Tiers: store, Texts: store, Now: now},
			Signing: signing, Addresses: addresses, Evidence: time.Duration(c.EvidenceYears) * year, MayLeave: c.CustomersLeave, Now: now,
		},
		Enrolments: enrolment.Confirmation{Store: store, Calendar: enrolment.Records{Store: store}, Now: now},
		Keys:       masterkey.New(aws, c.Secret), Operator: operator, Authorities: authorities, Log: log,
	}.Handler()
	if err != nil {
		return err
	}
	apigw.Start(handler, clouds[0].BaseURL, log)
	return nil
}
