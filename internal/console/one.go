package console

import (
	"slices"
	"time"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
)

// seenInvitation is one invitation with its way, and what can be done with it.
type seenInvitation struct {
	Facts, Answer []fact
	Timeline      []moment
	Actions       []action
	Hidden        *hidden
	Path          string
	Extend        *field // for how long from now; nil for what cannot be extended
	Correct       []field
	CorrectText   string
}

func (h *site) invitation(v *visit) (*page, error) {
	i, err := h.Invitations.Invitation(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := v.page("console.invitation.title", "recipient", v.recipient(i))
	p.Parent = &action{Label: v.T("console.invitations.title"), Href: root + "/invitations"}
	p.Pill = v.status(i)
	content := seenInvitation{
		Facts:  v.invitationFacts(i),
		Answer: v.answerFacts(i),
		Hidden: v.hiddenOf(i.Version),
		Path:   invitationPath(i.ID),
	}
	for _, e := range i.Timeline(v.now) {
		m := moment{
			Title: v.event(e.Action),
			Who:   v.whoDid(e.Actor, e.Subject),
			Note:  e.Reason,
			Time:  v.at(e.At),
			State: eventState(e.Action),
		}
		content.Timeline = append(content.Timeline, m)
	}
	slices.Reverse(content.Timeline)
	p.Changed = v.newest(i)
	p.Notes = v.invitationNotes(i)
	v.offer(i, p, &content)
	if d := i.Mail.State; i.StatusAt(v.now).Open() && d.Owed() {
		p.Live = 5
	}
	p.Content = content
	return p, nil
}

// needTexts say what to do about what an invitation waits for.
var needTexts = map[invitation.Need]struct {
	state state
	key   string
}{
	invitation.NeedDisputed: {
		stop,
		"console-invite.need.disputed",
	}, invitation.NeedRenewal: {wait, "console-invite.need.renewal"},
	invitation.NeedDeclined: {
		stop,
		"console-invite.need.declined",
	}, invitation.NeedUndelivered: {stop, "console-invite.need.undelivered"},
	invitation.NeedDraft: {wait, "console-invite.need.draft"},
}

func (v *visit) invitationNotes(i invitation.Invitation) (all []note) {
	if t, ok := needTexts[i.Need(v.now)]; ok {
		all = append(all, note{State: t.state, Text: []string{v.T(t.key)}})
	}
	if i.Moot != nil && i.StatusAt(v.now).Open() {
		all = append(all, note{State: info, Text: []string{v.T("console-invite.moot", "date", v.Date(i.Moot.Since))}})
	}
	if i.Sandbox {
		all = append(all, note{State: info, Text: []string{v.T("console-invite.sandbox")}})
	}
	return all
}

// offer says what can be done with an invitation, or why not now.
func (v *visit) offer(i invitation.Invitation, p *page, c *seenInvitation) {
	blocked := ""
	if !v.permitted(partner.InviteCustomers) {
		blocked = v.agents()
	}
	add := func(a action) {
		if a.Blocked == "" {
			a.Blocked = blocked
		}
		c.Actions = append(c.Actions, a)
	}
	status := i.StatusAt(v.now)
	if !status.Open() {
		add(action{Label: v.T("console-invite.renew"), Do: "renew"})
		return
	}
	if i.Malleable() {
		if status == invitation.Draft {
			p.Primary = &action{Label: v.T("console-invite.to-draft"), Href: draftPath(i.ID)}
		} else {
			c.Actions = append(c.Actions,
				action{Label: v.T("console-invite.to-email"), Href: draftPath(i.ID), Quiet: true})
		}
		add(action{Label: v.T("console-invite.new-link"), Do: "new-link", Quiet: true})
	} else {
		resend := action{Label: v.T("console.invitation.resend"), Do: "resend"}
		if until := i.CooldownUntil(v.now); !until.IsZero() {
			resend.Blocked = v.T("console.invitation.cooldown", "date", v.DateTime(until.Add(time.Minute).Truncate(time.Minute)))
		}
		add(resend)
	}
	add(action{Label: v.T("console.invitation.cancel"), Href: invitationPath(i.ID) + "/cancel", Quiet: true})
	if blocked != "" {
		return
	}
	extend := v.input("select", "expiresIn", v.T("console-invite.extend.to"), "")
	extend.Hint = v.T("console-invite.extend.hint")
	for _, s := range spans {
		extend.Options = append(
			extend.Options,
			option{Value: s, Label: v.span(s), Selected: v.form.values == nil && s == "P30D"},
		)
	}
	c.Extend = &extend
	email := v.input("email", "recipientEmail", v.T("console.filter.recipient"), i.RecipientEmail)
	name := v.input("text", "recipientName", v.T("console-invite.new.name"), i.RecipientName)
	name.Optional, email.Autocomplete, name.Autocomplete = true, "off", "off"
	c.Correct, c.CorrectText = []field{email, name}, v.T("console-invite.correct.mailed")
	if i.Malleable() {
		c.CorrectText = v.T("console-invite.correct.draft")
	}
}

// change does what a button of the page says.
func (h *site) change(v *visit) (to, said string, err error) {
	id, c := v.r.PathValue("id"), v.command()
	switch v.form.do() {
	case "renew":
		i, _, err := h.Invitations.Renew(v.ctx(), c, id)
		return draftPath(i.ID), "console-invite.did.drafted", err
	case "new-link":
		_, _, err = h.Invitations.Relink(v.ctx(), c, id)
		return draftPath(id), "console-invite.did.relinked", err
	case "extend":
		p, findings := proposal(v.form.values, "")
		c.Findings = findings
		_, _, err = h.Invitations.Extend(v.ctx(), c, id, p.Duration)
		return invitationPath(id), "console-invite.did.extended", err
	case "correct":
		i, _, err := h.Invitations.Correct(
			v.ctx(),
			c,
			id,
			invitation.Revision{
				RecipientEmail: v.form.said("recipientEmail"),
				RecipientName:  notEmpty(v.form.said("recipientName")),
			},
		)
		if err == nil && i.Status == invitation.Pending && !i.Malleable() {
			return invitationPath(i.ID), "console-invite.did.corrected-sent", nil
		}
		return invitationPath(id), "console-invite.did.corrected", err
	case "cancel":
		_, _, err = h.Invitations.Cancel(v.ctx(), c, id, v.form.values.Get("reason"))
		return invitationPath(id), "console.did.cancelled", err
	case "resend": // with a new link (G2)
		_, _, err = h.Invitations.Resend(v.ctx(), c, id)
		return invitationPath(id), "console.did.resent", err
	}
	_, err = h.Invitations.Invitation(v.ctx(), v.user, id)
	if err == nil {
		err = problem.New(problem.MalformedRequest, "The form has no verb of this page.")
	}
	return "", "", err
}

func notEmpty(s *string) *string {
	if s == nil || *s == "" {
		return nil
	}
	return s
}

func batchPath(id string) string { return root + "/batches/" + id }
