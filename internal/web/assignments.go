package web

import (
	"net/http"
	"slices"
	"time"

	"concord/internal/granular"
	"concord/internal/partner"
	"concord/internal/problem"
)

// assignments serves which groups of a partner use the roles of its granular administration (domain, 0.47), with the names of Microsoft
// Graph.
type assignments struct{ service *granular.Service }

type assignmentDocument struct {
	ID                   string                    `json:"id"`
	AccessContainer      containerDocument         `json:"accessContainer"`
	AccessDetails        accessDocument            `json:"accessDetails"`
	Status               granular.AssignmentStatus `json:"status"`
	CreatedDateTime      time.Time                 `json:"createdDateTime"`
	LastModifiedDateTime time.Time                 `json:"lastModifiedDateTime"`
	Version              int                       `json:"version"`
}

type containerDocument struct {
	ID   string `json:"accessContainerId"`
	Type string `json:"accessContainerType"`
}

// securityGroup is the only kind of container.
const securityGroup = "securityGroup"

func assignmentOf(a granular.Assignment) assignmentDocument {
	d := assignmentDocument{
		ID: a.ID, AccessContainer: containerDocument{a.Group, securityGroup},
		AccessDetails: accessDocument{[]unifiedRole{}}, Status: a.Status,
		CreatedDateTime: a.CreatedAt.UTC(), LastModifiedDateTime: a.ModifiedAt.UTC(), Version: a.Version,
	}
	for _, id := range a.Roles {
		d.AccessDetails.UnifiedRoles = append(d.AccessDetails.UnifiedRoles, unifiedRole{id})
	}
	return d
}

// assignmentTerms takes what can be said of an assignment out of a body.
func assignmentTerms(b *body, group bool) (t granular.AssignmentTerms) {
	if group {
		if container := b.group("accessContainer"); container != nil {
			t.Group = container.text("accessContainerId")
			if t.Group == nil && len(container.findings) == 0 {
				container.findings.Add("/accessContainerId", problem.ValidationFailed, "This is required.")
			}
			if kind := container.text("accessContainerType"); kind != nil && *kind != securityGroup {
				container.findings.Add("/accessContainerType", problem.ValidationFailed, "The type must be securityGroup.")
			}
			b.join("/accessContainer", container)
		}
	}
	if access := b.group("accessDetails"); access != nil {
		t.Roles = access.unifiedRoles()
		b.join("/accessDetails", access)
	}
	return t
}

func (as assignments) create(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, true)
	if err != nil {
		return err
	}
	t := assignmentTerms(b, true)
	cmd.Findings = b.end()
	id := c.r.PathValue("id")
	a, replayed, err := as.service.Assign(c.r.Context(), cmd, id, t)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", granularPath(id)+"/access-assignments/"+a.ID)
	return c.done(http.StatusCreated, a.Version, assignmentOf(a), replayed)
}

// list gives those of a relationship, the oldest first.
func (as assignments) list(c *call) error {
	l, err := c.list()
	if err != nil {
		return err
	}
	u, err := c.permitted(partner.ReadGranular)
	if err != nil {
		return err
	}
	all, err := as.service.Assignments(c.r.Context(), u, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	first := 0
	// Where that was taken away since, the list begins anew: it is short, and who reads it knows the ids.
	if l.After != "" {
		first = 1 + slices.IndexFunc(all, func(a granular.Assignment) bool { return a.ID == l.After })
	}
	rest := all[first:]
	answer, next := page[assignmentDocument]{Items: []assignmentDocument{}}, ""
	for n, a := range rest[:min(l.Limit, len(rest))] {
		answer.Items = append(answer.Items, assignmentOf(a))
		if n+1 == l.Limit && n+1 < len(rest) {
			next = a.ID
		}
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

func (as assignments) read(c *call) error {
	u, err := c.permitted(partner.ReadGranular)
	if err != nil {
		return err
	}
	a, err := as.service.Assignment(c.r.Context(), u, c.r.PathValue("id"), c.r.PathValue("assignmentId"))
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, a.Version, assignmentOf(a))
}

func (as assignments) revise(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	t := assignmentTerms(b, false)
	cmd.Findings = b.end()
	a, replayed, err := as.service.Reassign(c.r.Context(), cmd, c.r.PathValue("id"), c.r.PathValue("assignmentId"), t)
	if err != nil {
		return err
	}
	return c.done(http.StatusOK, a.Version, assignmentOf(a), replayed)
}

func (as assignments) remove(c *call) error {
	b, err := c.body(false)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	cmd.Findings = b.end()
	replayed, err := as.service.Unassign(c.r.Context(), cmd, c.r.PathValue("id"), c.r.PathValue("assignmentId"))
	if err != nil {
		return err
	}
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
