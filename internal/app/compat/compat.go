// Package compat puts together the function that lets programs of Microsoft Graph and Partner Center work with the
// API. It holds the handlers of the API itself, which it asks in the same process.
package compat

import (
	"context"
	"net/http"
	"slices"

	"concord/internal/apigw"
	"concord/internal/app"
	"concord/internal/app/commerce"
	"concord/internal/app/enrolment"
	"concord/internal/app/relationships"
	"concord/internal/compat"
	"concord/internal/partner"
)

// Config is what template.yaml sets: that of the functions whose handlers these are.
type Config struct {
	relationships.Config
	// EvidenceYears is for how long agreements are kept with the names of who signed them (domain, 0.23).
	EvidenceYears int `env:"EVIDENCE_YEARS" default:"7"`
}

// New makes the function.
func New(c Config, given app.Given) (apigw.Function, error) {
	api, err := api(c, given)
	if err != nil {
		return nil, err
	}
	clouds, err := partner.ParseClouds(c.Clouds)
	if err != nil {
		return nil, err
	}
	t := compat.Translator{API: api, BaseURL: baseURL(clouds), RequestID: apigw.RequestID}
	return apigw.Handler(t, "", given.Log), app.Whole(t)
}

// baseURL returns where a caller's cloud has the API.
func baseURL(clouds partner.Clouds) func(context.Context) string {
	return func(ctx context.Context) string {
		own := slices.IndexFunc(clouds, func(c partner.Cloud) bool { return string(c.ID) == apigw.Claims(ctx)["cloud"] })
		return clouds[max(own, 0)].BaseURL
	}
}

// api serves what programs are translated to, by the handler of the function that serves it.
func api(c Config, given app.Given) (http.Handler, error) {
	mux := http.NewServeMux()
	related, err := relationships.Handler(c.Config, given)
	if err != nil {
		return nil, err
	}
	trade, err := commerce.Handler(commerce.Config{Local: c.Local, Table: c.Table, Secret: c.Secret,
		EvidenceYears: c.EvidenceYears}, given)
	if err != nil {
		return nil, err
	}
	enrolled, err := enrolment.Handler(enrolment.Config{
		Local: c.Local, Table: c.Table, Secret: c.Secret, Clouds: c.Clouds, EvidenceYears: c.EvidenceYears,
	}, given)
	if err != nil {
		return nil, err
	}
	mux.Handle("/v1/", related)
	for _, path := range []string{
		"/v1/agreements", "/v1/compliance/", "/v1/profiles/", "/v1/offers", "/v1/customers/{tenantId}/agreements",
		"/v1/customers/{tenantId}/directSignedCustomerAgreementStatus", "/v1/customers/{tenantId}/orders",
		"/v1/customers/{tenantId}/orders/",
		"/v1/customers/{tenantId}/subscriptions", "/v1/customers/{tenantId}/subscriptions/",
		"/v1/delegated-admin-relationships/{id}/access-assignments",
		"/v1/delegated-admin-relationships/{id}/access-assignments/",
	} {
		mux.Handle(path, trade)
	}
	mux.Handle("/v1/validations/", enrolled)
	return mux, nil
}
