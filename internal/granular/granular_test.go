package granular_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

const (
	alder = partner.TenantID("a1de0000-0000-4000-8000-000000000001")
	larch = partner.TenantID("1a2c0000-0000-4000-8000-000000000011")
	maple = partner.TenantID("3a91e000-0000-4000-8000-000000000012")

	globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
	globalReader        = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
	helpdesk            = "729827e3-9c14-49f7-bb1b-9608f156bbb8"

	day = 24 * time.Hour
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// office is the service over a store in memory, with one partner and a clock that stands still.
type office struct {
	*testing.T
	granular.Service
	store *storetest.Memory
	clock time.Time
	calls int
}

func open(t *testing.T) *office {
	o := &office{T: t, store: &storetest.Memory{}, clock: start}
	o.Service = granular.Service{
		Store: o.store, Accounts: o.store, Addresses: emailaddr.Addresses{AllowReserved: true}, Roles: granular.ShippedRoles(), Now: func() time.Time { return o.clock },
		Clouds: partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://concord.example"}},
	}
	o.account(partner.Active)
	return o
}

func (o *office) account(status partner.ProgramStatus) {
	o.store.PutAccount(partner.Account{Tenant: alder, DisplayName: "Alder Inc", Cloud: "public", Country: "US", Status: status, Version: 1})
}

// command is a call with a correlation id and an Idempotency-Key of its own.
func (o *office) command(edit ...func(*command.Command)) command.Command {
	o.calls++
	c := command.Command{
		User:          partner.User{Subject: "ann", Tenant: alder, Roles: []partner.Role{partner.AdminAgent}, Cloud: "public"},
		CorrelationID: fmt.Sprintf("6f1c9d3e-1111-4000-8000-%012d", o.calls), Key: fmt.Sprint("key ", o.calls), Body: "00ff00ff00ff",
	}
	for _, f := range edit {
		f(&c)
	}
	return c
}

func whatever(c *command.Command) { c.IfVersion = command.AnyVersion }

func terms(edit ...func(*granular.Proposal)) granular.Proposal {
	t := granular.Proposal{DisplayName: new("Larch support"), Duration: new("P90D"), Roles: &[]string{helpdesk, globalReader}, Customer: new(string(larch))}
	for _, f := range edit {
		f(&t)
	}
	return t
}

func (o *office) create(edit ...func(*granular.Proposal)) granular.Relationship {
	o.Helper()
	r, replayed, err := o.Create(o.Context(), o.command(), terms(edit...))
	if err != nil || replayed {
		o.Fatalf("Create: %v, replayed %v", err, replayed)
	}
	return r
}

func (o *office) lock(r granular.Relationship) granular.Relationship {
	o.Helper()
	r, _, err := o.Lock(o.Context(), o.command(), r.ID)
	if err != nil {
		o.Fatal(err)
	}
	return r
}

func linkOf(r granular.Relationship) link.Link {
	return link.Link{Tenant: string(alder), ID: r.ID, Generation: r.Generation}
}

func person(edit ...func(*relationship.Person)) relationship.Person {
	p := relationship.Person{Subject: "lena", Email: "lena@larch.example", Company: relationship.Customer{Tenant: larch, CompanyName: "Larch Ltd", Cloud: "public"}, Roles: []partner.Role{partner.GlobalAdmin}}
	for _, f := range edit {
		f(&p)
	}
	return p
}

func response(answer string) granular.Response {
	return granular.Response{
		Answer: answer, Authorized: true, FullName: "Lena Larch", JobTitle: "Head of IT", CorrelationID: "6f1c9d3e-2222-4000-8000-000000000001",
		Consent: granular.ConsentText{Version: "1", Language: "en", Hash: strings.Repeat("0f", 32)},
	}
}

func (o *office) approve(r granular.Relationship) granular.Relationship {
	o.Helper()
	q, c, err := o.Respond(o.Context(), linkOf(r), person(), response("accept"))
	if err != nil || c != granular.ApprovedBy {
		o.Fatalf("Respond: %s, %v", c, err)
	}
	return q.Relationship
}

// received has the receipt of an approval gone.
func (o *office) received(r granular.Relationship) granular.Relationship {
	o.Helper()
	return o.settle(o.claim(r), outbox.Outcome{State: outbox.Sent, MessageID: "0100-0"})
}

// stored gives the relationship as it is kept, whatever time has done since.
func (o *office) stored(r granular.Relationship) granular.Relationship {
	o.Helper()
	s, err := o.store.GranularRelationship(o.Context(), r.Key, true)
	if err != nil {
		o.Fatal(err)
	}
	return s
}

func actions(r granular.Relationship) (all []string) {
	for _, e := range r.History {
		all = append(all, string(e.Actor)+" "+e.Action)
	}
	return all
}

// TestStateMachine: every state, every action, what comes of it.
func TestStateMachine(t *testing.T) {
	states := []struct {
		name string
		make func(*office) granular.Relationship
	}{
		{"created", func(o *office) granular.Relationship { return o.create() }},
		{"approvalPending", func(o *office) granular.Relationship { return o.lock(o.create()) }},
		{"active", func(o *office) granular.Relationship { return o.approve(o.lock(o.create())) }},
		{"rejected", func(o *office) granular.Relationship {
			r := o.lock(o.create())
			q, _, err := o.Respond(o.Context(), linkOf(r), person(), response("decline"))
			if err != nil {
				o.Fatal(err)
			}
			return q.Relationship
		}},
		{"terminated", func(o *office) granular.Relationship {
			r, _, err := o.Terminate(o.Context(), o.command(), o.approve(o.lock(o.create())).ID)
			if err != nil {
				o.Fatal(err)
			}
			return r
		}},
		{"never approved", func(o *office) granular.Relationship { // as the clock says, and not yet as it is stored
			r := o.lock(o.create())
			o.clock = o.clock.Add(granular.ApprovalTime)
			return r
		}},
		{"at its end", func(o *office) granular.Relationship {
			r := o.approve(o.lock(o.create()))
			o.clock = o.clock.Add(90 * day)
			return r
		}},
		{"beyond its end", func(o *office) granular.Relationship {
			r := o.approve(o.lock(o.create(func(t *granular.Proposal) { t.AutoExtendDuration = new("P180D") })))
			o.clock = o.clock.Add((90 + 180 + 1) * day)
			return r
		}},
		{"withdrawn", func(o *office) granular.Relationship {
			r, _, err := o.Terminate(o.Context(), o.command(), o.lock(o.create()).ID)
			if err != nil {
				o.Fatal(err)
			}
			return r
		}},
		{"deleted", func(o *office) granular.Relationship {
			r := o.create()
			if _, err := o.Delete(o.Context(), o.command(whatever), r.ID); err != nil {
				o.Fatal(err)
			}
			return o.stored(r)
		}},
	}
	// What comes of an action is the state after it, or the code of its refusal, or for the customer its case.
	partners := func(do func(*office, string) error) func(*office, granular.Relationship) string {
		return func(o *office, r granular.Relationship) string {
			if err := do(o, r.ID); err != nil {
				return string(problem.CodeOf(err))
			}
			return string(o.stored(r).Status)
		}
	}
	customers := func(do func(*office, granular.Relationship) (granular.Case, error)) func(*office, granular.Relationship) string {
		return func(o *office, r granular.Relationship) string {
			c, err := do(o, r)
			if err != nil {
				return "error " + err.Error()
			}
			return string(c)
		}
	}
	answer := func(answer string, edit ...func(*relationship.Person)) func(*office, granular.Relationship) string {
		return customers(func(o *office, r granular.Relationship) (granular.Case, error) {
			_, c, err := o.Respond(o.Context(), linkOf(r), person(edit...), response(answer))
			return c, err
		})
	}
	other := func(p *relationship.Person) { p.Subject = "leo" }
	table := []struct {
		action string
		do     func(*office, granular.Relationship) string
		want   []string // for each state
	}{
		//                 created, approvalPending, active, rejected, terminated, never approved, at its end, beyond its end (extended), withdrawn, deleted
		{"change", partners(func(o *office, id string) error {
			_, _, err := o.Revise(o.Context(), o.command(whatever), id, granular.Proposal{DisplayName: new("Other"), Roles: &[]string{helpdesk}})
			return err
		}), []string{"created", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "not_found"}},
		{"extend", partners(func(o *office, id string) error {
			_, _, err := o.Revise(o.Context(), o.command(whatever), id, granular.Proposal{AutoExtendDuration: new("P180D")})
			return err
		}), []string{"created", "invalid_transition", "active", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "active", "invalid_transition", "not_found"}},
		{"narrow", partners(func(o *office, id string) error {
			_, _, err := o.Revise(o.Context(), o.command(whatever), id, granular.Proposal{Roles: &[]string{helpdesk}})
			return err
		}), []string{"created", "invalid_transition", "active", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "active", "invalid_transition", "not_found"}},
		{"assign", partners(func(o *office, id string) error {
			_, _, err := o.Assign(o.Context(), o.command(), id, granular.AssignmentTerms{Group: new("desk"), Roles: &[]string{helpdesk}})
			return err
		}), []string{"invalid_transition", "invalid_transition", "active", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "active", "invalid_transition", "not_found"}},
		{"delete", partners(func(o *office, id string) error {
			_, err := o.Delete(o.Context(), o.command(whatever), id)
			return err
		}), []string{"deleted", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "not_found"}},
		{"lockForApproval", partners(func(o *office, id string) error {
			_, _, err := o.Lock(o.Context(), o.command(), id)
			return err
		}), []string{"approvalPending", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "not_found"}},
		{"terminate", partners(func(o *office, id string) error {
			_, _, err := o.Terminate(o.Context(), o.command(), id)
			return err
		}), []string{"invalid_transition", "terminated", "terminated", "invalid_transition", "invalid_transition", "invalid_transition", "invalid_transition", "terminated", "invalid_transition", "not_found"}},
		{"cancel, by the operator", func(o *office, r granular.Relationship) string {
			before := o.stored(r)
			after, open := before.Cancelled(granular.Entry{At: o.clock, By: "olga", Why: "suspended"})
			if !open {
				return "not open"
			}
			if err := o.store.WriteGranular(o.Context(), granular.Change{Before: &before, After: after}); err != nil {
				return err.Error()
			}
			return string(o.stored(r).Status)
		}, []string{"not open", "terminated", "not open", "not open", "not open", "not open", "not open", "not open", "not open", "not open"}},
		{"read", partners(func(o *office, id string) error {
			r, err := o.Relationship(o.Context(), o.command().User, id)
			if err == nil {
				err = &problem.Error{Code: problem.Code(r.Status)}
			}
			return err
		}), []string{"created", "approvalPending", "active", "terminated", "terminated", "expired", "expired", "active", "terminated", "not_found"}},
		{"approve", answer("accept"), []string{"unknown", "accepted", "accepted", "answered", "ended", "expired", "ended", "accepted", "unknown", "unknown"}},
		{"approve, by another", answer("accept", other), []string{"unknown", "accepted", "active", "answered", "ended", "expired", "ended", "active", "unknown", "unknown"}},
		{"reject", answer("decline"), []string{"unknown", "declined", "answered", "declined", "ended", "expired", "ended", "answered", "unknown", "unknown"}},
		{"reject, by another", answer("decline", other), []string{"unknown", "declined", "active", "answered", "ended", "expired", "ended", "active", "unknown", "unknown"}},
		{"end", customers(func(o *office, r granular.Relationship) (granular.Case, error) {
			_, c, err := o.End(o.Context(), linkOf(r), person(other), "")
			return c, err
		}), []string{"unknown", "answer", "ended", "answered", "ended", "expired", "ended", "ended", "unknown", "unknown"}},
		{"look, not signed in", customers(func(o *office, r granular.Relationship) (granular.Case, error) {
			_, c, err := o.Look(o.Context(), linkOf(r), nil)
			return c, err
		}), []string{"unknown", "review", "review", "answered", "ended", "expired", "ended", "review", "unknown", "unknown"}},
		{"look", customers(func(o *office, r granular.Relationship) (granular.Case, error) {
			_, c, err := o.Look(o.Context(), linkOf(r), new(person()))
			return c, err
		}), []string{"unknown", "answer", "accepted", "declined", "ended", "expired", "ended", "accepted", "unknown", "unknown"}},
		{"tick", func(o *office, r granular.Relationship) string {
			if _, err := o.cleanup(r.Key); err != nil {
				return err.Error()
			}
			return string(o.stored(r).Status)
		}, []string{"created", "approvalPending", "active", "terminated", "terminated", "expired", "expired", "active", "terminated", "deleted"}},
	}
	cells := 0
	for _, row := range table {
		if len(row.want) != len(states) {
			t.Fatalf("%s: %d cells, %d states", row.action, len(row.want), len(states))
		}
		for n, state := range states {
			cells++
			o := open(t)
			r := state.make(o)
			before := o.stored(r)
			if got := row.do(o, r); got != row.want[n] {
				t.Errorf("%s when %s: %s, want %s", row.action, state.name, got, row.want[n])
			}
			after := o.stored(r)
			if strings.HasPrefix(row.action, "look") || row.want[n] == "invalid_transition" || row.want[n] == "not_found" {
				if d := cmp.Diff(before, after); d != "" {
					t.Errorf("%s when %s writes:\n%s", row.action, state.name, d)
				}
			}
			if after.Version > before.Version+1 {
				t.Errorf("%s when %s: version %d after %d", row.action, state.name, after.Version, before.Version)
			}
		}
	}
	t.Logf("%d cells", cells)
}

// TestHistory: what is never rested in is in the history, with who and under which id.
func TestHistory(t *testing.T) {
	o := open(t)
	r := o.create()
	if r.Status != granular.Created || r.Version != 1 || r.Cloud != "public" || r.RoleTable != o.Roles.Version || !slices.Equal(r.Roles, []string{helpdesk, globalReader}) {
		t.Errorf("%+v", r)
	}
	o.clock = o.clock.Add(day)
	r = o.lock(r)
	if !r.ApproveBy.Equal(o.clock.Add(90*day)) || r.Status != granular.Pending {
		t.Errorf("%+v", r)
	}
	o.clock = o.clock.Add(day)
	r = o.approve(r)
	if r.Customer != larch || r.CustomerName != "Larch Ltd" || !r.ActivatedAt.Equal(o.clock) || !r.EndAt.Equal(o.clock.Add(90*day)) || r.Answer.Email != "lena@larch.example" ||
		r.Answer.FullName != "Lena Larch" || r.Answer.Consent != response("").Consent {
		t.Errorf("%+v %+v", r, r.Answer)
	}
	o.clock = o.clock.Add(day)
	q, c, err := o.End(t.Context(), linkOf(r), person(), "6f1c9d3e-3333-4000-8000-000000000001")
	if err != nil || c != granular.Over || !q.EndAt.Equal(o.clock) || q.Reason != "" {
		t.Errorf("%s, %v: %+v", c, err, q)
	}
	want := []string{
		"partner created", "partner approvalPending", "customer approved", "customer activating", "customer active",
		"customer terminationRequested", "customer terminating", "customer terminated",
	}
	if got := actions(o.stored(r)); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, e := range o.stored(r).History {
		if e.CorrelationID == "" || e.By == "" {
			t.Errorf("%+v", e)
		}
	}

	o = open(t)
	r = o.lock(o.create())
	q, _, err = o.Respond(t.Context(), linkOf(r), person(), response("decline"))
	if err != nil || q.Reason != granular.Rejected || q.Customer != larch || !q.EndAt.Equal(o.clock) || !q.ActivatedAt.IsZero() || q.Answer.Consent != (granular.ConsentText{}) {
		t.Errorf("%v %+v", err, q)
	}
	if got := actions(q.Relationship); !slices.Equal(got[2:], []string{"customer terminating", "customer terminated"}) || q.History[3].Why != granular.Rejected {
		t.Errorf("%q", got)
	}
}

// TestWithdrawn: who asked takes an open request back, also while its account is suspended, and so does the operator;
// the link is then that of nothing, for good, and what waited to be mailed is not (domain, 0.43).
func TestWithdrawn(t *testing.T) {
	by := map[string]func(*office, granular.Relationship) granular.Relationship{
		"partner": func(o *office, r granular.Relationship) granular.Relationship {
			c := o.command()
			w, replayed, err := o.Terminate(t.Context(), c, r.ID)
			if err != nil || replayed {
				t.Fatal(err, replayed)
			}
			if _, replayed, err = o.Terminate(t.Context(), c, r.ID); err != nil || !replayed {
				t.Errorf("again: %v, %v", replayed, err)
			}
			return w
		},
		"operator": func(o *office, r granular.Relationship) granular.Relationship {
			before := o.stored(r)
			w, open := before.Cancelled(granular.Entry{At: o.clock, By: "olga", CorrelationID: "c", Why: "suspended"})
			if err := o.store.WriteGranular(t.Context(), granular.Change{Before: &before, After: w}); err != nil || !open {
				t.Fatal(err, open)
			}
			return w
		},
	}
	for side, withdraw := range by {
		o := open(t)
		r := o.send(o.lock(o.create()), "lena@larch.example")
		o.account(partner.Suspended)
		if _, c, err := o.Look(t.Context(), linkOf(r), nil); err != nil || c != granular.PartnerNotActive {
			t.Errorf("%s: %s, %v", side, c, err)
		}
		w := withdraw(o, r)
		if w.Status != granular.Terminated || w.Reason != granular.Withdrawn || !w.EndAt.Equal(o.clock) || len(w.Post.Owed) > 0 || w.Version != r.Version+1 {
			t.Errorf("%s: %+v", side, w)
		}
		if got := actions(w); !slices.Equal(got[len(got)-3:], []string{side + " terminationRequested", side + " terminating", side + " terminated"}) {
			t.Errorf("%s: %q", side, got)
		}
		if _, waits := w.Due(); waits {
			t.Errorf("%s: it still waits for something", side)
		}
		o.account(partner.Active)
		for _, who := range []*relationship.Person{nil, new(person())} {
			if _, c, err := o.Look(t.Context(), linkOf(r), who); err != nil || c != granular.Unknown {
				t.Errorf("%s: reinstated: %s, %v", side, c, err)
			}
		}
		if _, c, err := o.Respond(t.Context(), linkOf(r), person(), response("accept")); err != nil || c != granular.Unknown {
			t.Errorf("%s: answered after all: %s, %v", side, c, err)
		}
	}
}

func TestFullHistory(t *testing.T) {
	o := open(t)
	r := o.create()
	for n := range 30 {
		var err error
		if r, _, err = o.Revise(t.Context(), o.command(whatever), r.ID, granular.Proposal{Duration: new(fmt.Sprintf("P%dD", n+1))}); err != nil {
			t.Fatal(err)
		}
		o.clock = o.clock.Add(time.Hour)
	}
	if n := len(r.History); n != 20 || r.History[0].Action != "created" {
		t.Errorf("%d entries, %+v", n, r.History[0])
	}
}

func TestTerms(t *testing.T) {
	o := open(t)
	bad := func(edit func(*granular.Proposal), want ...string) {
		t.Helper()
		_, _, err := o.Create(t.Context(), o.command(), terms(edit))
		p, _ := errors.AsType[*problem.Error](err)
		var got []string
		if p != nil {
			for _, f := range p.Findings {
				got = append(got, f.Pointer+" "+string(f.Code))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	bad(func(t *granular.Proposal) { *t = granular.Proposal{} }, "/displayName validation_failed", "/duration validation_failed", "/accessDetails validation_failed")
	bad(func(t *granular.Proposal) { t.DisplayName = new(strings.Repeat("a", 51)) }, "/displayName name_invalid")
	bad(func(t *granular.Proposal) { t.DisplayName = new("see larch.com") }, "/displayName name_invalid")
	bad(func(t *granular.Proposal) { t.Roles = &[]string{} }, "/accessDetails/unifiedRoles validation_failed")
	bad(func(t *granular.Proposal) {
		t.Roles = &[]string{helpdesk, strings.ToUpper(helpdesk), "62e90394-69f5-4237-9190-012177145e11", "x"}
	}, "/accessDetails/unifiedRoles/1/roleDefinitionId validation_failed", "/accessDetails/unifiedRoles/2/roleDefinitionId validation_failed", "/accessDetails/unifiedRoles/3/roleDefinitionId validation_failed")
	bad(func(t *granular.Proposal) { t.Customer = new("larch") }, "/customer/tenantId validation_failed")
	bad(func(t *granular.Proposal) { t.Customer = new(strings.ToUpper(string(alder))) }, "/customer/tenantId self_invitation")
	bad(func(t *granular.Proposal) { t.CustomerName = new("") }, "/customer/displayName name_invalid")
	for _, d := range []string{"", "P0D", "P731D", "P105W", "P3Y", "P25M", "P1Y13M", "P1Y1D", "PT24H", "P", "1D", "-P1D", "P1D ", "P1.5Y"} {
		bad(func(t *granular.Proposal) { t.Duration = &d }, "/duration validation_failed")
	}
	for _, d := range []string{"P90D", "PT180D", "", "P180DT0S"} {
		bad(func(t *granular.Proposal) { t.AutoExtendDuration = &d }, "/autoExtendDuration validation_failed")
	}
	bad(func(t *granular.Proposal) {
		t.AutoExtendDuration, t.Roles = new("P180D"), &[]string{globalAdministrator}
	}, "/autoExtendDuration validation_failed")

	whole := func(r rune) string { return strings.Repeat(string(r), 50) }
	for n, edit := range []func(*granular.Proposal){
		func(t *granular.Proposal) { t.DisplayName, t.Duration = new(whole('é')), new("P1D") },
		func(t *granular.Proposal) { t.AutoExtendDuration, t.Customer = new("PT0S"), nil },
		func(t *granular.Proposal) {
			t.Roles, t.AutoExtendDuration, t.Duration = &[]string{globalAdministrator}, new("P0D"), new("P2Y")
		},
	} {
		if _, _, err := o.Create(t.Context(), o.command(), terms(func(t *granular.Proposal) { t.DisplayName = new(fmt.Sprint("N", n)) }, edit)); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}

	// In an active relationship with that role nothing can be made to extend by itself, either.
	r := o.approve(o.lock(o.create(func(t *granular.Proposal) { t.Roles = &[]string{globalAdministrator, helpdesk} })))
	if _, _, err := o.Revise(t.Context(), o.command(whatever), r.ID, granular.Proposal{AutoExtendDuration: new("P180D")}); !problem.Is(err, problem.ValidationFailed) {
		t.Error(err)
	}
}

func TestPeriods(t *testing.T) {
	for text, want := range map[string]string{"P1D": "P1D", "P14D": "P14D", "P2W": "P14D", "P730D": "P730D", "P104W": "P728D", "P1Y": "P1Y", "P12M": "P1Y", "P18M": "P1Y6M", "P1Y6M": "P1Y6M", "P24M": "P2Y", "P2Y": "P2Y", "P011D": "P11D"} {
		p, ok := granular.ParsePeriod(text)
		if again, same := granular.ParsePeriod(p.String()); !ok || p.String() != want || !same || again != p {
			t.Errorf("%s is %s, %v", text, p, ok)
		}
	}
	for _, each := range []struct{ from, period, to string }{
		{"2025-01-31", "P1M", "2025-02-28"}, {"2024-02-29", "P1Y", "2025-02-28"}, {"2024-02-29", "P2Y", "2026-02-28"}, {"2025-12-31", "P2M", "2026-02-28"},
		{"2025-03-01", "P30D", "2025-03-31"}, {"2025-10-31", "P1Y6M", "2027-04-30"}, {"2025-01-15", "P2Y", "2027-01-15"},
	} {
		from, err := time.Parse(time.DateOnly, each.from)
		p, ok := granular.ParsePeriod(each.period)
		if got := p.From(from).Format(time.DateOnly); err != nil || !ok || got != each.to {
			t.Errorf("%s from %s ends %s, want %s", each.period, each.from, got, each.to)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		p, ok := granular.ParsePeriod(rapid.StringMatching(`P([0-9]{1,3}D|[0-9]{1,3}W|([0-9]Y)?([0-9]{1,2}M)?)`).Draw(t, "period"))
		from := start.AddDate(0, 0, rapid.IntRange(0, 3000).Draw(t, "days"))
		if end := p.From(from); ok && (end.Before(from.Add(day)) || end.After(from.AddDate(2, 0, 1))) {
			t.Errorf("%s from %s ends %s", p, from, end)
		}
	})
}

func TestRoleTable(t *testing.T) {
	table := granular.ShippedRoles()
	if _, err := time.Parse(time.DateOnly, table.Version); err != nil {
		t.Error(err)
	}
	ids, names := map[string]bool{}, map[string]bool{}
	for _, r := range table.Roles {
		if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(r.ID) || ids[r.ID] || r.Name == "" || names[r.Name] {
			t.Errorf("%+v", r)
		}
		ids[r.ID], names[r.Name] = true, true
	}
	if name, ok := table.Name(table.GlobalAdministrator); !ok || name != "Global Administrator" {
		t.Error(name)
	}
	t.Logf("%d roles", len(table.Roles))
}

func TestNamesAreUnique(t *testing.T) {
	o := open(t)
	first := o.create()
	_, _, err := o.Create(t.Context(), o.command(), terms(func(t *granular.Proposal) { t.DisplayName = new("LARCH support") }))
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.ValidationFailed || p.Findings[0].Pointer != "/displayName" {
		t.Fatal(err)
	}
	second := o.create(func(t *granular.Proposal) { t.DisplayName = new("Maple support") })
	rename := func(id, name string) error {
		_, _, err := o.Revise(t.Context(), o.command(whatever), id, granular.Proposal{DisplayName: &name})
		return err
	}
	if err := rename(second.ID, "larch Support"); !problem.Is(err, problem.ValidationFailed) {
		t.Error(err)
	}
	// What was given up or deleted is free; what has ended keeps its name.
	if err := errors.Join(rename(first.ID, "Birch support"), rename(second.ID, "Larch support")); err != nil {
		t.Error(err)
	}
	if _, err := o.Delete(t.Context(), o.command(whatever), second.ID); err != nil {
		t.Error(err)
	}
	third := o.create()
	if _, _, err := o.Terminate(t.Context(), o.command(), o.approve(o.lock(third)).ID); err != nil {
		t.Error(err)
	}
	if err := rename(first.ID, "Larch support"); !problem.Is(err, problem.ValidationFailed) {
		t.Error(err)
	}
}

func TestIdempotency(t *testing.T) {
	o := open(t)
	c := o.command()
	r, _, err := o.Create(t.Context(), c, terms())
	if err != nil {
		t.Fatal(err)
	}
	again, replayed, err := o.Create(t.Context(), c, terms())
	if err != nil || !replayed || again.ID != r.ID {
		t.Errorf("%v %v", replayed, err)
	}
	other := c
	other.Body = "ff00ff00ff00"
	if _, _, err := o.Create(t.Context(), other, terms()); !problem.Is(err, problem.IdempotencyKeyReused) {
		t.Error(err)
	}
	steps := []struct {
		name string
		do   func(command.Command) (bool, error)
	}{
		{"change", func(c command.Command) (bool, error) {
			_, was, err := o.Revise(t.Context(), c, r.ID, granular.Proposal{Duration: new("P1Y")})
			return was, err
		}},
		{"delete", func(c command.Command) (bool, error) { return o.Delete(t.Context(), c, r.ID) }},
	}
	for _, step := range steps {
		c := o.command(whatever)
		if was, err := step.do(c); was || err != nil {
			t.Errorf("%s: %v %v", step.name, was, err)
		}
		if was, err := step.do(c); !was || err != nil {
			t.Errorf("%s again: %v %v", step.name, was, err)
		}
		c.Body = "ff00ff00ff00"
		if _, err := step.do(c); !problem.Is(err, problem.IdempotencyKeyReused) {
			t.Errorf("%s with another body: %v", step.name, err)
		}
	}
	if _, _, err := o.Create(t.Context(), c, terms()); !problem.Is(err, problem.InvalidTransition) {
		t.Errorf("what was made by the key is deleted: %v", err)
	}
	// After 24 hours a key is a new one, and then again.
	seen := map[string]bool{r.ID: true}
	for n := range 3 {
		o.clock = o.clock.Add(day)
		r, replayed, err := o.Create(t.Context(), c, terms(func(t *granular.Proposal) { t.DisplayName = new(fmt.Sprint("Day ", n)) }))
		if err != nil || replayed || seen[r.ID] {
			t.Errorf("%v %v", replayed, err)
		}
		seen[r.ID] = true
		o.clock = o.clock.Add(23 * time.Hour)
		if again, replayed, err := o.Create(t.Context(), c, terms()); err != nil || !replayed || again.ID != r.ID {
			t.Errorf("%v %v", replayed, err)
		}
	}
	locked, c := o.create(), o.command()
	for n := range 2 {
		if got, was, err := o.Lock(t.Context(), c, locked.ID); err != nil || was != (n == 1) || got.Version != 2 {
			t.Errorf("lock: %v %v", was, err)
		}
	}
	o.approve(o.stored(locked))
	c = o.command()
	for n := range 2 {
		if _, was, err := o.Terminate(t.Context(), c, locked.ID); err != nil || was != (n == 1) {
			t.Errorf("terminate: %v %v", was, err)
		}
	}
}

func TestWhoMay(t *testing.T) {
	o := open(t)
	r := o.create()
	users := map[string]partner.User{
		"sales agent":  {Subject: "sam", Tenant: alder, Roles: []partner.Role{partner.SalesAgent}},
		"Global admin": {Subject: "gil", Tenant: alder, Roles: []partner.Role{partner.GlobalAdmin}},
		"operator":     {Subject: "opal", Tenant: alder, Roles: []partner.Role{partner.Operator}},
		"nobody":       {},
	}
	all := func(u partner.User) map[string]error {
		c := o.command(whatever, func(c *command.Command) { c.User = u })
		_, _, create := o.Create(t.Context(), c, terms())
		_, read := o.Relationship(t.Context(), u, r.ID)
		_, list := o.Relationships(t.Context(), u, granular.Query{Limit: 1})
		_, _, change := o.Revise(t.Context(), c, r.ID, granular.Proposal{})
		_, _, lock := o.Lock(t.Context(), c, r.ID)
		_, _, end := o.Terminate(t.Context(), c, r.ID)
		_, del := o.Delete(t.Context(), c, r.ID)
		return map[string]error{"create": create, "read": read, "list": list, "change": change, "lock": lock, "terminate": end, "delete": del}
	}
	for name, u := range users {
		for op, err := range all(u) {
			if reads := op == "read" || op == "list"; name == "Global admin" && reads {
				if err != nil { // rule R3, 0.35
					t.Errorf("%s, %s: %v", name, op, err)
				}
			} else if !problem.Is(err, problem.RoleNotPermitted) {
				t.Errorf("%s, %s: %v", name, op, err)
			}
		}
	}
	// Another partner's is as unknown as one that never was.
	agent := partner.User{Subject: "mia", Tenant: maple, Roles: []partner.Role{partner.AdminAgent}}
	for op, err := range all(agent) {
		want := problem.NotFound
		switch op {
		case "create", "change", "lock":
			want = problem.RoleNotPermitted // it has no account
		case "list":
			want = ""
		}
		if problem.CodeOf(err) != want {
			t.Errorf("%s: %v", op, err)
		}
	}
	if got := o.stored(r); got.Version != 1 {
		t.Errorf("%+v", got)
	}

	// A partner that is not active asks for nothing, and still gives back.
	active := o.approve(o.lock(o.create(func(t *granular.Proposal) { t.DisplayName = new("Second") })))
	o.account(partner.Suspended)
	c := o.command(whatever)
	_, _, create := o.Create(t.Context(), c, terms())
	_, _, change := o.Revise(t.Context(), c, r.ID, granular.Proposal{})
	_, _, lock := o.Lock(t.Context(), c, r.ID)
	for op, err := range map[string]error{"create": create, "change": change, "lock": lock} {
		if !problem.Is(err, problem.PartnerNotActive) {
			t.Errorf("%s: %v", op, err)
		}
	}
	if _, _, err := o.Terminate(t.Context(), c, active.ID); err != nil {
		t.Error(err)
	}
	if _, err := o.Delete(t.Context(), c, r.ID); err != nil {
		t.Error(err)
	}
}

func TestVersions(t *testing.T) {
	o := open(t)
	r := o.create()
	version := func(n int) func(*command.Command) { return func(c *command.Command) { c.IfVersion = n } }
	revise := func(c command.Command) error {
		_, _, err := o.Revise(t.Context(), c, r.ID, granular.Proposal{Duration: new("P1Y"), DisplayName: new("\x00")})
		return err
	}
	remove := func(c command.Command) error { _, err := o.Delete(t.Context(), c, r.ID); return err }
	lock := func(c command.Command) error { _, _, err := o.Lock(t.Context(), c, r.ID); return err }
	for _, each := range []struct {
		name string
		do   func(command.Command) error
		n    int
		want problem.Code
	}{
		{"change without", revise, 0, problem.PreconditionRequired}, {"change with another", revise, 2, problem.PreconditionFailed},
		{"change with its own", revise, 1, problem.NameInvalid}, // the field is looked at after the version
		{"delete without", remove, 0, problem.PreconditionRequired}, {"delete with another", remove, 2, problem.PreconditionFailed},
		{"lock with another", lock, 2, problem.PreconditionFailed}, {"lock without", lock, 0, ""}, {"delete with its own", remove, 2, problem.InvalidTransition},
	} {
		if err := each.do(o.command(version(each.n))); problem.CodeOf(err) != each.want {
			t.Errorf("%s: %v", each.name, err)
		}
	}
}

// TestPeople: who may answer, in the order in which it is looked at.
func TestPeople(t *testing.T) {
	cases := map[string]struct {
		edit         func(*relationship.Person)
		generation   int
		suspended    bool
		look, answer granular.Case
		decline      granular.Case
	}{
		"the administrator":     {func(*relationship.Person) {}, 1, false, granular.Form, granular.ApprovedBy, granular.RejectedBy},
		"of another tenant":     {func(p *relationship.Person) { p.Company.Tenant, p.Roles = maple, nil }, 1, false, granular.OtherTenant, granular.OtherTenant, granular.OtherTenant},
		"of the partner itself": {func(p *relationship.Person) { p.Company.Tenant = alder }, 1, false, granular.OtherTenant, granular.OtherTenant, granular.OtherTenant},
		"without the role":      {func(p *relationship.Person) { p.Roles, p.Company.Cloud = []partner.Role{partner.AdminAgent}, "usGov" }, 1, false, granular.NotAdmin, granular.NotAdmin, granular.NotAdmin},
		"in another cloud":      {func(p *relationship.Person) { p.Company.Cloud = "usGov" }, 1, false, granular.OtherCloud, granular.OtherCloud, granular.RejectedBy},
		"of a suspended one":    {func(*relationship.Person) {}, 1, true, granular.PartnerNotActive, granular.PartnerNotActive, granular.RejectedBy},
		"with an older link":    {func(*relationship.Person) {}, 2, false, granular.Superseded, granular.Superseded, granular.Superseded},
	}
	for name, each := range cases {
		for answer, want := range map[string]granular.Case{"accept": each.answer, "decline": each.decline} {
			o := open(t)
			r := o.lock(o.create())
			if each.suspended {
				o.account(partner.Suspended)
			}
			l := linkOf(r)
			l.Generation = each.generation
			who := person(each.edit)
			if _, c, err := o.Look(t.Context(), l, &who); c != each.look || err != nil {
				t.Errorf("%s looks: %s, %v", name, c, err)
			}
			q, c, err := o.Respond(t.Context(), l, who, response(answer))
			if c != want || err != nil {
				t.Errorf("%s, %s: %s, %v", name, answer, c, err)
			}
			stands := want == granular.ApprovedBy || want == granular.RejectedBy
			if now := o.stored(r); (now.Version == 3) != stands || stands && cmp.Diff(now, q.Relationship) != "" {
				t.Errorf("%s, %s: version %d\n%s", name, answer, now.Version, cmp.Diff(now, q.Relationship))
			}
		}
	}

	t.Run("whoever approves binds it", func(t *testing.T) {
		o := open(t)
		r := o.lock(o.create(func(t *granular.Proposal) { t.Customer, t.CustomerName = nil, new("Some Ltd") }))
		if r.Customer != "" || r.CustomerName != "Some Ltd" {
			t.Errorf("%+v", r)
		}
		r = o.approve(r)
		if r.Customer != larch || r.CustomerName != "Larch Ltd" {
			t.Errorf("%+v", r)
		}
		if _, c, err := o.End(t.Context(), linkOf(r), person(func(p *relationship.Person) { p.Company.Tenant = maple }), ""); c != granular.OtherTenant || err != nil {
			t.Errorf("%s, %v", c, err)
		}
	})
	t.Run("who approved may have lost the role", func(t *testing.T) {
		o := open(t)
		r := o.approve(o.lock(o.create()))
		if _, c, err := o.End(t.Context(), linkOf(r), person(func(p *relationship.Person) { p.Roles = nil }), ""); c != granular.NotAdmin || err != nil {
			t.Errorf("%s, %v", c, err)
		}
		if now := o.stored(r); now.Status != granular.Active {
			t.Error(now.Status)
		}
	})
	t.Run("the form", func(t *testing.T) {
		o := open(t)
		r := o.lock(o.create())
		_, c, err := o.Respond(t.Context(), linkOf(r), person(), granular.Response{})
		var pointers []string
		if p, ok := errors.AsType[*problem.Error](err); ok {
			for _, f := range p.Findings {
				pointers = append(pointers, f.Pointer)
			}
		}
		if want := []string{"/answer", "/authorized", "/fullName", "/jobTitle"}; c != granular.Form || !slices.Equal(pointers, want) {
			t.Errorf("%s %v", c, pointers)
		}
		silent := response("decline")
		silent.JobTitle = ""
		if q, c, err := o.Respond(t.Context(), linkOf(r), person(func(p *relationship.Person) { p.Email = "nowhere" }), silent); c != granular.RejectedBy || err != nil || q.Answer.Email != "" {
			t.Errorf("%s %v", c, err)
		}
	})
}

// cleanup does what is due for one relationship and gives what it counts.
func (o *office) cleanup(k granular.Key) (done string, err error) {
	duty := granular.Cleanup{Store: o.store}
	err = duty.Do(o.Context(), due.Item{Kind: granular.DueKind, Partner: k.Partner, ID: k.ID, At: o.clock}, o.clock, func(name string) {
		if !slices.Contains(duty.Counts(), name) {
			o.Errorf("%s is no name of a count", name)
		}
		done += name
	})
	return done, err
}

// TestTime: the clock alone expires, extends and reminds, and the job only makes it visible.
func TestTime(t *testing.T) {
	cleanup := func(o *office, r granular.Relationship) string {
		t.Helper()
		done, err := o.cleanup(r.Key)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	// days goes through the life of a relationship, from one due moment to the next, and says what was done and when.
	days := func(o *office, r granular.Relationship, most int) (log []string) {
		t.Helper()
		from := o.clock
		for range most {
			at, due := o.stored(r).Due()
			if !due {
				return log
			}
			o.clock = at.Add(-time.Second)
			if done := cleanup(o, r); done != "" {
				t.Errorf("before its time: %s", done)
			}
			o.clock = at
			done := cleanup(o, r)
			if again := cleanup(o, r); again != "" {
				t.Errorf("twice: %s", again)
			}
			log = append(log, fmt.Sprintf("%d %s %d", int(at.Sub(from)/day), strings.ToLower(strings.TrimPrefix(done, "Granular")), len(o.stored(r).Post.Owed)))
			if s := o.stored(r); s.Status == granular.Active { // as if a mailer had sent what is owed
				n := s
				n.Version++
				n.Post = outbox.Box{}
				if err := o.store.WriteGranular(t.Context(), granular.Change{Before: &s, After: n}); err != nil {
					t.Fatal(err)
				}
			}
		}
		return log
	}
	for _, each := range []struct {
		duration, extend string
		want             []string
	}{
		{"P90D", "P0D", []string{"60 reminded 2", "83 reminded 2", "89 reminded 2", "90 expired 0"}},
		{"P14D", "P0D", []string{"7 reminded 2", "13 reminded 2", "14 expired 0"}},
		{"P7D", "P0D", []string{"6 reminded 2", "7 expired 0"}},
		{"P1D", "P0D", []string{"1 expired 0"}},
		{"P90D", "P180D", []string{"90 extended 0", "270 extended 0", "450 extended 0"}},
	} {
		o := open(t)
		r := o.received(o.approve(o.lock(o.create(func(t *granular.Proposal) { t.Duration, t.AutoExtendDuration = &each.duration, &each.extend }))))
		most := len(each.want)
		if each.extend == "P0D" {
			most++
		}
		if got := days(o, r, most); !slices.Equal(got, each.want) {
			t.Errorf("%s, %s: %q", each.duration, each.extend, got)
		}
	}

	t.Run("what nobody had time for is not made up for", func(t *testing.T) {
		o := open(t)
		r := o.received(o.approve(o.lock(o.create())))
		o.clock = o.clock.Add(85 * day)
		cleanup(o, r)
		s := o.stored(r)
		if at, _ := s.Due(); s.Reminded != 2 || len(s.Post.Owed) != 2 || !at.Equal(s.Post.At) || !s.Post.At.Equal(o.clock.Add(outbox.StreamGrace)) {
			t.Errorf("%+v, due %s", s, at)
		}
	})
	t.Run("who is not known is not reminded", func(t *testing.T) {
		o := open(t)
		r := o.lock(o.create())
		if _, c, err := o.Respond(t.Context(), linkOf(r), person(func(p *relationship.Person) { p.Email = "" }), response("accept")); c != granular.ApprovedBy || err != nil {
			t.Fatal(c, err)
		}
		o.clock = o.clock.Add(60 * day)
		cleanup(o, r)
		if owed := o.stored(r).Post.Owed; !slices.Equal(owed, []outbox.Kind{granular.AnswerNotice, granular.EndingNotice}) {
			t.Errorf("%v", owed)
		}
	})
	t.Run("what will not end is not said to end", func(t *testing.T) {
		o := open(t)
		r := o.received(o.approve(o.lock(o.create())))
		o.clock = o.clock.Add(85 * day)
		cleanup(o, r)
		extend := func(d string) granular.Relationship {
			r, _, err := o.Revise(t.Context(), o.command(whatever), r.ID, granular.Proposal{AutoExtendDuration: &d})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		if r := extend("P180D"); len(r.Post.Owed) != 0 || r.Reminded != 0 {
			t.Errorf("%+v", r)
		}
		if at, _ := extend("P0D").Due(); at.After(o.clock) {
			t.Errorf("that it ends after all is said %s", at)
		}
	})
	t.Run("an extension begins the count of reminders anew", func(t *testing.T) {
		o := open(t)
		r := o.approve(o.lock(o.create(func(t *granular.Proposal) { t.AutoExtendDuration = new("P180D") })))
		r.Reminded = 2 // as in items from before the terms could change
		if at := r.At(r.EndAt); at.Reminded != 0 || !at.EndAt.Equal(r.EndAt.Add(granular.Extension)) {
			t.Errorf("%d reminders are behind an end at %s", at.Reminded, at.EndAt)
		}
	})
	t.Run("what was extended and not noticed yet", func(t *testing.T) {
		o := open(t)
		r := o.approve(o.lock(o.create(func(t *granular.Proposal) { t.AutoExtendDuration = new("P180D") })))
		o.clock = o.clock.Add(100 * day)
		seen, err := o.Relationship(t.Context(), o.command().User, r.ID)
		if err != nil || seen.Status != granular.Active || !seen.EndAt.Equal(r.EndAt.Add(granular.Extension)) || seen.Version != r.Version {
			t.Errorf("%v %+v", err, seen)
		}
		after, _, err := o.Revise(t.Context(), o.command(whatever), r.ID, granular.Proposal{AutoExtendDuration: new("P0D")})
		if err != nil || !after.EndAt.Equal(seen.EndAt) || !slices.Equal(actions(after)[5:], []string{"schedule extended", "partner changed"}) {
			t.Errorf("%v %q", err, actions(after))
		}
	})
	t.Run("nobody approved", func(t *testing.T) {
		o := open(t)
		r := o.lock(o.create())
		if got := days(o, r, 2); !slices.Equal(got, []string{"90 expired 0"}) {
			t.Errorf("%q", got)
		}
		s := o.stored(r)
		if !slices.Equal(actions(s)[2:], []string{"schedule expiring", "schedule expired"}) || !s.EndAt.Equal(start.Add(90*day)) || !s.ActivatedAt.IsZero() {
			t.Errorf("%+v", s)
		}
	})
	t.Run("gone", func(t *testing.T) {
		o := open(t)
		if done, err := o.cleanup(granular.Key{Partner: alder, ID: "gdap_x"}); err != nil || done != "" {
			t.Errorf("%s %v", done, err)
		}
	})
}

// TestOneAnswer has 64 people approve, reject and, once it is active, end at once.
func TestOneAnswer(t *testing.T) {
	o := open(t)
	r := o.lock(o.create())
	var wg sync.WaitGroup
	stands := make([]bool, 64)
	for n := range stands {
		wg.Go(func() {
			answer := []string{"accept", "decline"}[n%2]
			_, c, err := o.Respond(t.Context(), linkOf(r), person(func(p *relationship.Person) { p.Subject = fmt.Sprint("who ", n) }), response(answer))
			if err != nil {
				t.Error(err)
			}
			stands[n] = c == granular.ApprovedBy || c == granular.RejectedBy
		})
	}
	wg.Wait()
	won := slices.Index(stands, true)
	now := o.stored(r)
	if won < 0 || slices.Contains(stands[won+1:], true) || now.Answer.Subject != fmt.Sprint("who ", won) || now.Version != 3 {
		t.Errorf("%v, stored %+v", stands, now.Answer)
	}
	if (now.Status == granular.Active) != (won%2 == 0) {
		t.Errorf("%d won, it is %s", won, now.Status)
	}
}

// TestFaults: an answer that was lost leaves either nothing or all of it, and the same request again shows the result.
func TestFaults(t *testing.T) {
	lost := errors.New("lost")
	for _, stored := range []bool{false, true} {
		o := open(t)
		r := o.lock(o.create())
		o.store.Inject(func(op storetest.Operation) storetest.Fault {
			if op == storetest.WriteGranular {
				return storetest.Fault{Err: lost, Stored: stored}
			}
			return storetest.Fault{}
		})
		if _, _, err := o.Respond(t.Context(), linkOf(r), person(), response("accept")); !errors.Is(err, lost) {
			t.Error(err)
		}
		o.store.Inject(nil)
		if q, c, err := o.Respond(t.Context(), linkOf(r), person(), response("accept")); err != nil || c != granular.ApprovedBy || q.Version != 3 {
			t.Errorf("stored %v: %s, %v", stored, c, err)
		}
	}
	t.Run("somebody is always quicker", func(t *testing.T) {
		o := open(t)
		r := o.lock(o.create())
		o.store.Inject(func(op storetest.Operation) storetest.Fault {
			if op == storetest.WriteGranular {
				return storetest.Fault{Err: granular.ErrConflict}
			}
			return storetest.Fault{}
		})
		_, _, lock := o.Lock(t.Context(), o.command(), o.create0())
		_, _, answer := o.Respond(t.Context(), linkOf(r), person(), response("accept"))
		for _, err := range []error{lock, answer} {
			if !problem.Is(err, problem.Unavailable) {
				t.Error(err)
			}
		}
		o.clock = o.clock.Add(90 * day)
		if _, err := o.cleanup(r.Key); !errors.Is(err, granular.ErrConflict) {
			t.Error(err)
		}
	})
}

// create0 puts a relationship into the store past its faults and gives its id.
func (o *office) create0() string {
	r := granular.Relationship{Key: granular.Key{Partner: alder, ID: "gdap_aaaaaaaaaaaaaaaaaaaaaaaaaa"}, DisplayName: "A", Cloud: "public", Status: granular.Created, Generation: 1, Version: 1}
	o.store.PutGranular(r)
	return r.ID
}

// settled leaves out what is mailed about it, which goes on after its end.
func settled(r granular.Relationship) granular.Relationship {
	r.Post, r.Version = outbox.Box{}, 0
	return r
}

// TestInvariants lets random people do random things at random moments: a final state never changes, a version is only ever the next one,
// and nobody but the customer makes it active.
func TestInvariants(t *testing.T) {
	steps := 0
	rapid.Check(t, func(rt *rapid.T) {
		o := open(t)
		r := o.create(func(t *granular.Proposal) {
			t.AutoExtendDuration = new(rapid.SampledFrom([]string{"P0D", "P180D"}).Draw(rt, "extend"))
		})
		final := []granular.Status{granular.Expired, granular.Terminated, granular.Deleted}
		for range 15 {
			steps++
			before := o.stored(r)
			o.clock = o.clock.Add(time.Duration(rapid.IntRange(0, 60*24).Draw(rt, "hours")) * time.Hour)
			who := person(func(p *relationship.Person) {
				p.Subject, p.Company.Tenant = rapid.SampledFrom([]string{"lena", "leo"}).Draw(rt, "who"), rapid.SampledFrom([]partner.TenantID{larch, maple}).Draw(rt, "tenant")
			})
			did := rapid.SampledFrom([]string{"change", "lock", "terminate", "delete", "accept", "decline", "end", "look", "tick", "narrow", "assign", "reassign", "unassign"}).Draw(rt, "action")
			switch did {
			case "change":
				_, _, _ = o.Revise(t.Context(), o.command(whatever), r.ID, granular.Proposal{AutoExtendDuration: new("P0D")})
			case "lock":
				_, _, _ = o.Lock(t.Context(), o.command(), r.ID)
			case "terminate":
				_, _, _ = o.Terminate(t.Context(), o.command(), r.ID)
			case "delete":
				_, _ = o.Delete(t.Context(), o.command(whatever), r.ID)
			case "end":
				_, _, _ = o.End(t.Context(), linkOf(r), who, "")
			case "look":
				_, _, _ = o.Look(t.Context(), linkOf(r), &who)
			case "tick":
				_, _ = o.cleanup(r.Key)
			case "narrow":
				_, _, _ = o.Revise(t.Context(), o.command(whatever), r.ID, granular.Proposal{Roles: &[]string{globalReader}})
			case "assign":
				group := rapid.SampledFrom([]string{"desk", "night"}).Draw(rt, "group")
				_, _, _ = o.Assign(t.Context(), o.command(), r.ID, granular.AssignmentTerms{Group: &group, Roles: &[]string{helpdesk}})
			case "reassign":
				_, _, _ = o.Reassign(t.Context(), o.command(whatever), r.ID, o.anAssignment(before), granular.AssignmentTerms{Roles: &[]string{helpdesk, globalReader}})
			case "unassign":
				_, _ = o.Unassign(t.Context(), o.command(whatever), r.ID, o.anAssignment(before))
			default:
				_, _, _ = o.Respond(t.Context(), linkOf(r), who, response(did))
			}
			after := o.stored(r)
			switch {
			case slices.Contains(final, before.Status) && cmp.Diff(settled(before), settled(after)) != "":
				rt.Fatalf("%s changes one that is %s", did, before.Status)
			case after.Version != before.Version && after.Version != before.Version+1:
				rt.Fatalf("%s: version %d after %d", did, after.Version, before.Version)
			case before.Status != granular.Active && after.Status == granular.Active && (did != "accept" || who.Company.Tenant != larch || before.Status != granular.Pending):
				rt.Fatalf("%s by %s makes it active", did, who.Company.Tenant)
			case after.Version != before.Version && after.Status == granular.Active && before.Status == granular.Active && before.StatusAt(o.clock) != granular.Active:
				rt.Fatalf("%s keeps one that is over", did)
			case did == "look" && cmp.Diff(before, after) != "":
				rt.Fatal("to look is to write")
			case !before.ActivatedAt.IsZero() && !within(after.Roles, before.Roles):
				rt.Fatalf("%s gives %v where %v were approved", did, after.Roles, before.Roles)
			case !assignedRightly(after):
				rt.Fatalf("%s leaves %+v of %s with %v", did, after.Assignments, after.Status, after.Roles)
			}
		}
	})
	t.Logf("%d steps", steps)
}
