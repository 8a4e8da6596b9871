package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"concord/internal/commerce"
	"concord/internal/granular"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/terms"
)

// Commerce serves agreements, PartnerIDs, offers, orders and subscriptions of the calling partner, and which of its groups use what customers
// have granted.
func Commerce(g Gate, s *commerce.Service, granted *granular.Service, texts terms.Catalogue) http.Handler {
	t, as := trade{s, texts}, assignments{granted}
	return g.routes(map[string]func(*call) error{
		"GET /v1/agreements":                                               t.catalogue,
		"POST /v1/customers/{tenantId}/agreements":                         t.attest,
		"GET /v1/customers/{tenantId}/agreements":                          t.agreements,
		"GET /v1/customers/{tenantId}/directSignedCustomerAgreementStatus": t.directlySigned,
		"GET /v1/compliance/csp/agreementstatus":                           t.compliance,
		"GET /v1/profiles/partnerids/{partnerId}":                          t.validate,

		"GET /v1/subscriptions": t.all,
		"GET /v1/offers":        t.offers,
		"GET /v1/access-levels": t.levels,
		"GET /v1/customers/{tenantId}/purchase-eligibility":                          t.eligibility,
		"POST /v1/customers/{tenantId}/orders":                                       t.place,
		"GET /v1/customers/{tenantId}/orders":                                        t.orders,
		"GET /v1/customers/{tenantId}/orders/{orderId}":                              t.order,
		"GET /v1/customers/{tenantId}/subscriptions":                                 t.subscriptions,
		"GET /v1/customers/{tenantId}/subscriptions/{subscriptionId}":                t.subscription,
		"PATCH /v1/customers/{tenantId}/subscriptions/{subscriptionId}":              t.amend,
		"GET /v1/customers/{tenantId}/subscriptions/{subscriptionId}/supportcontact": t.supporter,
		"PUT /v1/customers/{tenantId}/subscriptions/{subscriptionId}/supportcontact": t.support,

		"POST /v1/delegated-admin-relationships/{id}/access-assignments":                  as.create,
		"GET /v1/delegated-admin-relationships/{id}/access-assignments":                   as.list,
		"GET /v1/delegated-admin-relationships/{id}/access-assignments/{assignmentId}":    as.read,
		"PATCH /v1/delegated-admin-relationships/{id}/access-assignments/{assignmentId}":  as.revise,
		"DELETE /v1/delegated-admin-relationships/{id}/access-assignments/{assignmentId}": as.remove,
	})
}

type trade struct {
	service *commerce.Service
	texts   terms.Catalogue
}

// done answers with a resource that a command made or changed, or had before.
func (c *call) done(status, version int, v any, replayed bool) error {
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	return c.tagged(status, version, v)
}

// textNames are the names of texts in the API, where they are not those of the catalogue.
var textNames = map[terms.Type]string{terms.CustomerAgreement: commerce.CustomerAgreement, terms.PartnerAgreement: "MicrosoftPartnerAgreement"}

func textName(t terms.Type) string {
	if name, ok := textNames[t]; ok {
		return name
	}
	return string(t)
}

type textDocument struct {
	Type          string    `json:"type"`
	Version       string    `json:"version"`
	Language      string    `json:"language"`
	Countries     []string  `json:"countries"`
	Title         string    `json:"title"`
	Text          string    `json:"text,omitempty"`
	URL           string    `json:"url,omitempty"`
	SHA256        string    `json:"sha256"`
	EffectiveFrom time.Time `json:"effectiveFrom"`
}

// catalogue lists the texts of the deployment, which are few (domain, 0.21).
func (t trade) catalogue(c *call) error {
	l, err := c.list("type")
	if err != nil {
		return err
	}
	names := make([]string, len(terms.Types))
	for n, each := range terms.Types {
		names[n] = textName(each)
	}
	wanted := oneOf(l, "type", names...)
	if l.err != nil {
		return l.err
	}
	if _, err := c.reader(); err != nil {
		return err
	}
	answer := page[textDocument]{Items: []textDocument{}}
	for _, each := range terms.Types {
		if wanted != "" && textName(each) != wanted {
			continue
		}
		found, err := t.texts.Texts(c.r.Context(), each)
		if err != nil {
			return err
		}
		for _, x := range found {
			d := textDocument{textName(x.Type), x.Version, x.Language, x.Countries, x.Title, x.Body, x.URL, x.Hash, x.From.UTC()}
			if d.Countries == nil {
				d.Countries = []string{}
			}
			answer.Items = append(answer.Items, d)
		}
	}
	return c.give(http.StatusOK, answer)
}

type signatureDocument struct {
	ID              string           `json:"id"`
	Type            string           `json:"type"`
	Source          commerce.Source  `json:"source"`
	TextVersion     string           `json:"textVersion,omitempty"`
	Language        string           `json:"language,omitempty"`
	SHA256          string           `json:"sha256,omitempty"`
	PrimaryContact  *personDocument  `json:"primaryContact,omitempty"`
	DateAgreed      time.Time        `json:"dateAgreed"`
	RecordedAt      time.Time        `json:"recordedAt"`
	PartnerTenantID partner.TenantID `json:"partnerTenantId,omitempty"`
	InvitationID    string           `json:"invitationId,omitempty"`
}

type personDocument struct {
	FirstName   string `json:"firstName"`
	LastName    string `json:"lastName"`
	Email       string `json:"email"`
	PhoneNumber string `json:"phoneNumber,omitempty"`
}

// signatureOf gives an agreement. By whose invitation another partner's customer signed is left out with who signed.
func signatureOf(a commerce.Agreement) signatureDocument {
	d := signatureDocument{
		ID: a.ID, Type: commerce.CustomerAgreement, Source: a.Source, TextVersion: a.Text.Version, Language: a.Text.Language, SHA256: a.Text.Hash,
		DateAgreed: a.AgreedAt.UTC(), RecordedAt: a.At.UTC(), InvitationID: a.Invitation,
	}
	if a.Contact != (commerce.Person{}) {
		d.PrimaryContact, d.PartnerTenantID = &personDocument{a.Contact.FirstName, a.Contact.LastName, a.Contact.Email, a.Contact.Phone}, a.Partner
	}
	return d
}

// moment takes a day or a moment: RFC 3339, or without a zone for UTC.
func (b *body) moment(name string) *time.Time {
	s := b.text(name)
	if s == nil {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, *s); err == nil && t.Year() >= 1970 {
			return &t
		}
	}
	b.findings.Add("/"+name, problem.ValidationFailed, "This must be a day or a moment of RFC 3339, such as 2026-03-01.")
	return nil
}

func (t trade) attest(c *call) error {
	b, cmd, err := c.change(true, true)
	if err != nil {
		return err
	}
	said := commerce.Attestation{Type: b.text("type"), AgreedAt: b.moment("dateAgreed")}
	if g := b.group("primaryContact"); g != nil {
		said.FirstName, said.LastName, said.Email, said.Phone = g.text("firstName"), g.text("lastName"), g.text("email"), g.text("phoneNumber")
		b.join("/primaryContact", g)
	}
	cmd.Findings = b.end()
	a, replayed, err := t.service.Attest(c.r.Context(), cmd, c.r.PathValue("tenantId"), said)
	if err != nil {
		return err
	}
	return c.done(http.StatusCreated, 1, signatureOf(a), replayed)
}

func (t trade) agreements(c *call) error {
	all, err := t.service.CustomerAgreements(c.r.Context(), c.user(), c.r.PathValue("tenantId"))
	if err != nil {
		return err
	}
	answer := page[signatureDocument]{Items: []signatureDocument{}}
	for _, a := range all {
		answer.Items = append(answer.Items, signatureOf(a))
	}
	return c.give(http.StatusOK, answer)
}

func (t trade) directlySigned(c *call) error {
	signed, err := t.service.DirectlySigned(c.r.Context(), c.user(), c.r.PathValue("tenantId"))
	if err != nil {
		return err
	}
	return c.give(http.StatusOK, struct {
		IsSigned bool `json:"isSigned"`
	}{signed})
}

// compliance says whether a company has signed the MPA. Exactly one of the two parameters names it.
func (t trade) compliance(c *call) error {
	l, err := c.list("partnerId", "tenantId")
	if err != nil {
		return err
	}
	id, byID := l.has("partnerId")
	tenant := l.tenant("tenantId")
	if l.err != nil {
		return l.err
	}
	if byID == (tenant != "") {
		return problem.New(problem.MalformedRequest, "Say one of the parameters partnerId and tenantId.")
	}
	var named *string
	if byID {
		named = &id
	}
	signed, err := t.service.MPASigned(c.r.Context(), c.user(), &tenant, named)
	if err != nil {
		return err
	}
	return c.give(http.StatusOK, struct {
		IsAgreementSigned bool `json:"isAgreementSigned"`
	}{signed})
}

type blockerDocument struct {
	Code   problem.Code `json:"code"`
	Detail string       `json:"detail"`
}

func blockers(all []commerce.Blocker) []blockerDocument {
	list := make([]blockerDocument, len(all))
	for n, b := range all {
		list[n] = blockerDocument(b)
	}
	return list
}

type validationDocument struct {
	PartnerID          string            `json:"partnerId"`
	Name               string            `json:"name"`
	Country            string            `json:"country"`
	Type               string            `json:"type"`
	IsIndirectReseller bool              `json:"isIndirectReseller"`
	MPASigned          bool              `json:"mpaSigned"`
	Eligible           bool              `json:"eligible"`
	Reasons            []blockerDocument `json:"reasons"`
}

func (t trade) validate(c *call) error {
	v, err := t.service.Validate(c.r.Context(), c.user(), c.r.PathValue("partnerId"))
	if err != nil {
		return err
	}
	return c.give(http.StatusOK, validationDocument{
		v.PartnerID.ID, v.Holder.DisplayName, v.PartnerID.Country, v.PartnerID.Type, v.Holder.Has(partner.IndirectReseller), v.Holder.MPA != nil,
		len(v.Reasons) == 0, blockers(v.Reasons),
	})
}

type offerDocument struct {
	ID          string          `json:"id"`
	Name        string          `json:"name"`
	Family      commerce.Family `json:"family"`
	MinQuantity int             `json:"minQuantity"`
	MaxQuantity int             `json:"maxQuantity"`
	Terms       []string        `json:"terms"`
}

func (t trade) offers(c *call) error {
	if _, err := c.reader(); err != nil {
		return err
	}
	answer := page[offerDocument]{Items: []offerDocument{}}
	for _, o := range t.service.Offers.Offers {
		answer.Items = append(answer.Items, offerDocument{o.ID, o.Name, o.Family, o.MinQuantity, o.MaxQuantity, o.Terms})
	}
	return c.give(http.StatusOK, answer)
}

type levelDocument struct {
	ID    string `json:"id"`
	Want  string `json:"want"`
	Do    string `json:"do"`
	Where string `json:"where"`
}

func (t trade) levels(c *call) error {
	if _, err := c.reader(); err != nil {
		return err
	}
	answer := page[levelDocument]{Items: []levelDocument{}}
	for _, l := range commerce.AccessLevels() {
		answer.Items = append(answer.Items, levelDocument(l))
	}
	return c.give(http.StatusOK, answer)
}

type eligibilityDocument struct {
	Eligible       bool              `json:"eligible"`
	Blockers       []blockerDocument `json:"blockers"`
	SellerTenantID partner.TenantID  `json:"sellerTenantId,omitempty"`
}

func (t trade) eligibility(c *call) error {
	l, err := c.list("onBehalfOfReseller")
	if err != nil {
		return err
	}
	reseller := l.tenant("onBehalfOfReseller")
	if l.err != nil {
		return l.err
	}
	var named *partner.TenantID
	if reseller != "" {
		named = &reseller
	}
	e, err := t.service.Eligibility(c.r.Context(), c.user(), c.r.PathValue("tenantId"), named)
	if err != nil {
		return err
	}
	return c.give(http.StatusOK, eligibilityDocument{len(e.Blockers) == 0, blockers(e.Blockers), e.Seller})
}

type orderDocument struct {
	ID                 string               `json:"id"`
	CustomerTenantID   partner.TenantID     `json:"customerTenantId"`
	SellerTenantID     partner.TenantID     `json:"sellerTenantId"`
	Status             commerce.OrderStatus `json:"status"`
	Lines              []lineDocument       `json:"lines"`
	ActingRole         partner.ProgramRole  `json:"actingRole,omitempty"`
	OnBehalfOfReseller partner.TenantID     `json:"onBehalfOfReseller,omitempty"`
	PartnerIDOnRecord  string               `json:"partnerIdOnRecord,omitempty"`
	CreatedAt          time.Time            `json:"createdAt"`
	CreatedBy          string               `json:"createdBy,omitempty"` // the seller's own business
	Version            int                  `json:"version"`
}

type lineDocument struct {
	OfferID        string `json:"offerId"`
	Quantity       int    `json:"quantity"`
	Term           string `json:"term"`
	SubscriptionID string `json:"subscriptionId"`
}

func orderOf(o commerce.Order) orderDocument {
	d := orderDocument{
		ID: o.ID, CustomerTenantID: o.Customer, SellerTenantID: o.Seller, Status: o.Status, ActingRole: o.ActingRole, OnBehalfOfReseller: o.For, PartnerIDOnRecord: o.PartnerIDOnRecord,
		CreatedAt: o.PlacedAt.UTC(), CreatedBy: o.PlacedBy, Version: o.Version,
	}
	for _, l := range o.Lines {
		d.Lines = append(d.Lines, lineDocument{l.Offer, l.Quantity, l.Term, l.Subscription})
	}
	return d
}

func (t trade) place(c *call) error {
	b, cmd, err := c.change(true, true)
	if err != nil {
		return err
	}
	w := commerce.Wish{ActingRole: b.actingRole(), OnBehalfOfReseller: b.text("onBehalfOfReseller"), PartnerIDOnRecord: b.text("partnerIdOnRecord")}
	if list := take[[]json.RawMessage](b, "lines", "a list"); list != nil {
		w.Lines = make([]commerce.WishedLine, min(len(*list), commerce.MaxLines+1))
		for n := range w.Lines {
			pointer := "/lines/" + strconv.Itoa(n)
			var g body
			if json.Unmarshal((*list)[n], &g.members) != nil || g.members == nil {
				b.findings.Add(pointer, problem.ValidationFailed, "This must be an object.")
				continue
			}
			w.Lines[n] = commerce.WishedLine{Offer: g.text("offerId"), Quantity: take[int](&g, "quantity", "a whole number"), Term: g.text("term")}
			b.join(pointer, &g)
		}
	}
	cmd.Findings = b.end()
	o, replayed, err := t.service.Place(c.r.Context(), cmd, c.r.PathValue("tenantId"), w)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/customers/"+string(o.Customer)+"/orders/"+url.PathEscape(o.ID))
	return c.done(http.StatusCreated, o.Version, orderOf(o), replayed)
}

func (t trade) order(c *call) error {
	o, err := t.service.Order(c.r.Context(), c.user(), c.r.PathValue("tenantId"), c.r.PathValue("orderId"))
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, o.Version, orderOf(o))
}

func (t trade) orders(c *call) error {
	l, err := c.list()
	if err != nil {
		return err
	}
	found, err := t.service.ListOrders(c.r.Context(), c.user(), c.r.PathValue("tenantId"), commerce.Page{Limit: l.Limit, After: l.After})
	if err != nil {
		return err
	}
	answer := page[orderDocument]{Items: []orderDocument{}}
	for _, o := range found.Orders {
		answer.Items = append(answer.Items, orderOf(o))
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

type subscriptionDocument struct {
	ID                     string                      `json:"id"`
	CustomerTenantID       partner.TenantID            `json:"customerTenantId"`
	CompanyName            string                      `json:"companyName,omitempty"` // the customer's, where the caller knows it
	OrderID                string                      `json:"orderId"`
	OfferID                string                      `json:"offerId"`
	OfferName              string                      `json:"offerName"`
	Family                 commerce.Family             `json:"family"`
	Term                   string                      `json:"term"`
	Quantity               int                         `json:"quantity"`
	Status                 commerce.SubscriptionStatus `json:"status"`
	SellerTenantID         partner.TenantID            `json:"sellerTenantId"`
	PartnerIDOfRecord      string                      `json:"partnerIdOfRecord,omitempty"`
	ResellerTenantID       partner.TenantID            `json:"resellerTenantId,omitempty"`
	CustomerContact        partner.TenantID            `json:"customerContactTenantId"` // whom the customer sees (rule B4)
	SupportContactTenantID partner.TenantID            `json:"supportContactTenantId"`
	// AllowedActions are what the caller may do with it now, and RefusedActions why not the rest.
	AllowedActions []commerce.Action `json:"allowedActions"`
	RefusedActions []refusalDocument `json:"refusedActions"`
	CreatedAt      time.Time         `json:"createdAt"`
	UpdatedAt      time.Time         `json:"updatedAt"`
	Version        int               `json:"version"`
}

type refusalDocument struct {
	Action  commerce.Action   `json:"action"`
	Reasons []blockerDocument `json:"reasons"`
}

func subscriptionOf(s commerce.Seen) subscriptionDocument {
	d := subscriptionDocument{
		ID: s.ID, CustomerTenantID: s.Customer, CompanyName: s.Company, OrderID: s.Order,
		OfferID: s.Offer, OfferName: s.OfferName, Family: s.Family, Term: s.Term, Quantity: s.Quantity,
		Status: s.Status, SellerTenantID: s.Seller, PartnerIDOfRecord: s.PartnerIDOfRecord, ResellerTenantID: s.Reseller, CustomerContact: s.CustomerContact(),
		SupportContactTenantID: s.Supporter(), CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(), Version: s.Version,
		AllowedActions: []commerce.Action{}, RefusedActions: []refusalDocument{},
	}
	for _, p := range s.Permissions {
		if len(p.Refused) == 0 {
			d.AllowedActions = append(d.AllowedActions, p.Action)
		} else {
			d.RefusedActions = append(d.RefusedActions, refusalDocument{p.Action, blockers(p.Refused)})
		}
	}
	return d
}

func (t trade) subscriptions(c *call) error {
	l, err := c.list()
	if err != nil {
		return err
	}
	found, err := t.service.ListSubscriptions(c.r.Context(), c.user(), c.r.PathValue("tenantId"), commerce.Page{Limit: l.Limit, After: l.After})
	if err != nil {
		return err
	}
	return c.subscriptions(l, found)
}

// all lists what the caller sold, is on record for or supports, whoever the customer.
func (t trade) all(c *call) error {
	l, err := c.list("role", "status", "customerTenantId")
	if err != nil {
		return err
	}
	q := commerce.SubscriptionQuery{
		Capacity: oneOf(l, "role", commerce.Capacities...), Statuses: severalOf(l, "status", commerce.SubscriptionStatuses...),
		Customer: l.tenant("customerTenantId"), Limit: l.Limit, After: l.After,
	}
	if l.err != nil {
		return l.err
	}
	found, err := t.service.AllSubscriptions(c.r.Context(), c.user(), q)
	if err != nil {
		return err
	}
	return c.subscriptions(l, found)
}

// subscriptions answers with a page of a list of them.
func (c *call) subscriptions(l *list, found commerce.SeenPage) (err error) {
	answer := page[subscriptionDocument]{Items: []subscriptionDocument{}}
	for _, s := range found.Subscriptions {
		answer.Items = append(answer.Items, subscriptionOf(s))
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

func (t trade) subscription(c *call) error {
	s, err := t.found(c)
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, s.Version, subscriptionOf(s))
}

func (t trade) found(c *call) (commerce.Seen, error) {
	return t.service.Subscription(c.r.Context(), c.user(), c.r.PathValue("tenantId"), c.r.PathValue("subscriptionId"))
}

func (t trade) amend(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	a := commerce.Amendment{Quantity: take[int](b, "quantity", "a whole number"), PartnerIDOfRecord: b.text("partnerIdOfRecord")}
	if v := b.text("status"); v != nil {
		a.Status = new(commerce.SubscriptionStatus(*v))
	}
	cmd.Findings = b.end()
	s, replayed, err := t.service.Amend(c.r.Context(), cmd, c.r.PathValue("tenantId"), c.r.PathValue("subscriptionId"), a)
	if err != nil {
		return err
	}
	return c.done(http.StatusOK, s.Version, subscriptionOf(s), replayed)
}

type supporterDocument struct {
	SupportTenantID partner.TenantID `json:"supportTenantId"`
	Name            string           `json:"name"`
	PartnerID       string           `json:"partnerId,omitempty"`
	IsSeller        bool             `json:"isSeller"`
}

func (t trade) supporter(c *call) error {
	s, err := t.found(c)
	if err != nil {
		return err
	}
	return t.supportedBy(c, s.Subscription, false)
}

func (t trade) support(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	a := commerce.Amendment{SupportContact: b.text("supportTenantId")}
	if a.SupportContact == nil && len(b.findings) == 0 {
		b.findings.Add("/supportTenantId", problem.ValidationFailed, "This field is required.")
	}
	cmd.Findings = b.end()
	s, replayed, err := t.service.Amend(c.r.Context(), cmd, c.r.PathValue("tenantId"), c.r.PathValue("subscriptionId"), a)
	if err != nil {
		return err
	}
	return t.supportedBy(c, s.Subscription, replayed)
}

// supportedBy answers with who supports the customer of a subscription, whose version it has.
func (t trade) supportedBy(c *call, s commerce.Subscription, replayed bool) error {
	a, err := c.gate.Accounts.Account(c.r.Context(), s.Supporter(), false)
	if err != nil {
		return err
	}
	return c.done(http.StatusOK, s.Version, supporterDocument{a.Tenant, a.DisplayName, a.AssociatedPartnerID, a.Tenant == s.Seller}, replayed)
}
