// Package partner holds what is known about partners: their accounts, the roles of their people, the clouds and the
// regions in which they may work.
package partner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"concord/internal/problem"
)

// TenantID identifies a company's directory: a UUID in lower case. Partners and customers are both tenants.
type TenantID string

// ParseTenantID accepts a UUID in either case. It reports false for anything else.
func ParseTenantID(s string) (TenantID, bool) {
	s = strings.ToLower(s)
	id, err := uuid.Parse(s)
	return TenantID(s), err == nil && id.String() == s // the library knows other ways to write one
}

// ProgramRole is what a partner is in the programme.
type ProgramRole string

// The three kinds of partner.
const (
	DirectBill       ProgramRole = "directBill"
	IndirectProvider ProgramRole = "indirectProvider"
	IndirectReseller ProgramRole = "indirectReseller"
)

// ProgramStatus says whether a partner may act. Only [Active] partners invite.
type ProgramStatus string

// The states of an account.
const (
	Pending   ProgramStatus = "pending"
	Active    ProgramStatus = "active"
	Suspended ProgramStatus = "suspended"
	Rejected  ProgramStatus = "rejected"
)

// PartnerID is an identifier that the programme gave to one place of a company.
type PartnerID struct {
	ID      string
	Type    string // [Location] or [Headquarters]
	Country string // ISO 3166-1 alpha-2
	// OnboardingLocation marks the location with which the company joined (rule B2).
	OnboardingLocation bool
}

// The types of a [PartnerID].
const (
	Location     = "location"
	Headquarters = "headquarters"
)

// Agreement is a signature under a text: what was signed, by whom, when.
type Agreement struct {
	SignedAt time.Time
	SignedBy string
	Version  string
	Hash     string // SHA-256 of the text, hexadecimal
}

// Contact is where a partner's customers reach it; replies to our mail go there.
type Contact struct {
	Email   string
	Phone   string
	Website string
}

// Listing is a PartnerID as a directory of company records has it, whether or not an account has it too (rule E6).
type Listing struct {
	ID      string
	Name    string
	Type    string // [Location] or [Headquarters]
	Country string // ISO 3166-1 alpha-2
	// Tenant is whose it is; empty where anybody may say that it is theirs.
	Tenant TenantID
}

// Holders says whose a PartnerID is.
//
// Holder gives the tenant of the account that has a PartnerID, every write included that was acknowledged before the call, or an error
// with code [problem.NotFound]. No two accounts have the same.
type Holders interface {
	// Holder gives the tenant, strongly consistent, or [problem.NotFound].
	Holder(ctx context.Context, partnerID string) (TenantID, error)
}

// Role is what a person may do for the own company; it comes with the token and is not stored.
type Role string

// The roles of rules R1 to R11 and of the platform.
const (
	GlobalAdmin Role = "globalAdmin"
	AdminAgent  Role = "adminAgent"
	SalesAgent  Role = "salesAgent"
	Operator    Role = "operator"
)

// title is what people call a role.
func (r Role) title() string {
	switch r {
	case GlobalAdmin:
		return "Global admin"
	case AdminAgent:
		return "Admin agent"
	case SalesAgent:
		return "Sales agent"
	case Operator:
		return "the platform's operator"
	default:
		return string(r)
	}
}

// NoAccount refuses a company that has no partner account.
func NoAccount() error {
	return problem.New(problem.RoleNotPermitted, "Your company has no partner account. Its Global admin applies for one at POST /v1/enrolments, or the operator makes it.")
}

// NotActive refuses what needs an active account.
func NotActive() error {
	return problem.New(problem.PartnerNotActive, "The partner account is not active. It can still be read; ask the operator of this service to reinstate it.")
}

// User is who calls: a person or a program of a partner, as a verified token says.
type User struct {
	Subject string
	Tenant  TenantID
	Roles   []Role
	Cloud   CloudID
}

// Operation is a row of the role matrix (domain, 2.4).
type Operation string

// Operations that a partner's people call.
const (
	ReadCustomers   Operation = "read customers, invitations, partnerships, directories"
	InviteCustomers Operation = "create, edit, send, resend, cancel, renew customer invitations"
	// KeepRelationships is also confirming whom a relationship is with (domain, 0.25).
	KeepRelationships    Operation = "remove relationship, remove partnership, end own DAP"
	AdministerGranularly Operation = "GDAP create, lock, end"
	// ReadGranular is apart from ReadCustomers: what a partner may do in a customer's directory is for those who answer for it.
	ReadGranular Operation = "read GDAP"
	ReadAudit    Operation = "audit"
	// KeepWebhooks is whatever concerns what a partner's programs are told: who holds its secrets reads what happens.
	KeepWebhooks Operation = "event registration"
	// RequestPartnerships is every change of such an invitation (domain, 0.1).
	RequestPartnerships Operation = "partnership invitation"
	// RequestAdministration is every change of an invitation that asks for delegated administration, where the policy says so (domain, 0.5).
	RequestAdministration Operation = "request delegated administration"
	// KeepSupport is changing whom the partner's customers ask for help (domain, 0.34).
	KeepSupport     Operation = "support profile of the own account"
	KeepOwnAccount  Operation = "revoke provider's administration of the own account"
	OperatePartners Operation = "partner accounts, vetting, suspend, quotas"
	Trade           Operation = "create customer, orders, attest agreement, reseller of record, support contact"
	Enrol           Operation = "enrolment, PartnerID, MPA"
)

// permitted is the role matrix. Roles add up.
var permitted = map[Operation][]Role{
	ReadCustomers:         {AdminAgent, SalesAgent, GlobalAdmin}, // rules R2, R3, R6 (0.35)
	InviteCustomers:       {AdminAgent, SalesAgent},              // rule R1
	KeepRelationships:     {AdminAgent, SalesAgent},              // rules R9, R10
	AdministerGranularly:  {AdminAgent},
	ReadGranular:          {AdminAgent, GlobalAdmin}, // rule R3 (0.35)
	RequestPartnerships:   {AdminAgent},              // rule R7
	RequestAdministration: {AdminAgent},
	KeepOwnAccount:        {GlobalAdmin}, // rule N8
	ReadAudit:             {AdminAgent, GlobalAdmin},
	KeepSupport:           {AdminAgent, GlobalAdmin},
	KeepWebhooks:          {AdminAgent, GlobalAdmin},
	OperatePartners:       {Operator},
	Trade:                 {AdminAgent, SalesAgent}, // rule R8
	Enrol:                 {GlobalAdmin},            // rule R3, R4
}

// Roles are those that allow an operation; roles add up.
func (op Operation) Roles() []Role { return slices.Clone(permitted[op]) }

// Permit gives nil when one of the user's roles allows the operation, else [problem.RoleNotPermitted].
func (u User) Permit(op Operation) error {
	if slices.ContainsFunc(permitted[op], func(r Role) bool { return slices.Contains(u.Roles, r) }) {
		return nil
	}
	may := make([]string, len(permitted[op]))
	for n, r := range permitted[op] {
		may[n] = r.title() + " (" + string(r) + ")"
	}
	if len(may) == 0 {
		return problem.New(problem.RoleNotPermitted, "No role allows this.")
	}
	return problem.New(problem.RoleNotPermitted, "Your roles do not allow this. It is for: %s. Your identity provider says who has which role.", problem.Or(may))
}

// CloudID names a cloud, such as "public" or "usGov".
type CloudID string

// Cloud is one cloud, as the deployment configures it (domain, 0.12).
type Cloud struct {
	ID CloudID
	// PortalName is what its customers know the answering place as (rule I17).
	PortalName string
	// BaseURL is where emailed links to its customers lead, without a slash at the end.
	BaseURL string
	// AdministrationOptional says whether a partner may ask without administrator permission (rules I14, I15).
	AdministrationOptional bool
}

// Clouds is the deployment's list.
type Clouds []Cloud

// ParseClouds reads the configured list: a JSON array of {id, portalName, baseUrl, administrationOptional}.
func ParseClouds(text string) (Clouds, error) {
	var c Clouds
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("clouds: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("clouds: something follows the list")
	}
	if len(c) == 0 {
		return nil, fmt.Errorf("clouds: the list is empty")
	}
	for i, cloud := range c {
		u, err := url.Parse(cloud.BaseURL)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || cloud.BaseURL != u.Scheme+"://"+u.Host || cloud.ID == "" || cloud.PortalName == "" {
			return nil, fmt.Errorf("clouds: %q needs an id, a portalName and a baseUrl of scheme and host alone", cloud.ID)
		}
		if slices.ContainsFunc(c[:i], func(x Cloud) bool { return x.ID == cloud.ID }) {
			return nil, fmt.Errorf("clouds: %q is there twice", cloud.ID)
		}
	}
	return c, nil
}

// Cloud finds a cloud. A cloud that is not configured is [problem.CloudMismatch] (domain, 0.12).
func (c Clouds) Cloud(id CloudID) (Cloud, error) {
	if i := slices.IndexFunc(c, func(x Cloud) bool { return x.ID == id }); i >= 0 {
		return c[i], nil
	}
	return Cloud{}, problem.New(problem.CloudMismatch, "This cloud is not served here.")
}
