package web

import (
	"net/http"
	"time"

	"concord/internal/command"
	"concord/internal/enrolment"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/terms"
)

// Enrolments serves how a company becomes an indirect reseller: to its Global admin, who needs no account for it, and to the operator, with
// what the operator keeps for it and sees of all partners.
func Enrolments(g Gate, s *enrolment.Service, kept enrolment.Records, reports oversight.Reports, reading oversight.Reading) http.Handler {
	e, k, o := enrolments{s}, records{kept}, overseen{reports, reading}
	return g.routes(map[string]func(*call) error{
		"POST /v1/enrolments":                          e.start,
		"GET /v1/enrolments":                           e.list,
		"GET /v1/enrolments/{id}":                      e.read,
		"PATCH /v1/enrolments/{id}":                    e.save,
		"POST /v1/enrolments/{id}/submit":              e.submit,
		"POST /v1/enrolments/{id}/resend-verification": e.resend,
		"POST /v1/enrolments/{id}/partner-id":          e.associate,
		"POST /v1/enrolments/{id}/withdraw":            e.withdraw,
		"POST /v1/enrolments/{id}/decide":              e.decide,
		"POST /v1/validations/address":                 e.validate,
		"GET /v1/partner/agreements/mpa":               e.agreement,
		"POST /v1/partner/agreements/mpa/sign":         e.sign,
		"GET /v1/company-records":                      k.list(enrolment.CompanyRecord),
		"GET /v1/company-records/{dunsId}":             k.read(enrolment.CompanyRecord),
		"PUT /v1/company-records/{dunsId}":             k.put(enrolment.CompanyRecord),
		"GET /v1/partner-id-records":                   k.list(enrolment.PartnerIDRecord),
		"GET /v1/partner-id-records/{partnerId}":       k.read(enrolment.PartnerIDRecord),
		"PUT /v1/partner-id-records/{partnerId}":       k.put(enrolment.PartnerIDRecord),
		"GET /v1/vetting-calendar":                     k.read(enrolment.CalendarRecord),
		"PUT /v1/vetting-calendar":                     k.put(enrolment.CalendarRecord),
		"GET /v1/reports":                              o.list,
		"GET /v1/reports/{id}":                         o.read,
		"POST /v1/reports/{id}/settle":                 o.settle,
		"POST /v1/support-readings":                    o.open,
	})
}

type enrolments struct{ service *enrolment.Service }

type addressDocument struct {
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city,omitempty"`
	State      string `json:"state,omitempty"`
	PostalCode string `json:"postalCode,omitempty"`
	Country    string `json:"country"`
}

func addressOf(a enrolment.Address) addressDocument { return addressDocument(a) }

type legalDocument struct {
	Entry   enrolment.Entry  `json:"entry"`
	Name    string           `json:"name,omitempty"`
	DUNS    string           `json:"dunsId,omitempty"`
	Address *addressDocument `json:"address,omitempty"`
}

type addressCheckDocument struct {
	Status    enrolment.AddressStatus `json:"status"`
	Suggested []addressDocument       `json:"suggestedAddresses"`
	Doubtful  []string                `json:"doubtful,omitempty"`
	Choice    enrolment.Choice        `json:"choice,omitempty"`
}

type applicantDocument struct {
	FirstName  string     `json:"firstName,omitempty"`
	LastName   string     `json:"lastName,omitempty"`
	Email      string     `json:"email,omitempty"`
	Phone      string     `json:"phone,omitempty"`
	VerifiedAt *time.Time `json:"verifiedAt,omitempty"`
}

type verificationDocument struct {
	State     string     `json:"state"`
	SentAt    *time.Time `json:"requestedAt,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	// What became of the newest mail.
	Delivery       string `json:"delivery,omitempty"`
	DeliveryReason string `json:"deliveryReason,omitempty"`
}

type vettingDocument struct {
	EmailOwnership enrolment.Result `json:"emailOwnership"`
	Employment     enrolment.Result `json:"employment"`
	Business       enrolment.Result `json:"business"`
}

type stepDocument struct {
	At            time.Time        `json:"at"`
	Action        string           `json:"action"`
	Actor         string           `json:"actor"`
	Status        enrolment.Status `json:"status,omitempty"`
	CorrelationID string           `json:"correlationId,omitempty"`
}

// questionDocument is what the operator needed to know, and what the applicant said to that.
type questionDocument struct {
	AskedAt    time.Time  `json:"askedAt"`
	Question   string     `json:"question"`
	Answer     string     `json:"answer,omitempty"`
	AnsweredAt *time.Time `json:"answeredAt,omitempty"`
}

type enrolmentDocument struct {
	ID        string           `json:"id"`
	Reference string           `json:"reference"`
	TenantID  partner.TenantID `json:"tenantId"`
	Path      enrolment.Path   `json:"path"`
	Status    enrolment.Status `json:"status"`
	Cloud     partner.CloudID  `json:"cloud"`
	Locale    string           `json:"locale"`
	// RequestedLocale is the tag that was said.
	RequestedLocale string                `json:"requestedLocale,omitempty"`
	Legal           *legalDocument        `json:"legal,omitempty"`
	Address         *addressCheckDocument `json:"addressValidation,omitempty"`
	PrimaryContact  *applicantDocument    `json:"primaryContact,omitempty"`
	SupportContact  *supportDocument      `json:"supportContact,omitempty"`
	PartnerID       string                `json:"partnerId,omitempty"`
	Verification    *verificationDocument `json:"verification,omitempty"`
	Vetting         *vettingDocument      `json:"vetting,omitempty"`
	SubmittedAt     *time.Time            `json:"submittedAt,omitempty"`
	ReviewDueAt     *time.Time            `json:"reviewDueAt,omitempty"`
	Overdue         bool                  `json:"overdue"`
	Reason          string                `json:"decisionReason,omitempty"`
	Questions       []questionDocument    `json:"informationRequests,omitempty"`
	MPASigned       bool                  `json:"mpaSigned"`
	CreatedAt       time.Time             `json:"createdAt"`
	History         []stepDocument        `json:"history,omitempty"`
	Version         int                   `json:"version"`
}

func personOf(p enrolment.Person, verifiedAt time.Time) *applicantDocument {
	if p == (enrolment.Person{}) {
		return nil
	}
	return &applicantDocument{p.FirstName, p.LastName, p.Email, p.Phone, moment(verifiedAt)}
}

// row gives an enrolment as it stands in lists.
func (e enrolments) row(a enrolment.Enrolment) enrolmentDocument {
	now := e.service.Now()
	d := enrolmentDocument{
		ID: a.ID, Reference: a.Reference(), TenantID: a.Tenant, Path: a.Path, Status: a.Status, Cloud: a.Cloud, Locale: a.Locale, RequestedLocale: a.LocaleAsked,
		PrimaryContact: personOf(a.Contact, a.Verification.VerifiedAt), SupportContact: supportOf(a.Support),
		SubmittedAt: moment(a.SubmittedAt), ReviewDueAt: moment(a.ReviewDueAt), Overdue: a.OverdueAt(now), Reason: a.Reason, MPASigned: a.MPA != nil,
		CreatedAt: a.CreatedAt.UTC(), Version: a.Version, Verification: verificationOf(a, now),
	}
	if a.Location != nil {
		d.PartnerID = a.Location.ID
	}
	if a.Legal.Entry != "" {
		d.Legal = &legalDocument{Entry: a.Legal.Entry, Name: a.Legal.Name, DUNS: a.Legal.DUNS}
		if a.Legal.Address != (enrolment.Address{}) {
			d.Legal.Address = new(addressOf(a.Legal.Address))
		}
	}
	if a.Address.Status != "" {
		d.Address = checkOf(a.Address)
	}
	if a.Vetting != (enrolment.Vetting{}) {
		d.Vetting = &vettingDocument{a.Vetting.EmailOwnership, a.Vetting.Employment, a.Vetting.Business}
	}
	return d
}

func checkOf(c enrolment.AddressCheck) *addressCheckDocument {
	d := &addressCheckDocument{Status: c.Status, Suggested: []addressDocument{}, Doubtful: c.Doubtful, Choice: c.Choice}
	for _, s := range c.Suggested {
		d.Suggested = append(d.Suggested, addressOf(s))
	}
	return d
}

// verificationOf says how far the primary contact is, nil before it was asked.
func verificationOf(a enrolment.Enrolment, now time.Time) *verificationDocument {
	v := a.Verification
	if v.Generation == 0 {
		return nil
	}
	d := &verificationDocument{State: "pending", ExpiresAt: moment(v.ExpiresAt), Delivery: string(v.Delivery), DeliveryReason: v.DeliveryReason}
	if n := len(v.Asked); n > 0 {
		d.SentAt = moment(v.Asked[n-1].At)
	}
	switch {
	case !v.VerifiedAt.IsZero():
		d.State = "verified"
	case a.ExpiredAt(now):
		d.State = "expired"
	}
	return d
}

// document gives an enrolment with its history. Who decided for the operator is not the applicant's business.
func (e enrolments) document(a enrolment.Enrolment) enrolmentDocument {
	d := e.row(a)
	for _, q := range a.Questions {
		d.Questions = append(d.Questions, questionDocument{q.At.UTC(), q.Text, q.Answer, moment(q.AnsweredAt)})
	}
	for _, h := range a.History {
		s := stepDocument{At: h.At.UTC(), Action: camel(string(h.Action)), Actor: "applicant", CorrelationID: h.CorrelationID}
		switch h.Action {
		case enrolment.Approve, enrolment.Reject, enrolment.NeedInformation:
			s.Actor = "operator"
		case enrolment.Lapse, enrolment.Overdue, enrolment.Erase, enrolment.MailFailed:
			s.Actor = "system"
		}
		if h.Action != enrolment.Associate && h.Action != enrolment.MailFailed {
			s.Status = enrolment.Status(h.Why)
		}
		d.History = append(d.History, s)
	}
	return d
}

// apply takes what a company says of itself out of a body.
func apply(b *body) enrolment.Particulars {
	p := enrolment.Particulars{
		Contact: applicantIn(b, "primaryContact"), Support: b.support("supportContact"), PartnerID: b.text("partnerId"), Locale: b.text("locale"),
	}
	if g := b.group("legal"); g != nil {
		p.Legal = &enrolment.LegalForm{Entry: g.text("entry"), Name: g.text("name"), DUNS: g.text("dunsId")}
		if a := g.group("address"); a != nil {
			p.Legal.Address = new(addressIn(a))
			g.join("/address", a)
		}
		b.join("/legal", g)
	}
	if g := b.group("addressValidation"); g != nil {
		if v := g.text("choice"); v != nil {
			p.Choice = new(enrolment.Choice(*v))
		}
		b.join("/addressValidation", g)
	}
	return p
}

func addressIn(g *body) enrolment.Address {
	return enrolment.Address{
		Line1: said(g.text("line1")), Line2: said(g.text("line2")), City: said(g.text("city")), State: said(g.text("state")),
		PostalCode: said(g.text("postalCode")), Country: said(g.text("country")),
	}
}

func applicantIn(b *body, name string) *enrolment.Person {
	g := b.group(name)
	if g == nil {
		return nil
	}
	p := &enrolment.Person{FirstName: said(g.text("firstName")), LastName: said(g.text("lastName")), Email: said(g.text("email")), Phone: said(g.text("phone"))}
	b.join("/"+name, g)
	return p
}

func (e enrolments) done(c *call, status int, a enrolment.Enrolment, replayed bool) error {
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	return c.tagged(status, a.Version, e.document(a))
}

func (e enrolments) start(c *call) error {
	b, cmd, err := c.change(true, true)
	if err != nil {
		return err
	}
	p := apply(b)
	cmd.Findings = b.end()
	a, replayed, err := e.service.Start(c.r.Context(), cmd, p)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/enrolments/"+a.ID)
	return e.done(c, http.StatusCreated, a, replayed)
}

func (e enrolments) list(c *call) error {
	l, err := c.list("status", "search", "overdue")
	if err != nil {
		return err
	}
	q := enrolment.Query{Status: oneOf(l, "status", enrolment.Statuses...), Limit: l.Limit, After: l.After}
	q.Text = l.text("search", maxSearch)
	if oneOf(l, "overdue", "true") != "" {
		q.OverdueAt = e.service.Now()
	}
	if l.err != nil {
		return l.err
	}
	found, err := e.service.Enrolments(c.r.Context(), c.user(), q)
	if err != nil {
		return err
	}
	answer := page[enrolmentDocument]{Items: []enrolmentDocument{}}
	for _, a := range found.Enrolments {
		answer.Items = append(answer.Items, e.row(a))
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

func (e enrolments) read(c *call) error {
	a, err := e.service.Enrolment(c.r.Context(), c.user(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return e.done(c, http.StatusOK, a, false)
}

func (e enrolments) save(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	p := apply(b)
	cmd.Findings = b.end()
	a, replayed, err := e.service.Save(c.r.Context(), cmd, c.r.PathValue("id"), p)
	if err != nil {
		return err
	}
	return e.done(c, http.StatusOK, a, replayed)
}

// plainly carries out an action that takes no words.
func (e enrolments) plainly(c *call, status int, act func(command.Command, string) (enrolment.Enrolment, bool, error)) error {
	b, cmd, err := c.change(false, false)
	if err != nil {
		return err
	}
	cmd.Findings = b.end()
	a, replayed, err := act(cmd, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return e.done(c, status, a, replayed)
}

func (e enrolments) submit(c *call) error {
	b, cmd, err := c.change(false, false)
	if err != nil {
		return err
	}
	answer := b.text("answer")
	cmd.Findings = b.end()
	a, replayed, err := e.service.Submit(c.r.Context(), cmd, c.r.PathValue("id"), answer)
	if err != nil {
		return err
	}
	return e.done(c, http.StatusAccepted, a, replayed)
}

func (e enrolments) resend(c *call) error {
	return e.plainly(c, http.StatusAccepted, func(cmd command.Command, id string) (enrolment.Enrolment, bool, error) {
		return e.service.ResendVerification(c.r.Context(), cmd, id)
	})
}

func (e enrolments) withdraw(c *call) error {
	return e.plainly(c, http.StatusOK, func(cmd command.Command, id string) (enrolment.Enrolment, bool, error) {
		return e.service.Withdraw(c.r.Context(), cmd, id)
	})
}

func (e enrolments) associate(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	id, added := b.text("partnerId"), b.flag("newLocation")
	if cmd.Findings = b.end(); len(cmd.Findings) == 0 && (id == nil) != (added != nil && *added) {
		cmd.Findings.Add("/partnerId", problem.ValidationFailed, "Say either partnerId or newLocation.")
	}
	a, replayed, err := e.service.Associate(c.r.Context(), cmd, c.r.PathValue("id"), id)
	if err != nil {
		return err
	}
	return e.done(c, http.StatusOK, a, replayed)
}

var decisions = map[string]enrolment.Action{"approve": enrolment.Approve, "reject": enrolment.Reject, "needInformation": enrolment.NeedInformation}

func (e enrolments) decide(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	said, reason := said(b.text("decision")), said(b.text("reason"))
	cmd.Findings = b.end()
	decision, ok := decisions[said]
	if !ok {
		decision = enrolment.Approve // whoever asks is looked at before what is asked
		if len(cmd.Findings) == 0 {
			cmd.Findings.Add("/decision", problem.ValidationFailed, "The decision must be approve, reject or needInformation.")
		}
	}
	a, replayed, err := e.service.Decide(c.r.Context(), cmd, c.r.PathValue("id"), enrolment.Decision{Action: decision, Reason: reason})
	if err != nil {
		return err
	}
	return e.done(c, http.StatusOK, a, replayed)
}

type addressValidationDocument struct {
	Status    enrolment.AddressStatus `json:"status"`
	Original  addressDocument         `json:"originalAddress"`
	Suggested []addressDocument       `json:"suggestedAddresses"`
	Doubtful  []string                `json:"doubtful,omitempty"`
}

func (e enrolments) validate(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	if c.user().Tenant == "" {
		return problem.New(problem.RoleNotPermitted, "The token names no tenant.")
	}
	asked := addressIn(b)
	a, v, err := e.service.ValidateAddress(c.r.Context(), b.end(), asked)
	if err != nil {
		return err
	}
	d := addressValidationDocument{Status: v.Status, Original: addressOf(a), Suggested: []addressDocument{}, Doubtful: v.Doubtful}
	for _, s := range v.Suggested {
		d.Suggested = append(d.Suggested, addressOf(s))
	}
	return c.give(http.StatusOK, d)
}

type signingDocument struct {
	Type      string             `json:"type"`
	Signed    bool               `json:"signed"`
	Signature *mpaDocument       `json:"signature,omitempty"`
	Text      *mpaTextDocument   `json:"text,omitempty"`
	Enrolment *signedForDocument `json:"enrolment,omitempty"`
}

type mpaTextDocument struct {
	TextVersion   string    `json:"textVersion"`
	Language      string    `json:"language"`
	Title         string    `json:"title"`
	Text          string    `json:"text,omitempty"`
	URL           string    `json:"url,omitempty"`
	SHA256        string    `json:"sha256"`
	EffectiveFrom time.Time `json:"effectiveFrom"`
}

type signedForDocument struct {
	ID     string           `json:"id"`
	Status enrolment.Status `json:"status"`
}

func signingOf(g enrolment.Signing) signingDocument {
	d := signingDocument{Type: textName(terms.PartnerAgreement), Signed: g.Signed != nil}
	if g.Signed != nil {
		d.Signature = &mpaDocument{g.Signed.SignedAt.UTC(), g.Signed.SignedBy, g.Signed.Version}
	}
	if t := g.Text; t != nil {
		d.Text = &mpaTextDocument{t.Version, t.Language, t.Title, t.Body, t.URL, t.Hash, t.From.UTC()}
	}
	if g.Enrolment != nil {
		d.Enrolment = &signedForDocument{g.Enrolment.ID, g.Enrolment.Status}
	}
	return d
}

// agreement gives the agreement to read, or its words as a file (rule R4).
func (e enrolments) agreement(c *call) error {
	g, err := e.service.Agreement(c.r.Context(), c.user(), c.r.Header.Get("Accept-Language"))
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Vary", "Accept, Accept-Language")
	if g.Text == nil || g.Text.Body == "" || !c.prefers("text/plain", "application/json") {
		return c.give(http.StatusOK, signingOf(g))
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Language", g.Text.Language)
	h.Set("Content-Disposition", `attachment; filename="partner-agreement.txt"`)
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write([]byte(g.Text.Body))
	return nil
}

func (e enrolments) sign(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	a := b.attestation()
	cmd.Findings = b.end()
	g, replayed, err := e.service.SignAgreement(c.r.Context(), cmd, c.r.Header.Get("Accept-Language"), a)
	if err != nil {
		return err
	}
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	return c.give(http.StatusOK, signingOf(g))
}
