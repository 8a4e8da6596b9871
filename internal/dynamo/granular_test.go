package dynamo_test

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"concord/infra/local/engine"
	"concord/internal/command"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// TestGranularCost pins what granular administration costs, as TestCost does for invitations: a name is taken and a grant noted with the write
// that does so, and every other step is one write of one item.
func TestGranularCost(t *testing.T) {
	t.Parallel()
	exact := slices.Contains([]string{"", engine.Dynoxide}, os.Getenv("ENGINE")) && os.Getenv("AWS_ENDPOINT_URL_DYNAMODB") == ""
	m := &meter{use: nothing()}
	cfg := config(t)
	cfg.APIOptions = append(cfg.APIOptions, m.add)
	table := newTable(t)
	store := dynamo.New(cfg, table)
	s := newSetting(t, store)
	ctx, clock := t.Context(), func() time.Time { return s.now }
	service := granular.Service{Store: store, Accounts: store, Clouds: s.service.Clouds, Addresses: emailaddr.Addresses{AllowReserved: true}, Roles: granular.ShippedRoles(), Now: clock}
	command := func() command.Command {
		c := s.command()
		return command.Command{User: c.User, CorrelationID: c.CorrelationID, Key: c.Key, Body: c.Body, IfVersion: command.AnyVersion}
	}
	who := relationship.Person{Subject: "aa8e3a52-6d0c-4f55-9a4e-0d4bb1f1a0ff", Email: "admin@larch.example", Company: relationship.Customer{Tenant: randomTenant(), CompanyName: "Larch Ltd", Cloud: "public"}, Roles: []partner.Role{partner.GlobalAdmin}}
	var r granular.Relationship
	for _, step := range []struct {
		name, want string
		do         func() error
	}{
		{"propose", "1 GetItem, 1 TransactWriteItems | 4 | 1 | 0 | **5** | 0.5 | 0 | 0 | **0.5**", func() (err error) {
			r, _, err = service.Create(ctx, command(), granular.Proposal{
				DisplayName: new("Larch support"), Duration: new("P90D"), Roles: &[]string{"729827e3-9c14-49f7-bb1b-9608f156bbb8", "f2ef992c-3afb-46b9-b7cf-a126ee74c451"},
				Customer: new(string(who.Company.Tenant)), CustomerName: new("Larch Ltd"),
			})
			return err
		}},
		// Index served: one unit for a request that its customer finds, one when it is approved.
		{"lock", "2 GetItem, 1 UpdateItem | 1 | 0 | 1 | **3** | 1.5 | 0 | 0 | **1.5**", func() (err error) {
			r, _, err = service.Lock(ctx, command(), r.ID)
			return err
		}},
		{"look", "2 GetItem | 0 | 0 | 0 | **0** | 1 | 0 | 0 | **1**", func() error {
			_, c, err := service.Look(ctx, link.Link{Tenant: string(r.Partner), ID: r.ID, Generation: 1}, nil)
			if err == nil && c != granular.Review {
				err = errors.New(string(c))
			}
			return err
		}},
		{"approve", "2 GetItem, 1 TransactWriteItems | 4 | 1 | 2 | **9** | 2 | 0 | 0 | **2**", func() error {
			q, c, err := service.Respond(ctx, link.Link{Tenant: string(r.Partner), ID: r.ID, Generation: 1}, who, granular.Response{Answer: "accept", Authorized: true, FullName: "Ada Larch", JobTitle: "Head of IT"})
			if err == nil && c != granular.ApprovedBy {
				err = errors.New(string(c))
			}
			r = q.Relationship
			return err
		}},
		{"read", "1 GetItem | 0 | 0 | 0 | **0** | 1 | 0 | 0 | **1**", func() error {
			_, err := service.Relationship(ctx, s.user, r.ID)
			return err
		}},
		{"whom of a page it administers", "1 Query | 0 | 0 | 0 | **0** | 1 | 0 | 0 | **1**", func() error {
			live, err := service.Administered(ctx, r.Partner, []partner.TenantID{who.Company.Tenant})
			if err == nil && !live[who.Company.Tenant] {
				err = errors.New("it is not seen")
			}
			return err
		}},
		{"terminate", "1 GetItem, 1 TransactWriteItems | 4 | 0 | 0 | **4** | 1 | 0 | 0 | **1**", func() error {
			_, _, err := service.Terminate(ctx, command(), r.ID)
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
	for sk, i := range rawItems(t, table, s.user.Tenant) {
		if size := itemSize(i); size > 2000 {
			t.Errorf("%s has %d bytes", sk, size)
		}
	}
}
