package console

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"time"

	"concord/internal/invitation"
	"concord/internal/problem"
)

const severalPath = root + "/invitations/several"

// The verbs that are for many requests at once, each with its words.
var severally = map[string]struct {
	title, text, said string
	danger            bool
}{
	"resend": {
		"console-invite.several.resend",
		"console-invite.several.resend.text",
		"console-invite.did.several",
		false,
	},
	"cancel": {"console-invite.several.cancel", "console.cancel.text", "console-invite.did.several", true},
}

// several leads from the boxes of the list to the page that says to whom it will happen.
func (h *site) several(v *visit) (to, said string, err error) {
	ids := v.form.values["id"]
	if _, known := severally[v.form.do()]; !known || len(ids) == 0 {
		return root + "/invitations?" + v.r.URL.RawQuery, "", nil
	}
	return severalPath + "?" + url.Values{"do": {v.form.do()}, "id": ids[:min(len(ids), pageRows)]}.Encode(), "", nil
}

// outcome is what became of one of several.
type outcome struct {
	ID, To string
	Code   problem.Code
	Detail string
}

func (v *visit) outcomesName() string {
	return "several\n" + string(v.user.Tenant) + "\n" + v.user.Subject
}

// severalPage says what will happen, and to whom; afterwards it says what did.
func (h *site) severalPage(v *visit) (*page, error) {
	q := v.r.URL.Query()
	var did []outcome
	if ok, err := h.room.Unseal(v.ctx(), v.outcomesName(), h.room.Use, q.Get("result"), &did); err != nil || ok {
		return v.severalDone(did), err
	}
	do, ids := q.Get("do"), q["id"]
	if v.form.values != nil {
		do, ids = v.form.do(), v.form.values["id"]
	}
	words, known := severally[do]
	if !known || len(ids) == 0 {
		p := v.page("console.invitations.title")
		p.Template, p.Content = "notice", []string{v.T("console-invite.several.none")}
		p.Parent = &action{Label: v.T("console.invitations.title"), Href: root + "/invitations"}
		return p, nil
	}
	c := confirmation{
		Printer: v.Printer, Action: severalPath, Do: do, Label: v.T(words.title, "n", len(ids)), Back: root + "/invitations", Danger: words.danger,
		Text: []string{v.T(words.text)}, Hidden: v.hiddenOf(0),
	}
	for _, id := range ids[:min(len(ids), pageRows)] {
		i, err := h.Invitations.Invitation(v.ctx(), v.user, id)
		if err != nil {
			return nil, err
		}
		c.Facts = append(c.Facts, fact{Label: v.recipient(i), Pill: v.status(i)})
		c.Fields = append(c.Fields, field{Kind: "hidden", Name: "id", Value: id})
	}
	if do == "cancel" {
		reason := v.input("text", "reason", v.T("console.cancel.reason"), "")
		reason.Optional, reason.Max, reason.Hint = true, invitation.MaxReason, v.T("console.cancel.reason.hint")
		c.Fields = append(c.Fields, reason)
		c.Text = append(c.Text, v.T("console.cancel.nobody"))
	}
	p := v.page(words.title, "n", len(ids))
	p.Template, p.Content = "confirm", c
	p.Parent = &action{Label: v.T("console.invitations.title"), Href: root + "/invitations"}
	return p, nil
}

func (v *visit) severalDone(did []outcome) *page {
	t := table{Printer: v.Printer, Caption: v.T("console-invite.several.result"), Columns: []column{
		{
			Label: v.T("console.column.recipient"),
		}, {Label: v.T("console.column.status")}, {Label: v.T("console.fact.reason")},
	}}
	failed := 0
	for _, o := range did {
		state, why := pill{good, v.T("console-invite.several.did")}, ""
		if o.Code != "" {
			state, why = pill{stop, v.T("console-invite.several.failed")}, v.sentence(o.Code, o.Detail)
			failed++
		}
		t.Rows = append(
			t.Rows,
			row{
				Cells: []cell{
					{Text: o.To, Href: invitationPath(o.ID)},
					{Pill: &state},
					{Text: cmp.Or(why, v.T("console.none"))},
				},
			},
		)
	}
	p := v.page("console-invite.several.title")
	p.Template, p.Content = "listed", t
	p.Parent = &action{Label: v.T("console.invitations.title"), Href: root + "/invitations"}
	p.Notes = []note{
		{State: info, Text: []string{v.T("console-invite.several.sum", "done", len(did)-failed, "failed", failed)}},
	}
	return p
}

// doSeveral does one after the other: what is refused hinders no other.
func (h *site) doSeveral(v *visit) (to, said string, err error) {
	ids, do := v.form.values["id"], v.form.do()
	if _, known := severally[do]; !known || len(ids) == 0 {
		return root + "/invitations", "", nil
	}
	reason := v.form.values.Get("reason")
	if do == "cancel" && reason != "" {
		if err := invitation.CheckReason(reason); err != nil {
			return "", "", err
		}
	}
	var did []outcome
	for _, id := range slices.Compact(ids[:min(len(ids), pageRows)]) {
		var i invitation.Invitation
		if i, err = h.Invitations.Invitation(v.ctx(), v.user, id); err != nil {
			return "", "", err
		}
		c := v.command()
		if do == "resend" {
			_, _, err = h.Invitations.Resend(v.ctx(), c, id)
		} else {
			_, _, err = h.Invitations.Cancel(v.ctx(), c, id, reason)
		}
		o := outcome{ID: id, To: v.recipient(i)}
		if refusal, ok := errors.AsType[*problem.Error](err); ok && refusal.Code != problem.RoleNotPermitted {
			o.Code, o.Detail = refusal.Code, refusal.Detail
		} else if err != nil {
			return "", "", err
		}
		did = append(did, o)
	}
	text, err := h.room.Seal(v.ctx(), v.outcomesName(), h.room.Use, did, time.Hour)
	return severalPath + "?result=" + text, severally[do].said, err
}
