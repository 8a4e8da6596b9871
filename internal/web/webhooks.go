package web

import (
	"net/http"
	"time"

	"concord/internal/command"
	"concord/internal/webhook"
)

// hooks serves the webhook endpoints of the calling partner.
type hooks struct{ service *webhook.Service }

func (h hooks) operations() map[string]func(*call) error {
	return map[string]func(*call) error{
		"POST /v1/webhook-endpoints":                                        h.create,
		"GET /v1/webhook-endpoints":                                         h.list,
		"GET /v1/webhook-endpoints/{id}":                                    h.read,
		"PATCH /v1/webhook-endpoints/{id}":                                  h.change,
		"DELETE /v1/webhook-endpoints/{id}":                                 h.remove,
		"POST /v1/webhook-endpoints/{id}/rotate-secret":                     h.rotate,
		"POST /v1/webhook-endpoints/{id}/test":                              h.test,
		"GET /v1/webhook-endpoints/{id}/deliveries":                         h.deliveries,
		"POST /v1/webhook-endpoints/{id}/deliveries/{deliveryId}/redeliver": h.redeliver,
	}
}

type endpointDocument struct {
	ID             string         `json:"id"`
	URL            string         `json:"url"`
	Description    string         `json:"description,omitempty"`
	Events         []string       `json:"events"`
	Status         webhook.Status `json:"status"`
	DisabledReason string         `json:"disabledReason,omitempty"`
	// Secret is there when it was made, and never again.
	Secret          string     `json:"secret,omitempty"`
	OldSecretEndsAt *time.Time `json:"oldSecretEndsAt,omitempty"`
	FailingSince    *time.Time `json:"failingSince,omitempty"`
	CreatedAt       time.Time  `json:"createdAt"`
	UpdatedAt       time.Time  `json:"updatedAt"`
	Version         int        `json:"version"`
}

type hookDeliveryDocument struct {
	ID            string     `json:"id"`
	EventID       string     `json:"eventId"`
	EventType     string     `json:"eventType"`
	OccurredAt    time.Time  `json:"occurredAt"`
	Status        string     `json:"status"`
	Attempts      int        `json:"attempts"`
	LastAttemptAt *time.Time `json:"lastAttemptAt,omitempty"`
	NextAttemptAt *time.Time `json:"nextAttemptAt,omitempty"`
	// ResponseStatus is that of the last attempt, Reason why it counts as failed.
	ResponseStatus int    `json:"responseStatus,omitempty"`
	Reason         string `json:"reason,omitempty"`
}

func documentOfEndpoint(e webhook.Endpoint, secret string) endpointDocument {
	d := endpointDocument{
		ID: e.ID, URL: e.URL, Description: e.Description, Events: e.Events, Status: e.Status, DisabledReason: e.Reason, Secret: secret,
		FailingSince: moment(e.FailingSince), CreatedAt: e.CreatedAt.UTC(), UpdatedAt: e.ChangedAt.UTC(), Version: e.Revision,
	}
	if d.Events == nil {
		d.Events = []string{}
	}
	if len(e.Secrets) > 1 {
		d.OldSecretEndsAt = moment(e.Secrets[1].Until)
	}
	return d
}

func documentOfDelivery(d webhook.Delivery) hookDeliveryDocument {
	x := hookDeliveryDocument{
		ID: d.ID, EventID: d.Event, EventType: d.Type, OccurredAt: d.At.UTC(), Status: string(d.Result), Attempts: d.Attempts,
		LastAttemptAt: moment(d.LastAt), ResponseStatus: d.Status, Reason: d.Reason,
	}
	if d.Result == webhook.Pending {
		x.Status = "pending"
		if d.Attempts > 0 {
			x.NextAttemptAt = moment(d.Box.At)
		}
	}
	return x
}

// settings reads what is set of an endpoint.
func (b *body) settings() webhook.Settings {
	return webhook.Settings{
		URL: b.text("url"), Description: b.text("description"), Events: take[[]string](b, "events", "a list of texts"),
		Status: (*webhook.Status)(b.text("status")),
	}
}

// asked reads a request that changes something, and its settings.
func (c *call) asked(keyRequired, bodyRequired bool) (cmd command.Command, set webhook.Settings, err error) {
	b, err := c.body(bodyRequired)
	if err != nil {
		return cmd, set, err
	}
	if cmd, err = c.command(b, keyRequired); err != nil {
		return cmd, set, err
	}
	if bodyRequired {
		set = b.settings()
	}
	cmd.Findings = b.end()
	return cmd, set, nil
}

func (h hooks) create(c *call) error {
	cmd, set, err := c.asked(true, true)
	if err != nil {
		return err
	}
	e, secret, replayed, err := h.service.Create(c.r.Context(), cmd, set)
	if err != nil {
		return err
	}
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	c.w.Header().Set("Location", "/v1/webhook-endpoints/"+e.ID)
	return c.tagged(http.StatusCreated, e.Revision, documentOfEndpoint(e, secret))
}

func (h hooks) list(c *call) error {
	if _, err := c.list(); err != nil {
		return err
	}
	all, err := h.service.Endpoints(c.r.Context(), c.user())
	if err != nil {
		return err
	}
	answer := page[endpointDocument]{Items: []endpointDocument{}}
	for _, e := range all {
		answer.Items = append(answer.Items, documentOfEndpoint(e, ""))
	}
	return c.give(http.StatusOK, answer)
}

func (h hooks) read(c *call) error {
	e, err := h.service.Endpoint(c.r.Context(), c.user(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, e.Revision, documentOfEndpoint(e, ""))
}

func (h hooks) change(c *call) error {
	cmd, set, err := c.asked(false, true)
	if err != nil {
		return err
	}
	e, err := h.service.Change(c.r.Context(), cmd, c.r.PathValue("id"), set)
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, e.Revision, documentOfEndpoint(e, ""))
}

func (h hooks) remove(c *call) error {
	cmd, _, err := c.asked(false, false)
	if err != nil {
		return err
	}
	if err := h.service.Remove(c.r.Context(), cmd, c.r.PathValue("id")); err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h hooks) rotate(c *call) error {
	cmd, _, err := c.asked(false, false)
	if err != nil {
		return err
	}
	e, secret, err := h.service.Rotate(c.r.Context(), cmd, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, e.Revision, documentOfEndpoint(e, secret))
}

func (h hooks) test(c *call) error {
	cmd, _, err := c.asked(false, false)
	if err != nil {
		return err
	}
	d, err := h.service.Test(c.r.Context(), cmd, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.give(http.StatusAccepted, documentOfDelivery(d))
}

func (h hooks) deliveries(c *call) error {
	l, err := c.list()
	if err != nil {
		return err
	}
	found, err := h.service.Deliveries(c.r.Context(), c.user(), c.r.PathValue("id"), l.After, l.Limit)
	if err != nil {
		return err
	}
	answer := page[hookDeliveryDocument]{Items: []hookDeliveryDocument{}}
	for _, d := range found.Deliveries {
		answer.Items = append(answer.Items, documentOfDelivery(d))
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

func (h hooks) redeliver(c *call) error {
	cmd, _, err := c.asked(false, false)
	if err != nil {
		return err
	}
	d, err := h.service.Redeliver(c.r.Context(), cmd, c.r.PathValue("id"), c.r.PathValue("deliveryId"))
	if err != nil {
		return err
	}
	return c.give(http.StatusAccepted, documentOfDelivery(d))
}
