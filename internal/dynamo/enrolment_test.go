package dynamo_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/text/language"

	"concord/infra/local/engine"
	"concord/internal/command"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// TestCostOfEnrolment pins what an application costs, from its start to the account of a new partner.
func TestCostOfEnrolment(t *testing.T) {
	t.Parallel()
	exact := slices.Contains([]string{"", engine.Dynoxide}, os.Getenv("ENGINE")) && os.Getenv("AWS_ENDPOINT_URL_DYNAMODB") == ""
	m := &meter{use: nothing()}
	cfg := config(t)
	cfg.APIOptions = append(cfg.APIOptions, m.add)
	store := dynamo.New(cfg, newTable(t))
	now := func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }
	records := enrolment.Records{Store: store, Now: now}
	kept := command.Command{User: partner.User{Subject: "operator", Roles: []partner.Role{partner.Operator}}}
	gorse := enrolment.Statement{Name: "Gorse Networks", Address: enrolment.Address{Line1: "12 Heath Road", City: "Springfield", Country: "US"}}
	if _, _, err := records.Put(t.Context(), kept, enrolment.CompanyRecord, "000000701", gorse); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("Sample"))
	if err := store.Publish(t.Context(), terms.Text{
		Type: terms.PartnerAgreement, Version: "1", Language: "en", Title: "Sample", Body: "Sample", Hash: hex.EncodeToString(sum[:]), From: now().Add(-time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	service := &enrolment.Service{
		Store: store, Accounts: store, Directory: records, Validator: enrolment.Formats{}, Locations: records, Holders: store, Texts: store,
		Addresses: emailaddr.Addresses{AllowReserved: true}, Clouds: partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://portal.example"}},
		Locales: []language.Tag{language.English}, Now: now,
	}
	admin := command.Command{
		User:          partner.User{Subject: "50000000-0000-4000-8000-000000000008", Tenant: randomTenant(), Roles: []partner.Role{partner.GlobalAdmin}, Cloud: "public"},
		CorrelationID: "6f1c9d3e-2222-4000-8000-000000000001",
	}
	operator := command.Command{User: partner.User{Subject: "operator", Roles: []partner.Role{partner.Operator}}}
	ctx, e := t.Context(), enrolment.Enrolment{}
	for _, step := range []struct {
		name, want string
		do         func() error
	}{
		{"start", "3 GetItem, 1 TransactWriteItems | 6 | 0 | 0 | **6** | 2.5 | 0 | 0 | **2.5**", func() (err error) {
			e, _, err = service.Start(ctx, admin, enrolment.Particulars{
				Legal:   &enrolment.LegalForm{Entry: new("duns"), DUNS: new("000000701")},
				Contact: &enrolment.Person{FirstName: "Grace", LastName: "Gorse", Email: "grace@gorse.example", Phone: "+1 555 0107"},
				Support: &partner.SupportProfile{Email: "help@gorse.example", Phone: "+1 555 0108"},
			})
			return err
		}},
		{"submit", "1 GetItem, 1 UpdateItem | 1 | 0 | 1 | **2** | 1 | 0 | 0 | **1**", func() error { _, _, err := service.Submit(ctx, admin, e.ID, nil); return err }},
		{"the contact confirms", "2 GetItem, 1 UpdateItem | 1 | 0 | 0 | **1** | 1.5 | 0 | 0 | **1.5**", func() error {
			l := link.Link{Tenant: string(e.Tenant), ID: e.ID, Generation: 1}
			_, c, err := enrolment.Confirmation{Store: store, Calendar: records, Now: now}.Confirm(ctx, l, relationship.Person{Subject: "grace", Company: relationship.Customer{Tenant: e.Tenant}}, "c")
			if err == nil && c != enrolment.Confirmed {
				return fmt.Errorf("the page is %s", c)
			}
			return err
		}},
		{"the queue, a page of one", "1 BatchGetItem, 1 Query | 0 | 0 | 0 | **0** | 2 | 0 | 0 | **2**", func() error {
			_, err := service.Enrolments(ctx, operator.User, enrolment.Query{Status: enrolment.InVetting, Limit: 25})
			return err
		}},
		{"approve", "1 GetItem, 1 UpdateItem | 1 | 0 | 0 | **1** | 1 | 0 | 0 | **1**", func() error {
			_, _, err := service.Decide(ctx, operator, e.ID, enrolment.Decision{Action: enrolment.Approve})
			return err
		}},
		{"add a location", "1 GetItem, 1 UpdateItem | 2 | 0 | 0 | **2** | 1 | 0 | 0 | **1**", func() error { _, _, err := service.Associate(ctx, admin, e.ID, nil); return err }},
		{"sign, with the account", "7 GetItem, 1 Query, 1 TransactWriteItems | 12 | 0 | 0 | **12** | 7.5 | 0 | 0 | **7.5**", func() error {
			_, _, err := service.SignAgreement(ctx, admin, "en", &terms.Attestation{Accepted: new(true), Version: new("1")})
			return err
		}},
	} {
		var err error
		u := m.during(func() { err = step.do() })
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		t.Logf("| %s | %s |", step.name, u)
		if exact && u.String() != step.want {
			t.Errorf("%s costs\n     %s\nwant %s", step.name, u, step.want)
		}
	}
}
