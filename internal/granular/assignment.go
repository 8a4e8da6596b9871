package granular

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
)

// AssignmentStatus is where an [Assignment] stands, with the names of Microsoft Graph.
type AssignmentStatus string

// The states that are rested in. What Graph calls pending and deleting takes no time here.
const (
	Assigned   AssignmentStatus = "active"
	Unassigned AssignmentStatus = "deleted" // the relationship has ended, and with it what was assigned
)

// Assignment says which roles of a relationship a security group of the partner uses (domain, 0.47). It is a
// record: the group is known to the partner's directory alone.
type Assignment struct {
	ID     string // "asg_" and 26 letters and digits
	Group  string // the id of the group, as the partner says it
	Roles  []string
	Status AssignmentStatus
	// Key and Body are fingerprints of the Idempotency-Key and of the request by which it was made.
	Key, Body  string
	CreatedAt  time.Time
	ModifiedAt time.Time
	Version    int // 1 for a new one, raised by each write
}

// assignmentPrefix begins the id of an assignment.
const assignmentPrefix = "asg_"

// MaxAssigned is how many roles the groups of one relationship have together: a role counts for each group that has
// it.
const MaxAssigned = 200

// maxAssignedSteps is how many lines about assignments a history keeps, so that they push out nothing else.
const maxAssignedSteps = 8

// maxGroup is the length of the longest id of a group, which is a UUID as a rule.
const maxGroup = 64

func isGroup(id string) bool {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return id != "" && len(id) <= maxGroup && strings.Trim(id, letters+"._:-") == "" && strings.ContainsAny(id[:1],
		letters)
}

// AssignmentTerms is what a partner says of an assignment, before it was checked. Nil means "not said".
type AssignmentTerms struct {
	Group *string
	Roles *[]string
}

// Assignments returns the assignments of one of the partner's relationships, the oldest first. Codes:
// [problem.RoleNotPermitted], [problem.NotFound].
func (s *Service) Assignments(ctx context.Context, u partner.User, id string) ([]Assignment, error) {
	r, err := s.Relationship(ctx, u, id)
	return r.Assignments, err
}

// Assignment returns one of them. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s *Service) Assignment(ctx context.Context, u partner.User, id, assignment string) (Assignment, error) {
	r, err := s.Relationship(ctx, u, id)
	if err != nil {
		return Assignment{}, err
	}
	n, err := r.assignment(assignment)
	if err != nil {
		return Assignment{}, err
	}
	return r.Assignments[n], nil
}

// Assign lets a group use roles of an active relationship. A group has one assignment of a relationship. Replayed
// reports that the command's key had made it before; it is then returned as it is now. Codes:
// [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.NotFound], [problem.ValidationFailed],
// [problem.IdempotencyKeyReused], [problem.InvalidTransition].
func (s *Service) Assign(ctx context.Context, c command.Command, id string, t AssignmentTerms) (a Assignment,
	replayed bool, err error) {
	if _, err := s.partner(ctx, c.User); err != nil {
		return a, false, err
	}
	_, replayed, err = s.change(ctx, c, id, action{
		names: []string{assigned},
		replayed: func(r Relationship, now time.Time) (was bool, err error) {
			a, was, err = r.assignedBefore(c, now)
			return was, err
		},
		do: func(r *Relationship, f *problem.Findings, e Entry) error {
			a = Assignment{
				ID: publicid.Random(assignmentPrefix), Status: Assigned, Key: e.Key, Body: e.Body, CreatedAt: e.At,
				ModifiedAt: e.At, Version: 1,
			}
			if t.Group == nil && !pointedAt(*f, "/accessContainer") {
				f.Add("/accessContainer", problem.ValidationFailed, "This is required.")
			}
			if t.Roles == nil && !pointedAt(*f, "/accessDetails") {
				f.Add("/accessDetails", problem.ValidationFailed, "This is required.")
			}
			r.checkGroup(f, &a, t.Group)
			r.checkAssigned(f, &a, t.Roles)
			if len(*f) > 0 {
				return nil
			}
			if err := r.assignable(); err != nil {
				return err
			}
			r.Assignments = append(slices.Clone(r.Assignments), a)
			e.Why = a.ID
			r.note(e)
			return nil
		},
	})
	return a, replayed, err
}

// Reassign changes the roles of an assignment. The command names the version of the assignment that it changes.
// Codes: [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.NotFound],
// [problem.PreconditionRequired], [problem.PreconditionFailed], [problem.ValidationFailed],
// [problem.InvalidTransition].
func (s *Service) Reassign(ctx context.Context, c command.Command, id, assignment string,
	t AssignmentTerms) (a Assignment, replayed bool, err error) {
	if _, err := s.partner(ctx, c.User); err != nil {
		return a, false, err
	}
	r, replayed, err := s.change(ctx, c, id, action{
		names: []string{reassigned}, versioned: true, version: versionOf(assignment),
		do: func(r *Relationship, f *problem.Findings, e Entry) error {
			n, err := r.assignment(assignment)
			if err != nil {
				return err
			}
			next := r.Assignments[n]
			if t.Roles == nil && !pointedAt(*f, "/accessDetails") {
				f.Add("/accessDetails", problem.ValidationFailed, "This is required.")
			}
			r.checkAssigned(f, &next, t.Roles)
			if len(*f) > 0 {
				return nil
			}
			if err := r.assignable(); err != nil {
				return err
			}
			next.Version, next.ModifiedAt = next.Version+1, e.At
			r.Assignments = slices.Clone(r.Assignments)
			r.Assignments[n] = next
			e.Why = assignment
			r.note(e)
			return nil
		},
	})
	if err != nil {
		return a, false, err
	}
	n, err := r.assignment(assignment)
	if err != nil {
		return a, false, err // it was changed by this command, and deleted since
	}
	return r.Assignments[n], replayed, nil
}

// Unassign takes an assignment away. What gives administration back needs no active partner (domain, 0.43). Codes:
// [problem.RoleNotPermitted], [problem.NotFound], [problem.PreconditionRequired], [problem.PreconditionFailed],
// [problem.InvalidTransition].
func (s *Service) Unassign(ctx context.Context, c command.Command, id, assignment string) (replayed bool, err error) {
	if err := c.User.Permit(partner.AdministerGranularly); err != nil {
		return false, err
	}
	_, replayed, err = s.change(ctx, c, id, action{
		names: []string{unassigned}, versioned: true, version: versionOf(assignment),
		do: func(r *Relationship, f *problem.Findings, e Entry) error {
			if len(*f) > 0 {
				return nil
			}
			if err := r.assignable(); err != nil {
				return err
			}
			r.Assignments = slices.DeleteFunc(slices.Clone(r.Assignments), func(a Assignment) bool { return a.ID == assignment })
			e.Why = assignment
			r.note(e)
			return nil
		},
	})
	return replayed, err
}

func pointedAt(f problem.Findings, pointer string) bool {
	return slices.ContainsFunc(f, func(x problem.Finding) bool { return strings.HasPrefix(x.Pointer, pointer) })
}

// versionOf has a command be about the version of an assignment.
func versionOf(assignment string) func(Relationship) (int, string, error) {
	return func(r Relationship) (int, string, error) {
		n, err := r.assignment(assignment)
		if err != nil {
			return 0, "", err
		}
		return r.Assignments[n].Version, "access assignment", nil
	}
}

// assignment returns the place of an assignment in the list.
func (r Relationship) assignment(id string) (int, error) {
	n := slices.IndexFunc(r.Assignments, func(a Assignment) bool { return a.ID == id })
	if n < 0 {
		return 0, problem.New(problem.NotFound, "There is no such access assignment.")
	}
	return n, nil
}

// assignedBefore finds what a command's key has made, also when the history no longer says it.
func (r Relationship) assignedBefore(c command.Command, now time.Time) (Assignment, bool, error) {
	for _, a := range r.Assignments {
		if was, err := c.Replays(now, a.CreatedAt, a.Key, a.Body); was || err != nil {
			return a, was, err
		}
	}
	was, err := replays(c, now, r, assigned)
	if was && err == nil {
		err = problem.New(problem.InvalidTransition, "What this request made was deleted since; use another Idempotency-Key.")
	}
	return Assignment{}, was, err
}

func (r Relationship) assignable() error {
	if r.Status != Active {
		return problem.New(problem.InvalidTransition,
			"Roles are assigned to groups while the relationship is active, and at no other time.")
	}
	return nil
}

func (r Relationship) checkGroup(f *problem.Findings, a *Assignment, group *string) {
	if group == nil {
		return
	}
	const pointer = "/accessContainer/accessContainerId"
	a.Group = *group
	switch {
	case !isGroup(a.Group):
		f.Add(pointer, problem.ValidationFailed,
			"This is the id of a security group: 1 to 64 letters, digits, hyphens, dots, colons or underscores.")
	case slices.ContainsFunc(r.Assignments, func(o Assignment) bool { return strings.EqualFold(o.Group, a.Group) }):
		f.Add(pointer, problem.ValidationFailed, "This group has an access assignment already: change that one.")
	}
}

func (r Relationship) checkAssigned(f *problem.Findings, a *Assignment, ids *[]string) {
	if ids == nil {
		return
	}
	a.Roles = r.checkHeld(f, *ids)
	count := len(a.Roles)
	for _, o := range r.Assignments {
		if o.ID != a.ID {
			count += len(o.Roles)
		}
	}
	if count > MaxAssigned {
		f.Add("/accessDetails/unifiedRoles", problem.ValidationFailed,
			"The groups of a relationship have at most %d roles together.", MaxAssigned)
	}
}

// checkHeld returns roles that are all of the relationship, sorted.
func (r Relationship) checkHeld(f *problem.Findings, ids []string) (held []string) {
	if len(ids) == 0 {
		f.Add("/accessDetails/unifiedRoles", problem.ValidationFailed, "There must be at least one role.")
	}
	for n, id := range ids {
		id = strings.ToLower(id)
		pointer := fmt.Sprintf("/accessDetails/unifiedRoles/%d/roleDefinitionId", n)
		switch {
		case !slices.Contains(r.Roles, id):
			f.Add(pointer, problem.ValidationFailed, "The customer has not approved this role for the relationship.")
		case slices.Contains(held, id):
			f.Add(pointer, problem.ValidationFailed, "This role is there twice.")
		default:
			held = append(held, id)
		}
	}
	slices.Sort(held)
	return held
}

// narrow takes roles away from an active relationship, and from the groups that have them: who is left without one
// has no assignment any more (domain, 0.46). False means that they are all that there are already.
func (r *Relationship) narrow(f *problem.Findings, ids []string, e Entry) (narrowed bool) {
	kept := r.checkHeld(f, ids)
	if len(*f) > 0 || len(kept) == len(r.Roles) {
		return false
	}
	var gone []string
	for _, id := range r.Roles {
		if !slices.Contains(kept, id) {
			gone = append(gone, id)
		}
	}
	r.Roles = kept
	var left []Assignment
	for _, a := range r.Assignments {
		roles := slices.DeleteFunc(slices.Clone(a.Roles), func(id string) bool { return slices.Contains(gone, id) })
		if len(roles) < len(a.Roles) {
			a.Roles, a.Version, a.ModifiedAt = roles, a.Version+1, e.At
		}
		if len(roles) > 0 {
			left = append(left, a)
		}
	}
	r.Assignments = left
	e.Action, e.Why = narrowedTo, strings.Join(gone, " ")
	r.note(e)
	if r.Answer != nil && r.Answer.Email != "" {
		r.Post.Enqueue(e.At, NarrowedNotice)
	}
	return true
}

// unassign ends what is assigned, with the relationship.
func (r *Relationship) unassign(at time.Time) {
	r.Assignments = slices.Clone(r.Assignments)
	for n := range r.Assignments {
		if a := &r.Assignments[n]; a.Status != Unassigned {
			a.Status, a.ModifiedAt, a.Version = Unassigned, at.UTC().Truncate(time.Second), a.Version+1
		}
	}
}
