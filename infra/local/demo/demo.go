package demo

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"concord/infra/local/ses"
	"concord/infra/local/stack"
)

const day = 24 * time.Hour

// Before is how long before the present the story begins.
const Before = 50 * day

// Fill tells the story to a stack whose clock is Before behind. Its error says which step was refused.
func Fill(ctx context.Context, s *stack.Stack) error {
	d := &demonstration{ctx: ctx, stack: s}
	c := cast{d.program("alder"), d.program("birch"), d.program("cedar"), d.program("fir"), d.program("operator")}
	d.begin(c)
	d.pass(16)
	d.tiers(c)
	d.pass(15)
	d.ends(c)
	d.pass(16)
	d.lately(c)
	d.pass(2)
	d.today(c)
	d.pass(1)
	if d.err != nil {
		return fmt.Errorf("SEED=demo: %w", d.err)
	}
	return nil
}

// cast is who acts for the partners and the operator.
type cast struct{ alder, birch, cedar, fir, operator program }

const (
	larch = "/v1/customers/1a2c0000-0000-4000-8000-000000000011"
	oak   = "/v1/customers/0a4c0000-0000-4000-8000-000000000013"
	birch = "b12c0000-0000-4000-8000-000000000002"

	helpdesk       = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	administration = "/v1/delegated-admin-relationships"
)

// signed is a filled-in form of who answers for a company.
func signed(answer, name, title string) url.Values {
	return url.Values{"answer": {answer}, "authorized": {"on"}, "fullName": {name}, "jobTitle": {title}}
}

// begin: Alder wins its first customer, sells to it and gets named roles; Fir asks in vain.
func (d *demonstration) begin(c cast) {
	c.alder.invite(`{"kind":"reseller","recipientEmail":"admin@larch.example","recipientName":"Lena Larch",
		"requestDelegatedAdmin":true}`)
	yes := signed("accept", "Lena Larch", "Head of IT")
	yes.Set("signAgreement", "on")
	d.person("admin@larch.example").answer(d.link("i", "admin@larch.example"), yes)
	c.alder.do("POST", larch+"/orders", `{"lines":[{"offerId":"ofr-cloud-reserved","quantity":25}]}`)

	d.granular(c.alder, "Larch service desk", "P60D", "1a2c0000-0000-4000-8000-000000000011", "desk@larch.example")
	d.person("admin@larch.example").answer(d.link("g", "desk@larch.example"), signed("accept", "Lena Larch", "Head of IT"))

	c.fir.invite(`{"kind":"reseller","recipientEmail":"admin@maple.example","recipientName":"Margaux Maple","locale":"fr"}`)
	no := signed("decline", "Margaux Maple", "DSI")
	no.Set("reason", "other-partner")
	no.Set("comment", "Nous avons déjà un partenaire.")
	d.person("admin@maple.example").answer(d.link("i", "admin@maple.example"), no)

	c.alder.invite(`{"kind":"reseller","recipientEmail":"it@oak.example","requestDelegatedAdmin":true}`) // nobody answers
}

// granular proposes administration of one role to a company and has the request mailed.
func (d *demonstration) granular(p program, name, duration, tenant, address string) {
	path := administration + "/" + p.do("POST", administration, fmt.Sprintf(`{"displayName":%q,"duration":%q,"autoExtendDuration":"P0D",
		"customer":{"tenantId":%q},"accessDetails":{"unifiedRoles":[{"roleDefinitionId":%q}]}}`, name, duration, tenant, helpdesk)).ID
	p.do("POST", path+"/requests", `{"action":"lockForApproval"}`)
	p.do("POST", path+"/send", fmt.Sprintf(`{"recipientEmail":%q}`, address))
}

// tiers: Cedar and its provider Birch are asked for together, Birch wins another reseller, and a customer leaves.
func (d *demonstration) tiers(c cast) {
	c.cedar.invite(`{"kind":"dualReseller","recipientEmail":"cto@oak.example","recipientName":"Olivia Oak","providerTenantId":"` + birch +
		`","requestDelegatedAdmin":true}`)
	d.person("admin@oak.example").answer(d.link("i", "cto@oak.example"), signed("accept", "Olivia Oak", "CTO"))
	c.birch.do("POST", oak+"/agreements", `{"type":"MicrosoftCustomerAgreement","primaryContact":{"firstName":"Olivia","lastName":"Oak",
		"email":"cto@oak.example"},"dateAgreed":"2026-01-15"}`)
	c.birch.do("POST", oak+"/orders", `{"lines":[{"offerId":"ofr-cloud-reserved","quantity":10}],"partnerIdOnRecord":"4100003"}`)

	c.birch.invite(`{"kind":"partnership","recipientEmail":"admin@dogwood.example","recipientName":"Dan Dogwood"}`)
	yes := signed("accept", "Dan Dogwood", "Owner")
	yes.Set("authorizeProvider", "on")
	d.person("admin@dogwood.example").answer(d.link("i", "admin@dogwood.example"), yes)

	c.alder.invite(`{"kind":"reseller","recipientEmail":"admin@spruce.example","recipientName":"Sam Spruce"}`)
	d.person("admin@spruce.example").answer(d.link("i", "admin@spruce.example"), signed("accept", "Sam Spruce", "Director"))
	text := c.alder.do("GET", "/v1/attestations/relationshipRemoval", "").Version
	c.alder.do("PATCH", "/v1/customers/5b2cce00-0000-4000-8000-000000000015",
		fmt.Sprintf(`{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":%q}}`, text))
}

// ends: what was never answered is over, and its recipient wants a new link; a company applies.
func (d *demonstration) ends(c cast) {
	d.person("it@oak.example").say(d.link("i", "it@oak.example")+"/renewal", url.Values{"reason": {"too-late"}})

	gorse := d.program("gorse-admin")
	path := gorse.do("POST", "/v1/enrolments", `{"legal":{"entry":"manual","name":"Gorse Networks","address":{"line1":"12 Heath Road",
		"city":"Springfield","state":"OR","postalCode":"97477","country":"US"}},"primaryContact":{"firstName":"Grace","lastName":"Gorse",
		"email":"grace@gorse.example","phone":"+1 555 0107"},"supportContact":{"email":"help@gorse.example","phone":"+1 555 0108"}}`).at
	gorse.do("POST", path+"/submit", "")
	d.person("admin@gorse.example").answer(d.link("e", "grace@gorse.example"), url.Values{"confirm": {"on"}})
}

// lately: mails that do not arrive, people who did not ask for one, and a list from a fair.
func (d *demonstration) lately(c cast) {
	d.fate("post@rowan.example", ses.Bounces+":Permanent/General")
	c.alder.invite(`{"kind":"reseller","recipientEmail":"post@rowan.example","recipientName":"Rosa Rowan"}`)

	c.alder.invite(`{"kind":"reseller","recipientEmail":"office@willow.example"}`)
	d.person("office@willow.example").say(d.link("i", "office@willow.example")+"/report", url.Values{"reason": {"impersonation"}})

	c.alder.do("POST", c.alder.invite(`{"kind":"reseller","recipientEmail":"info@aspen.example"}`)+"/cancel", `{"reason":"Wrong person"}`)

	batch := "/v1/invitation-batches/" + c.alder.do("POST", "/v1/invitation-batches", `{"send":true,"rows":[
		{"kind":"reseller","recipientEmail":"buyer@pine.example","tags":{"fair":"spring"}},
		{"kind":"reseller","recipientEmail":"buyer#elder.example","tags":{"fair":"spring"}},
		{"kind":"reseller","recipientEmail":"achats@if.example","locale":"fr","tags":{"fair":"spring"}},
		{"kind":"reseller","recipientEmail":"it@hazel.example","locale":"de","tags":{"fair":"spring"}}]}`).ID
	d.wait("the batch", func() bool { return c.alder.do("GET", batch, "").Status == "completed" })

	d.granular(c.alder, "Oak server migration", "P90D", "0a4c0000-0000-4000-8000-000000000013", "servers@oak.example")
}

// today: an answer that the company does not stand by, requests that wait, and drafts.
func (d *demonstration) today(c cast) {
	c.fir.invite(`{"kind":"reseller","recipientEmail":"it@maple.example","locale":"fr","requestDelegatedAdmin":true}`)
	d.person("admin@maple.example").answer(d.link("i", "it@maple.example"), signed("accept", "Margaux Maple", "DSI"))
	d.person("it@maple.example").say(d.link("r", "it@maple.example"), url.Values{"reason": {"not-us"}})

	c.alder.invite(`{"kind":"reseller","recipientEmail":"cfo@oak.example","recipientName":"Oscar Oak","requestDelegatedAdmin":true,
		"tags":{"campaign":"renewals"}}`)
	c.alder.do("POST", "/v1/invitations", `{"kind":"reseller","recipientEmail":"owner@poplar.example","recipientName":"Paula Poplar"}`)
	c.alder.do("POST", "/v1/customers", `{"companyName":"Pine Ltd","domain":"pine.example","country":"US"}`)
}

// fate says what becomes of the next mail to an address.
func (d *demonstration) fate(address, kind string) {
	if d.err == nil {
		d.err = d.stack.SES.Inject(ses.Fault{Kind: kind, Times: 1, To: address})
	}
}
