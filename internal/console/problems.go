package console

import (
	"net/http"

	"concord/internal/problem"
)

// saying is how a refusal is told: its status, and the key of its sentence. Of a code without one, the English detail
// is told.
type saying struct {
	status int
	key    string
}

// sayings are those of the codes that people can meet here. A code that is not among them is a conflict, told by its
// detail.
var sayings = map[problem.Code]saying{
	problem.PartnerNotActive:               {http.StatusForbidden, "console.problem.partner-not-active"},
	problem.SendingPaused:                  {http.StatusConflict, "console.problem.sending-paused"},
	problem.InvitationAlreadyAccepted:      {http.StatusConflict, "console.problem.already-accepted"},
	problem.InvitationAlreadyDeclined:      {http.StatusConflict, "console.problem.already-declined"},
	problem.InvitationAlreadyCancelled:     {http.StatusConflict, "console.problem.already-cancelled"},
	problem.InvitationExpired:              {http.StatusConflict, "console.problem.expired"},
	problem.DuplicateOpenInvitation:        {http.StatusConflict, "console.problem.duplicate"},
	problem.RelationshipExists:             {http.StatusConflict, "console.problem.relationship-exists"},
	problem.RecipientSuppressed:            {http.StatusConflict, "console.problem.recipient-suppressed"},
	problem.DraftEdited:                    {http.StatusConflict, "console.problem.draft-edited"},
	problem.WebhookEndpointLimit:           {http.StatusConflict, "console-hook.limit.reached"},
	problem.InvalidTransition:              {http.StatusConflict, "console.problem.invalid-transition"},
	problem.PreconditionFailed:             {http.StatusPreconditionFailed, "console.problem.changed"},
	problem.PreconditionRequired:           {http.StatusPreconditionRequired, "console.problem.changed"},
	problem.ValidationFailed:               {http.StatusUnprocessableEntity, ""},
	problem.RecipientEmailRequired:         {http.StatusUnprocessableEntity, "console.problem.recipient-required"},
	problem.EmailInvalid:                   {http.StatusUnprocessableEntity, "console.problem.email-invalid"},
	problem.EmailInternationalisedLocal:    {http.StatusUnprocessableEntity, "console.problem.email-invalid"},
	problem.NameInvalid:                    {http.StatusUnprocessableEntity, "console.problem.name-invalid"},
	problem.RegionNotAllowed:               {http.StatusUnprocessableEntity, "console.problem.region-not-allowed"},
	problem.SelfInvitation:                 {http.StatusUnprocessableEntity, "console.problem.self-invitation"},
	problem.IdempotencyKeyReused:           {http.StatusUnprocessableEntity, "console.problem.key-reused"},
	problem.AttestationRequired:            {http.StatusUnprocessableEntity, "console.problem.attestation-required"},
	problem.AgreementTextNotConfigured:     {http.StatusConflict, "console-partner.problem.no-text"},
	problem.AttestationOutdated:            {http.StatusUnprocessableEntity, "console.problem.attestation-outdated"},
	problem.ActingRoleRequired:             {http.StatusUnprocessableEntity, "console.problem.acting-role"},
	problem.ResendCooldown:                 {http.StatusTooManyRequests, "console.problem.cooldown"},
	problem.RecipientQuotaExceeded:         {http.StatusTooManyRequests, "console.problem.recipient-quota"},
	problem.PartnerQuotaExceeded:           {http.StatusTooManyRequests, "console.problem.partner-quota"},
	problem.InvitationLinkMissing:          {http.StatusUnprocessableEntity, "console-invite.problem.link-missing"},
	problem.InvitationLinkAltered:          {http.StatusUnprocessableEntity, "console-invite.problem.link-altered"},
	problem.PartnershipRequired:            {http.StatusConflict, "console-invite.problem.partnership-required"},
	problem.PartnershipExists:              {http.StatusConflict, "console-invite.problem.partnership-exists"},
	problem.CloudMismatch:                  {http.StatusUnprocessableEntity, "console-invite.problem.cloud"},
	problem.DelegatedAdminRequired:         {http.StatusUnprocessableEntity, "console-invite.problem.admin-required"},
	problem.WebmailNotAllowed:              {http.StatusUnprocessableEntity, "console-enrol.problem.webmail"},
	problem.AddressNotValidated:            {http.StatusUnprocessableEntity, "console-enrol.problem.address"},
	problem.PartnerIDNotFound:              {http.StatusUnprocessableEntity, "console-enrol.problem.no-partner-id"},
	problem.PartnerIDWrongType:             {http.StatusUnprocessableEntity, "console-enrol.problem.wrong-type"},
	problem.PartnerIDWrongCountry:          {http.StatusUnprocessableEntity, "console-enrol.problem.wrong-country"},
	problem.PartnerIDInUse:                 {http.StatusConflict, "console-enrol.problem.in-use"},
	problem.PartnerIDRequired:              {http.StatusConflict, "console-enrol.later"},
	problem.EmailNotVerified:               {http.StatusConflict, "console-enrol.problem.unconfirmed"},
	problem.EnrolmentStateConflict:         {http.StatusConflict, "console-enrol.not-now"},
	problem.ResellerCannotOrder:            {http.StatusConflict, "console-customer.problem.cannot-order"},
	problem.MPANotSigned:                   {http.StatusConflict, "console-customer.problem.mpa"},
	problem.NoResellerRelationship:         {http.StatusConflict, "console-customer.problem.relationship"},
	problem.CustomerAgreementRequired:      {http.StatusConflict, "console-customer.problem.agreement"},
	problem.ResellerMPANotSigned:           {http.StatusUnprocessableEntity, "console-customer.problem.reseller-mpa"},
	problem.PartnerIDNotIndirectReseller:   {http.StatusUnprocessableEntity, "console-customer.problem.id-reseller"},
	problem.PartnerIDNotOnboardingLocation: {http.StatusUnprocessableEntity, "console-customer.problem.id-location"},
	problem.CustomerIdentityUnconfirmed:    {http.StatusConflict, "console-customer.problem.identity"},
	problem.ResellerNotEnrolled:            {http.StatusUnprocessableEntity, "console-customer.problem.reseller-status"},
	problem.DelegatedAdminMissing:          {http.StatusConflict, "console-customer.problem.dap"},
	problem.SupportContactNotEligible:      {http.StatusUnprocessableEntity, "console-customer.problem.support"},
	problem.ActiveSubscriptionsExist:       {http.StatusConflict, "console-customer.problem.active-subscriptions"},
	problem.InvitationRequired:             {http.StatusConflict, "console-customer.problem.invitation"},
	problem.AgreementDateInFuture:          {http.StatusUnprocessableEntity, "console-customer.problem.agreement-future"},
	problem.AgreementAlreadyConfirmed:      {http.StatusConflict, "console-customer.problem.agreement-known"},
	problem.Unavailable:                    {http.StatusServiceUnavailable, "console.trouble.text"},
	problem.Internal:                       {http.StatusInternalServerError, "console.trouble.text"},
}

func statusOf(c problem.Code) int {
	if s, ok := sayings[c]; ok {
		return s.status
	}
	return http.StatusConflict
}

// sentence tells a code in the reader's language, and by its English detail where there are no words for it.
func (v *visit) sentence(c problem.Code, detail string) string {
	if key, ok := dealings[c]; ok && v.deals() {
		return v.T(key)
	}
	if s := sayings[c]; s.key != "" {
		return v.T(s.key)
	}
	return detail
}
