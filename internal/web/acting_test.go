package web_test

import (
	"fmt"
	"strings"
	"testing"

	"concord/internal/partner"
)

// Domain, 0.34: a company with two program roles says in which one it asks and orders, and both stand where its roles are shown.
func TestActingRole(t *testing.T) {
	a := market(t)
	both, err := a.store.Account(t.Context(), alder, true)
	if err != nil {
		t.Fatal(err)
	}
	both.Also = []partner.ProgramRole{partner.IndirectReseller}
	a.store.PutAccount(both)
	const roles = "[directBill indirectReseller]"
	if o := a.call(request{method: "GET", target: "/v1/roles/me"}).is(200).object(); o["programRole"] != "directBill" || fmt.Sprint(o["programRoles"]) != roles {
		t.Errorf("%v", o)
	}
	if o := a.operate("GET", "/v1/partners/"+alder, "").is(200).object(); o["programRole"] != "directBill" || fmt.Sprint(o["programRoles"]) != roles {
		t.Errorf("%v", o)
	}
	for _, role := range []string{"directBill", "indirectReseller"} {
		if list := a.operate("GET", "/v1/partners?programRole="+role, "").is(200); !strings.Contains(string(list.body), `"tenantId":"`+alder+`"`) {
			t.Errorf("not among those of role %s", role)
		}
	}
	invite := func(k, more string) reply {
		return a.call(request{method: "POST", target: "/v1/invitations", body: `{"kind":"reseller","recipientEmail":"` + k + `@oak.example"` + more + `}`, header: key(k)})
	}
	p := invite("none", "").is(422, "acting_role_required")
	if got := fmt.Sprint(p.findings()); got != "[/actingRole acting_role_required]" {
		t.Error(got)
	}
	invite("other", `,"actingRole":"indirectProvider"`).is(422, "validation_failed")
	if o := invite("one", `,"actingRole":"indirectReseller"`).is(201).object(); o["actingRole"] != "indirectReseller" {
		t.Errorf("%v", o)
	}
	order := func(k, more string) reply {
		return a.call(request{method: "POST", target: "/v1/customers/" + larch + "/orders", body: `{"lines":[{"offerId":"ofr-office-basic","quantity":3}]` + more + `}`, header: key(k)})
	}
	order("k1", `,"actingRole":"indirectReseller"`).is(403, "reseller_cannot_order")
	both.Also = append(both.Also, partner.IndirectProvider)
	a.store.PutAccount(both)
	a.attests(alder)
	order("k2", "").is(422, "acting_role_required")
}
