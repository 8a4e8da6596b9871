package web

import (
	"net/http"
	"strings"
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
		answer.Items = append(answer.Items, eventDocument{e.At.UTC(), camel(e.Action), actorDocument{e.Actor, e.Subject}, e.CorrelationID, e.Reason})
	}
	return c.give(http.StatusOK, answer)
}

// camel gives the name of an action, which is stored in words.
func camel(action string) string {
	first, second, two := strings.Cut(action, " ")
	if !two {
		return action
	}
	return first + strings.ToUpper(second[:1]) + second[1:]
}
