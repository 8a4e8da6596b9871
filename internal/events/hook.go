package events

import (
	"encoding/json"
	"fmt"
	"time"

	"concord/internal/partner"
	"concord/internal/webhook"
)

// hooked is an event as the programs of its partner get it, in the form that the Standard Webhooks specification asks for.
type hooked struct {
	Type      Type      `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      Detail    `json:"data"`
}

// Message gives the event as it is delivered to endpoints.
func (e Event) Message() (webhook.Message, error) {
	body, err := json.Marshal(hooked{e.Type, e.Detail.OccurredAt, e.Detail})
	if err != nil {
		return webhook.Message{}, fmt.Errorf("events: %s: %w", e.Detail.ID, err)
	}
	return webhook.Message{
		ID: e.Detail.ID, Type: string(e.Type), Partner: partner.TenantID(e.Detail.PartnerTenantID), At: e.Detail.OccurredAt, Body: body,
	}, nil
}
