package audit

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/relationship"
)

const (
	alder = partner.TenantID("a1de0000-0000-4000-8000-000000000001")
	birch = partner.TenantID("b12c0000-0000-4000-8000-000000000002")
	larch = partner.TenantID("1a2c0000-0000-4000-8000-000000000011")
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// A timeline that is full has lost entries behind its first; one that was rewritten tells nothing.
func TestAdded(t *testing.T) {
	at := func(names ...string) (list []invitation.Entry) {
		for _, name := range names {
			list = append(list, invitation.Entry{At: time.Unix(int64(len(name)), 0), Action: name, By: "somebody", Why: "typed"})
		}
		return list
	}
	long := make([]string, 20)
	for n := range long {
		long[n] = strings.Repeat("x", n+1)
	}
	without := func(numbers ...int) (left []string) {
		for n, name := range long {
			if !slices.Contains(numbers, n) {
				left = append(left, name)
			}
		}
		return left
	}
	for _, c := range []struct {
		name          string
		before, after []string
		want          []string
	}{
		{"new", nil, []string{"a"}, []string{"a"}},
		{"two at once", nil, []string{"a", "bb"}, []string{"a", "bb"}},
		{"nothing", []string{"a", "bb"}, []string{"a", "bb"}, nil},
		{"one", []string{"a"}, []string{"a", "bb"}, []string{"bb"}},
		{"two", []string{"a"}, []string{"a", "bb", "ccc"}, []string{"bb", "ccc"}},
		{"the same again", []string{"a", "bb"}, []string{"a", "bb", "bb"}, []string{"bb"}},
		{"full", long, append(without(1), "new"), []string{"new"}},
		{"full, two", long, append(without(1, 2), "new", "newer"), []string{"new", "newer"}},
		// What has to be found again for a day is kept, and what stands behind it goes.
		{"full, from the middle", long, append(without(7), "new"), []string{"new"}},
		{"full, two from anywhere", long, append(without(3, 18), "new", "newer"), []string{"new", "newer"}},
		{"rewritten", []string{"a", "bb"}, []string{"zzz"}, nil},
		{"more lost than added", long, append(without(1, 2), "new"), nil},
		{"erased", []string{"a", "bb"}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			after := at(c.after...)
			for n := range after {
				after[n].By, after[n].Why = "", "" // whoever it was, and what it said, may be forgotten
			}
			var got []string
			for _, e := range AddedSteps(at(c.before...), after) {
				got = append(got, e.Action)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// line is a record in short: what happened, who did it, the states before and after, and why.
func line(r Record) string {
	return fmt.Sprint(r.Operation, " by ", r.Actor.Kind, " ", r.Actor.Subject, "/", r.Actor.Tenant, " ", states(r.Old), "→", states(r.New), " ", r.Customer, " ", r.Reason)
}

func states(m map[string]string) string {
	var list []string
	for name, value := range m {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return strings.Join(list, ",")
}

func entries(actions ...string) (list []invitation.Entry) {
	for n, action := range actions {
		action, why, _ := strings.Cut(action, ":")
		list = append(list, invitation.Entry{At: start.Add(time.Duration(n) * time.Minute), Action: action, By: "who", CorrelationID: "c", Why: why})
	}
	return list
}

func TestInvitation(t *testing.T) {
	for _, c := range []struct {
		name    string
		bound   bool
		entries []invitation.Entry
		want    []string
	}{
		{"by mail, to the end", false, entries("created", "sent", "mailed", "delivered", "reminded:7d", "accepted", "disputed:not-us", "notice failed:receipt message_rejected", "erased"), []string{
			"invitation.created by user who/" + string(alder) + " →status=draft  ",
			"invitation.sent by user who/" + string(alder) + " delivery=notSent,status=draft→delivery=queued,status=pending  ",
			"invitation.mailed by system / delivery=queued→delivery=sent  ",
			"invitation.delivered by system / delivery=sent→delivery=delivered  ",
			"invitation.reminded by system / →  7d",
			"invitation.accepted by customer /" + string(larch) + " status=pending→status=accepted " + string(larch) + " ",
			"invitation.disputed by customer / → " + string(larch) + " not-us",
			"invitation.noticeFailed by system / → " + string(larch) + " receipt message_rejected",
			"invitation.erased by schedule / → " + string(larch) + " ",
		}},
		{"mailed by the partner", true, entries("created", "done", "cancelled:Lena Larch asked for it"), []string{
			"invitation.created by user who/" + string(alder) + " →status=draft " + string(larch) + " ",
			"invitation.done by user who/" + string(alder) + " status=draft→status=pending " + string(larch) + " ",
			"invitation.cancelled by user who/" + string(alder) + " status=pending→status=cancelled " + string(larch) + " ", // what was typed is not repeated
		}},
		{"failed, again, late", false, entries("created", "sent", "mail failed:message_rejected", "resent", "expired", "renewal requested:too-late"), []string{
			"invitation.created by user who/" + string(alder) + " →status=draft  ",
			"invitation.sent by user who/" + string(alder) + " delivery=notSent,status=draft→delivery=queued,status=pending  ",
			"invitation.mailFailed by system / delivery=queued→delivery=failed  message_rejected",
			"invitation.resent by user who/" + string(alder) + " delivery=failed→delivery=queued  ",
			"invitation.expired by schedule / status=pending→status=expired  ",
			"invitation.renewalRequested by customer / →  too-late",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := invitation.Invitation{Key: invitation.Key{Inviter: alder, ID: "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa"}, Bound: c.bound, Customer: larch, History: c.entries}
			var got []string
			for _, r := range OfInvitation(nil, i) {
				got = append(got, line(r))
				if r.Partner != alder || r.ResourceID != i.ID || r.ResourceType != Invitation || r.CorrelationID != "c" || r.At.IsZero() {
					t.Errorf("%+v", r)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// A declined invitation that named nobody says no more of who declined than the answer does.
func TestWhoDeclinedIsNotNamed(t *testing.T) {
	i := invitation.Invitation{Key: invitation.Key{Inviter: alder, ID: "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa"}, History: entries("created", "declined"),
		Answer: &invitation.Given{Subject: "who", Tenant: larch, Reason: "no-need"}}
	r := OfInvitation(nil, i)[1]
	if r.Actor != (Actor{Kind: Customer}) || r.Customer != "" || r.Reason != "no-need" {
		t.Errorf("%+v", r)
	}
}

// The ids are those of the entries: the same in every order of reading, different for two of the same second, and in the order in
// which things go.
func TestIDs(t *testing.T) {
	same := entries("created", "edited", "edited", "sent", "accepted")
	for n := range same {
		same[n].At = start
	}
	i := invitation.Invitation{Key: invitation.Key{Inviter: alder, ID: "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa"}, History: same}
	var whole, each []string
	for _, r := range OfInvitation(nil, i) {
		whole = append(whole, r.ID)
	}
	before := i
	for n := range same {
		after := i
		after.History = same[:n+1]
		was := &before
		if n == 0 {
			was = nil
		}
		for _, r := range OfInvitation(was, after) {
			each = append(each, r.ID)
		}
		before = after
	}
	if !slices.Equal(whole, each) {
		t.Errorf("%v\n%v", whole, each)
	}
	if sorted := slices.Sorted(slices.Values(whole)); len(slices.Compact(sorted)) != len(same) || sorted[0] != whole[0] || sorted[3] != whole[3] || sorted[4] != whole[4] {
		t.Errorf("%v", whole)
	}
	other := i
	other.Inviter = birch
	if OfInvitation(nil, other)[0].ID == whole[0] {
		t.Error("two partners' records have one id")
	}
}

// Rule X6: the removal of one partner's relationship is in its own audit and in nobody else's.
func TestRemovalIsTheRemoversOwn(t *testing.T) {
	at := start
	made := func(p partner.TenantID) relationship.Relationship {
		r, _ := relationship.Establish(nil, relationship.Consent{
			Invitation: "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa", RelationshipID: "rel_" + string(p), Partner: partner.Account{Tenant: p, Role: partner.DirectBill},
			Customer: relationship.Customer{Tenant: larch}, DelegatedAdmin: p == alder, IdentityCheck: relationship.NotNeeded, At: at, By: "lena", CorrelationID: "c1",
		})
		return r
	}
	reseller, provider := made(alder), made(birch)
	removed, ok := reseller.Remove(relationship.Entry{At: at.Add(time.Hour), By: "agent", CorrelationID: "c2"}, relationship.AttestedText{Version: "1"})
	if !ok {
		t.Fatal("not removed")
	}
	var got []string
	for _, r := range append(OfRelationship(nil, reseller), OfRelationship(&reseller, removed)...) {
		if r.Partner != alder || r.Customer != larch {
			t.Errorf("%+v", r)
		}
		got = append(got, line(r))
	}
	if d := cmp.Diff([]string{
		"relationship.established by customer /" + string(larch) + " →status=active " + string(larch) + " ",
		"delegatedAdmin.granted by customer /" + string(larch) + " delegatedAdmin=none→delegatedAdmin=active " + string(larch) + " ",
		"relationship.removed by user agent/" + string(alder) + " status=active→status=removed " + string(larch) + " ",
		"delegatedAdmin.terminated by user agent/" + string(alder) + " delegatedAdmin=active→delegatedAdmin=terminated " + string(larch) + " ",
	}, got); d != "" {
		t.Error(d)
	}
	for _, r := range OfRelationship(nil, provider) {
		if r.Partner != birch || r.Operation != "relationship.established" || strings.Contains(fmt.Sprintf("%+v", r), string(alder)) {
			t.Errorf("%+v", r)
		}
	}
}

func TestIdentityChecks(t *testing.T) {
	r, _ := relationship.Establish(nil, relationship.Consent{
		Invitation: "inv_1", RelationshipID: "rel_1", Partner: partner.Account{Tenant: alder}, Customer: relationship.Customer{Tenant: larch},
		IdentityCheck: relationship.Unproven, At: start, By: "lena",
	})
	confirmed, _ := r.Confirm(relationship.Entry{At: start.Add(time.Hour), By: "agent"})
	disputed, _ := confirmed.Dispute("inv_1", start.Add(2*time.Hour), "c3")
	var got []string
	for _, r := range OfRelationship(nil, disputed) {
		got = append(got, fmt.Sprint(r.Operation, " by ", r.Actor.Kind, " ", states(r.Old), "→", states(r.New)))
	}
	if d := cmp.Diff([]string{
		"relationship.established by customer →status=active", "identityCheck.changed by customer identityCheck=none→identityCheck=pending",
		"identityCheck.changed by user identityCheck=pending→identityCheck=confirmed", "identityCheck.changed by customer identityCheck=confirmed→identityCheck=pending",
	}, got); d != "" {
		t.Error(d)
	}
}

// Rules N6, N8 and X6: both sides have in their audit that they work together, and what one does alone is in its own.
func TestPartnershipsOfBothSides(t *testing.T) {
	p, _ := partnership.Establish(nil, partnership.Authorisation{Pair: partnership.Pair{Provider: birch, Reseller: alder}, Invitation: "inv_1", At: start, By: "ada", CorrelationID: "c1"})
	revoked, _ := p.Revoke(partnership.Entry{At: start.Add(time.Hour), Side: partnership.ResellerSide, By: "ada", CorrelationID: "c2"})
	removed, _ := revoked.Remove(partnership.Entry{At: start.Add(2 * time.Hour), Side: partnership.ProviderSide, By: "ben", CorrelationID: "c3"}, relationship.AttestedText{Version: "1"})
	for of, want := range map[partner.TenantID][]string{
		birch: {
			"partnership.established by customer /" + string(alder) + " →status=active  ",
			"providerAccess.granted by customer /" + string(alder) + " →providerAdminAccess=granted  ",
			"partnership.removed by user ben/" + string(birch) + " status=active→status=removed  ",
		},
		alder: {
			"partnership.established by user ada/" + string(alder) + " →status=active  ",
			"providerAccess.granted by user ada/" + string(alder) + " →providerAdminAccess=granted  ",
			"providerAccess.revoked by user ada/" + string(alder) + " providerAdminAccess=granted→providerAdminAccess=revoked  ",
		},
	} {
		var got, ids, again []string
		for _, c := range []partnership.Change{{After: p}, {Before: &p, After: revoked}, {Before: &revoked, After: removed}} {
			for _, r := range OfPartnership(partnership.Entered{Change: c, Of: of}) {
				got, ids = append(got, line(r)), append(ids, r.ID)
				if r.Partner != of || r.ResourceType != Partnership || r.ResourceID != p.ID() || r.CorrelationID == "" {
					t.Errorf("%+v", r)
				}
			}
		}
		for _, r := range OfPartnership(partnership.Entered{Change: partnership.Change{After: removed}, Of: of}) { // made again, from the history
			again = append(again, r.ID)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", of, d)
		}
		if !slices.Equal(ids, again) {
			t.Errorf("%s: %v, made again %v", of, ids, again)
		}
	}
}

// TestAccounts: what the operator does with a partner's account, and what pauses it, told write by write and made again from the history.
// What a partner's own people do with its account is theirs in the trail, not the operator's (domain, 0.34).
func TestOwnChangesOfAnAccount(t *testing.T) {
	a := partner.Account{Tenant: alder, Version: 1, History: []partner.Entry{{At: start, By: "olga"}}}
	for n, c := range []struct {
		e    partner.Entry
		kind ActorKind
	}{
		{partner.Entry{Changed: []string{"programRoles", partner.SupportChanged}, By: "ada", Why: enrolment.Prefix + "qmzx3vjl2a5c7hpkywtr4e6n2u"}, User},
		{partner.Entry{Changed: []string{partner.SupportChanged}, By: "ada"}, User},
		{partner.Entry{Changed: []string{"mpa"}, By: "ada"}, User},
		{partner.Entry{Changed: []string{"contact"}, By: "olga", Why: "asked by phone"}, Operator},
	} {
		before := a
		c.e.At = start.Add(time.Duration(n+1) * time.Hour)
		a.History = append(slices.Clone(a.History), c.e)
		told := OfAccount(&before, a)
		if len(told) != 1 || told[0].Actor.Kind != c.kind || told[0].Actor.Subject != c.e.By || (told[0].Actor.Tenant == alder) != (c.kind == User) {
			t.Errorf("%v: %+v", c.e.Changed, told)
		}
	}
}

func TestAccounts(t *testing.T) {
	a := partner.Account{Tenant: alder, Version: 1, History: []partner.Entry{{At: start, By: "olga", CorrelationID: "c1"}}}
	told := OfAccount(nil, a)
	for n, e := range []partner.Entry{
		{Changed: []string{"dailyMails", "status=suspended"}, By: "olga", CorrelationID: "c2", Why: "unpaid"},
		{Changed: []string{"status=active"}, By: "olga", CorrelationID: "c3"},
		{Changed: []string{"sending=paused"}, By: partner.ByReputation, Why: partner.Complaints},
	} {
		before := a
		e.At = start.Add(time.Duration(n+1) * time.Hour)
		a.History = append(slices.Clone(a.History), e)
		told = append(told, OfAccount(&before, a)...)
	}
	var got []string
	for _, r := range told {
		got = append(got, fmt.Sprint(r.Operation, " by ", r.Actor.Kind, " ", r.Actor.Subject, " ", states(r.Old), "→", states(r.New), " ", r.Reason))
		if r.Partner != alder || r.ResourceID != string(alder) || r.ResourceType != Account {
			t.Errorf("%+v", r)
		}
	}
	if d := cmp.Diff([]string{
		"partnerAccount.created by operator olga →status=created ",
		"partnerAccount.changed by operator olga →dailyMails=changed,status=suspended ",
		"partnerAccount.changed by operator olga status=suspended→status=active ",
		"partnerAccount.changed by system  →sending=paused complaints",
	}, got); d != "" {
		t.Error(d)
	}
	again := OfAccount(nil, a)
	for n := range again {
		if len(again) != len(told) || again[n].ID != told[n].ID {
			t.Errorf("made again: %+v, told: %+v", again[n], told[n])
		}
	}
}
