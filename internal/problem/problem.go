// Package problem names what can go wrong for a caller.
//
// Every refusal carries one stable [Code] of the domain's catalogue. The code is the contract with clients; the detail
// is one sentence for a person. Package web maps codes to HTTP statuses in one table. An error that carries no code is
// the product's own fault: its text goes to the log and never to a caller.
package problem

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Code identifies one finding. Codes are stable: they are never renamed and never reused with another meaning.
type Code string

// Codes that the API and the pages answer with.
const (
	MalformedRequest       Code = "malformed_request"
	IdempotencyKeyRequired Code = "idempotency_key_required"
	UnsupportedMediaType   Code = "unsupported_media_type"

	RoleNotPermitted Code = "role_not_permitted"
	PartnerNotActive Code = "partner_not_active"

	CustomerAgreementRequired Code = "customer_agreement_required"
	MPANotSigned              Code = "mpa_not_signed"
	ResellerMPANotSigned      Code = "reseller_mpa_not_signed"
	NoResellerRelationship    Code = "no_reseller_relationship"
	ResellerCannotOrder       Code = "reseller_cannot_order"
	DelegatedAdminMissing     Code = "delegated_admin_missing"

	NotFound             Code = "not_found"
	RelationshipNotFound Code = "relationship_not_found"
	PartnerIDNotFound    Code = "partner_id_not_found"

	DuplicateOpenInvitation     Code = "duplicate_open_invitation"
	InvitationAlreadyAccepted   Code = "invitation_already_accepted"
	InvitationAlreadyDeclined   Code = "invitation_already_declined"
	InvitationAlreadyCancelled  Code = "invitation_already_cancelled"
	InvitationExpired           Code = "invitation_expired"
	DraftEdited                 Code = "draft_edited"
	RecipientSuppressed         Code = "recipient_suppressed"
	InvitationRequired          Code = "invitation_required"
	RelationshipExists          Code = "relationship_exists"
	SendingPaused               Code = "sending_paused"
	PartnerExists               Code = "partner_exists"
	InvalidTransition           Code = "invalid_transition"
	PreconditionFailed          Code = "precondition_failed"
	PreconditionRequired        Code = "precondition_required"
	ValidationFailed            Code = "validation_failed"
	IdempotencyKeyReused        Code = "idempotency_key_reused"
	UnknownField                Code = "unknown_field"
	RecipientEmailRequired      Code = "recipient_email_required"
	InvitationLinkMissing       Code = "invitation_link_missing"
	InvitationLinkAltered       Code = "invitation_link_altered"
	EmailInvalid                Code = "email_invalid"
	EmailInternationalisedLocal Code = "email_internationalised_local_part"
	NameInvalid                 Code = "name_invalid"
	RegionNotAllowed            Code = "region_not_allowed"
	CloudMismatch               Code = "cloud_mismatch"
	DelegatedAdminRequired      Code = "delegated_admin_required"
	SelfInvitation              Code = "self_invitation"
	AttestationRequired         Code = "attestation_required"
	AttestationOutdated         Code = "attestation_outdated"
	AgreementTextNotConfigured  Code = "agreement_text_not_configured"
	ActingRoleRequired          Code = "acting_role_required"
	ActiveSubscriptionsExist    Code = "active_subscriptions_exist"
	PartnershipRequired         Code = "partnership_required"
	PartnershipExists           Code = "partnership_exists"
	ResellerNotEnrolled         Code = "reseller_not_enrolled"
	AgreementAlreadyConfirmed   Code = "agreement_already_confirmed"
	PartnerIDRequired           Code = "partner_id_required"
	PartnerIDInUse              Code = "partner_id_in_use"
	CustomerIdentityUnconfirmed Code = "customer_identity_unconfirmed"

	AgreementDateInFuture          Code = "agreement_date_in_future"
	PartnerIDNotIndirectReseller   Code = "partner_id_not_indirect_reseller"
	PartnerIDNotOnboardingLocation Code = "partner_id_not_onboarding_location"
	SupportContactNotEligible      Code = "support_contact_not_eligible"

	PartnerIDWrongType     Code = "partner_id_wrong_type"
	PartnerIDWrongCountry  Code = "partner_id_wrong_country"
	ResendCooldown         Code = "resend_cooldown"
	RecipientQuotaExceeded Code = "recipient_quota_exceeded"
	PartnerQuotaExceeded   Code = "partner_quota_exceeded"
	EnrolmentStateConflict Code = "enrolment_state_conflict"
	EmailNotVerified       Code = "email_not_verified"
	WebmailNotAllowed      Code = "webmail_not_allowed"
	WebhookEndpointLimit   Code = "webhook_endpoint_limit"
	AddressNotValidated    Code = "address_not_validated"

	Internal    Code = "internal"
	Unavailable Code = "unavailable"
)

// Finding is one thing that is wrong with one part of a request.
type Finding struct {
	// Pointer is the RFC 6901 JSON Pointer of the field, such as "/recipientEmail".
	Pointer string
	Code    Code
	// Detail is one English sentence for a person; it never repeats what the caller sent.
	Detail string
}

// Error is a refusal with its code. It is the only error whose text reaches a caller.
type Error struct {
	Code   Code
	Detail string
	// Findings is set when fields are at fault.
	Findings []Finding
	// RetryAfter, when not zero, is how long to wait before the same request can succeed.
	RetryAfter time.Duration
	// Resource is the id of the resource that stands in the way, such as the open invitation of a duplicate.
	Resource string
}

// Error gives the code and the detail.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "; %s %s", f.Pointer, f.Code)
	}
	return b.String()
}

// New makes a refusal without findings.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Is reports whether err carries code.
func Is(err error, code Code) bool { return CodeOf(err) == code }

// CodeOf gives the code that err carries, or [Internal] when it carries none. It gives "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if p, ok := errors.AsType[*Error](err); ok {
		return p.Code
	}
	return Internal
}

// Or gives values as a sentence has them: "a, b or c".
func Or[T ~string](values []T) string { return joined(values, " or ") }

// And gives values as a sentence has them: "a, b and c".
func And[T ~string](values []T) string { return joined(values, " and ") }

func joined[T ~string](values []T, last string) string {
	texts := make([]string, len(values))
	for n, v := range values {
		texts[n] = string(v)
	}
	if n := len(texts) - 1; n > 0 {
		return strings.Join(texts[:n], ", ") + last + texts[n]
	}
	return strings.Join(texts, "")
}

// Findings collects what is wrong with a request, so that a caller learns everything at once.
type Findings []Finding

// Add notes one finding.
func (f *Findings) Add(pointer string, code Code, format string, args ...any) {
	*f = append(*f, Finding{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// Note adds what an error says of a field: its code and its detail. An error that is none of this package, and nil, add nothing.
func (f *Findings) Note(pointer string, err error) {
	if p, ok := errors.AsType[*Error](err); ok {
		f.Add(pointer, p.Code, "%s", p.Detail)
	}
}

// Require notes that a field is missing.
func (f *Findings) Require(pointer string) {
	f.Add(pointer, ValidationFailed, "This field is required.")
}

// Err gives nil when nothing was found. When all findings share a code it is the code of the whole, else the whole is
// [ValidationFailed] (domain, 2.5).
func (f Findings) Err() error {
	if len(f) == 0 {
		return nil
	}
	code := f[0].Code
	if slices.ContainsFunc(f, func(x Finding) bool { return x.Code != code }) {
		code = ValidationFailed
	}
	detail := f[0].Detail
	if len(f) > 1 {
		detail = fmt.Sprintf("%d things in the request are wrong.", len(f))
	}
	return &Error{Code: code, Detail: detail, Findings: f}
}
