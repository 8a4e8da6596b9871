package web

import (
	"net/http"
	"time"

	"concord/internal/audit"
	"concord/internal/partner"
)

// trail serves the audit of the calling partner.
type trail struct {
	log audit.Log
	now func() time.Time
}

type recordDocument struct {
	ID               string            `json:"id"`
	OccurredAt       time.Time         `json:"occurredAt"`
	Actor            whoDocument       `json:"actor"`
	OperationType    string            `json:"operationType"`
	ResourceType     string            `json:"resourceType"`
	ResourceID       string            `json:"resourceId"`
	CustomerTenantID partner.TenantID  `json:"customerTenantId,omitempty"`
	OldValue         map[string]string `json:"oldValue"` // null where nothing was before
	NewValue         map[string]string `json:"newValue"`
	CorrelationID    string            `json:"correlationId,omitempty"`
	Reason           string            `json:"reason,omitempty"`
}

type whoDocument struct {
	Kind     audit.ActorKind  `json:"kind"`
	Subject  string           `json:"sub,omitempty"`
	TenantID partner.TenantID `json:"tenantId,omitempty"`
}

// lookBack is what a list without dates covers.
const lookBack = 30 * 24 * time.Hour

// maxOperation and maxSubject bound the filters by operation and by who acted, in bytes.
const (
	maxOperation = 64
	maxSubject   = 256
)

func (a trail) list(c *call) error {
	l, err := c.list("startDate", "endDate", "customerId", "resourceType", "operationType", "actor")
	if err != nil {
		return err
	}
	q := audit.Query{
		Customer: l.tenant("customerId"), ResourceType: oneOf(l, "resourceType", audit.ResourceTypes...), Operation: l.text("operationType", maxOperation),
		Actor: l.text("actor", maxSubject),
		Limit: l.Limit, After: l.After,
	}
	var ended bool
	q.From, _ = l.day("startDate", false)
	if q.Before, ended = l.day("endDate", true); !ended {
		q.Before = a.now().Add(time.Minute) // clocks differ
	}
	if q.From.IsZero() {
		q.From = q.Before.Add(-lookBack)
	}
	if l.err != nil {
		return l.err
	}
	u, err := c.permitted(partner.ReadAudit)
	if err != nil {
		return err
	}
	if q.Also, err = c.other(q.Customer); err != nil {
		return err
	}
	found, err := a.log.AuditRecords(c.r.Context(), u.Tenant, q)
	if err != nil {
		return err
	}
	answer := page[recordDocument]{Items: []recordDocument{}}
	for _, r := range found.Records {
		answer.Items = append(answer.Items, recordDocument{
			ID: r.ID, OccurredAt: r.At.UTC(), Actor: whoDocument{r.Actor.Kind, r.Actor.Subject, r.Actor.Tenant}, OperationType: r.Operation,
			ResourceType: r.ResourceType, ResourceID: r.ResourceID, CustomerTenantID: r.Customer, OldValue: r.Old, NewValue: r.New,
			CorrelationID: r.CorrelationID, Reason: r.Reason,
		})
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}
