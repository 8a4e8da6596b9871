// Package accounts reads infra/local/accounts.json: the companies, partner accounts, API clients and people that always exist in
// the local stack. The identity provider reads the same file, so what a token says and what the table holds agree.
package accounts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/uuid"

	"concord/infra/local/component"
)

// File is the content of accounts.json.
type File struct {
	Tenants  []Tenant  `json:"tenants"`
	Partners []Partner `json:"partners"`
	Clients  []Client  `json:"clients"`
	People   []Person  `json:"people"`
}

// Tenant is a company's directory.
type Tenant struct {
	ID      string   `json:"id"` // UUID in lower case
	Name    string   `json:"name"`
	Domains []string `json:"domains"` // verified; the first is shown
	Country string   `json:"country"` // ISO 3166-1 alpha-2
	Cloud   string   `json:"cloud"`   // "public" or "usGov"
}

// Partner is a partner account: Active, its MPA signed, its PartnerID associated.
type Partner struct {
	TenantID    string   `json:"tenantId"`
	ProgramRole string   `json:"programRole"` // "directBill", "indirectProvider" or "indirectReseller"
	PartnerID   string   `json:"partnerId"`   // of type location, the onboarding location
	Location    string   `json:"location"`    // the country of that location, ISO 3166-1 alpha-2
	Locale      string   `json:"locale"`      // BCP 47
	Contact     Contact  `json:"contact"`
	Providers   []string `json:"providers,omitempty"` // tenant ids of the indirect providers it is in partnership with
}

// Contact is whom a partner's customers reach.
type Contact struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// Client gets tokens from the identity provider with its id and the secret "local".
type Client struct {
	ID       string   `json:"id"`
	TenantID string   `json:"tenantId"`
	Roles    []string `json:"roles"` // "adminAgent", "salesAgent", "globalAdmin" or "operator"
}

// Person can sign in at the identity provider with the user name and any password.
type Person struct {
	Username string   `json:"username"` // also the mail address
	ID       string   `json:"id"`       // the subject of the person's tokens, a UUID
	Name     string   `json:"name"`
	TenantID string   `json:"tenantId"`
	Roles    []string `json:"roles"` // ["globalAdmin"] or empty
}

// Tenant returns the company with an id.
func (f *File) Tenant(id string) (Tenant, bool) {
	i := slices.IndexFunc(f.Tenants, func(t Tenant) bool { return t.ID == id })
	if i < 0 {
		return Tenant{}, false
	}
	return f.Tenants[i], true
}

// Path returns where accounts.json is in the repository that the working directory belongs to.
func Path() (string, error) {
	root, err := component.Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "infra", "local", "accounts.json"), nil
}

// Load reads and checks a file of accounts: no unknown member, every id a UUID and used once, every tenant that is referred to there.
func Load(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f File
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &f, nil
}

// isUUID reports whether an id is a UUID as tokens and tables have it: in lower case, with hyphens.
func isUUID(s string) bool {
	id, err := uuid.Parse(s)
	return err == nil && id.String() == s
}

func (f *File) check() error {
	seen := map[string]bool{}
	once := func(kind, id string) error {
		if seen[kind+id] {
			return fmt.Errorf("%s %q appears twice", kind, id)
		}
		seen[kind+id] = true
		return nil
	}
	known := func(who, tenant string) error {
		if !seen["tenant"+tenant] {
			return fmt.Errorf("%s refers to the unknown tenant %q", who, tenant)
		}
		return nil
	}
	for _, t := range f.Tenants {
		if !isUUID(t.ID) {
			return fmt.Errorf("tenant %q: the id is not a UUID in lower case", t.ID)
		}
		if len(t.Domains) == 0 {
			return fmt.Errorf("tenant %q has no domain", t.ID)
		}
		if err := once("tenant", t.ID); err != nil {
			return err
		}
	}
	for _, p := range f.Partners {
		for _, tenant := range append([]string{p.TenantID}, p.Providers...) {
			if err := known("partner "+p.PartnerID, tenant); err != nil {
				return err
			}
		}
		for kind, id := range map[string]string{"partner of tenant": p.TenantID, "PartnerID": p.PartnerID} {
			if err := once(kind, id); err != nil {
				return err
			}
		}
	}
	for _, c := range f.Clients {
		if err := known("client "+c.ID, c.TenantID); err != nil {
			return err
		}
		if err := once("client", c.ID); err != nil {
			return err
		}
	}
	for _, p := range f.People {
		if !isUUID(p.ID) {
			return fmt.Errorf("person %q: the id is not a UUID in lower case", p.ID)
		}
		if err := known("person "+p.Username, p.TenantID); err != nil {
			return err
		}
		for kind, id := range map[string]string{"person": p.Username, "person with id": p.ID} {
			if err := once(kind, id); err != nil {
				return err
			}
		}
	}
	return nil
}
