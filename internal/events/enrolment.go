package events

import (
	"time"

	"concord/internal/enrolment"
)

// EnrolmentStatusChanged says that an enrolment has begun, or has reached another state.
const EnrolmentStatusChanged Type = "enrolment-status-changed"

// Enrolment is an enrolment as it is after the write.
type Enrolment struct {
	ID             string    `json:"id"`
	Version        int       `json:"version"`
	Path           string    `json:"path"`
	Status         string    `json:"status"`
	PreviousStatus string    `json:"previousStatus,omitempty"` // absent when it has just begun
	Cloud          string    `json:"cloud"`
	CreatedAt      time.Time `json:"createdAt"`
}

// OfEnrolment gives what a write of an enrolment tells. Before is nil for a new one.
func OfEnrolment(before *enrolment.Enrolment, after enrolment.Enrolment) []Event {
	was := ""
	if before != nil {
		was = string(before.Status)
	}
	if was == string(after.Status) || len(after.History) == 0 {
		return nil
	}
	last := after.History[len(after.History)-1] // what changes the state is the newest entry
	return []Event{{EnrolmentStatusChanged, Detail{
		Version: Version, ID: id(after.ID, after.Version, EnrolmentStatusChanged), OccurredAt: last.At.UTC(), CorrelationID: last.CorrelationID,
		PartnerTenantID: string(after.Tenant),
		Enrolment: &Enrolment{
			ID: after.ID, Version: after.Version, Path: string(after.Path), Status: string(after.Status), PreviousStatus: was, Cloud: string(after.Cloud),
			CreatedAt: after.CreatedAt.UTC(),
		},
	}}}
}
