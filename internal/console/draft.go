package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/draft"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
)

func (h *site) draftRoutes() []route {
	read, change := audience{operation: partner.ReadCustomers}, audience{operation: partner.InviteCustomers}
	return []route{
		{method: http.MethodGet, path: "/invitations/{id}/draft", page: "console-draft", who: read, serve: h.draftPage},
		{
			method: http.MethodPost,
			path:   "/invitations/{id}/draft",
			page:   "console-draft",
			who:    change,
			serve:  h.act(h.draftPage, h.changeDraft),
		},
	}
}

func draftPath(id string) string { return invitationPath(id) + "/draft" }

// seenDraft is the mail that a partner sends itself, and the one that this service would send.
type seenDraft struct {
	Hidden        *hidden
	Path          string
	To            copyable
	Link          copyable
	Subject, Body field
	Mailto        *action // opens the mail program; blocked where that cannot take the text
	Shorter       string  // said where it opens less than the message; empty for all of it
	Unsaved       string  // said of words that are not saved, which it does not open
	Copy          string  // the id of what is copied
	File          string
	Save, Reset   *action
	Done          *action // nil for one that is done
	Send          *action
	Left          string // how many mails may still go out today
	Preview       *preview
}

// draftPage shows the draft (rules I6 to I9). Its frame and its file are the same page in another form.
func (h *site) draftPage(v *visit) (*page, error) {
	id := v.r.PathValue("id")
	x, err := h.drafts.Of(v.ctx(), v.user, id)
	if err != nil {
		return nil, h.overdue(v, id, err)
	}
	i := x.Invitation
	if v.r.Method == http.MethodGet || v.r.Method == http.MethodHead {
		switch v.r.URL.Query().Get("format") {
		case "eml":
			v.fileOf(x)
			return nil, nil
		case "mail":
			l, err := h.Invitations.Letter(v.ctx(), v.user, id)
			if err != nil {
				return nil, err
			}
			return nil, h.frameMail(v, l)
		}
	}
	p := v.page("console-invite.draft.title", "recipient", v.recipient(i))
	p.Parent = &action{Label: v.T("console.invitation.title", "recipient", v.recipient(i)), Href: invitationPath(i.ID)}
	p.Pill = v.status(i)
	p.Notes = v.draftNotes(x)
	content := v.seenDraft(x)
	if err := h.sending(v, i, &content); err != nil {
		return nil, err
	}
	p.Changed = v.newest(i)
	p.Content = content
	return p, nil
}

// overdue leads from the draft of what has ended to the request itself, which says what became of it.
func (h *site) overdue(v *visit, id string, err error) error {
	switch problem.CodeOf(err) {
	case problem.InvitationAlreadyAccepted,
		problem.InvitationAlreadyDeclined,
		problem.InvitationAlreadyCancelled,
		problem.InvitationExpired:
		if v.r.Method != http.MethodPost {
			v.redirect(invitationPath(id))
			return nil
		}
	}
	return err
}

// fileOf answers with the draft as a file that mail programs open.
func (v *visit) fileOf(x draft.Draft) {
	v.headers(policy)
	v.w.Header().Set("Content-Type", "message/rfc822")
	v.w.Header().Set("Content-Disposition", `attachment; filename="invitation.eml"`)
	v.w.WriteHeader(http.StatusOK)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(x.Message(v.now))
	}
}

func (v *visit) draftNotes(x draft.Draft) (all []note) {
	text := v.T("console-invite.draft.works")
	if x.Invitation.Status == invitation.Pending && x.Invitation.Malleable() {
		text = v.T("console-invite.draft.again")
	}
	return append(all, note{State: info, Text: []string{text}})
}

func (v *visit) seenDraft(x draft.Draft) seenDraft {
	i := x.Invitation
	c := seenDraft{
		Hidden: v.hiddenOf(i.Version), Path: draftPath(i.ID), Copy: "f-body", File: draftPath(i.ID) + "?format=eml",
		Link: copyable{
			Printer: v.Printer,
			ID:      "link",
			Label:   v.T("console-invite.draft.link"),
			Text:    x.Link.Reveal(),
		},
		Preview: &preview{Title: v.T("console-invite.check.preview"), Source: draftPath(i.ID) + "?format=mail"},
	}
	if i.RecipientEmail != "" {
		c.To = copyable{Printer: v.Printer, ID: "to", Label: v.T("console-invite.draft.to"), Text: i.RecipientEmail}
	}
	c.Subject = v.input("text", "subject", v.T("console-invite.draft.subject"), x.Subject)
	c.Subject.Max, c.Subject.Lang = invitation.MaxSubject, i.Locale
	c.Body = v.input("textarea", "body", v.T("console-invite.draft.body"), x.Body)
	c.Body.Rows, c.Body.Lang, c.Body.Hint = 18, i.Locale, v.T("console-invite.draft.body.hint")
	c.Mailto = &action{Label: v.T("console-invite.draft.open"), Href: x.Mailto}
	switch {
	case x.Mailto == "":
		c.Mailto.Blocked = v.T("console-invite.draft.too-long")
	case v.form.refusal != nil || v.form.obstacle != "": // what was typed is shown, and not saved
		c.Mailto.Blocked = v.T("console-invite.draft.unsaved")
	default:
		c.Unsaved = v.T("console-invite.draft.unsaved")
		if !x.Edited {
			c.Shorter = v.T("console-invite.draft.shorter")
		}
	}
	c.Save = &action{Label: v.T("console-invite.draft.save"), Do: "save", Quiet: true}
	if x.Edited {
		c.Reset = &action{Label: v.T("console-invite.draft.reset"), Do: "reset", Quiet: true}
	}
	if i.Status == invitation.Draft {
		c.Done = &action{Label: v.T("console-invite.draft.done"), Do: "done"}
	}
	if !v.permitted(partner.InviteCustomers) {
		c.Save.Blocked = v.agents()
		if c.Done != nil {
			c.Done.Blocked = c.Save.Blocked
		}
		c.Reset = nil
	}
	return c
}

// agents says who may send requests.
func (v *visit) agents() string {
	return v.T("console.not-allowed.roles", "roles", v.role(partner.AdminAgent)+" · "+v.role(partner.SalesAgent))
}

// sending offers to mail it here, or says why not.
func (h *site) sending(v *visit, i invitation.Invitation, c *seenDraft) error {
	left, all, err := h.mails(v.ctx(), v)
	if err != nil {
		return err
	}
	c.Left = v.T("console-invite.draft.left", "left", strconv.Itoa(left), "all", strconv.Itoa(all))
	c.Send = &action{Label: v.T("console-invite.draft.send"), Do: "send", Quiet: true}
	switch {
	case !v.permitted(partner.InviteCustomers):
		c.Send.Blocked = v.agents()
	case v.account.Status != partner.Active:
		c.Send.Blocked = v.T("console.problem.partner-not-active")
	case v.account.Paused != nil:
		c.Send.Blocked = v.T("console.problem.sending-paused")
	case !i.Malleable(): // this service was asked to mail it: it is sent again from its own page
		c.Send.Blocked = v.T("console.problem.invalid-transition")
		c.Save.Blocked, c.Reset = c.Send.Blocked, nil
	case i.RecipientEmail == "":
		c.Send.Blocked = v.T("console-invite.draft.no-recipient")
	case i.Edited:
		c.Send.Blocked = v.T("console.problem.draft-edited")
	case left == 0:
		c.Send.Blocked = v.T("console.problem.partner-quota") + " " +
			v.T("console.problem.again", "date", v.DateTime(v.now.Truncate(24*time.Hour).Add(24*time.Hour)))
	}
	return nil
}

// newest is the newest thing that happened to an invitation; nil for nothing.
func (v *visit) newest(i invitation.Invitation) *moment {
	all := i.Timeline(v.now)
	if len(all) == 0 {
		return nil
	}
	e := all[len(all)-1]
	return &moment{
		Title: v.event(e.Action),
		Who:   v.whoDid(e.Actor, e.Subject),
		Note:  e.Reason,
		Time:  v.at(e.At),
		State: eventState(e.Action),
	}
}

// changeDraft keeps what was typed, and then does what the button says: whoever is done, or sends, has typed it before.
func (h *site) changeDraft(v *visit) (to, said string, err error) {
	id, c, do := v.r.PathValue("id"), v.command(), v.form.do()
	if do == "reset" {
		_, _, err = h.drafts.Reset(v.ctx(), c, id)
		return draftPath(id), "console-invite.did.reset", err
	}
	if c, err = h.keepWords(v, c, id, do); err != nil {
		return "", "", err
	}
	switch do {
	case "done":
		_, _, err = h.Invitations.Done(v.ctx(), c, id)
		return invitationPath(id), "console-invite.did.done", err
	case "send":
		_, _, err = h.Invitations.Send(v.ctx(), c, id)
		return invitationPath(id), "console-invite.did.sent", err
	}
	return draftPath(id), "console.did.saved", nil
}

// keepWords saves a subject and a body that differ from the draft, and gives the command for what comes next.
func (h *site) keepWords(v *visit, c command.Command, id, do string) (command.Command, error) {
	now, err := h.drafts.Of(v.ctx(), v.user, id)
	if err != nil {
		return c, err
	}
	w := invitation.Words{Subject: now.Subject, Body: now.Body}
	if v.form.values.Has("subject") {
		w.Subject = v.value("subject", "")
	}
	if v.form.values.Has("body") {
		w.Body = v.value("body", "")
	}
	if w.Subject == now.Subject && alike(w.Body, now.Body) {
		return c, nil
	}
	if c.IfVersion == 0 && do != "save" {
		c.IfVersion = now.Invitation.Version
	}
	x, _, err := h.drafts.Edit(v.ctx(), c, id, w)
	if err == nil && c.IfVersion != 0 {
		c.IfVersion = x.Invitation.Version
	}
	return c, err
}

// alike reports whether two texts say the same but for how lines end and what is empty at the end.
func alike(a, b string) bool { return trimmed(a) == trimmed(b) }

func trimmed(s string) string { return strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), " \n") }
