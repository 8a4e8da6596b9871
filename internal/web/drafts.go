package web

import (
	"context"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"concord/internal/contact"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Drafts is what the draft of an invitation is made with.
type Drafts struct {
	// Sign makes the token of a link.
	Sign func(context.Context, link.Purpose, link.Link) (link.Secret, error)
	// Operator is who operates the service, as drafts say it.
	Operator contact.Operator
}

type draftDocument struct {
	Subject       string `json:"subject"`
	Body          string `json:"body"`
	Edited        bool   `json:"edited"`
	MailtoURI     string `json:"mailtoUri,omitempty"`
	ClipboardText string `json:"clipboardText"`
}

// draft is, with the answers to edit and reset, the one place of the API that gives the link.
func (i invitations) draft(c *call) error {
	u, err := c.reader()
	if err != nil {
		return err
	}
	inv, d, err := i.draftOf(c, u)
	if err != nil {
		return err
	}
	c.w.Header().Set("Vary", "Accept")
	if !c.prefers(messageType, "application/json") {
		return c.tagged(http.StatusOK, inv.Version, d)
	}
	h := c.w.Header()
	h.Set("Content-Type", messageType)
	h.Set("Content-Disposition", `attachment; filename="invitation.eml"`)
	h.Set("ETag", strconv.Quote(strconv.Itoa(inv.Version)))
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(letter.Message(inv.RecipientEmail, inv.RecipientName, d.Subject, d.Body, i.service.Now()))
	return nil
}

const messageType = "message/rfc822"

// draftOf gives the draft as it is now: the partner's own words, or those of the letter.
func (i invitations) draftOf(c *call, u partner.User) (invitation.Invitation, draftDocument, error) {
	l, err := i.service.Letter(c.r.Context(), u, c.r.PathValue("id"))
	if err != nil {
		return invitation.Invitation{}, draftDocument{}, err
	}
	inv := l.Invitation
	address, _, err := i.address(c.r.Context(), inv)
	if err != nil {
		return inv, draftDocument{}, err
	}
	if inv.Edited {
		words, err := i.service.Words(c.r.Context(), u, inv, address)
		if err == nil {
			return inv, edited(inv, words), nil
		}
		if !problem.Is(err, problem.NotFound) {
			return inv, draftDocument{}, err
		}
		// It was reset since. The version that is told is the one from before then, which can change nothing any more.
	}
	content := letter.Compose(l, address.Reveal(), i.drafts.Operator)
	d := draftDocument{Subject: content.Subject, Body: content.Text(), ClipboardText: content.Text()}
	if uri, ok := content.Mailto(inv.RecipientEmail); ok {
		d.MailtoURI = uri
	}
	return inv, d, nil
}

func edited(inv invitation.Invitation, w invitation.Words) draftDocument {
	d := draftDocument{Subject: w.Subject, Body: w.Body, Edited: true, ClipboardText: w.Body}
	if uri, ok := letter.Mailto(inv.RecipientEmail, w.Subject, w.Body); ok {
		d.MailtoURI = uri
	}
	return d
}

// address gives the link of an invitation as it is now, and what every link of ours to its cloud begins with.
func (i invitations) address(ctx context.Context, inv invitation.Invitation) (current link.Secret, origin string, err error) {
	cloud, err := i.service.Clouds.Cloud(inv.Cloud)
	if err != nil {
		return "", "", err
	}
	token, err := i.drafts.Sign(ctx, link.Answer, link.Link{Tenant: string(inv.Inviter), ID: inv.ID, Generation: inv.Generation})
	if err != nil {
		return "", "", err
	}
	return link.Secret(cloud.BaseURL + link.Answer.Path(token)), cloud.BaseURL + link.Answer.Path(""), nil
}

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
	// The link is made of what is read here: where it has another one by the time of writing, nothing is written. Who may only read learns nothing of what would be wrong with them.
	u, err := c.permitted(partner.InviteCustomers)
	if err != nil {
		return err
	}
	inv, err := i.service.Invitation(c.r.Context(), u, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	current, origin, err := i.address(c.r.Context(), inv)
	if err != nil {
		return err
	}
	cmd.Generation = inv.Generation
	inv, replayed, err := i.service.Edit(c.r.Context(), cmd, inv.ID, words, current, origin)
	if err != nil {
		return err
	}
	if replayed {
		return i.draftAgain(c, u)
	}
	return c.tagged(http.StatusOK, inv.Version, edited(inv, words))
}

func (i invitations) reset(c *call) error {
	_, replayed, err := c.act(false, i.service.Reset)
	if err != nil {
		return err
	}
	if replayed {
		return i.draftAgain(c, c.user())
	}
	inv, d, err := i.draftOf(c, c.user())
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, inv.Version, d)
}

// draftAgain answers a replay. An invitation that has ended since has no draft to show: that is told instead.
func (i invitations) draftAgain(c *call, u partner.User) error {
	inv, d, err := i.draftOf(c, u)
	if err != nil {
		return err
	}
	c.w.Header().Set("Idempotency-Replayed", "true")
	return c.tagged(http.StatusOK, inv.Version, d)
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
