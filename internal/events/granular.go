package events

import (
	"slices"
	"time"

	"concord/internal/audit"
	"concord/internal/granular"
)

// The types of events about granular administration.
const (
	GranularCreated        Type = "granular-admin-created"
	GranularLocked         Type = "granular-admin-locked" // the customer may approve
	GranularSent           Type = "granular-admin-sent"   // SES took the mail that asks for it
	GranularDeliveryFailed Type = "granular-admin-delivery-failed"
	GranularActivated      Type = "granular-admin-activated"
	GranularRejected       Type = "granular-admin-rejected"
	GranularWithdrawn      Type = "granular-admin-withdrawn" // nobody is asked to approve it any more
	GranularEnding         Type = "granular-admin-ending"    // 30, 7 or 1 days before the end
	GranularExtended       Type = "granular-admin-extended"
	GranularNarrowed       Type = "granular-admin-narrowed" // its partner gave some of the roles back
	GranularExpired        Type = "granular-admin-expired"
	GranularTerminated     Type = "granular-admin-terminated"
	GranularDeleted        Type = "granular-admin-deleted"
	GranularReported       Type = "granular-admin-reported" // who has the link knows nothing of it, or worse
)

// GranularAdmin is granular administration as it is after the write. Its name is somebody's own words, and not here.
type GranularAdmin struct {
	ID               string     `json:"id"`
	Version          int        `json:"version"`
	CustomerTenantID string     `json:"customerTenantId,omitempty"` // absent while it is anybody's to approve
	Status           string     `json:"status"`
	Roles            []string   `json:"roles"` // ids of role templates
	Duration         string     `json:"duration"`
	AutoExtend       bool       `json:"autoExtend"`
	CreatedAt        time.Time  `json:"createdAt"`
	ApproveBy        *time.Time `json:"approveBy,omitempty"`
	ActivatedAt      *time.Time `json:"activatedAt,omitempty"`
	EndsAt           *time.Time `json:"endsAt,omitempty"` // when it ends, or has ended
}

// granularTold says which entries of a history are events. The others are steps on the way.
var granularTold = map[string]Type{
	string(granular.Created): GranularCreated, string(granular.Pending): GranularLocked, string(granular.Active): GranularActivated,
	string(granular.Expired): GranularExpired, string(granular.Terminated): GranularTerminated, string(granular.Deleted): GranularDeleted,
	"mailed": GranularSent, "mailFailed": GranularDeliveryFailed, "bounced": GranularDeliveryFailed, "rejected": GranularDeliveryFailed,
	"suppressed": GranularDeliveryFailed, "reminded": GranularEnding, "extended": GranularExtended, "reported": GranularReported,
	"narrowed": GranularNarrowed,
}

// OfGranular gives what a write of granular administration tells: an event for each entry that it added to the history and that somebody
// else cares about; of several of one type in one write the newest. Before is nil for a new one.
func OfGranular(before *granular.Relationship, after granular.Relationship) []Event {
	var out []Event
	for _, e := range audit.AddedGranular(before, after) {
		t, ok := granularTold[e.Action]
		if !ok {
			continue
		}
		reason := e.Why
		switch {
		case t == GranularTerminated && e.Why == granular.Rejected:
			t, reason = GranularRejected, ""
		case t == GranularTerminated && after.Reason == granular.Withdrawn:
			t, reason = GranularWithdrawn, string(e.Actor) // who took it back
		case t == GranularTerminated:
			reason = string(e.Actor) // who ended it
		case t == GranularNarrowed:
			reason = "" // what is left stands in the roles
		case t == GranularExpired && e.Why != "":
			reason = "notApproved"
		}
		out = slices.DeleteFunc(out, func(o Event) bool { return o.Type == t })
		out = append(out, Event{t, Detail{
			Version: Version, ID: id(after.ID, after.Version, t), OccurredAt: e.At.UTC(), CorrelationID: e.CorrelationID,
			PartnerTenantID: string(after.Partner), Reason: reason, GranularAdmin: granularDetail(after),
		}})
	}
	return out
}

func granularDetail(r granular.Relationship) *GranularAdmin {
	moment := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		t = t.UTC()
		return &t
	}
	return &GranularAdmin{
		ID: r.ID, Version: r.Version, CustomerTenantID: string(r.Customer), Status: string(r.Status), Roles: r.Roles, Duration: r.Duration.String(),
		AutoExtend: r.AutoExtend, CreatedAt: r.CreatedAt.UTC(), ApproveBy: moment(r.ApproveBy), ActivatedAt: moment(r.ActivatedAt), EndsAt: moment(r.EndAt),
	}
}
