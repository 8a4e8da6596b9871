package partnership_test

import (
	"testing"
	"time"

	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/relationship"
)

const (
	birch = partner.TenantID("b12c0000-0000-4000-8000-000000000002")
	cedar = partner.TenantID("ceda0000-0000-4000-8000-000000000003")
	alder = partner.TenantID("a1de0000-0000-4000-8000-000000000001")
)

var (
	start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	both  = partnership.Pair{Provider: birch, Reseller: cedar}
)

func authorise(before *partnership.Partnership, at time.Time) (partnership.Partnership, bool) {
	return partnership.Establish(before, partnership.Authorisation{
		Pair: both, Consent: partnership.Consent{Version: "2026-11", Language: "en", Hash: "ab"}, Invitation: "inv_1", RegionTable: "t1", At: at, By: "carla", CorrelationID: "c1",
	})
}

// Rules N5 and N7: the reseller's answer makes the partnership, with the words that it agreed to, and grants the provider the
// administration of its account.
func TestEstablish(t *testing.T) {
	p, granted := authorise(nil, start)
	if !granted || p.Status != partnership.Active || p.ProviderAccess != partnership.Granted || p.Consent.Hash != "ab" || p.Version != 1 || !p.EstablishedAt.Equal(start) {
		t.Fatalf("%v %+v", granted, p)
	}
	if e := p.History[0]; e.Action != partnership.Established || e.Side != partnership.ResellerSide || e.By != "carla" || e.Status != partnership.Active {
		t.Errorf("%+v", e)
	}
	if again, granted := authorise(&p, start.Add(time.Hour)); granted || again.Version != 1 { // invariant 3b
		t.Errorf("granted again: %+v", again)
	}
}

// Rule N8: the reseller revokes the provider's administration of its account alone. Rules X8 and X9, invariant 13: removal leaves it, and it
// can be revoked afterwards.
func TestAccessIsIndependentOfTheStatus(t *testing.T) {
	p, _ := authorise(nil, start)
	revoked, changed := p.Revoke(partnership.Entry{At: start.Add(time.Hour), Side: partnership.ResellerSide, By: "carla"})
	if !changed || revoked.Status != partnership.Active || revoked.ProviderAccess != partnership.Revoked || p.ProviderAccess != partnership.Granted {
		t.Fatalf("%+v", revoked)
	}
	if _, changed := revoked.Revoke(partnership.Entry{}); changed {
		t.Error("revoked twice")
	}
	regranted, granted := authorise(&revoked, start.Add(2*time.Hour))
	if !granted || regranted.ProviderAccess != partnership.Granted || !regranted.EstablishedAt.Equal(start) || regranted.History[2].Action != partnership.AccessGranted {
		t.Errorf("%+v", regranted)
	}
	removed, changed := p.Remove(partnership.Entry{At: start.Add(time.Hour), Side: partnership.ProviderSide, By: "ben"}, relationship.AttestedText{Version: "1"})
	if !changed || removed.Status != partnership.Removed || removed.ProviderAccess != partnership.Granted || removed.Removal.Side != partnership.ProviderSide || removed.Removal.By != "ben" {
		t.Fatalf("%+v", removed)
	}
	if _, changed := removed.Remove(partnership.Entry{}, relationship.AttestedText{}); changed {
		t.Error("removed twice")
	}
	late, changed := removed.Revoke(partnership.Entry{At: start.Add(2 * time.Hour), Side: partnership.ResellerSide})
	if !changed || late.Status != partnership.Removed || late.ProviderAccess != partnership.Revoked {
		t.Errorf("%+v", late)
	}
	back, granted := authorise(&late, start.Add(3*time.Hour))
	if !granted || back.Status != partnership.Active || back.Removal != nil || !back.EstablishedAt.Equal(start.Add(3*time.Hour)) || back.Version != 4 || back.ID() != p.ID() {
		t.Errorf("%+v", back)
	}
}

func TestSides(t *testing.T) {
	if both.Side(birch) != partnership.ProviderSide || both.Side(cedar) != partnership.ResellerSide || both.Side(alder) != "" {
		t.Error("sides")
	}
	if both.With(birch) != cedar || both.With(cedar) != birch {
		t.Error("the other")
	}
	turned := partnership.Pair{Provider: cedar, Reseller: birch}
	if !partnership.IsID(both.ID()) || both.ID() == turned.ID() || partnership.IsID("rel_aaaaaaaaaaaaaaaaaaaaaaaaaa") {
		t.Error("ids")
	}
}

func TestHistoryIsBounded(t *testing.T) {
	p, _ := authorise(nil, start)
	for n := range 30 {
		p, _ = p.Revoke(partnership.Entry{At: start.Add(time.Duration(n) * time.Hour), Side: partnership.ResellerSide})
		p, _ = authorise(&p, start.Add(time.Duration(n)*time.Hour))
	}
	if len(p.History) != 20 || p.History[0].Action != partnership.Established || p.Version != 61 {
		t.Errorf("%d entries, the first %q, version %d", len(p.History), p.History[0].Action, p.Version)
	}
}
