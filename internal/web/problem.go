package web

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"concord/internal/problem"
)

// answer is what a code looks like in HTTP.
type answer struct {
	status int
	title  string
}

// answers is the one table from code to status (domain, 2.5). A code that is not in it is answered as internal.
var answers = map[problem.Code]answer{
	problem.MalformedRequest:       {http.StatusBadRequest, "Malformed request"},
	problem.IdempotencyKeyRequired: {http.StatusBadRequest, "Idempotency-Key required"},
	problem.UnsupportedMediaType:   {http.StatusUnsupportedMediaType, "Unsupported media type"},

	problem.RoleNotPermitted: {http.StatusForbidden, "Role not permitted"},
	problem.PartnerNotActive: {http.StatusForbidden, "Partner not active"},

	problem.CustomerAgreementRequired: {http.StatusForbidden, "Customer agreement required"},
	problem.MPANotSigned:              {http.StatusForbidden, "Partner agreement not signed"},
	problem.ResellerMPANotSigned:      {http.StatusForbidden, "Partner agreement of the reseller not signed"},
	problem.NoResellerRelationship:    {http.StatusForbidden, "No reseller relationship"},
	problem.ResellerCannotOrder:       {http.StatusForbidden, "A reseller does not order"},
	problem.DelegatedAdminMissing:     {http.StatusForbidden, "Administration not granted"},

	problem.NotFound:             {http.StatusNotFound, "Not found"},
	problem.RelationshipNotFound: {http.StatusNotFound, "Relationship not found"},
	problem.PartnerIDNotFound:    {http.StatusNotFound, "PartnerID not found"},

	problem.DuplicateOpenInvitation:    {http.StatusConflict, "Duplicate open invitation"},
	problem.InvitationAlreadyAccepted:  {http.StatusConflict, "Invitation already accepted"},
	problem.InvitationAlreadyDeclined:  {http.StatusConflict, "Invitation already declined"},
	problem.InvitationAlreadyCancelled: {http.StatusConflict, "Invitation already cancelled"},
	problem.InvitationExpired:          {http.StatusConflict, "Invitation expired"},
	problem.DraftEdited:                {http.StatusConflict, "Draft edited"},
	problem.SendingPaused:              {http.StatusConflict, "Sending paused"},
	problem.RecipientSuppressed:        {http.StatusConflict, "Recipient suppressed"},
	problem.InvitationRequired:         {http.StatusConflict, "Invitation required"},
	problem.RelationshipExists:         {http.StatusConflict, "Relationship exists"},
	problem.PartnerExists:              {http.StatusConflict, "Partner exists"},
	problem.InvalidTransition:          {http.StatusConflict, "Not possible in this state"},
	problem.ActiveSubscriptionsExist:   {http.StatusConflict, "Active subscriptions exist"},
	problem.AgreementTextNotConfigured: {http.StatusConflict, "Text not configured"},

	problem.PartnershipExists:           {http.StatusConflict, "Partnership exists"},
	problem.PartnershipRequired:         {http.StatusConflict, "Partnership required"},
	problem.ResellerNotEnrolled:         {http.StatusConflict, "Reseller not enrolled"},
	problem.AgreementAlreadyConfirmed:   {http.StatusConflict, "Agreement already confirmed"},
	problem.PartnerIDRequired:           {http.StatusConflict, "PartnerID required"},
	problem.PartnerIDInUse:              {http.StatusConflict, "PartnerID in use"},
	problem.CustomerIdentityUnconfirmed: {http.StatusConflict, "Customer not confirmed"},

	problem.EnrolmentStateConflict: {http.StatusConflict, "Not possible in this state of the enrolment"},
	problem.EmailNotVerified:       {http.StatusConflict, "Contact not verified"},

	problem.WebhookEndpointLimit: {http.StatusConflict, "No more webhook endpoints"},

	problem.PreconditionFailed:   {http.StatusPreconditionFailed, "Precondition failed"},
	problem.PreconditionRequired: {http.StatusPreconditionRequired, "Precondition required"},

	problem.ValidationFailed:            {http.StatusUnprocessableEntity, "Validation failed"},
	problem.IdempotencyKeyReused:        {http.StatusUnprocessableEntity, "Idempotency-Key reused"},
	problem.UnknownField:                {http.StatusUnprocessableEntity, "Unknown field"},
	problem.RecipientEmailRequired:      {http.StatusUnprocessableEntity, "Recipient required"},
	problem.InvitationLinkMissing:       {http.StatusUnprocessableEntity, "Personal link missing"},
	problem.InvitationLinkAltered:       {http.StatusUnprocessableEntity, "Personal link altered"},
	problem.EmailInvalid:                {http.StatusUnprocessableEntity, "Mail address invalid"},
	problem.EmailInternationalisedLocal: {http.StatusUnprocessableEntity, "Mail address not ASCII before the @"},
	problem.NameInvalid:                 {http.StatusUnprocessableEntity, "Name invalid"},
	problem.RegionNotAllowed:            {http.StatusUnprocessableEntity, "Region not allowed"},
	problem.CloudMismatch:               {http.StatusUnprocessableEntity, "Cloud mismatch"},
	problem.DelegatedAdminRequired:      {http.StatusUnprocessableEntity, "Delegated administration required"},
	problem.SelfInvitation:              {http.StatusUnprocessableEntity, "Self invitation"},
	problem.AttestationRequired:         {http.StatusUnprocessableEntity, "Attestation required"},
	problem.AttestationOutdated:         {http.StatusUnprocessableEntity, "Attestation outdated"},

	problem.AgreementDateInFuture:          {http.StatusUnprocessableEntity, "Date in the future"},
	problem.PartnerIDNotIndirectReseller:   {http.StatusUnprocessableEntity, "PartnerID of no indirect reseller"},
	problem.PartnerIDNotOnboardingLocation: {http.StatusUnprocessableEntity, "PartnerID of another location"},
	problem.SupportContactNotEligible:      {http.StatusUnprocessableEntity, "Support contact not eligible"},

	problem.ActingRoleRequired:  {http.StatusUnprocessableEntity, "Acting role required"},
	problem.WebmailNotAllowed:   {http.StatusUnprocessableEntity, "Webmail address not allowed"},
	problem.AddressNotValidated: {http.StatusUnprocessableEntity, "Address not chosen"},

	problem.PartnerIDWrongType:    {http.StatusUnprocessableEntity, "PartnerID of the wrong type"},
	problem.PartnerIDWrongCountry: {http.StatusUnprocessableEntity, "PartnerID in another country"},

	problem.ResendCooldown:         {http.StatusTooManyRequests, "Too soon after the mail before"},
	problem.RecipientQuotaExceeded: {http.StatusTooManyRequests, "Quota of the recipient exceeded"},
	problem.PartnerQuotaExceeded:   {http.StatusTooManyRequests, "Quota of the partner exceeded"},

	problem.Internal:    {http.StatusInternalServerError, "Internal error"},
	problem.Unavailable: {http.StatusServiceUnavailable, "Unavailable"},
}

// Codes gives the HTTP status of every code that the API answers with.
func Codes() map[string]int {
	codes := make(map[string]int, len(answers))
	for code, a := range answers {
		codes[string(code)] = a.status
	}
	return codes
}

type problemDocument struct {
	Type          string            `json:"type"`
	Title         string            `json:"title"`
	Status        int               `json:"status"`
	Detail        string            `json:"detail"`
	Code          problem.Code      `json:"code"`
	CorrelationID string            `json:"correlationId"`
	Errors        []findingDocument `json:"errors,omitempty"`
	InvitationID  string            `json:"invitationId,omitempty"`
}

type findingDocument struct {
	Pointer string       `json:"pointer"`
	Code    problem.Code `json:"code"`
	Detail  string       `json:"detail"`
}

// refuse answers with the problem that err carries. The text of an error without a code goes to the log only.
func (c *call) refuse(err error) {
	p, ok := errors.AsType[*problem.Error](err)
	if !ok && errors.Is(err, context.DeadlineExceeded) {
		p, ok = &problem.Error{Code: problem.Unavailable, Detail: "A service that we depend on did not answer; try again.", RetryAfter: 5 * time.Second}, true
		c.gate.Log.ErrorContext(c.r.Context(), "out of time", "route", c.r.Pattern, "correlationId", c.correlationID, "error", err)
		err = p
	}
	if _, known := answers[problem.CodeOf(err)]; !ok || !known {
		p = problem.New(problem.Internal, "Something went wrong on our side. Quote the correlation id when you ask about it.")
	}
	if p.Code == problem.NotFound && p != errNoSuchText {
		// One sentence, so that another partner's id and an unknown one cannot be told apart.
		p = problem.New(problem.NotFound, "There is no such resource.")
	}
	a := answers[p.Code]
	if a.status >= http.StatusInternalServerError {
		c.gate.Log.ErrorContext(c.r.Context(), "request failed", "route", c.r.Pattern, "correlationId", c.correlationID, "error", err)
	}
	d := problemDocument{
		Type: "urn:concord:problem:" + string(p.Code), Title: a.title, Status: a.status, Detail: p.Detail, Code: p.Code, CorrelationID: c.correlationID,
	}
	for _, f := range p.Findings {
		d.Errors = append(d.Errors, findingDocument(f))
	}
	h := c.w.Header()
	if p.Code == problem.DuplicateOpenInvitation && p.Resource != "" {
		d.InvitationID = p.Resource
		h.Set("Link", "<"+invitationPath(p.Resource)+`>; rel="related"`)
	}
	if p.Code == problem.UnsupportedMediaType { // RFC 9110, 15.5.16; RFC 5789, 3.1
		h.Set(c.mediaTypes())
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(float64(p.RetryAfter)/float64(time.Second)))))
	}
	c.write(a.status, "application/problem+json", d)
}
