package web

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"concord/internal/draft"
	"concord/internal/invitation"
	"concord/internal/partner"
)

type draftDocument struct {
	Subject       string `json:"subject"`
	Body          string `json:"body"`
	Edited        bool   `json:"edited"`
	MailtoURI     string `json:"mailtoUri,omitempty"`
	ClipboardText string `json:"clipboardText"`
	// Link is the personal link, which stands in the body once.
	Link string `json:"link"`
}

func documentOfDraft(x draft.Draft) draftDocument {
	return draftDocument{
		Subject: x.Subject, Body: x.Body, Edited: x.Edited, MailtoURI: x.Mailto, ClipboardText: x.Body, Link: x.Link.Reveal(),
	}
}

// draft is, with the answers to edit and reset, the one place of the API that gives the link.
func (i invitations) draft(c *call) error {
	u, err := c.reader()
	if err != nil {
		return err
	}
	d, err := i.drafts.Of(c.r.Context(), u, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	c.w.Header().Set("Vary", "Accept")
	if !c.prefers(messageType, "application/json") {
		return c.tagged(http.StatusOK, d.Invitation.Version, documentOfDraft(d))
	}
	h := c.w.Header()
	h.Set("Content-Type", messageType)
	h.Set("Content-Disposition", `attachment; filename="invitation.eml"`)
	h.Set("ETag", strconv.Quote(strconv.Itoa(d.Invitation.Version)))
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(d.Message(i.service.Now()))
	return nil
}

const messageType = "message/rfc822"

func (i invitations) edit(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	var words invitation.Words
	if v := b.text("subject"); v != nil {
		words.Subject = *v
	}
	if v := b.text("body"); v != nil {
		words.Body = *v
	}
	cmd.Findings = b.end()
	if _, err := c.permitted(partner.InviteCustomers); err != nil {
		return err
	}
	x, replayed, err := i.drafts.Edit(c.r.Context(), cmd, c.r.PathValue("id"), words)
	return i.drafted(c, x, replayed, err)
}

func (i invitations) reset(c *call) error {
	b, err := c.body(false)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	cmd.Findings = b.end()
	x, replayed, err := i.drafts.Reset(c.r.Context(), cmd, c.r.PathValue("id"))
	return i.drafted(c, x, replayed, err)
}

// drafted answers a change of a draft. A replay has the draft as it is now.
func (i invitations) drafted(c *call, x draft.Draft, replayed bool, err error) error {
	if err != nil {
		return err
	}
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	return c.tagged(http.StatusOK, x.Invitation.Version, documentOfDraft(x))
}

// prefers reports whether the caller asks for a media type by its name, and for no other as much (RFC 9110, 12.5.1). Whoever takes
// anything gets the other.
func (c *call) prefers(wanted, other string) bool {
	return c.accepts(wanted, false) > c.accepts(other, true)
}

// accepts gives the weight that the caller gives a media type, from 0 to 1; a range counts where it may.
func (c *call) accepts(mediaType string, ranges bool) float64 {
	family, _, _ := strings.Cut(mediaType, "/")
	weight, precision := 0.0, 0
	for _, line := range c.r.Header.Values("Accept") {
		for part := range strings.SplitSeq(line, ",") {
			t, parameters, err := mime.ParseMediaType(part)
			if err != nil {
				continue
			}
			p := map[string]int{mediaType: 3, family + "/*": 2, "*/*": 1}[t]
			if p <= precision || p < 3 && !ranges {
				continue
			}
			precision, weight = p, 1
			if q, said := parameters["q"]; said {
				if weight, err = strconv.ParseFloat(q, 64); err != nil {
					weight = 0
				}
			}
		}
	}
	return weight
}
