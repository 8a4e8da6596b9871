package partner

import (
	"slices"
	"strings"
	"testing"

	"concord/internal/problem"
)

// Domain, 0.34: program roles are a set, and where several fit it is said which one acts.
func TestActing(t *testing.T) {
	seller, both := Account{Role: DirectBill}, Account{Role: DirectBill, Also: []ProgramRole{IndirectReseller}}
	provider, three := Account{Role: IndirectProvider}, Account{Role: IndirectProvider, Also: []ProgramRole{IndirectReseller, DirectBill}}
	asked := func(r ProgramRole) *ProgramRole { return &r }
	for name, c := range map[string]struct {
		a     Account
		asked *ProgramRole
		fit   []ProgramRole
		want  ProgramRole
		code  problem.Code
		says  string
	}{
		"one role":                        {seller, nil, nil, DirectBill, "", ""},
		"one role, said":                  {seller, asked(DirectBill), nil, DirectBill, "", ""},
		"one role that does not fit":      {seller, nil, []ProgramRole{IndirectReseller}, DirectBill, "", ""},
		"two roles":                       {both, nil, nil, "", problem.ActingRoleRequired, "directBill or indirectReseller."},
		"two roles, the first said":       {both, asked(DirectBill), nil, DirectBill, "", ""},
		"two roles, the other said":       {both, asked(IndirectReseller), nil, IndirectReseller, "", ""},
		"two roles, one fits":             {both, nil, []ProgramRole{IndirectReseller}, IndirectReseller, "", ""},
		"two roles, one sells":            {both, nil, []ProgramRole{DirectBill, IndirectProvider}, DirectBill, "", ""},
		"two roles, one that misfits":     {both, asked(DirectBill), []ProgramRole{IndirectReseller}, "", problem.ValidationFailed, "This is done as indirectReseller."},
		"a role that the company has not": {both, asked(IndirectProvider), nil, "", problem.ValidationFailed, "it is directBill or indirectReseller."},
		"a role that nobody has":          {provider, asked("wizard"), nil, "", problem.ValidationFailed, "it is indirectProvider."},
		"three roles":                     {three, nil, nil, "", problem.ActingRoleRequired, "indirectProvider, indirectReseller or directBill."},
	} {
		var f problem.Findings
		got := c.a.Acting(&f, c.asked, c.fit...)
		switch {
		case c.code == "" && (got != c.want || len(f) > 0):
			t.Errorf("%s: %s, %v", name, got, f)
		case c.code != "" && (len(f) != 1 || f[0].Code != c.code || f[0].Pointer != "/actingRole" || !strings.HasSuffix(f[0].Detail, c.says)):
			t.Errorf("%s: %v", name, f)
		}
	}
	if !slices.Equal(both.Roles(), []ProgramRole{DirectBill, IndirectReseller}) || !both.Has(IndirectReseller) || both.Has(IndirectProvider) {
		t.Error(both.Roles())
	}
	if as := both.As(IndirectReseller); as.Sells() || as.Has(DirectBill) || !both.Sells() || both.As("").Role != DirectBill {
		t.Errorf("%+v", as)
	}
	reseller := Account{Role: IndirectReseller, Also: []ProgramRole{IndirectProvider}}
	if reseller.AsSeller().Role != IndirectProvider || both.AsSeller().Role != DirectBill || reseller.As(IndirectReseller).AsSeller().Role != IndirectReseller {
		t.Error(reseller.AsSeller())
	}
}
