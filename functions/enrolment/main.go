// Function enrolment serves how companies become indirect resellers, to their Global admins and to the operator, over the HTTP API.
package main

import (
	"errors"
	"os"

	"concord/internal/apigw"
	"concord/internal/awsenv"
	"concord/internal/contact"
	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/env"
	"concord/internal/locale"
	"concord/internal/masterkey"
	"concord/internal/observe"
	"concord/internal/partner"
	"concord/internal/web"
)

type config struct {
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys of cursors are derived
	Clouds string `env:"CLOUDS"`      // JSON array of {id, portalName, baseUrl, administrationOptional}, in which companies are

	// Only a local stack sets it: addresses below .example and .test are accepted.
	AllowReserved bool `env:"ALLOW_RESERVED_DOMAINS" default:"false"`
}

func main() {
	log := observe.Logger()
	var c config
	loadErr := env.Load(&c)
	clock, clockErr := env.Clock()
	clouds, cloudsErr := partner.ParseClouds(c.Clouds)
	if err := errors.Join(loadErr, clockErr, cloudsErr); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	aws := awsenv.Config()
	store, keys := dynamo.New(aws, c.Table), masterkey.New(aws, c.Secret)
	records := enrolment.Records{Store: store, Now: clock}
	service := &enrolment.Service{
		Store: store, Accounts: store, Directory: records, Validator: enrolment.Formats{}, Locations: records, Holders: store, Calendar: records,
		Texts: store, Addresses: contact.Addresses{AllowReserved: c.AllowReserved}, Clouds: clouds, Locales: locale.Tags, Now: clock,
	}
	gate := web.Gate{Accounts: store, Claims: apigw.Claims, RequestID: apigw.RequestID, Keys: keys.Keys, Log: log}
	apigw.Start(web.Enrolments(gate, service, records), "", log)
}
