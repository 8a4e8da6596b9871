package web

import (
	"net/http"
	"time"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// partnerships serves the partnerships of the calling provider or reseller, and what they have in common.
type partnerships struct{ service partnership.Service }

type partnershipDocument struct {
	ID string `json:"id"`
	// Role is which of the two the caller is.
	Role                partnership.Side   `json:"role"`
	Name                string             `json:"name"` // of the other
	ProviderTenantID    partner.TenantID   `json:"providerTenantId"`
	ResellerTenantID    partner.TenantID   `json:"resellerTenantId"`
	Status              partnership.Status `json:"status"`
	ProviderAdminAccess partnership.Access `json:"providerAdminAccess"`
	// Of the other, while it has an account.
	PartnerID string           `json:"partnerId,omitempty"`
	Location  string           `json:"location,omitempty"`
	Contact   *contactDocument `json:"contact,omitempty"`
	// Consent is what the reseller agreed to when it last granted something.
	Consent       *consentTextDocument `json:"consent,omitempty"`
	InvitationID  string               `json:"invitationId,omitempty"` // the provider's own; the reseller cannot read it
	EstablishedAt time.Time            `json:"establishedAt"`
	UpdatedAt     time.Time            `json:"updatedAt"`
	Version       int                  `json:"version"`
}

type consentTextDocument struct {
	TextVersion string `json:"textVersion"`
	Language    string `json:"language"`
	SHA256      string `json:"sha256"`
}

func partnershipOf(p partnership.Seen) partnershipDocument {
	d := partnershipDocument{
		ID: p.ID(), Role: p.Side, Name: p.Other.DisplayName, ProviderTenantID: p.Provider, ResellerTenantID: p.Reseller, Status: p.Status,
		ProviderAdminAccess: p.ProviderAccess, EstablishedAt: p.EstablishedAt.UTC(), UpdatedAt: p.UpdatedAt.UTC(), Version: p.Version,
	}
	if p.Side == partnership.ProviderSide {
		d.InvitationID = p.Invitation
	}
	d.PartnerID, d.Location = p.Other.AssociatedPartnerID, p.Other.Country
	if p.Other.Contact.Email != "" {
		d.Contact = new(contactDocument(p.Other.Contact))
	}
	if x := p.Consent; x.Version != "" {
		d.Consent = &consentTextDocument{x.Version, x.Language, x.Hash}
	}
	return d
}

// relationDocument has the names that Partner Center gives to who stands in a relation to the caller.
type relationDocument struct {
	ID               partner.TenantID   `json:"id"`
	Name             string             `json:"name"`
	RelationshipType string             `json:"relationshipType"`
	State            partnership.Status `json:"state"`
	PartnerID        string             `json:"partnerId"`
	Location         string             `json:"location"`
}

// The types of relations: what the caller is to those that are listed.
const (
	providerOf = "IsIndirectCloudSolutionProviderOf"
	resellerOf = "IsIndirectResellerOf"
)

func relations(kind string, list []partnership.Seen) []relationDocument {
	items := []relationDocument{}
	for _, p := range list {
		items = append(items, relationDocument{p.Other.Tenant, p.Other.DisplayName, kind, p.Status, p.Other.AssociatedPartnerID, p.Other.Country})
	}
	return items
}

func (ps partnerships) list(c *call) error {
	l, err := c.list("status", "role")
	if err != nil {
		return err
	}
	q := partnership.Query{
		Status: map[string]partnership.Status{"": partnership.Active, "active": partnership.Active, "removed": partnership.Removed}[oneOf(l, "status", "active", "removed", "all")],
		Side:   oneOf(l, "role", partnership.ProviderSide, partnership.ResellerSide), Limit: l.Limit, After: l.After,
	}
	if l.err != nil {
		return l.err
	}
	u, err := c.reader()
	if err != nil {
		return err
	}
	found, next, err := ps.service.Partnerships(c.r.Context(), u, q)
	if err != nil {
		return err
	}
	answer := page[partnershipDocument]{Items: []partnershipDocument{}}
	for _, p := range found {
		answer.Items = append(answer.Items, partnershipOf(p))
	}
	return give(c, l, answer, next)
}

// give answers with a page and the cursor of the next.
func give[T any](c *call, l *list, answer page[T], next string) (err error) {
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

func (ps partnerships) read(c *call) error {
	u, err := c.reader()
	if err != nil {
		return err
	}
	p, err := ps.service.Partnership(c.r.Context(), u, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, p.Version, partnershipOf(p))
}

func (ps partnerships) shared(c *call) error {
	l, err := c.list()
	if err != nil {
		return err
	}
	u, err := c.reader()
	if err != nil {
		return err
	}
	found, err := ps.service.Shared(c.r.Context(), u, c.r.PathValue("id"), relationship.Query{Limit: l.Limit, After: l.After})
	if err != nil {
		return err
	}
	answer := page[sharedDocument]{Items: []sharedDocument{}}
	for _, r := range found.Relationships {
		answer.Items = append(answer.Items, sharedOf(r))
	}
	return give(c, l, answer, found.Next)
}

// sharedDocument is a customer as the caller knows it; how the customer stands to the other is the other's business.
type sharedDocument struct {
	ID          partner.TenantID `json:"id"`
	CompanyName string           `json:"companyName"`
	Domain      *string          `json:"domain"`
	Country     string           `json:"country"`
	// How it stands to the caller.
	EstablishedAt time.Time                  `json:"establishedAt"`
	IdentityCheck relationship.IdentityCheck `json:"identityCheck"`
}

func sharedOf(r relationship.Relationship) sharedDocument {
	d := sharedDocument{ID: r.Customer.Tenant, CompanyName: r.Customer.CompanyName, Country: r.Customer.Country,
		EstablishedAt: r.EstablishedAt.UTC(), IdentityCheck: r.IdentityCheck}
	if len(r.Customer.Domains) > 0 {
		d.Domain = &r.Customer.Domains[0]
	}
	return d
}

// relations lists the caller's resellers or providers.
func (ps partnerships) relations(c *call) error {
	l, err := c.list("relationship_type")
	if err != nil {
		return err
	}
	kind := oneOf(l, "relationship_type", providerOf, resellerOf)
	if l.err != nil {
		return l.err
	}
	if kind == "" {
		return problem.New(problem.MalformedRequest, "The parameter relationship_type is required: IsIndirectCloudSolutionProviderOf for your resellers, IsIndirectResellerOf for your providers.")
	}
	side := map[string]partnership.Side{providerOf: partnership.ProviderSide, resellerOf: partnership.ResellerSide}[kind]
	u, err := c.reader()
	if err != nil {
		return err
	}
	found, next, err := ps.service.Partnerships(c.r.Context(), u, partnership.Query{Status: partnership.Active, Side: side, Limit: l.Limit, After: l.After})
	if err != nil {
		return err
	}
	return give(c, l, page[relationDocument]{Items: relations(kind, found)}, next)
}

// resellers lists who serves a customer of the calling provider.
func (ps partnerships) resellers(c *call) error {
	l, err := c.list()
	if err != nil {
		return err
	}
	u, err := c.reader()
	if err != nil {
		return err
	}
	found, next, err := ps.service.ResellersOf(c.r.Context(), u, c.r.PathValue("tenantId"), partnership.Query{Limit: l.Limit, After: l.After})
	if err != nil {
		return err
	}
	return give(c, l, page[relationDocument]{Items: relations(providerOf, found)}, next)
}

func (ps partnerships) remove(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	attested := b.attestation()
	p, err := ps.service.Remove(c.r.Context(), command.Command{
		User: cmd.User, CorrelationID: cmd.CorrelationID, IfVersion: cmd.IfVersion, Findings: b.end(),
	}, c.r.PathValue("id"), attested)
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, p.Version, partnershipOf(p))
}

func (ps partnerships) revoke(c *call) error {
	b, err := c.body(false)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	p, err := ps.service.RevokeAccess(c.r.Context(), command.Command{
		User: cmd.User, CorrelationID: cmd.CorrelationID, IfVersion: cmd.IfVersion, Findings: b.end(),
	}, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, p.Version, partnershipOf(p))
}
