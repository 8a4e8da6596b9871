package granular_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/granular"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
)

func within(part, of []string) bool {
	return !slices.ContainsFunc(part, func(id string) bool { return !slices.Contains(of, id) })
}

// assignedRightly: groups have roles of the relationship and no others, each group once, and none after its end.
func assignedRightly(r granular.Relationship) bool {
	groups := map[string]bool{}
	for _, a := range r.Assignments {
		want := granular.Unassigned
		if r.Status == granular.Active {
			want = granular.Assigned
		}
		if len(a.Roles) == 0 || !within(a.Roles, r.Roles) || groups[a.Group] || a.Status != want {
			return false
		}
		groups[a.Group] = true
	}
	return true
}

func (o *office) anAssignment(r granular.Relationship) string {
	if len(r.Assignments) == 0 {
		return "asg_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	}
	return r.Assignments[0].ID
}

func (o *office) assign(r granular.Relationship, group string, roles ...string) granular.Assignment {
	o.Helper()
	a, replayed, err := o.Assign(o.Context(), o.command(), r.ID, granular.AssignmentTerms{Group: &group, Roles: &roles})
	if err != nil || replayed {
		o.Fatal(err, replayed)
	}
	return a
}

// narrowed gives back all roles but some.
func (o *office) narrowed(r granular.Relationship, roles ...string) granular.Relationship {
	o.Helper()
	r, replayed, err := o.Revise(o.Context(), o.command(whatever), r.ID, granular.Proposal{Roles: &roles})
	if err != nil || replayed {
		o.Fatal(err, replayed)
	}
	return r
}

// TestNarrowing (domain, 0.46): an active relationship loses roles and gains none, its groups lose them with it, and who approved is told.
func TestNarrowing(t *testing.T) {
	o := open(t)
	o.Roles.Version = "of the day of the approval"
	r := o.received(o.approve(o.lock(o.create(func(t *granular.Proposal) { t.Roles = &[]string{helpdesk, globalReader, globalAdministrator} }))))
	both, one := o.assign(r, "desk", helpdesk, globalReader), o.assign(r, "night", helpdesk)
	o.Roles = granular.Table{Version: "a later one", GlobalAdministrator: globalAdministrator} // that knows none of them

	for name, roles := range map[string][]string{
		"none": {}, "one that was not approved": {helpdesk, "fe930be7-5e62-47db-91af-98c3a49a38b1"}, "one twice": {helpdesk, helpdesk},
	} {
		if _, _, err := o.Revise(t.Context(), o.command(whatever), r.ID, granular.Proposal{Roles: &roles}); !problem.Is(err, problem.ValidationFailed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := o.Revise(t.Context(), o.command(whatever), r.ID, granular.Proposal{AutoExtendDuration: new("P180D")}); !problem.Is(err, problem.ValidationFailed) {
		t.Errorf("extends with all rights: %v", err)
	}

	c := o.command(whatever)
	change := granular.Proposal{Roles: &[]string{strings.ToUpper(globalReader)}, AutoExtendDuration: new("P180D")}
	n, replayed, err := o.Revise(t.Context(), c, r.ID, change)
	if err != nil || replayed || !slices.Equal(n.Roles, []string{globalReader}) || !n.AutoExtend || n.RoleTable != "of the day of the approval" {
		t.Fatalf("%+v, %v, %v", n, replayed, err)
	}
	if got := n.Assignments; len(got) != 1 || got[0].ID != both.ID || !slices.Equal(got[0].Roles, []string{globalReader}) || got[0].Version != 2 {
		t.Errorf("assignments %+v, and %s is gone", got, one.ID)
	}
	if got := actions(n); !slices.Equal(got[len(got)-2:], []string{"partner narrowed", "partner changed"}) {
		t.Errorf("%v", got)
	}
	if e := n.History[len(n.History)-2]; e.Why != globalAdministrator+" "+helpdesk {
		t.Errorf("the history says %q", e.Why)
	}
	if !slices.Equal(n.Post.Owed, []outbox.Kind{granular.NarrowedNotice}) || granular.Mails.Address(n, granular.NarrowedNotice) != "lena@larch.example" {
		t.Errorf("owed is %v", n.Post.Owed)
	}
	if again, replayed, err := o.Revise(t.Context(), c, r.ID, change); err != nil || !replayed || again.Version != n.Version {
		t.Errorf("repeated: version %d, %v, %v", again.Version, replayed, err)
	}
	if same := o.narrowed(n, globalReader); !slices.Equal(same.Roles, n.Roles) || actions(same)[len(same.History)-1] != "partner changed" {
		t.Errorf("the same roles: %v", actions(same))
	}
	if ended, _, err := o.Terminate(t.Context(), o.command(), r.ID); err != nil || ended.Post.Owes(granular.NarrowedNotice) {
		t.Errorf("the receipt of what has ended is owed: %v, %v", ended.Post.Owed, err)
	}
}

// Who is suspended may give back (domain, 0.43), and nothing beside it.
func TestASuspendedPartnerNarrows(t *testing.T) {
	o := open(t)
	r, draft := o.approve(o.lock(o.create())), o.create(func(t *granular.Proposal) { t.DisplayName = new("Other") })
	a := o.assign(r, "desk", helpdesk)
	o.account(partner.Suspended)
	for name, do := range map[string]func() error{
		"more than to narrow": func() error {
			_, _, err := o.Revise(t.Context(), o.command(whatever), r.ID, granular.Proposal{Roles: &[]string{helpdesk}, AutoExtendDuration: new("P180D")})
			return err
		},
		"a draft": func() error {
			_, _, err := o.Revise(t.Context(), o.command(whatever), draft.ID, granular.Proposal{Roles: &[]string{helpdesk}})
			return err
		},
		"assign": func() error {
			_, _, err := o.Assign(t.Context(), o.command(), r.ID, granular.AssignmentTerms{Group: new("night"), Roles: &[]string{helpdesk}})
			return err
		},
		"reassign": func() error {
			_, _, err := o.Reassign(t.Context(), o.command(whatever), r.ID, a.ID, granular.AssignmentTerms{Roles: &[]string{globalReader}})
			return err
		},
	} {
		if err := do(); !problem.Is(err, problem.PartnerNotActive) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := o.narrowed(r, helpdesk); !slices.Equal(n.Roles, []string{helpdesk}) {
		t.Errorf("%v", n.Roles)
	}
	if _, err := o.Unassign(t.Context(), o.command(whatever), r.ID, a.ID); err != nil {
		t.Error(err)
	}
}

// TestAssignments (domain, 0.47): what a group gets, once per key, and what is refused.
func TestAssignments(t *testing.T) {
	o := open(t)
	r := o.approve(o.lock(o.create()))
	c := o.command()
	t1 := granular.AssignmentTerms{Group: new("5D1C0A4E-2f77-4f0b-9d3c-0a6a4d0c7fff"), Roles: &[]string{globalReader, strings.ToUpper(helpdesk)}}
	a, replayed, err := o.Assign(t.Context(), c, r.ID, t1)
	if err != nil || replayed || a.Status != granular.Assigned || !slices.Equal(a.Roles, []string{helpdesk, globalReader}) || a.Version != 1 || !a.CreatedAt.Equal(start) {
		t.Fatalf("%+v, %v, %v", a, replayed, err)
	}
	for name, each := range map[string]struct {
		c    command.Command
		t    granular.AssignmentTerms
		code problem.Code
	}{
		"the same group": {o.command(), granular.AssignmentTerms{Group: new(strings.ToLower(*t1.Group)), Roles: &[]string{helpdesk}}, problem.ValidationFailed},
		"no group":       {o.command(), granular.AssignmentTerms{Roles: &[]string{helpdesk}}, problem.ValidationFailed},
		"no roles":       {o.command(), granular.AssignmentTerms{Group: new("desk")}, problem.ValidationFailed},
		"a role of none": {o.command(), granular.AssignmentTerms{Group: new("desk"), Roles: &[]string{globalAdministrator}}, problem.ValidationFailed},
		"a garbled id":   {o.command(), granular.AssignmentTerms{Group: new("a b"), Roles: &[]string{helpdesk}}, problem.ValidationFailed},
		"a used key":     {func() command.Command { d := c; d.Body = "other"; return d }(), t1, problem.IdempotencyKeyReused},
		"a sales agent":  {o.command(func(c *command.Command) { c.User.Roles = []partner.Role{partner.SalesAgent} }), t1, problem.RoleNotPermitted},
	} {
		if _, _, err := o.Assign(t.Context(), each.c, r.ID, each.t); !problem.Is(err, each.code) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Many more push nothing else out of the history, and the first command is known again.
	for n := range 30 {
		o.assign(r, fmt.Sprint("group-", n), globalReader)
	}
	if again, replayed, err := o.Assign(t.Context(), c, r.ID, t1); err != nil || !replayed || again.ID != a.ID {
		t.Errorf("%+v, %v, %v", again, replayed, err)
	}
	if got := actions(o.stored(r)); len(got) > 20 || !slices.Contains(got, "customer active") || !slices.Contains(got, "partner assigned") {
		t.Errorf("%v", got)
	}

	one := o.command(func(c *command.Command) { c.IfVersion = 1 })
	b, replayed, err := o.Reassign(t.Context(), one, r.ID, a.ID, granular.AssignmentTerms{Roles: &[]string{helpdesk}})
	if err != nil || replayed || b.Version != 2 || !slices.Equal(b.Roles, []string{helpdesk}) {
		t.Fatalf("%+v, %v, %v", b, replayed, err)
	}
	if b, replayed, err = o.Reassign(t.Context(), one, r.ID, a.ID, granular.AssignmentTerms{Roles: &[]string{helpdesk}}); err != nil || !replayed || b.Version != 2 {
		t.Errorf("%+v, %v, %v", b, replayed, err)
	}
	if _, err := o.Unassign(t.Context(), o.command(), r.ID, a.ID); !problem.Is(err, problem.PreconditionRequired) {
		t.Error(err)
	}
	if _, err := o.Unassign(t.Context(), o.command(func(c *command.Command) { c.IfVersion = 1 }), r.ID, a.ID); !problem.Is(err, problem.PreconditionFailed) {
		t.Error(err)
	}
	gone := o.command(whatever)
	for _, want := range []bool{false, true} {
		if replayed, err := o.Unassign(t.Context(), gone, r.ID, a.ID); err != nil || replayed != want {
			t.Errorf("replayed %v, %v", replayed, err)
		}
	}
	if _, err := o.Assignment(t.Context(), c.User, r.ID, a.ID); !problem.Is(err, problem.NotFound) {
		t.Error(err)
	}
	if _, _, err := o.Assign(t.Context(), o.command(), r.ID, t1); err != nil {
		t.Errorf("the group of one that was taken away: %v", err)
	}
}

func TestAssignmentsAreBounded(t *testing.T) {
	o := open(t)
	r := o.approve(o.lock(o.create()))
	for n := range granular.MaxAssigned / 2 {
		o.assign(r, fmt.Sprint(n), helpdesk, globalReader)
	}
	if _, _, err := o.Assign(t.Context(), o.command(), r.ID, granular.AssignmentTerms{Group: new("more"), Roles: &[]string{helpdesk}}); !problem.Is(err, problem.ValidationFailed) {
		t.Error(err)
	}
}

// Whatever ends the relationship ends what is assigned, when its time came.
func TestAssignmentsEndWithTheRelationship(t *testing.T) {
	for name, end := range map[string]func(*office, granular.Relationship){
		"terminated": func(o *office, r granular.Relationship) { _, _, _ = o.Terminate(o.Context(), o.command(), r.ID) },
		"ended":      func(o *office, r granular.Relationship) { _, _, _ = o.End(o.Context(), linkOf(r), person(), "") },
		"expired":    func(o *office, _ granular.Relationship) { o.clock = o.clock.Add(91 * day) },
	} {
		o := open(t)
		r := o.approve(o.lock(o.create()))
		a := o.assign(r, "desk", helpdesk)
		o.clock = o.clock.Add(time.Hour)
		end(o, r)
		all, err := o.Assignments(t.Context(), o.command().User, r.ID)
		if err != nil || len(all) != 1 || all[0].Status != granular.Unassigned || all[0].Version != 2 || !all[0].ModifiedAt.After(a.CreatedAt) || all[0].ModifiedAt.After(start.Add(90*day)) {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
		if _, err := o.Unassign(t.Context(), o.command(whatever), r.ID, a.ID); !problem.Is(err, problem.InvalidTransition) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
