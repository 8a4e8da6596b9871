package web

import (
	"net/http"
	"time"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
)

type obstacleDocument struct {
	Code         problem.Code `json:"code"`
	Detail       string       `json:"detail"`
	InvitationID string       `json:"invitationId,omitempty"`
}

type prospectDocument struct {
	// Ready says that the invitation would be made, and Mailed that a mail could go out, as far as the quotas let it.
	Ready     bool               `json:"ready"`
	Mailed    bool               `json:"mailed"`
	Obstacles []obstacleDocument `json:"obstacles"`

	Kind                  invitation.Kind     `json:"kind"`
	Locale                string              `json:"locale"`
	Cloud                 partner.CloudID     `json:"cloud"`
	PortalName            string              `json:"portalName"`
	RequestDelegatedAdmin bool                `json:"requestDelegatedAdmin"`
	ActingRole            partner.ProgramRole `json:"actingRole,omitempty"`
	ExpiresIn             string              `json:"expiresIn"`
	// CustomerCountry is that of the customer where it is known: RegionAllowed says whether the region table allows it.
	CustomerCountry string               `json:"customerCountry,omitempty"`
	RegionAllowed   *bool                `json:"regionAllowed,omitempty"`
	SameDomain      []sameDomainDocument `json:"sameDomain"`
}

// sameDomainDocument is a customer of the recipient's domain.
type sameDomainDocument struct {
	TenantID    partner.TenantID `json:"tenantId"`
	CompanyName string           `json:"companyName,omitempty"`
	Since       time.Time        `json:"since"`
}

// check says what would come of an invitation, and makes nothing.
func (i invitations) check(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	p := b.proposal()
	p.Granular = b.granularAdmin()
	cmd.Findings = b.end()
	x, err := i.service.Check(c.r.Context(), cmd, p)
	if err != nil {
		return err
	}
	inv := x.Letter.Invitation
	d := prospectDocument{
		Ready: len(
			x.Against,
		) == 0, Mailed: len(x.Against) == 0 && len(x.Unmailed) == 0 && inv.RecipientEmail != "", Obstacles: []obstacleDocument{},
		Kind: inv.Kind, Locale: inv.Locale, Cloud: inv.Cloud, PortalName: x.Letter.Cloud.PortalName,
		RequestDelegatedAdmin: inv.RequestDelegatedAdmin, ActingRole: inv.ActingRole, ExpiresIn: formatDuration(inv.Duration),
		CustomerCountry: x.Country, SameDomain: []sameDomainDocument{},
	}
	if x.Country != "" {
		d.RegionAllowed = &x.Region
	}
	for _, list := range [][]*problem.Error{x.Against, x.Unmailed} {
		for _, o := range list {
			d.Obstacles = append(d.Obstacles, obstacleDocument{o.Code, o.Detail, o.Resource})
		}
	}
	for _, r := range x.Related {
		d.SameDomain = append(
			d.SameDomain,
			sameDomainDocument{r.Customer.Tenant, r.Customer.CompanyName, r.EstablishedAt.UTC()},
		)
	}
	return c.give(http.StatusOK, d)
}

type countsDocument struct {
	CreatedAfter time.Time `json:"createdAfter"`
	Created      int       `json:"created"`
	Mailed       int       `json:"mailed"`
	Delivered    int       `json:"delivered"`
	Answered     int       `json:"answered"`
	Accepted     int       `json:"accepted"`
	Complete     bool      `json:"complete"`
}

// counts says how far the invitations since a moment have come.
func (i invitations) counts(c *call) error {
	l, err := c.list("createdAfter")
	if err != nil {
		return err
	}
	since := l.moment("createdAfter")
	if l.err != nil {
		return l.err
	}
	u, err := c.reader()
	if err != nil {
		return err
	}
	f, since, complete, err := i.service.Funnel(c.r.Context(), u, since)
	if err != nil {
		return err
	}
	return c.give(
		http.StatusOK,
		countsDocument{since.UTC(), f.Created, f.Mailed, f.Delivered, f.Answered, f.Accepted, complete},
	)
}
