// Package partnership holds what stands between an indirect provider and an indirect reseller once the reseller has authorised the
// provider: that they work together (rules N5, N6), and, apart from it, the provider's administration of the reseller's own account
// (rules N7, N8).
package partnership

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"concord/internal/partner"
	"concord/internal/publicid"
	"concord/internal/relationship"
)

// Pair is who a partnership is between. There is one for each pair (invariant 2).
type Pair struct{ Provider, Reseller partner.TenantID }

// ID gives the id of the pair's partnership: "pshp_" and 26 letters and digits. It is made of the pair, so that whoever knows both
// finds the partnership, and says nothing of either.
func (p Pair) ID() string {
	sum := sha256.Sum256([]byte("partnership|" + string(p.Provider) + "|" + string(p.Reseller)))
	return publicid.Format("pshp_", [16]byte(sum[:16]))
}

// IsID reports whether a text can be the id of a partnership.
func IsID(s string) bool { return publicid.Is("pshp_", s) }

// Side is which of the two somebody is.
type Side string

// The sides.
const (
	ProviderSide Side = "provider"
	ResellerSide Side = "reseller"
)

// Side gives which of the two a company is; empty for neither.
func (p Pair) Side(t partner.TenantID) Side {
	switch t {
	case p.Provider:
		return ProviderSide
	case p.Reseller:
		return ResellerSide
	default:
		return ""
	}
}

// With gives the other of the two.
func (p Pair) With(t partner.TenantID) partner.TenantID {
	if t == p.Provider {
		return p.Reseller
	}
	return p.Provider
}

// Status of a partnership. One that never was has no record.
type Status string

// The states.
const (
	Active  Status = "active"
	Removed Status = "removed"
)

// Access is the provider's administration of the reseller's own account. It is independent of the status: it stays when the partnership is
// removed (rule X9), and the reseller revokes it alone, before or after (rule N8).
type Access string

// The states of it.
const (
	Granted Access = "granted"
	Revoked Access = "revoked"
)

// Partnership is what stands between the two.
type Partnership struct {
	Pair
	Status         Status
	ProviderAccess Access
	Consent        Consent
	Invitation     string // the id of the invitation that last granted something; empty for one that is as old as the accounts
	RegionTable    string // the version of the region table that allowed it
	EstablishedAt  time.Time
	UpdatedAt      time.Time
	CorrelationID  string // of the request that last changed it
	Removal        *Removal
	History        []Entry
	Version        int // 1 for a new one, raised by each write
}

// Consent says which words the reseller agreed to (rule N5).
type Consent struct {
	Version  string
	Language string
	Hash     string // SHA-256 of the words, hexadecimal
}

// Removal says which side ended it, and what that attested (invariant 14).
type Removal struct {
	At          time.Time
	By          string // the subject of the user
	Side        Side
	Attestation relationship.AttestedText
}

// Entry is one line of the history, and how things stood after it.
type Entry struct {
	At             time.Time
	Action         Action
	Side           Side   // whose user it was
	By             string // the subject of the user or person
	CorrelationID  string
	Status         Status
	ProviderAccess Access
}

// Action is what happened to a partnership, as its history has it.
type Action string

// The actions of the history.
const (
	Established   Action = "established"
	AccessGranted Action = "access granted"
	AccessRevoked Action = "access revoked"
	WasRemoved    Action = "removed"
	WasDisputed   Action = "disputed"
)

// Actions is the one list of them: audit and the console's words are held to it by tests.
var Actions = []Action{Established, AccessGranted, AccessRevoked, WasRemoved, WasDisputed}

// maxHistory bounds the history: the first entry says how it began, and the newest are kept.
const maxHistory = 20

func (p *Partnership) note(e Entry) {
	e.Status, e.ProviderAccess = p.Status, p.ProviderAccess
	p.History = append(slices.Clone(p.History), e)
	if len(p.History) > maxHistory {
		p.History = slices.Delete(p.History, 1, 2)
	}
	p.UpdatedAt, p.CorrelationID = e.At, e.CorrelationID
	p.Version++
}

// Authorisation is what the reseller gave with its answer.
type Authorisation struct {
	Pair
	Consent       Consent
	Invitation    string
	RegionTable   string
	At            time.Time
	By            string // the subject of who agreed
	CorrelationID string // of the request
}

// Establish gives the partnership that stands after the reseller authorised the provider, from the one that stood before (nil for
// none), and whether anything new was granted (invariant 3b).
func Establish(before *Partnership, a Authorisation) (after Partnership, granted bool) {
	after = Partnership{Pair: a.Pair}
	if before != nil {
		after = *before
	}
	if after.Status == Active && after.ProviderAccess == Granted {
		return after, false
	}
	action := AccessGranted
	if after.Status != Active {
		action = Established
		after.Status, after.EstablishedAt, after.RegionTable, after.Removal = Active, a.At, a.RegionTable, nil
	}
	after.ProviderAccess, after.Consent, after.Invitation = Granted, a.Consent, a.Invitation
	after.note(Entry{At: a.At, Action: action, Side: ResellerSide, By: a.By, CorrelationID: a.CorrelationID})
	return after, true
}

// Remove gives the partnership after one side has ended it, and false when it had ended. Customers, relationships and whatever was granted
// stay, the provider's administration of the reseller's account included (rules X8, X9; invariant 13).
func (p Partnership) Remove(e Entry, attested relationship.AttestedText) (Partnership, bool) {
	if p.Status != Active {
		return p, false
	}
	p.Status, p.Removal = Removed, &Removal{At: e.At, By: e.By, Side: e.Side, Attestation: attested}
	e.Action = WasRemoved
	p.note(e)
	return p, true
}

// Revoke gives the partnership without the provider's administration of the reseller's account, and false when there was none (rule N8).
func (p Partnership) Revoke(e Entry) (Partnership, bool) {
	if p.ProviderAccess != Granted {
		return p, false
	}
	p.ProviderAccess = Revoked
	e.Action = AccessRevoked
	p.note(e)
	return p, true
}

// Dispute gives the partnership after the recipient of an invitation has said that its answer was not its own, and false when nothing
// changes: the invitation was not the last that granted something, or what it granted has ended. The provider's administration of the
// reseller's account ends; the partnership is for the two to end.
func (p Partnership) Dispute(invitation string, at time.Time, correlationID string) (Partnership, bool) {
	if p.Invitation != invitation || p.ProviderAccess != Granted {
		return p, false
	}
	p.ProviderAccess = Revoked
	p.note(Entry{At: at, Action: WasDisputed, Side: ResellerSide, CorrelationID: correlationID})
	return p, true
}

// Change is one version of a partnership over another; Before is nil for a new one.
type Change struct {
	Before *Partnership
	After  Partnership
}

// Entered is a change as it stands in the directory of one side.
type Entered struct {
	Change
	Of partner.TenantID
}

// Query asks for a page of one company's partnerships, in the order of their ids.
type Query struct {
	Status Status // empty for every status
	Side   Side   // which of the two the company is; empty for either
	Limit  int    // how many to give at most
	After  string // where the page before ended; empty for the first page
}

// Matches reports whether a partnership is among those that a company asks for.
func (q Query) Matches(p Partnership, of partner.TenantID) bool {
	return (q.Status == "" || q.Status == p.Status) && (q.Side == "" || q.Side == p.Side(of))
}

// Page is an answer to a [Query]. It may hold fewer than the limit, even none, while Next is set.
type Page struct {
	Partnerships []Partnership
	Next         string
}

// Store keeps partnerships. Each stands in the directories of both sides, which always say the same: a write changes both or neither
// (rule N6). Reads include every write that was acknowledged before the call.
//
// Partnership gives an error with code [problem.NotFound] when the company of has none with the id.
//
// WritePartnership is compare-and-swap: it stores After when what is stored is still the version of Before, and otherwise gives
// [command.ErrConflict].
type Store interface {
	// Partnership gives one out of the directory of a side, strongly consistent, or [problem.NotFound].
	Partnership(ctx context.Context, of partner.TenantID, id string) (Partnership, error)
	// Partnerships gives a page of a directory, by id, strongly consistent; [problem.MalformedRequest] for what is no
	// id.
	Partnerships(ctx context.Context, of partner.TenantID, q Query) (Page, error)
	// WritePartnership stores a change in both directories, over its version in each, or [command.ErrConflict].
	WritePartnership(ctx context.Context, c Change) error
}
