package invitation_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"concord/internal/invitation"
	"concord/internal/relationship"
)

// reviewers is who was noted, with the status that the invitation had then.
type reviewers struct {
	o     *office
	t     *testing.T
	key   invitation.Key
	noted []string
	err   error
}

func (r *reviewers) Note(_ context.Context, who relationship.Person, language string) error {
	r.noted = append(r.noted, who.Email+" "+language+" "+string(r.o.stored(r.t, r.key).Status))
	return r.err
}

// Who accepts is noted before the acceptance is stored, and nothing is accepted where that fails; who declines is not (0.49).
func TestWhoAcceptsIsNoted(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	r := &reviewers{o: o, t: t, key: inv.Key, err: errors.New("down")}
	o.Recognition.Reviews = r
	who := admin(larch)
	_, _, err := o.Respond(t.Context(), linkOf(inv), who, acceptance)
	if err == nil || o.stored(t, inv.Key).Status == invitation.Accepted {
		t.Errorf("accepted, and nobody noted: %v", err)
	}
	r.err = nil
	if _, c := o.answer(t, linkOf(inv), who, acceptance); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	said := who.Email + " " + acceptance.Consent.Language + " " + string(inv.Status)
	if !slices.Equal(r.noted, []string{said, said, said}) { // what failed was tried twice: the second time it is read strongly
		t.Errorf("%q, want three times %q", r.noted, said)
	}

	declined := o.invite(t, by(alder), to("otto@oak.example"))
	rehearsed := to("success@simulator.amazonses.com")
	rehearsed.Sandbox = new(true)
	for _, c := range []struct {
		inv invitation.Invitation
		r   invitation.Response
	}{{declined, refusal}, {o.invite(t, by(alder), rehearsed), acceptance}} {
		none := &reviewers{o: o, t: t, key: c.inv.Key}
		o.Recognition.Reviews = none
		if _, got := o.answer(t, linkOf(c.inv), admin(oak), c.r); got != invitation.AcceptedBy && got != invitation.DeclinedBy {
			t.Error(got)
		}
		if len(none.noted) != 0 {
			t.Errorf("%q", none.noted)
		}
	}
}
