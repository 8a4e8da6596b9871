// Package draft says what the draft of an invitation says, for whatever shows one: the words of the letter with the
// personal link in them, or those that the partner has made of them (rules I6 to I9). It makes the link anew each time
// and keeps it nowhere.
package draft

import (
	"context"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Service is where drafts are written.
type Service struct {
	Invitations *invitation.Service
	// Sign makes the token of a link.
	Sign func(context.Context, link.Purpose, link.Link) (link.Secret, error)
	// Operator is who operates the service, as drafts say it.
	Operator emailaddr.Operator
}

// Draft is the mail that a partner sends itself.
type Draft struct {
	Invitation invitation.Invitation
	Subject    string
	Body       string // with the link in it, once
	Edited     bool   // the words are the partner's own
	Link       link.Secret
	// Mailto is a link that opens a mail program, and empty where it would be too long for one (0.16): the whole body
	// is in Body.
	Mailto string
}

// Message gives the draft as a file that mail programs open.
func (d Draft) Message(at time.Time) []byte {
	return letter.Message(d.Invitation.RecipientEmail, d.Invitation.RecipientName, d.Subject, d.Body, at)
}

// Of gives the draft as it is now: the partner's own words, or those of the letter. Codes: those of
// [invitation.Service.Letter].
func (d Service) Of(ctx context.Context, u partner.User, id string) (Draft, error) {
	l, err := d.Invitations.Letter(ctx, u, id)
	if err != nil {
		return Draft{}, err
	}
	inv := l.Invitation
	address, _, err := d.address(ctx, inv)
	if err != nil {
		return Draft{}, err
	}
	if inv.Edited {
		words, err := d.Invitations.Words(ctx, u, inv, address)
		if err == nil {
			return edited(inv, words, address), nil
		}
		if !problem.Is(err, problem.NotFound) {
			return Draft{}, err
		}
		// It was reset since. The version that is told is the one from before then, which can change nothing any more.
	}
	content := letter.Compose(l, address.Reveal(), d.Operator)
	x := Draft{Invitation: inv, Subject: content.Subject, Body: content.Text(), Link: address}
	if uri, ok := content.Mailto(inv.RecipientEmail); ok {
		x.Mailto = uri
	}
	return x, nil
}

func edited(inv invitation.Invitation, w invitation.Words, address link.Secret) Draft {
	x := Draft{Invitation: inv, Subject: w.Subject, Body: w.Body, Edited: true, Link: address}
	if uri, ok := letter.Mailto(inv.RecipientEmail, w.Subject, w.Body); ok {
		x.Mailto = uri
	}
	return x
}

// address gives the link of an invitation as it is now, and what every link of ours to its cloud begins with.
func (d Service) address(ctx context.Context, inv invitation.Invitation) (current link.Secret, origin string, err error) {
	cloud, err := d.Invitations.Clouds.Cloud(inv.Cloud)
	if err != nil {
		return "", "", err
	}
	token, err := d.Sign(
		ctx,
		link.Answer,
		link.Link{Tenant: string(inv.Inviter), ID: inv.ID, Generation: inv.Generation},
	)
	if err != nil {
		return "", "", err
	}
	return link.Secret(cloud.BaseURL + link.Answer.Path(token)), cloud.BaseURL + link.Answer.Path(""), nil
}

// Edit keeps the partner's own words. Codes: those of [invitation.Service.Edit].
func (d Service) Edit(ctx context.Context, c command.Command, id string, w invitation.Words) (x Draft, replayed bool, err error) {
	// The link is made of what is read here: where it has another one by the time of writing, nothing is written. Who
	// may only read learns nothing of what would be wrong with them.
	if err := c.User.Permit(partner.InviteCustomers); err != nil {
		return Draft{}, false, err
	}
	inv, err := d.Invitations.Invitation(ctx, c.User, id)
	if err != nil {
		return Draft{}, false, err
	}
	current, origin, err := d.address(ctx, inv)
	if err != nil {
		return Draft{}, false, err
	}
	c.Generation = inv.Generation
	inv, replayed, err = d.Invitations.Edit(ctx, c, inv.ID, w, current, origin)
	if err != nil || !replayed {
		return edited(inv, w, current), false, err
	}
	x, err = d.Of(ctx, c.User, id)
	return x, true, err
}

// Reset gives the draft the words of the letter again. Codes: those of [invitation.Service.Reset]. One that was reset
// before and has ended since has no draft to show: that is told instead.
func (d Service) Reset(ctx context.Context, c command.Command, id string) (x Draft, replayed bool, err error) {
	if _, replayed, err = d.Invitations.Reset(ctx, c, id); err != nil {
		return Draft{}, replayed, err
	}
	x, err = d.Of(ctx, c.User, id)
	return x, replayed, err
}

// Mail gives the mail that this service would send of a letter. Its links are no secret: they lead to the front page.
func (d Service) Mail(l invitation.Letter) letter.Content {
	return letter.Mail(
		l,
		letter.Links{Answer: l.Cloud.BaseURL + "/…", Report: l.Cloud.BaseURL, Allow: l.Cloud.BaseURL},
		d.Operator,
	)
}
