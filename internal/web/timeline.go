package web

import (
	"net/http"
	"time"

	"concord/internal/invitation"
)

type eventDocument struct {
	At            time.Time     `json:"at"`
	Action        string        `json:"action"`
	Actor         actorDocument `json:"actor"`
	CorrelationID string        `json:"correlationId,omitempty"`
	Reason        string        `json:"reason,omitempty"`
}

type actorDocument struct {
	Kind    invitation.ActorKind `json:"kind"`
	Subject string               `json:"subject,omitempty"`
}

// timeline gives what has happened to an invitation, all of it at once: it is never long.
func (i invitations) timeline(c *call) error {
	u, err := c.reader()
	if err != nil {
		return err
	}
	inv, err := i.service.Invitation(c.r.Context(), u, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	answer := page[eventDocument]{Items: []eventDocument{}}
	for _, e := range inv.Timeline(i.service.Now()) {
		action := e.Action
		if action == "mail failed" { // as it is stored
			action = "mailFailed"
		}
		answer.Items = append(answer.Items, eventDocument{e.At.UTC(), action, actorDocument{e.Actor, e.Subject}, e.CorrelationID, e.Reason})
	}
	return c.give(http.StatusOK, answer)
}
