package relationship

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"concord/internal/partner"
)

// Every state and every change that is not a consent: what it makes of it, and that it changes nothing else.
func TestChanges(t *testing.T) {
	at := time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)
	e := Entry{At: at, By: "agent", CorrelationID: "corr"}
	attested := AttestedText{Version: "1", Language: "en", Hash: "00"}
	changes := []struct {
		name    string
		action  Action
		do      func(Relationship) (Relationship, bool)
		changes func(Relationship) bool
		status  func(Relationship) Status
		dap     func(Relationship) Administration
		check   func(Relationship) IdentityCheck
	}{
		{"confirm", IdentityConfirmed, func(r Relationship) (Relationship, bool) { return r.Confirm(e) },
			func(r Relationship) bool { return r.Status == Active && r.IdentityCheck == Unproven },
			nil, nil, func(Relationship) IdentityCheck { return Confirmed }},
		{"end administration", AdministrationEnded, func(r Relationship) (Relationship, bool) { return r.EndAdministration(e) },
			func(r Relationship) bool { return r.DelegatedAdmin == ActiveDAP },
			nil, func(Relationship) Administration { return TerminatedDAP }, nil},
		{"revoke", AdministrationTaken, func(r Relationship) (Relationship, bool) { return r.Revoke(e) },
			func(r Relationship) bool { return r.DelegatedAdmin == ActiveDAP },
			nil, func(Relationship) Administration { return TerminatedDAP }, nil},
		// Rule X3: the administration ends with the relationship.
		{"remove", WasRemoved, func(r Relationship) (Relationship, bool) { return r.Remove(e, attested) },
			func(r Relationship) bool { return r.Status == Active },
			func(Relationship) Status { return Removed }, ended, nil},
		{"dispute", WasDisputed, func(r Relationship) (Relationship, bool) { return r.Dispute("inv_1", at, "corr") },
			func(r Relationship) bool { return r.Status == Active }, nil, ended, func(Relationship) IdentityCheck { return Unproven }},
		// 0.42: whichever invitation made the relationship, whom the partner deals with has to be confirmed; what others have granted stays.
		{"dispute another answer", WasDisputed, func(r Relationship) (Relationship, bool) { return r.Dispute("inv_2", at, "corr") },
			func(r Relationship) bool { return r.Status == Active && r.IdentityCheck != Unproven }, nil, nil, func(Relationship) IdentityCheck { return Unproven }},
	}
	cells := 0
	for _, status := range []Status{Active, Removed} {
		for _, dap := range []Administration{NoAdministration, ActiveDAP, TerminatedDAP} {
			for _, check := range []IdentityCheck{NotNeeded, Unproven, Confirmed} {
				for _, c := range changes {
					cells++
					before := Relationship{ID: "rel_1", Status: status, DelegatedAdmin: dap, IdentityCheck: check, Invitation: "inv_1", Version: 4}
					got, changed := c.do(before)
					want := before
					if c.changes(before) {
						want.Version, want.UpdatedAt, want.CorrelationID = 5, at, "corr"
						by := "agent"
						if c.action == WasDisputed {
							by = "" // nobody signed in
						}
						if c.status != nil {
							want.Status = c.status(before)
						}
						if c.dap != nil {
							want.DelegatedAdmin = c.dap(before)
						}
						if c.check != nil {
							want.IdentityCheck = c.check(before)
						}
						want.History = []Entry{{At: at, Action: c.action, By: by, CorrelationID: "corr",
							Status: want.Status, DelegatedAdmin: want.DelegatedAdmin, IdentityCheck: want.IdentityCheck}}
						if c.action == WasRemoved {
							want.Removal = &Removal{At: at, By: "agent", Attestation: attested}
						}
					}
					if changed != c.changes(before) || !reflect.DeepEqual(got, want) {
						t.Errorf("%s of %s, %s, %s: %v, %+v\nwant %+v", c.name, status, dap, check, changed, got, want)
					}
				}
			}
		}
	}
	t.Logf("%d cells", cells)
}

func ended(r Relationship) Administration {
	if r.DelegatedAdmin == ActiveDAP {
		return TerminatedDAP
	}
	return r.DelegatedAdmin
}

func TestTheHistoryIsBounded(t *testing.T) {
	r := Relationship{Status: Active, History: []Entry{{Action: Established}}}
	for n := range 3 * maxHistory {
		r.note(Entry{Action: Action(fmt.Sprint(n))})
	}
	if len(r.History) != maxHistory || r.History[0].Action != Established || r.History[maxHistory-1].Action != Action(fmt.Sprint(3*maxHistory-1)) || r.Version != 3*maxHistory {
		t.Errorf("%d entries, %v", len(r.History), r.History)
	}
}

// Rule I1 and 2.2: a company that the partner creates, with nothing granted that only the customer grants (P7).
func TestCreate(t *testing.T) {
	at := time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)
	f := Founding{RelationshipID: "rel_new", Partner: partner.Account{Tenant: "p", Role: partner.IndirectProvider}, Customer: Customer{Tenant: "c", Country: "US"}, RegionTable: "1", At: at, By: "agent", CorrelationID: "corr"}
	got := Create(f)
	want := Relationship{
		ID: "rel_new", Partner: "p", Customer: f.Customer, Role: IndirectProvider, Status: Active, Origin: CustomerCreation, DelegatedAdmin: NoAdministration,
		IdentityCheck: NotNeeded, RegionTable: "1", EstablishedAt: at, UpdatedAt: at, CorrelationID: "corr", Version: 1,
		History: []Entry{{At: at, Action: WasCreated, By: "agent", CorrelationID: "corr", Status: Active, DelegatedAdmin: NoAdministration, IdentityCheck: NotNeeded}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}
