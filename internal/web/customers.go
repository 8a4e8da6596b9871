package web

import (
	"context"
	"net/http"
	"time"

	"concord/internal/audit"
	"concord/internal/commerce"
	"concord/internal/country"
	"concord/internal/customer"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// Relationships serves the customers and partnerships of the calling partner, its granular administration of them, its audit, what the caller's token says,
// the operator's API, and the OpenAPI document.
func Relationships(
	g Gate, s Customers, a *granular.Service, p partnership.Service, log audit.Log, d OperatorAPI, now func() time.Time,
) http.Handler {
	cs := customers{s, a, p, now}
	ga := granulars{a, s.Store}
	ps := partnerships{p}
	return g.routes(map[string]func(*call) error{
		"POST /v1/delegated-admin-relationships":               ga.create,
		"GET /v1/delegated-admin-relationships":                ga.list,
		"GET /v1/delegated-admin-relationships/{id}":           ga.read,
		"PATCH /v1/delegated-admin-relationships/{id}":         ga.revise,
		"DELETE /v1/delegated-admin-relationships/{id}":        ga.remove,
		"POST /v1/delegated-admin-relationships/{id}/requests": ga.request,
		"POST /v1/delegated-admin-relationships/{id}/send":     ga.send,
		"GET /v1/customers/{tenantId}/delegated-admin-grants":  ga.grants,

		"GET /v1/partnerships":                              ps.list,
		"GET /v1/partnerships/{id}":                         ps.read,
		"GET /v1/partnerships/{id}/customers":               ps.shared,
		"POST /v1/partnerships/{id}/remove":                 ps.remove,
		"POST /v1/partnerships/{id}/revoke-provider-access": ps.revoke,
		"GET /v1/relationships":                             ps.relations,
		"GET /v1/customers/{tenantId}/relationships":        ps.resellers,

		"GET /v1/customers":                               cs.list,
		"POST /v1/customers":                              cs.create,
		"GET /v1/customers/{tenantId}":                    cs.read,
		"PATCH /v1/customers/{tenantId}":                  cs.change,
		"GET /v1/attestations/{type}":                     attestations{s.Texts, now}.read,
		"GET /v1/auditrecords":                            trail{log, now}.list,
		"POST /v1/partners":                               d.create,
		"GET /v1/partners":                                d.list,
		"GET /v1/partners/{tenantId}":                     d.read,
		"PATCH /v1/partners/{tenantId}":                   d.change,
		"POST /v1/suppressions/search":                    d.search,
		"POST /v1/partners/{tenantId}/cancel-invitations": d.clear,
		"POST /v1/suppressions/lift":                      d.removeSuppression,
		"GET /v1/directory/providers":                     d.directory,
		"GET /v1/regions":                                 d.regions,
		"GET /v1/account":                                 d.own,
		"PATCH /v1/account":                               d.changeOwn,
		"GET /v1/roles/me":                                roles,
		"GET /docs":                                       docs,
		"GET /openapi.json":                               openAPI,
		"GET /healthz":                                    health,
	})
}

// Customers is where customers are kept, and what is done with them.
type Customers struct {
	Store   relationship.Store
	Agreed  commerce.Agreed
	Service customer.Service
	Texts   terms.Catalogue
}

type customers struct {
	Customers
	granted *granular.Service
	shared  partnership.Service
	now     func() time.Time
}

type customerDocument struct {
	ID partner.TenantID `json:"id"`
	// TenantID is the company's own; absent for one that a partner created and nobody has claimed.
	TenantID              partner.TenantID           `json:"tenantId,omitempty"`
	Claimed               bool                       `json:"claimed"`
	CompanyName           string                     `json:"companyName"`
	Domain                *string                    `json:"domain"`
	Country               *string                    `json:"country"`
	Cloud                 partner.CloudID            `json:"cloud"`
	RelationshipToPartner string                     `json:"relationshipToPartner"`
	AllowDelegatedAccess  bool                       `json:"allowDelegatedAccess"`
	Administration        commerce.Administration    `json:"administration"`
	CustomerAgreement     agreementDocument          `json:"customerAgreement"`
	IdentityCheck         relationship.IdentityCheck `json:"identityCheck"`
	EstablishedAt         *time.Time                 `json:"establishedAt,omitempty"`
	UpdatedAt             *time.Time                 `json:"updatedAt,omitempty"`
	// Invitation is the newest that names the customer, where there never was a relationship.
	Invitation *traceDocument `json:"invitation,omitempty"`
	Version    int            `json:"version"`
}

type traceDocument struct {
	ID     string            `json:"id"`
	Status invitation.Status `json:"status"`
}

// agreementDocument says whether the customer signed the customer agreement, itself or as the partner attests.
type agreementDocument struct {
	Signed bool `json:"signed"`
}

func customerOf(r relationship.Relationship) customerDocument {
	d := customerDocument{
		ID: r.Customer.Tenant, TenantID: r.Customer.Home(), Claimed: r.Customer.Home() != "", CompanyName: r.Customer.CompanyName, Cloud: r.Customer.Cloud,
		RelationshipToPartner: "none", Administration: commerce.AdministrationOf(r, false), CustomerAgreement: agreementDocument{r.AgreementSigned}, IdentityCheck: r.IdentityCheck,
		EstablishedAt: moment(r.EstablishedAt), UpdatedAt: moment(r.UpdatedAt), Version: r.Version,
	}
	if r.Customer.Country != "" {
		d.Country = &r.Customer.Country
	}
	if len(r.Customer.Domains) > 0 {
		d.Domain = &r.Customer.Domains[0]
	}
	if r.Status == relationship.Active {
		d.RelationshipToPartner = "reseller"
		d.AllowDelegatedAccess = r.DelegatedAdmin == relationship.ActiveDAP
	}
	return d
}

// knownOf is a customer that the partner knows (0.4).
func knownOf(k customer.Known, now time.Time) customerDocument {
	if k.Relationship != nil {
		return customerOf(*k.Relationship)
	}
	d := customerOf(relationship.Relationship{Customer: k.Customer, IdentityCheck: relationship.NotNeeded})
	if i := k.Invitation; i != nil {
		d.Invitation = &traceDocument{i.ID, i.StatusAt(now)}
	}
	return d
}

// The limits of the filters of customers, in bytes.
const (
	maxNameFilter   = 400
	maxDomainFilter = 253
)

func (cs customers) list(c *call) error {
	l, err := c.list("relationship", "name", "domain", "indirectResellerId", "country", "identityCheck", "administration", "customerAgreement")
	if err != nil {
		return err
	}
	asked := oneOf(l, "relationship", "active", "none", "all")
	q := relationship.Query{
		Status: relationship.Active, Name: l.text("name", maxNameFilter), Domain: l.text("domain", maxDomainFilter), Limit: l.Limit, After: l.After,
	}
	reseller := l.tenant("indirectResellerId")
	f := customer.Filter{
		Country: l.text("country", 2), Agreement: oneOf(l, "customerAgreement", "signed", "missing"),
		Identity:       oneOf(l, "identityCheck", relationship.NotNeeded, relationship.Unproven, relationship.Confirmed),
		Administration: oneOf(l, "administration", commerce.NoAdministration, commerce.AzureOnly, commerce.DAP, commerce.GDAP),
	}
	if f.Country != "" && !country.Valid(f.Country) {
		l.refuse("country", "a country or region of ISO 3166-1, such as US")
	}
	if l.err != nil {
		return l.err
	}
	u, err := c.reader()
	if err != nil {
		return err
	}
	var known []customer.Known
	var next string
	if asked == "" || asked == "active" || reseller != "" {
		found, err := cs.served(c.r.Context(), u, asked, reseller, q)
		if err != nil {
			return err
		}
		for n := range found.Relationships {
			known = append(known, customer.Known{Customer: found.Relationships[n].Customer, Relationship: &found.Relationships[n]})
		}
		next = found.Next
	} else {
		found, err := cs.Service.Known(c.r.Context(), u.Tenant, q, asked == "all")
		if err != nil {
			return err
		}
		known, next = found.Customers, found.Next
	}
	var answer page[customerDocument]
	if answer.Items, err = cs.complete(c, u.Tenant, known, f); err != nil {
		return err
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

// served gives the customers of active relationships; with a reseller those that it serves too (what has ended, nobody shares).
func (cs customers) served(ctx context.Context, u partner.User, asked string, reseller partner.TenantID, q relationship.Query) (relationship.Page, error) {
	switch {
	case reseller == "":
		return cs.Store.Relationships(ctx, u.Tenant, q)
	case asked == "none":
		return relationship.Page{}, nil
	default:
		return cs.shared.SharedWith(ctx, u, reseller, q)
	}
}

func (cs customers) read(c *call) error {
	u, err := c.reader()
	if err != nil {
		return err
	}
	tenant, ok := partner.ParseTenantID(c.r.PathValue("tenantId"))
	if !ok {
		return problem.New(problem.NotFound, "")
	}
	k, err := cs.Service.KnownCustomer(c.r.Context(), u.Tenant, tenant)
	if err != nil {
		return err
	}
	one, err := cs.complete(c, u.Tenant, []customer.Known{k}, customer.Filter{})
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, one[0].Version, one[0])
}

func (cs customers) create(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, true)
	if err != nil {
		return err
	}
	wanted := customer.New{CompanyName: b.text("companyName"), Domain: b.text("domain"), Country: b.text("country"), Tenant: b.text("tenantId"), Reseller: b.text("forReseller")}
	cmd.Findings = b.end()
	r, replayed, err := cs.Service.Create(c.r.Context(), cmd, wanted)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Location", "/v1/customers/"+string(r.Customer.Tenant))
	if replayed {
		h.Set("Idempotency-Replayed", "true")
	}
	return cs.tagged(c, http.StatusCreated, r)
}

func (cs customers) change(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	asked := customer.Change{
		IdentityConfirmed: b.flag("identityConfirmed"), AllowDelegatedAccess: b.flag("allowDelegatedAccess"),
		RelationshipToPartner: b.text("relationshipToPartner"), Attestation: b.attestation(),
	}
	cmd.Findings = b.end()
	r, err := cs.Service.Change(c.r.Context(), cmd, c.r.PathValue("tenantId"), asked)
	if err != nil {
		return err
	}
	return cs.tagged(c, http.StatusOK, r)
}
