package invitation_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/problem"
)

func lines(events []invitation.Event) []string {
	var all []string
	for _, e := range events {
		all = append(all, fmt.Sprintf("%s %s %s %s %s", e.At.Format(time.TimeOnly), e.Action, e.Actor, e.Subject, e.Reason))
	}
	return all
}

// Who did what, as the partner may know it: its own users by their subject, the customer's people not at all.
func TestTimeline(t *testing.T) {
	o := open(t)
	// A user can be named like a job of ours.
	c := by(alder)
	c.User.Subject = "cleanup"
	c.Key = "secret of the caller"
	inv := o.invite(t, c, to("nora@larch.example"))
	o.pass(time.Minute)
	inv = o.edit(t, inv)
	o.pass(time.Minute)
	inv = o.done(t, inv)
	o.pass(time.Minute)
	declining := refusal
	declining.Reason = "no-need"
	letter, _ := o.answer(t, linkOf(inv), admin(larch), declining)
	got := letter.Invitation.Timeline(o.now())
	want := []string{"09:30:00 created user cleanup ", "09:31:00 edited user agent ", "09:32:00 done user agent ", "09:33:00 declined customer  no-need"}
	if !slices.Equal(lines(got), want) {
		t.Errorf("%q, want %q", lines(got), want)
	}
	if got[0].CorrelationID != "corr" {
		t.Errorf("%+v", got[0])
	}
	for _, told := range []string{"secret", o.stored(t, inv.Key).History[0].Key, admin(larch).Subject} {
		if strings.Contains(fmt.Sprintf("%+v", got), told) {
			t.Errorf("%q is in %+v", told, got)
		}
	}

	inv = o.invite(t, by(alder), to("nora@larch.example"))
	if _, _, err := o.Cancel(t.Context(), by(alder), inv.ID, "wrong company"); err != nil {
		t.Fatal(err)
	}
	if got := lines(o.stored(t, inv.Key).Timeline(o.now())); !slices.Equal(got, []string{"09:33:00 created user agent ", "09:33:00 cancelled user agent wrong company"}) {
		t.Errorf("%q", got)
	}
}

func TestTimelineOfWhatNobodyAnswered(t *testing.T) {
	o := open(t)
	inv := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	last := func() invitation.Event {
		all := o.stored(t, inv.Key).Timeline(o.now())
		return all[len(all)-1]
	}
	if e := last(); e.Action != "mailed" || e.Actor != invitation.BySystem || e.Subject != "" {
		t.Errorf("%+v", e)
	}
	inv = o.stored(t, inv.Key)
	o.pass(inv.ExpiresAt.Sub(o.now()) - time.Second)
	if e := last(); e.Action != "mailed" {
		t.Errorf("a second before: %+v", e)
	}
	o.pass(time.Hour)
	before := last()
	if before.Action != "expired" || before.Actor != invitation.BySystem || !before.At.Equal(inv.ExpiresAt) {
		t.Errorf("before anybody noticed: %+v", before)
	}
	o.clean(t)
	if e := last(); e.Action != "expired" || e.Actor != invitation.BySystem || len(o.stored(t, inv.Key).Timeline(o.now())) != len(o.stored(t, inv.Key).History) {
		t.Errorf("afterwards: %+v", e)
	}
}

// Decision 0.9.
func TestWhatEndedLongAgoLeavesTheList(t *testing.T) {
	const month = 30 * 24 * time.Hour
	for name, end := range map[string]func(*testing.T, *office, invitation.Invitation){
		"accepted": func(t *testing.T, o *office, i invitation.Invitation) {
			o.answer(t, linkOf(i), admin(larch), acceptance)
		},
		"declined": func(t *testing.T, o *office, i invitation.Invitation) { o.answer(t, linkOf(i), admin(larch), refusal) },
		"cancelled": func(t *testing.T, o *office, i invitation.Invitation) {
			if _, _, err := o.Cancel(t.Context(), by(alder), i.ID, ""); err != nil {
				t.Fatal(err)
			}
		},
		"expired":             func(_ *testing.T, o *office, i invitation.Invitation) { o.pass(i.Duration) },
		"expired and noticed": func(t *testing.T, o *office, i invitation.Invitation) { o.pass(i.Duration); o.clean(t) },
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			inv := o.invite(t, by(alder), to("nora@larch.example"))
			if name == "expired and noticed" {
				inv = o.done(t, inv) // the job looks at pending ones
			}
			end(t, o, inv)
			status, _, _ := strings.Cut(name, " ")
			shows := func(s invitation.Status) bool {
				page, err := o.Invitations(t.Context(), by(alder).User, invitation.Query{Status: s, Limit: 10})
				if err != nil {
					t.Fatal(err)
				}
				return len(page.Invitations) == 1
			}
			o.pass(month - time.Second)
			if !shows("") {
				t.Error("it has left before its time")
			}
			o.pass(time.Second)
			if shows("") {
				t.Error("it is still listed")
			}
			if !shows(invitation.Status(status)) || !shows(invitation.AnyStatus) || shows(invitation.Pending) {
				t.Error("who asks for it does not find it")
			}
		})
	}
}

// What is no link is kept as it was typed: no token may stand there.
func TestNoTokenIsKept(t *testing.T) {
	token := strings.TrimPrefix(personal.Reveal(), origin)
	for name, w := range map[string]invitation.Words{
		"beside the link":   {Subject: "x", Body: personal.Reveal() + "\n" + token},
		"in another link":   {Subject: "x", Body: personal.Reveal() + "\nhttps://other.example/?to=" + token},
		"an escaped link":   {Subject: "x", Body: "https%3A%2F%2Fpublic.example%2Fi%2F" + token},
		"in the subject":    {Subject: token, Body: personal.Reveal()},
		"without its place": {Subject: "x", Body: token},
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			inv := o.invite(t, by(alder), to("nora@larch.example"))
			_, _, err := o.Edit(t.Context(), ifMatch(1), inv.ID, w, personal, origin)
			wantCode(t, err, problem.InvitationLinkAltered)
		})
	}
	o := open(t)
	inv := o.edit(t, o.invite(t, by(alder), to("nora@larch.example")))
	kept, err := o.store.Words(t.Context(), inv.Key)
	if all := fmt.Sprintf("%+v %+v", kept, o.stored(t, inv.Key)); err != nil || strings.Contains(all, token) {
		t.Errorf("%s, %v", all, err)
	}
	if got, err := o.says(t, inv, link.Secret(origin+"newer")); err != nil || !strings.Contains(got.Body, origin+"newer") {
		t.Errorf("%+v, %v", got, err)
	}
}
