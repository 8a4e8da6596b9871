// Package enrolling puts together how companies become indirect resellers: the API and the console have the same.
package enrolling

import (
	"time"

	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/locale"
	"concord/internal/partner"
)

// New makes the service, and the operator's records that it asks.
func New(
	store *dynamo.Store, clouds partner.Clouds, addresses emailaddr.Addresses, now func() time.Time,
) (*enrolment.Service, enrolment.Records) {
	records := enrolment.Records{Store: store, Now: now}
	return &enrolment.Service{
		Store: store, Accounts: store, Directory: records, Validator: enrolment.Formats{}, Locations: records, Holders: store,
		Calendar: records, Texts: store, Addresses: addresses, Clouds: clouds, Locales: locale.Tags, Now: now,
	}, records
}
