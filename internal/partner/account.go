package partner

import (
	"context"
	"slices"
	"time"
)

// Account is one partner. The operator makes and suspends accounts; enrolment makes them for indirect resellers.
type Account struct {
	Tenant      TenantID
	DisplayName string // the legal name, as pages and mails show it
	Role        ProgramRole
	// Also is what the partner has become beside its first role, such as an indirect reseller by the fast track (domain, 0.34).
	Also       []ProgramRole
	Cloud      CloudID
	Country    string // ISO 3166-1 alpha-2
	PartnerIDs []PartnerID
	// AssociatedPartnerID is the one that purchases are counted for; empty until associated (rule P4).
	AssociatedPartnerID string
	Status              ProgramStatus
	MPA                 *Agreement // the Microsoft Partner Agreement; nil until signed
	Contact             Contact
	Support             SupportProfile // zero until the partner has said it
	VerifiedDomain      string
	Locale              string // BCP 47; the default language of its invitations
	ListedInDirectory   bool
	// EachAcceptance says that the contact wants a mail for each acceptance, and not one a day.
	EachAcceptance bool
	DailyMails     int // how many mails it may send per day; 0 for the deployment's number
	// Paused, when not nil, says since when and why nothing is mailed for the partner.
	Paused *Pause
	// CountedFrom is when the operator last let the partner's mails on again: what was said against earlier ones does not count.
	CountedFrom time.Time
	CreatedAt   time.Time
	History     []Entry // the newest lines of it, oldest first
	Version     int
}

// Accounts reads partner accounts.
//
// Account gives the account of a tenant, or an error with code [problem.NotFound]. With strong set, the answer includes
// every write that was acknowledged before the call; without, it may be a second old.
type Accounts interface {
	Account(ctx context.Context, tenant TenantID, strong bool) (Account, error)
}

// Entry is one line of an account's history.
type Entry struct {
	At time.Time
	// Changed names what changed, as the API names it, with the new value of a state: "dailyMails", "sending=paused". Empty for the
	// line of the creation.
	Changed       []string
	By            string // the subject of the operator, or [ByReputation]
	CorrelationID string
	Key, Body     string // hashes of the Idempotency-Key and of the request that it came with
	Why           string // the operator's words, or a [Pause] reason
}

// ByReputation says that what recipients said of a partner's mails has changed its account, and no person.
const ByReputation = "reputation"

// maxHistory is how many lines of its history an account keeps, the newest: so it is read for half a unit.
const maxHistory = 15

// Next gives the account one version on, with a line more.
func (a Account) Next(e Entry) Account {
	a.Version++
	a.History = append(slices.Clone(a.History), e)
	a.History = a.History[max(0, len(a.History)-maxHistory):]
	return a
}

// Pause says since when and why nothing is mailed for a partner.
type Pause struct {
	At     time.Time
	Reason string // [Complaints], [Bounces] or [ByOperator]
}

// Why a partner's sending is paused.
const (
	Complaints = "complaints" // too many recipients called its mails unwanted
	Bounces    = "bounces"    // too many of its mails went to addresses that do not exist
	ByOperator = "operator"   // the operator decided so
)

// Sending says whether mails of a partner go out.
type Sending string

// A partner's mails go out or wait.
const (
	SendingActive Sending = "active"
	SendingPaused Sending = "paused"
)

// Sending says whether the partner's mails go out, as far as its reputation goes.
func (a Account) Sending() Sending {
	if a.Paused != nil {
		return SendingPaused
	}
	return SendingActive
}
