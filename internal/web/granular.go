package web

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"concord/internal/command"
	"concord/internal/customer"
	"concord/internal/granular"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// granulars serves granular delegated administration, with the names that Microsoft Graph gives it.
type granulars struct {
	service   *granular.Service
	customers relationship.Store
}

type granularDocument struct {
	ID                     string               `json:"id"`
	DisplayName            string               `json:"displayName"`
	Customer               *granularCustomer    `json:"customer"`
	Duration               string               `json:"duration"`
	AutoExtendDuration     string               `json:"autoExtendDuration"`
	AccessDetails          accessDocument       `json:"accessDetails"`
	Status                 granular.Status      `json:"status"`
	Reason                 string               `json:"reason,omitempty"`
	IdentityCheck          string               `json:"identityCheck,omitempty"`
	CreatedDateTime        time.Time            `json:"createdDateTime"`
	LastModifiedDateTime   time.Time            `json:"lastModifiedDateTime"`
	ApprovalExpiryDateTime *time.Time           `json:"approvalExpiryDateTime,omitempty"`
	ActivatedDateTime      *time.Time           `json:"activatedDateTime"`
	EndDateTime            *time.Time           `json:"endDateTime"`
	RecipientEmail         string               `json:"recipientEmail,omitempty"`
	Locale                 string               `json:"locale,omitempty"`
	RequestedLocale        string               `json:"requestedLocale,omitempty"`
	Delivery               *deliveryDocument    `json:"delivery,omitempty"`
	History                []granularStepRecord `json:"history,omitempty"`
	Version                int                  `json:"version"`
}

type granularCustomer struct {
	TenantID    partner.TenantID `json:"tenantId"`
	DisplayName string           `json:"displayName,omitempty"`
}

type accessDocument struct {
	UnifiedRoles []unifiedRole `json:"unifiedRoles"`
}

type unifiedRole struct {
	RoleDefinitionID string `json:"roleDefinitionId"`
}

// granularStepRecord is a line of the history. Who it was at the customer's is the customer's own business.
type granularStepRecord struct {
	At            time.Time      `json:"at"`
	Action        string         `json:"action"`
	Actor         granular.Actor `json:"actor"`
	By            string         `json:"by,omitempty"`
	CorrelationID string         `json:"correlationId,omitempty"`
	Reason        string         `json:"reason,omitempty"`
}

func granularPath(id string) string { return "/v1/delegated-admin-relationships/" + id }

// row is how a list shows a relationship; document adds its history.
func (granulars) row(r granular.Relationship) granularDocument {
	d := granularDocument{
		ID: r.ID, DisplayName: r.DisplayName, Duration: r.Duration.String(), AutoExtendDuration: "P0D", AccessDetails: accessDocument{[]unifiedRole{}},
		Status: r.Status, Reason: r.Reason, IdentityCheck: string(r.IdentityCheck), CreatedDateTime: r.CreatedAt.UTC(), LastModifiedDateTime: r.ModifiedAt.UTC(),
		ApprovalExpiryDateTime: moment(r.ApproveBy), ActivatedDateTime: moment(r.ActivatedAt), EndDateTime: moment(r.EndAt), Version: r.Version,
	}
	if r.AutoExtend {
		d.AutoExtendDuration = "P180D"
	}
	if r.Customer != "" {
		d.Customer = &granularCustomer{r.Customer, r.CustomerName}
	}
	if r.Mail.To != "" {
		d.RecipientEmail, d.Locale, d.RequestedLocale = r.Mail.To, r.Mail.Locale, r.Mail.LocaleAsked
		d.Delivery = &deliveryDocument{outbox.Delivery(r.Delivery()), cmp.Or(r.Post.Reason, r.Mail.Reason)}
	}
	for _, id := range r.Roles {
		d.AccessDetails.UnifiedRoles = append(d.AccessDetails.UnifiedRoles, unifiedRole{id})
	}
	return d
}

func (g granulars) document(r granular.Relationship) granularDocument {
	d := g.row(r)
	for _, e := range r.History {
		line := granularStepRecord{e.At.UTC(), e.Action, e.Actor, e.By, e.CorrelationID, e.Why}
		if e.Actor != granular.ByPartner {
			line.By = ""
		}
		d.History = append(d.History, line)
	}
	return d
}

func (g granulars) done(c *call, status int, r granular.Relationship, replayed bool) error {
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	return c.tagged(status, r.Version, g.document(r))
}

// terms takes what can be said of a relationship out of a body.
func granularTerms(b *body) granular.Proposal {
	t := granular.Proposal{DisplayName: b.text("displayName"), Duration: b.text("duration"), AutoExtendDuration: b.text("autoExtendDuration")}
	if customer := b.group("customer"); customer != nil {
		t.Customer, t.CustomerName = customer.text("tenantId"), customer.text("displayName")
		if t.Customer == nil && len(customer.findings) == 0 {
			customer.findings.Add("/tenantId", problem.ValidationFailed, "This is required.")
		}
		b.join("/customer", customer)
	}
	if access := b.group("accessDetails"); access != nil {
		t.Roles = access.unifiedRoles()
		b.join("/accessDetails", access)
	}
	return t
}

// unifiedRoles takes the ids of the roles; nil with a finding when there is one that is none.
func (b *body) unifiedRoles() *[]string {
	list := take[[]json.RawMessage](b, "unifiedRoles", "a list")
	if list == nil {
		if len(b.findings) == 0 {
			b.findings.Add("/unifiedRoles", problem.ValidationFailed, "This is required.")
		}
		return nil
	}
	ids := make([]string, 0, len(*list))
	for n, raw := range *list {
		var role body
		pointer := "/unifiedRoles/" + strconv.Itoa(n)
		if json.Unmarshal(raw, &role.members) != nil || role.members == nil {
			b.findings.Add(pointer, problem.ValidationFailed, "This must be an object.")
			continue
		}
		id := role.text("roleDefinitionId")
		if id == nil && len(role.findings) == 0 {
			role.findings.Add("/roleDefinitionId", problem.ValidationFailed, "This is required.")
		}
		b.join(pointer, &role)
		ids = append(ids, said(id))
	}
	if len(b.findings) > 0 {
		return nil // one finding for each, and none of the use case beside it
	}
	return &ids
}

// granularAdmin takes what an invitation asks for beside its own; nil for nothing.
func (b *body) granularAdmin() *granular.Proposal {
	g := b.group("granularAdmin")
	if g == nil {
		return nil
	}
	t := &granular.Proposal{DisplayName: g.text("displayName"), Duration: g.text("duration"), AutoExtendDuration: g.text("autoExtendDuration")}
	if list := take[[]json.RawMessage](g, "roles", "a list"); list != nil {
		ids := make([]string, len(*list))
		for n, raw := range *list {
			if json.Unmarshal(raw, &ids[n]) != nil {
				g.findings.Add("/roles/"+strconv.Itoa(n), problem.ValidationFailed, "This is text.")
			}
		}
		if t.Roles = &ids; len(g.findings) > 0 {
			t.Roles = nil
		}
	}
	b.join("/granularAdmin", g)
	return t
}

func (g granulars) create(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, true)
	if err != nil {
		return err
	}
	t := granularTerms(b)
	cmd.Findings = b.end()
	r, replayed, err := g.service.Create(c.r.Context(), cmd, t)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", granularPath(r.ID))
	return g.done(c, http.StatusCreated, r, replayed)
}

func (g granulars) list(c *call) error {
	l, err := c.list("status", "customerTenantId")
	if err != nil {
		return err
	}
	q := granular.Query{Status: oneOf(l, "status", granular.Statuses...), Customer: l.tenant("customerTenantId"), Limit: l.Limit, After: l.After}
	if l.err != nil {
		return l.err
	}
	u, err := c.permitted(partner.ReadGranular)
	if err != nil {
		return err
	}
	if q.Also, err = c.other(q.Customer); err != nil {
		return err
	}
	found, err := g.service.Relationships(c.r.Context(), u, q)
	if err != nil {
		return err
	}
	answer := page[granularDocument]{Items: []granularDocument{}}
	for _, r := range found.Relationships {
		answer.Items = append(answer.Items, g.row(r))
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

func (g granulars) read(c *call) error {
	u, err := c.permitted(partner.ReadGranular)
	if err != nil {
		return err
	}
	r, err := g.service.Relationship(c.r.Context(), u, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, r.Version, g.document(r))
}

func (g granulars) revise(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	t := granularTerms(b)
	t.IdentityConfirmed = b.flag("identityConfirmed")
	cmd.Findings = b.end()
	r, replayed, err := g.service.Revise(c.r.Context(), cmd, c.r.PathValue("id"), t)
	if err != nil {
		return err
	}
	return g.done(c, http.StatusOK, r, replayed)
}

func (g granulars) remove(c *call) error {
	b, err := c.body(false)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	cmd.Findings = b.end()
	replayed, err := g.service.Delete(c.r.Context(), cmd, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// request carries out what a partner asks of its relationship: lockForApproval or terminate.
func (g granulars) request(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	actions := map[string]func(context.Context, command.Command, string) (granular.Relationship, bool, error){
		"lockForApproval": g.service.Lock, "terminate": g.service.Terminate,
	}
	do, found := actions[said(b.text("action"))]
	if !found && len(b.findings) == 0 {
		b.findings.Add("/action", problem.ValidationFailed, "The action must be lockForApproval or terminate.")
	}
	if cmd.Findings = b.end(); !found {
		do = g.service.Terminate // it looks at everything that comes before what is wrong with the fields, and refuses
	}
	r, replayed, err := do(c.r.Context(), cmd, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return g.done(c, http.StatusOK, r, replayed)
}

// send has the request mailed to somebody at the customer's.
func (g granulars) send(c *call) error {
	b, err := c.body(false)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, true)
	if err != nil {
		return err
	}
	to := granular.Addressee{RecipientEmail: b.text("recipientEmail"), Locale: b.text("locale")}
	cmd.Findings = b.end()
	r, replayed, err := g.service.Send(c.r.Context(), cmd, c.r.PathValue("id"), to)
	if err != nil {
		return err
	}
	return g.done(c, http.StatusAccepted, r, replayed)
}

// grantDocument is administration that a customer has given: all of it, or some of it for a time.
type grantDocument struct {
	Type         string            `json:"type"`
	Relationship *granularDocument `json:"delegatedAdminRelationship,omitempty"`
}

// grants gives what one customer has given. A customer is known by its relationship, of whatever status, or by what it has given.
func (g granulars) grants(c *call) error {
	u, err := c.permitted(partner.ReadGranular)
	if err != nil {
		return err
	}
	tenant, ok := partner.ParseTenantID(c.r.PathValue("tenantId"))
	if !ok {
		return problem.New(problem.NotFound, "")
	}
	r, unrelated := g.customers.Relationship(c.r.Context(), u.Tenant, tenant)
	if unrelated != nil && !problem.Is(unrelated, problem.NotFound) {
		return unrelated
	}
	list, err := g.service.Granted(c.r.Context(), u, tenant)
	if err != nil {
		return err
	}
	if unrelated != nil && len(list) == 0 {
		return unrelated
	}
	answer := page[grantDocument]{Items: []grantDocument{}}
	if unrelated == nil && r.Status == relationship.Active && r.DelegatedAdmin == relationship.ActiveDAP {
		answer.Items = append(answer.Items, grantDocument{Type: "dap"})
	}
	for _, each := range list {
		answer.Items = append(answer.Items, grantDocument{"gdap", new(g.row(each))})
	}
	return c.give(http.StatusOK, answer)
}

// complete says of customers what their relationships alone do not, and gives those that a filter keeps.
func (cs customers) complete(c *call, p partner.TenantID, list []customer.Known, f customer.Filter) ([]customerDocument, error) {
	stands, err := customer.Summaries{Agreed: cs.Agreed, Granular: cs.granted}.Of(c.r.Context(), p, list)
	if err != nil {
		return nil, err
	}
	answer := []customerDocument{}
	for _, k := range list {
		if st := stands[k.Tenant]; f.Keeps(k, st) {
			d := knownOf(k, cs.now())
			d.Administration, d.CustomerAgreement.Signed = st.Administration, st.Signed
			answer = append(answer, d)
		}
	}
	return answer, nil
}

// tagged answers with one customer.
func (cs customers) tagged(c *call, status int, r relationship.Relationship) error {
	one, err := cs.complete(c, r.Partner, []customer.Known{{Customer: r.Customer, Relationship: &r}}, customer.Filter{})
	if err != nil {
		return err
	}
	return c.tagged(status, r.Version, one[0])
}
