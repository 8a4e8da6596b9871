package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"concord/infra/local/meter"
)

// Completed is what one completed invitation causes at the engine, everything from its creation to the last audit
// record, receipt and event.
type Completed struct {
	Requests int         `json:"requests"`
	Writes   float64     `json:"writeUnits"`
	Reads    float64     `json:"readUnits"`
	Mails    int         `json:"mails"`
	Logged   int         `json:"logBytes"`
	Rows     []meter.Row `json:"rows"`
}

// warm is how many invitations pass before one is counted: the first of a sandbox reads what the others have.
const warm = 1

// complete counts one invitation that is created, sent, delivered, looked at, signed in for and accepted.
func complete(ctx context.Context) (Completed, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	m := &meter.Meter{}
	c, end, err := newClient(ctx, warm+1, m)
	if err != nil {
		return Completed{}, err
	}
	defer end()
	var out Completed
	for n := range warm + 1 {
		m.Take()
		mails, logged := len(c.SES.Mails()), logBytes(c)
		id, err := c.whole(ctx, n)
		if err != nil {
			return out, err
		}
		out.Rows = m.Take()
		out.Requests, out.Writes, out.Reads = meter.Total(out.Rows)
		out.Mails, out.Logged = len(c.SES.Mails())-mails, logBytes(c)-logged
		var now struct{ Status string }
		if err := c.api(ctx, "GET", "/v1/invitations/"+id, "", "", http.StatusOK, &now); err != nil ||
			now.Status != "accepted" {
			return out, fmt.Errorf("bench: the invitation is %s: %w", now.Status, err)
		}
	}
	return out, nil
}

// whole is the way of one invitation, step by step as partners and people go it.
func (c *client) whole(ctx context.Context, n int) (id string, err error) {
	id, err = c.create(ctx, fmt.Sprint("create-", n), addressee(n))
	if err == nil {
		err = c.send(ctx, fmt.Sprint("send-", n), id)
	}
	if err == nil {
		err = c.settled(ctx)
	}
	if err != nil {
		return id, err
	}
	link := ""
	for _, m := range c.SES.Mails() {
		if m.Tags["invitation"] == id {
			link = linkOf(m)
		}
	}
	if link == "" {
		return id, fmt.Errorf("bench: no mail with the link of %s", id)
	}
	if err := c.open(ctx, link, ""); err != nil {
		return id, err
	}
	cookie, err := c.signIn(ctx, link, addressee(n)) // which ends on the form
	if err == nil {
		err = c.accept(ctx, link, cookie)
	}
	if err == nil {
		err = c.open(ctx, link+"?done", cookie)
	}
	if err == nil {
		err = c.settled(ctx)
	}
	return id, err
}

func logBytes(c *client) (n int) {
	for _, l := range c.Logs() {
		n += len(l.Text) + 1
	}
	return n
}
