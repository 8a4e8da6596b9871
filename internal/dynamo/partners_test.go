package dynamo_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"concord/infra/local/engine"
	"concord/internal/command"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/publicid"
	"concord/internal/recipient"
	"concord/internal/registry"
)

// TestAccountSize: however often an account was changed, everybody else reads it for half a unit.
func TestAccountSize(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	store := dynamo.New(config(t), table)
	now := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	r := &registry.Service{
		Store: store, Addresses: emailaddr.Addresses{AllowReserved: true}, Locales: []language.Tag{language.English}, Now: func() time.Time { return now },
		Clouds: partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://concord.example"}},
	}
	operator := partner.User{Subject: "3f8e3a52-6d0c-4f55-9a4e-0d4bb1f1a001", Roles: []partner.Role{partner.Operator}}
	command := func(n int) command.Command {
		return command.Command{User: operator, CorrelationID: fmt.Sprintf("6f1c9d3e-1111-4000-8000-%012d", n), Key: fmt.Sprint(n), Body: "00ff00ff00ff", IfVersion: command.AnyVersion}
	}
	tenant := randomTenant()
	ids := []partner.PartnerID{{ID: "4100001", Type: partner.Location, Country: "US", OnboardingLocation: true}, {ID: "4100002", Type: partner.Headquarters, Country: "US"}}
	if _, _, err := r.Create(t.Context(), command(0), registry.Founding{Tenant: new(string(tenant)), Role: new(partner.DirectBill), Cloud: new(partner.CloudID("public")), Country: new("US")}, registry.Particulars{
		DisplayName: new(strings.Repeat("Alder ", 16)), Contact: &partner.Contact{Email: "partners@alder.example", Phone: "+1 555 0100", Website: "https://alder.example/partners"},
		VerifiedDomain: new("alder.example"), PartnerIDs: &ids, AssociatedPartnerID: new("4100001"), Why: new(strings.Repeat("x", registry.MaxWhy)),
	}); err != nil {
		t.Fatal(err)
	}
	sending := []partner.Sending{partner.SendingPaused, partner.SendingActive}
	for n := range 20 {
		if _, _, err := r.Change(t.Context(), command(n+1), string(tenant), registry.Particulars{Sending: &sending[n%2], DailyMails: new(n + 1), Why: new(strings.Repeat("x", registry.MaxWhy))}); err != nil {
			t.Fatal(err)
		}
	}
	stored := rawItems(t, table, tenant)["A"]
	t.Logf("%d bytes", itemSize(stored))
	if itemSize(stored) > 4096 {
		t.Errorf("%d bytes", itemSize(stored))
	}
}

// TestCostOfPartners pins what the operator's desk and reputations cost.
func TestCostOfPartners(t *testing.T) {
	t.Parallel()
	exact := slices.Contains([]string{"", engine.Dynoxide}, os.Getenv("ENGINE")) && os.Getenv("AWS_ENDPOINT_URL_DYNAMODB") == ""
	m := &meter{use: nothing()}
	cfg := config(t)
	cfg.APIOptions = append(cfg.APIOptions, m.add)
	store := dynamo.New(cfg, newTable(t))
	s := newSetting(t, store)
	ctx := t.Context()
	measure := func(name, want string, f func() error) {
		t.Helper()
		var err error
		u := m.during(func() { err = f() })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("| %s | %s |", name, u)
		if exact && u.String() != want {
			t.Errorf("%s costs\n     %s\nwant %s", name, u, want)
		}
	}
	account := func(n int) partner.Account {
		return partner.Account{Tenant: randomTenant(), DisplayName: "Alder Inc", Role: partner.DirectBill, Cloud: "public", Country: "US", Status: partner.Active,
			Contact: partner.Contact{Email: "hello@alder.example"}, VerifiedDomain: "alder.example", Locale: "en", CreatedAt: s.now.Add(time.Duration(n) * time.Minute), Version: 1}
	}
	measure("make an account", "1 GetItem, 1 TransactWriteItems | 4 | 0 | 0 | **4** | 1 | 0 | 0 | **1**", func() error { return store.CreateAccount(ctx, account(1)) })
	for n := range 30 {
		if err := store.CreateAccount(ctx, account(n+2)); err != nil {
			t.Fatal(err)
		}
	}
	measure("accounts, a page of 25", "1 BatchGetItem, 1 Query | 0 | 0 | 0 | **0** | 26 | 0 | 0 | **26**", func() error {
		p, err := store.ListAccounts(ctx, registry.Query{Limit: 25})
		if err == nil && (len(p.Accounts) != 25 || p.Next == "") {
			err = fmt.Errorf("%d accounts", len(p.Accounts))
		}
		return err
	})
	for n := range 7 {
		if _, err := store.Count(ctx, s.user.Tenant, recipient.Tally{Day: s.now.AddDate(0, 0, -n).Format(time.DateOnly)}, 9); err != nil {
			t.Fatal(err)
		}
	}
	r := registry.Reputation{Store: store, Complaints: registry.Threshold{PerMille: 3, Least: 2}, Now: func() time.Time { return s.now }}
	complain := func(n byte) error { return r.Complained(ctx, s.user.Tenant, publicid.Format("inv_", [16]byte{n})) }
	measure("a complaint", "1 GetItem, 1 Query, 1 UpdateItem | 1 | 0 | 0 | **1** | 2 | 0 | 0 | **2**", func() error { return complain(1) })
	measure("a complaint that pauses", "1 GetItem, 1 Query, 2 UpdateItem | 2 | 0 | 0 | **2** | 2 | 0 | 0 | **2**", func() error { return complain(2) })
	measure("a complaint while sending is paused", "1 GetItem, 1 UpdateItem | 1 | 0 | 0 | **1** | 1 | 0 | 0 | **1**", func() error { return complain(3) })
	measure("the account, as everybody reads it", "1 GetItem | 0 | 0 | 0 | **0** | 0.5 | 0 | 0 | **0.5**", func() error {
		a, err := store.Account(ctx, s.user.Tenant, false)
		if err == nil && a.Paused == nil {
			err = fmt.Errorf("not paused")
		}
		return err
	})
}

// TestObjections: those of a day are in an item for each hour, and nothing else is an objection.
func TestObjections(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	store := dynamo.New(config(t), table)
	p, at := randomTenant(), time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	const objections = 60
	for n := range objections {
		id := publicid.Format("inv_", [16]byte{byte(n), byte(n >> 8)})
		if err := store.Object(t.Context(), p, registry.Objection{Kind: registry.Bounce, By: id, At: at.Add(time.Duration(n%3) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	w, err := store.Week(t.Context(), p, "2025-03-01", "2025-03-01")
	if err != nil || len(w.Objections) != objections {
		t.Errorf("%d objections, %v", len(w.Objections), err)
	}
	if items := slices.Sorted(maps.Keys(rawItems(t, table, p))); !slices.Equal(items, []string{"Q#2025-03-01#12", "Q#2025-03-01#13", "Q#2025-03-01#14"}) {
		t.Errorf("%v", items)
	}
	for _, bad := range []registry.Objection{{Kind: "praise", By: publicid.Format("inv_", [16]byte{}), At: at}, {Kind: registry.Bounce, At: at}, {Kind: registry.Bounce, By: "a#b", At: at}, {Kind: registry.Bounce, By: strings.Repeat("a", 100), At: at}} {
		if err := store.Object(t.Context(), p, bad); err == nil {
			t.Errorf("%+v is noted", bad)
		}
	}
}
