package invitation_test

import (
	"errors"
	"testing"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// both makes a direct-bill partner an indirect reseller beside that, as the fast track does.
func (o *office) both(tenant partner.TenantID) {
	o.enrol(tenant, func(a *partner.Account) {
		a.Role, a.Also = partner.DirectBill, []partner.ProgramRole{partner.IndirectReseller}
	})
}

func as(p invitation.Proposal, r partner.ProgramRole) invitation.Proposal {
	p.ActingRole = &r
	return p
}

// Domain, 0.34: what a company asks, it asks in one of its program roles, which is said where several fit.
func TestActingRole(t *testing.T) {
	o := tiers(t)
	o.both(alder)
	o.partner(alder)
	for name, c := range map[string]struct {
		by   partner.TenantID
		p    invitation.Proposal
		want partner.ProgramRole
		code problem.Code
	}{
		"neither said":                    {alder, to("a@larch.example"), "", problem.ActingRoleRequired},
		"the first":                       {alder, as(to("b@larch.example"), partner.DirectBill), partner.DirectBill, ""},
		"the other":                       {alder, as(to("c@larch.example"), partner.IndirectReseller), partner.IndirectReseller, ""},
		"one that it has not":             {alder, as(to("d@larch.example"), partner.IndirectProvider), "", problem.ValidationFailed},
		"two tiers are asked by one role": {alder, dual("e@larch.example"), partner.IndirectReseller, ""},
		"two tiers, as another":           {alder, as(dual("f@larch.example"), partner.DirectBill), "", problem.ValidationFailed},
		"who has one role":                {cedar, to("g@larch.example"), partner.IndirectReseller, ""},
		"a provider's own kind":           {birch, partnerWith("h@gorse.example"), partner.IndirectProvider, ""},
	} {
		inv, _, err := o.Invite(t.Context(), by(c.by), c.p)
		if c.code != "" {
			p, ok := errors.AsType[*problem.Error](err)
			if !ok || p.Code != c.code || len(p.Findings) != 1 || p.Findings[0].Pointer != "/actingRole" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || inv.ActingRole != c.want {
			t.Errorf("%s: %q, %v", name, inv.ActingRole, err)
			continue
		}
		letter, err := o.LetterOf(t.Context(), inv, true)
		if err != nil || letter.Inviter.Role != c.want || len(letter.Inviter.Also) != 0 {
			t.Errorf("%s: the letter is of %s and %v, %v", name, letter.Inviter.Role, letter.Inviter.Also, err)
		}
	}
}

// What a customer accepts is the role in which it was asked, and a renewal asks in the same one.
func TestAcceptedRole(t *testing.T) {
	o := tiers(t)
	o.both(alder)
	inv := o.invite(t, by(alder), as(to("a@larch.example"), partner.IndirectReseller))
	if _, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	if r := o.relationship(t, alder, larch.Tenant); r.Role != relationship.IndirectReseller {
		t.Errorf("asked as a reseller, it is %s", r.Role)
	}
	// Nothing new is asked in the same role; to sell is more than to resell what a provider sells.
	again := as(to("a@larch.example"), partner.IndirectReseller)
	again.CustomerTenantID = new(string(larch.Tenant))
	if _, _, err := o.Invite(t.Context(), by(alder), again); !problem.Is(err, problem.RelationshipExists) {
		t.Errorf("the same again: %v", err)
	}
	inv = o.invite(t, by(alder), as(again, partner.DirectBill))
	if _, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	if r := o.relationship(t, alder, larch.Tenant); r.Role != relationship.Direct || r.Invitation != inv.ID {
		t.Errorf("asked as a direct-bill partner, it is %s", r.Role)
	}
	if got := o.stored(t, inv.Key); got.Answer == nil || got.Answer.NoChange {
		t.Errorf("%+v", got.Answer)
	}
	// A consent never takes away: who sells goes on selling.
	o.partner(alder)
	two := o.invite(t, by(alder), dual("b@larch.example"))
	if _, c := o.answer(t, linkOf(two), admin(larch), acceptance); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	if r := o.relationship(t, alder, larch.Tenant); r.Role != relationship.Direct {
		t.Errorf("asked with a provider as well, it is %s", r.Role)
	}
	cancelled := o.invite(t, by(alder), as(to("c@oak.example"), partner.IndirectReseller))
	if _, _, err := o.Cancel(t.Context(), by(alder), cancelled.ID, ""); err != nil {
		t.Fatal(err)
	}
	if renewed, _, err := o.Renew(t.Context(), by(alder), cancelled.ID); err != nil || renewed.ActingRole != partner.IndirectReseller {
		t.Errorf("renewed as %q, %v", renewed.ActingRole, err)
	}
}

// A direct-bill partner that has become an indirect reseller as well accepts a provider.
func TestDirectPartnerAcceptsAProvider(t *testing.T) {
	o := tiers(t)
	asked := o.invite(t, by(birch), partnerWith("ann@alder.example"))
	person := admin(relationship.Customer{Tenant: alder, CompanyName: "Alder", Domains: []string{"alder.example"}, Country: "US", Cloud: "public"})
	if _, c := o.look(t, linkOf(asked), &person); c != invitation.NotEnrolled {
		t.Fatalf("before the fast track: %s", c)
	}
	o.both(alder)
	if _, c := o.answer(t, linkOf(asked), person, authorisation); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	if p := o.partnership(t, alder); p == nil {
		t.Error("no partnership")
	}
}
