// Function commerce serves agreements, PartnerIDs, offers, orders and subscriptions of the calling partner, over the HTTP API.
package main

import (
	"os"
	"time"

	"concord/internal/apigw"
	"concord/internal/awsenv"
	"concord/internal/commerce"
	"concord/internal/contact"
	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/env"
	"concord/internal/granular"
	"concord/internal/masterkey"
	"concord/internal/observe"
	"concord/internal/partner"
	"concord/internal/web"
)

type config struct {
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys of cursors are derived
	// EvidenceYears is for how long agreements are kept with the names of who signed them (domain, 0.23).
	EvidenceYears int `env:"EVIDENCE_YEARS" default:"7"`

	// Only a local stack sets it: addresses below .example and .test are accepted.
	AllowReserved bool `env:"ALLOW_RESERVED_DOMAINS" default:"false"`
}

const year = 365 * 24 * time.Hour

func main() {
	log := observe.Logger()
	var c config
	err := env.Load(&c)
	clock, fault := env.Clock()
	if err != nil || fault != nil {
		log.Error("cannot start", "error", err, "clock", fault)
		os.Exit(1)
	}
	aws := awsenv.Config()
	store, keys := dynamo.New(aws, c.Table), masterkey.New(aws, c.Secret)
	gate := web.Gate{Accounts: store, Claims: apigw.Claims, RequestID: apigw.RequestID, Keys: keys.Keys, Customers: store, Log: log}
	service := &commerce.Service{
		Accounts: store, Holders: store, Records: enrolment.Records{Store: store}, Relationships: store, Agreements: store, Orders: store, Subscriptions: store, Partnerships: commerce.Tiers{Store: store},
		Granular: &granular.Service{Store: store, Roles: granular.ShippedRoles(), Now: clock}, Texts: store, Evidence: time.Duration(c.EvidenceYears) * year,
		Regions: partner.ShippedRegions(), Offers: commerce.ShippedOffers(), Addresses: contact.Addresses{AllowReserved: c.AllowReserved}, Now: clock,
	}
	apigw.Start(web.Commerce(gate, service, store), "", log)
}
