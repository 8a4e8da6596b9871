package accounts

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T) *File {
	t.Helper()
	path, err := Path()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEveryPartnerHasAnAgentAndAnAdmin(t *testing.T) {
	f := load(t)
	if len(f.Partners) != 6 || len(f.People) != 22 {
		t.Fatalf("%d partners, %d people", len(f.Partners), len(f.People))
	}
	for _, p := range f.Partners {
		for _, role := range []string{"adminAgent", "globalAdmin"} {
			if !slices.ContainsFunc(f.Clients, func(c Client) bool { return c.TenantID == p.TenantID && slices.Equal(c.Roles, []string{role}) }) {
				t.Errorf("partner %s has no client with role %s", p.PartnerID, role)
			}
			if !slices.ContainsFunc(f.People, func(one Person) bool { return one.TenantID == p.TenantID && slices.Equal(one.Roles, []string{role}) }) {
				t.Errorf("partner %s has nobody with role %s", p.PartnerID, role)
			}
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	path, err := Path()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"unknown member":  {`"partners":`, `"colour": 1, "partners":`, "colour"},
		"unknown tenant":  {`"id": "gorse", "tenantId": "9025e000`, `"id": "gorse", "tenantId": "9025e001`, "unknown tenant"},
		"client twice":    {`"id": "gorse-admin"`, `"id": "gorse"`, "appears twice"},
		"id is no UUID":   {`"id": "a1de0000-`, `"id": "A1DE0000-`, "not a UUID"},
		"PartnerID twice": {`"4100002"`, `"4100001"`, "appears twice"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := filepath.Join(t.TempDir(), "accounts.json")
			if err := os.WriteFile(changed, []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(changed); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
