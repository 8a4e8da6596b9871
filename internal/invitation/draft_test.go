package invitation_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

const (
	origin   = "https://public.example/i/"
	personal = link.Secret(origin + "AbC-_09xyz")
)

var words = invitation.Words{Subject: "A request", Body: "Dear Nora,\n\n" + personal.Reveal() + "\n\nYours"}

func (o *office) edit(t *testing.T, inv invitation.Invitation) invitation.Invitation {
	t.Helper()
	c := by(inv.Inviter)
	c.IfVersion = inv.Version
	inv, replayed, err := o.Edit(t.Context(), c, inv.ID, words, personal, origin)
	if err != nil || replayed {
		t.Fatalf("Edit: %v, replayed %v", err, replayed)
	}
	return inv
}

func (o *office) done(t *testing.T, inv invitation.Invitation) invitation.Invitation {
	t.Helper()
	inv, replayed, err := o.Done(t.Context(), by(inv.Inviter), inv.ID)
	if err != nil || replayed {
		t.Fatalf("Done: %v, replayed %v", err, replayed)
	}
	return inv
}

func (o *office) says(t *testing.T, inv invitation.Invitation, current link.Secret) (invitation.Words, error) {
	t.Helper()
	return o.Words(t.Context(), by(inv.Inviter).User, inv, current)
}

// Rules I8 and X-a, invariant 15.
func TestTheLinkStaysInTheWords(t *testing.T) {
	const whole = string(personal)
	const missing, altered, invalid = "/body invitation_link_missing", "/body invitation_link_altered", "/body validation_failed"
	secret, err := link.NewSigner(link.Key{ID: 9, Secret: []byte("k")}).Sign(link.Receipt, link.Link{Tenant: string(fir), ID: publicid.Format("inv_", [16]byte{7}), Generation: 1})
	if err != nil {
		t.Fatal(err)
	}
	token := secret.Reveal()
	body := func(s string) func(*invitation.Words) { return func(w *invitation.Words) { w.Body = s } }
	subject := func(s string) func(*invitation.Words) { return func(w *invitation.Words) { w.Subject = s } }
	for _, c := range []struct {
		name string
		set  func(*invitation.Words)
		want string // pointer and code; empty for accepted
	}{
		{"as it was", func(*invitation.Words) {}, ""},
		{"the link alone", body(whole), ""},
		{"no link", body("Dear Nora"), missing},
		{"nothing", body(""), missing},
		{"somebody else's link", body("https://other.example/i/x"), missing},
		{"the token elsewhere", body("https://other.example/i/AbC-_09xyz"), altered},
		{"the token alone", body("AbC-_09xyz"), altered},
		{"the token beside the link", body(whole + "\nAbC-_09xyz"), altered},
		{"a shortened link", body(whole[:len(whole)-1]), altered},
		{"a longer link", body(whole + "0"), altered},
		{"a link in capitals", body(strings.ToUpper(whole)), altered},
		{"an origin in capitals", body("HTTPS://PUBLIC.example/i/AbC-_09xyz"), altered},
		{"the origin alone", body("See " + origin), altered},
		{"twice", body(whole + " " + whole), altered},
		{"twice in a row", body(whole + whole), altered},
		{"another link of ours beside it", body(whole + "\n" + origin + "another"), altered},
		{"another link of ours in capitals", body(whole + "\n" + strings.ToUpper(origin) + "another"), altered},
		{"a link of somebody else beside it", body(whole + "\nhttps://other.example/i/x"), ""},
		{"another link of ours, escaped", body(whole + "\nhttps://public.example/%69/another"), altered},
		{"another link of ours, escaped twice", body(whole + "\nhttps://public.example/%2569/another"), altered},
		{"another link of ours as HTML", body(whole + "\nhttps:&#47;&#x2f;public.example&#47;i/another"), altered},
		{"another link of ours with a user name", body(whole + "\nhttps://x@public.example/i/another"), altered},
		{"another link of ours with a port", body(whole + "\nhttps://public.example:443/i/another"), altered},
		{"another link of ours with a full stop", body(whole + "\nhttps://public.example./i/another"), altered},
		{"another link of ours with slashes", body(whole + "\nhttps:\\\\public.example\\//./i/another"), altered},
		{"a link of ours without a scheme", body(whole + "\npublic.example/i/another"), altered},
		{"a link of the other cloud", body(whole + "\nhttps://gov.example/i/another"), altered},
		{"a link for granular administration", body(whole + "\nhttps://public.example/g/another"), altered},
		{"a link of a receipt", body(whole + "\nhttps://public.example/r/another"), altered},
		{"a link that ends mail", body(whole + "\nhttps://public.example/U/another"), altered},
		{"a link of an enrolment", body(whole + "\nhttps://public.example/e/another"), altered},
		{"a token on another host", body(whole + "\nhttp://localhost/i/" + token), altered},
		{"a token on a number", body(whole + "\nhttp://0x7f000001/r/" + token), altered},
		{"a token alone", body(whole + "\n" + token), altered},
		{"a token of which a character is escaped", body(whole + "\n" + token[:10] + fmt.Sprintf("%%%02X", token[10]) + token[11:]), altered},
		{"a token instead of the link", body("https://public.example/i/" + token), altered},
		{"the portal beside it", body(whole + "\nSee https://public.example/customer and https://public.example/"), ""},
		{"a host that ends as ours", body(whole + "\nhttps://notpublic.example/i/x"), ""},
		{"a name that our own words keep together", body("Rowan.\u2060com asks\n" + whole), ""},
		{"a link with a joiner in it", body(whole + "\nhttps://public.\u2060example/i/another"), altered},
		{"text that turns round", body(whole + "\n\u202eelpmaxe"), invalid},
		{"no width", body(whole + "\na\u200bb"), invalid},
		{"a subject that turns round", subject("A \u202etseuqer"), "/subject validation_failed"},
		{"a subject with a token", subject("See " + token), "/subject invitation_link_altered"},
		{"a subject with another link", subject("See public.example/r/x"), "/subject invitation_link_altered"},
		{"a letter after it", body(whole + "a"), altered},
		{"a digit after it", body(whole + "7."), altered},
		{"a hyphen after it", body(whole + "-"), altered},
		{"an underscore after it", body(whole + "_"), altered},
		{"a path after it", body(whole + "/sign-in"), altered},
		{"a slash after it", body(whole + "/ "), altered},
		{"a query after it", body(whole + "?a=b"), altered},
		{"a fragment after it", body(whole + "#top"), altered},
		{"an escape after it", body(whole + "%41"), altered},
		{"a word close to its full stop", body(whole + ".Please"), altered},
		{"a full stop", body("Here: " + whole + ". Please look."), ""},
		{"a question mark", body("Did you see " + whole + "? Please look."), ""},
		{"dots", body(whole + "... Please"), ""},
		{"a new line", body(whole + "\nYours"), ""},
		{"a carriage return", body(whole + "\r\nYours"), ""},
		{"a tab", body(whole + "\tYours"), ""},
		{"angle brackets", body("<" + whole + ">Yours"), ""},
		{"brackets", body("(" + whole + ")Yours"), ""},
		{"quotes", body("\"" + whole + "\"Yours"), ""},
		{"a colon before it", body("Link:" + whole), ""},
		{"words without spaces", body("请看" + whole + "。谢谢"), ""},
		{"a letter before it", body("x" + whole), altered},
		{"within another link", body("https://other.example/?to=" + whole), altered},
		{"a body of 20 kB", body(whole + strings.Repeat("\n", invitation.MaxWords-len(whole))), ""},
		{"a byte more", body(whole + strings.Repeat("\n", invitation.MaxWords-len(whole)+1)), invalid},
		{"a control character", body(whole + "\x1a"), invalid},
		{"a body that is no UTF-8", body(whole + "\n\xff"), invalid},
		{"no subject", subject(""), "/subject validation_failed"},
		{"a subject of blanks", subject(" \u00a0 "), "/subject validation_failed"},
		{"a subject of 200", subject(strings.Repeat("é", 200)), ""},
		{"a subject of 201", subject(strings.Repeat("é", 201)), "/subject validation_failed"},
		{"a subject of two lines", subject("A request\r\nBcc: x@larch.example"), "/subject validation_failed"},
		{"a subject that is no UTF-8", subject("\xff"), "/subject validation_failed"},
		{"a subject with the link", subject(whole), "/subject invitation_link_altered"},
		{"a subject with the token", subject("AbC-_09xyz"), "/subject invitation_link_altered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			inv := o.invite(t, by(alder), to("nora@larch.example"))
			w := words
			c.set(&w)
			after, _, err := o.Edit(t.Context(), ifMatch(1), inv.ID, w, personal, origin)
			if c.want == "" {
				got, readErr := o.says(t, inv, personal)
				if err != nil || readErr != nil || got != w || !after.Edited || !reflect.DeepEqual(after, o.stored(t, inv.Key)) {
					t.Errorf("%+v, %v, %v", got, err, readErr)
				}
				return
			}
			_, code, _ := strings.Cut(c.want, " ")
			if f := wantCode(t, err, problem.Code(code)).Findings; len(f) != 1 || f[0].Pointer+" "+string(f[0].Code) != c.want {
				t.Errorf("findings %+v, want %s", f, c.want)
			}
			if _, err := o.says(t, inv, personal); !problem.Is(err, problem.NotFound) {
				t.Errorf("words were kept: %v", err)
			}
			if got := o.stored(t, inv.Key); got.Version != 1 || got.Edited {
				t.Errorf("the draft was changed: %+v", got)
			}
		})
	}
}

func TestEditAndReset(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	_, err := o.says(t, inv, personal)
	wantCode(t, err, problem.NotFound)
	_, _, err = o.Edit(t.Context(), by(alder), inv.ID, words, personal, origin)
	wantCode(t, err, problem.PreconditionRequired)
	_, _, err = o.Edit(t.Context(), ifMatch(2), inv.ID, invitation.Words{}, personal, origin) // 412 before 422
	wantCode(t, err, problem.PreconditionFailed)
	c := ifMatch(1)
	c.Findings.Add("/colour", problem.UnknownField, "There is no such field.")
	_, _, err = o.Edit(t.Context(), c, inv.ID, invitation.Words{}, personal, origin)
	wantCode(t, err, problem.UnknownField)
	inv = o.edit(t, inv)
	if last := inv.History[len(inv.History)-1]; last.Action != "edited" || inv.Version != 2 {
		t.Errorf("%+v", inv)
	}
	_, _, err = o.Edit(t.Context(), ifMatch(1), inv.ID, invitation.Words{Subject: "late", Body: personal.Reveal()}, personal, origin)
	wantCode(t, err, problem.PreconditionFailed)
	if got, err := o.says(t, inv, personal); err != nil || got != words {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = o.Words(t.Context(), by(fir).User, inv, personal)
	wantCode(t, err, problem.NotFound)

	_, _, err = o.Send(t.Context(), by(alder), inv.ID) // 0.17
	wantCode(t, err, problem.DraftEdited)
	inv, _, err = o.Reset(t.Context(), ifMatch(2), inv.ID)
	if err != nil || inv.Edited || inv.Version != 3 {
		t.Fatalf("%+v, %v", inv, err)
	}
	_, err = o.says(t, inv, personal)
	wantCode(t, err, problem.NotFound)
	if _, _, err := o.Reset(t.Context(), by(alder), inv.ID); err != nil {
		t.Errorf("a reset of what was not edited: %v", err)
	}
	if _, _, err := o.Send(t.Context(), by(alder), inv.ID); err != nil {
		t.Errorf("send after reset: %v", err)
	}
}

// A link is never stored: words are kept without it, and shown with the link of the moment.
func TestWordsAreKeptWithoutTheLink(t *testing.T) {
	o := open(t)
	inv := o.edit(t, o.invite(t, by(alder), to("nora@larch.example")))
	kept, err := o.store.Words(t.Context(), inv.Key)
	if err != nil || strings.Contains(kept.Body, "AbC-_09xyz") || strings.Contains(kept.Body, origin) {
		t.Errorf("kept %q, %v", kept.Body, err)
	}
	got, err := o.says(t, inv, origin+"another")
	if want := strings.Replace(words.Body, personal.Reveal(), origin+"another", 1); err != nil || got.Body != want {
		t.Errorf("%q, %v, want %q", got.Body, err, want)
	}
}

// Decision 0.15, rule I9.
func TestTheLinkOfADraftIsLiveBeforeAndAfterDone(t *testing.T) {
	for _, r := range []invitation.Response{acceptance, refusal} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, done %v", r.Answer, done), func(t *testing.T) {
				o := open(t)
				inv := o.invite(t, by(alder), to("nora@larch.example"))
				l := linkOf(inv)
				if done {
					o.done(t, inv)
				}
				who := admin(larch)
				if _, c, err := o.Look(t.Context(), l, nil, false); err != nil || c != invitation.Review {
					t.Errorf("%s, %v", c, err)
				}
				if _, c, err := o.Look(t.Context(), l, &who, false); err != nil || c != invitation.Form {
					t.Errorf("%s, %v", c, err)
				}
				want := map[string]invitation.Case{"accept": invitation.AcceptedBy, "decline": invitation.DeclinedBy}[r.Answer]
				if _, c := o.answer(t, l, who, r); c != want {
					t.Errorf("%s, want %s", c, want)
				}
			})
		}
	}
}

func TestDoneStartsTheTime(t *testing.T) {
	o := open(t)
	p := to("nora@larch.example")
	p.Duration = ptr(48 * time.Hour)
	inv := o.invite(t, by(alder), p)
	o.pass(47 * time.Hour)
	inv = o.done(t, inv)
	if inv.Status != invitation.Pending || inv.ExpiresAt != o.now().Add(48*time.Hour) || inv.Generation != 1 || inv.Mail.State != outbox.None {
		t.Fatalf("%+v", inv)
	}
	o.pass(48*time.Hour - time.Second)
	if tally := o.clean(t); !idle(tally) {
		t.Errorf("a second before: %+v", tally)
	}
	o.pass(time.Second)
	if tally := o.clean(t); tally.Done["Expired"] != 1 {
		t.Errorf("at the second: %+v", tally)
	}
}

func TestDoneNeedsNoRecipient(t *testing.T) {
	o := open(t)
	inv := o.done(t, o.invite(t, by(alder), invitation.Proposal{Kind: invitation.Reseller}))
	_, _, err := o.Send(t.Context(), by(alder), inv.ID)
	wantCode(t, err, problem.RecipientEmailRequired)
}

// What the partner has mailed itself we mail too when it asks, with the same link; only then there is something to resend.
func TestSendAfterDone(t *testing.T) {
	o := open(t)
	inv := o.done(t, o.invite(t, by(alder), to("nora@larch.example")))
	_, _, err := o.Resend(t.Context(), by(alder), inv.ID)
	wantCode(t, err, problem.InvalidTransition)
	sent, _, err := o.Send(t.Context(), by(alder), inv.ID)
	if err != nil || sent.Generation != 1 || sent.Mail.State != outbox.Queued || !sent.ExpiresAt.IsZero() {
		t.Fatalf("%+v, %v", sent, err)
	}
	_, _, err = o.Send(t.Context(), by(alder), inv.ID)
	wantCode(t, err, problem.InvalidTransition)
	sent = o.mailedAgain(t, inv.Key)
	if _, c, err := o.Look(t.Context(), linkOf(inv), nil, false); err != nil || c != invitation.Review || sent.ExpiresAt != o.now().Add(invitation.DefaultDuration) {
		t.Errorf("%s, %v, until %v", c, err, sent.ExpiresAt)
	}
	o.pass(recipient.Cooldown)
	if again, _, err := o.Resend(t.Context(), by(alder), inv.ID); err != nil || again.Generation != 2 {
		t.Errorf("%+v, %v", again, err)
	}
}

// G3: an invitation that has ended is renewed with the same terms.
func TestRenewKeepsTheTerms(t *testing.T) {
	ends := map[string]func(*testing.T, *office, invitation.Invitation){
		"expired": func(_ *testing.T, o *office, _ invitation.Invitation) { o.pass(100 * 24 * time.Hour) },
		"declined": func(t *testing.T, o *office, inv invitation.Invitation) {
			o.answer(t, linkOf(inv), admin(larch), refusal)
		},
		"cancelled": func(t *testing.T, o *office, inv invitation.Invitation) {
			if _, _, err := o.Cancel(t.Context(), by(alder), inv.ID, ""); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, end := range ends {
		for _, bound := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bound %v", name, bound), func(t *testing.T) {
				o := open(t)
				p := invitation.Proposal{
					Kind: invitation.Reseller, RecipientEmail: ptr("Nora@larch.example"), RecipientName: ptr("Nora Berg"), RequestDelegatedAdmin: ptr(true),
					Locale: ptr("fr"), Duration: ptr(72 * time.Hour), Source: ptr("fair"), Reminders: ptr(false), Tags: map[string]string{"team": "south"},
				}
				if bound {
					p.CustomerTenantID = ptr(string(larch.Tenant))
				}
				old := o.edit(t, o.invite(t, by(alder), p))
				end(t, o, old)
				got, replayed, err := o.Renew(t.Context(), by(alder, partner.SalesAgent), old.ID)
				if err != nil || replayed {
					t.Fatalf("Renew: %v, %v", err, replayed)
				}
				want := old
				want.ID, want.Replaces, want.Version, want.Edited = got.ID, old.ID, 1, false
				want.CreatedAt, want.ExpiresAt = o.now(), o.now().Add(72*time.Hour)
				want.History = []invitation.Entry{{At: o.now(), Action: "created", By: "agent", CorrelationID: "corr"}}
				if !reflect.DeepEqual(got, want) || got.ID == old.ID || !reflect.DeepEqual(got, o.stored(t, got.Key)) {
					t.Errorf("%+v\nwant %+v", got, want)
				}
				_, err = o.says(t, got, personal)
				wantCode(t, err, problem.NotFound)
				_, _, err = o.Renew(t.Context(), by(alder), old.ID)
				if e := wantCode(t, err, problem.DuplicateOpenInvitation); e.Resource != got.ID {
					t.Errorf("the duplicate points at %q", e.Resource)
				}
			})
		}
	}
}

// Invariant 3b: what was accepted is renewed for what does not stand any more.
func TestRenewWhatWasAccepted(t *testing.T) {
	for _, c := range []struct {
		name   string
		asks   bool
		change func(*relationship.Relationship)
		want   problem.Code
	}{
		{"nothing has ended", false, func(*relationship.Relationship) {}, problem.RelationshipExists},
		{"nothing has ended, with administration", true, func(*relationship.Relationship) {}, problem.RelationshipExists},
		{"administration ended and not asked for", false, func(r *relationship.Relationship) { r.DelegatedAdmin = relationship.TerminatedDAP }, problem.RelationshipExists},
		{"administration ended", true, func(r *relationship.Relationship) { r.DelegatedAdmin = relationship.TerminatedDAP }, ""},
		{"the relationship ended", false, func(r *relationship.Relationship) { r.Status = relationship.Removed }, ""},
	} {
		for _, bound := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bound %v", c.name, bound), func(t *testing.T) {
				o := open(t)
				p := to("nora@larch.example")
				p.RequestDelegatedAdmin = &c.asks
				if bound {
					p.CustomerTenantID = ptr(string(larch.Tenant))
				}
				old := o.invite(t, by(alder), p)
				o.answer(t, linkOf(old), admin(larch), acceptance)
				rel, err := o.store.Relationship(t.Context(), alder, larch.Tenant)
				if err != nil {
					t.Fatal(err)
				}
				c.change(&rel)
				o.store.PutRelationship(rel)
				got, _, err := o.Renew(t.Context(), by(alder), old.ID)
				wantCode(t, err, c.want)
				if err != nil {
					return
				}
				if got.Bound != bound || got.Answer != nil || got.Status != invitation.Draft {
					t.Errorf("%+v", got)
				}
				if _, c := o.answer(t, linkOf(got), admin(larch), acceptance); c != invitation.AcceptedBy {
					t.Errorf("its answer is %s", c)
				}
			})
		}
	}
}

func TestRenewIsReplayedByItsKeyAlone(t *testing.T) {
	o := open(t)
	old := o.invite(t, keyed("k", "create"), to("nora@larch.example"))
	other := o.invite(t, by(alder), to("other@larch.example"))
	for _, id := range []string{old.ID, other.ID} {
		if _, _, err := o.Cancel(t.Context(), keyed("k", "cancel"), id, ""); err != nil {
			t.Fatal(err)
		}
	}
	made, replayed, err := o.Renew(t.Context(), keyed("k", "renew"), old.ID) // the key made the old one too
	if err != nil || replayed || made.ID == old.ID {
		t.Fatalf("%+v, %v, %v", made, replayed, err)
	}
	for _, version := range []int{0, 1, old.Version} {
		c := keyed("k", "renew")
		c.IfVersion = version
		again, replayed, err := o.Renew(t.Context(), c, old.ID)
		if err != nil || !replayed || again.ID != made.ID {
			t.Errorf("%s after %s, %v, %v", again.ID, made.ID, replayed, err)
		}
	}
	_, _, err = o.Renew(t.Context(), keyed("k", "another body"), old.ID)
	wantCode(t, err, problem.IdempotencyKeyReused)
	second, replayed, err := o.Renew(t.Context(), keyed("k", "renew"), other.ID)
	if err != nil || replayed || second.ID == made.ID || second.Replaces != other.ID {
		t.Errorf("the renewal of another: %+v, %v, %v", second, replayed, err)
	}
	again, replayed, err := o.Invite(t.Context(), keyed("k", "create"), to("nora@larch.example"))
	if err != nil || !replayed || again.ID != old.ID {
		t.Errorf("the creation: %s, %v, %v", again.ID, replayed, err)
	}
}

func TestRenewLooksAtItsConditions(t *testing.T) {
	o := open(t)
	old := o.invite(t, by(alder), to("nora@larch.example"))
	if _, _, err := o.Cancel(t.Context(), by(alder), old.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, _, err := o.Renew(t.Context(), ifMatch(1), old.ID)
	wantCode(t, err, problem.PreconditionFailed)
	c := by(alder)
	c.Findings.Add("/colour", problem.UnknownField, "There is no such field.")
	_, _, err = o.Renew(t.Context(), c, old.ID)
	wantCode(t, err, problem.UnknownField)
	if _, _, err = o.Renew(t.Context(), ifMatch(2), old.ID); err != nil {
		t.Error(err)
	}
}

func TestDraftActionsAreReplayed(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	for _, each := range []struct {
		name string
		do   func(command.Command) (invitation.Invitation, bool, error)
	}{
		{"edit", func(c command.Command) (invitation.Invitation, bool, error) {
			c.IfVersion = max(1, c.IfVersion)
			return o.Edit(t.Context(), c, inv.ID, words, personal, origin)
		}},
		{"reset", func(c command.Command) (invitation.Invitation, bool, error) {
			return o.Reset(t.Context(), c, inv.ID)
		}},
		{"done", func(c command.Command) (invitation.Invitation, bool, error) { return o.Done(t.Context(), c, inv.ID) }},
	} {
		first, replayed, err := each.do(keyed("k", each.name))
		if err != nil || replayed {
			t.Fatalf("%s: replayed %v, %v", each.name, replayed, err)
		}
		again, replayed, err := each.do(keyed("k", each.name))
		if err != nil || !replayed || again.Version != first.Version {
			t.Errorf("%s once more: version %d after %d, replayed %v, %v", each.name, again.Version, first.Version, replayed, err)
		}
		_, _, err = each.do(keyed("k", "another body"))
		wantCode(t, err, problem.IdempotencyKeyReused)
	}
}

// Somebody else changes the draft between the reading and the writing of an edit: its words are not kept.
func TestAnOutdatedEditKeepsNothing(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	first := true
	o.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Write && first {
			first = false
			return storetest.Fault{Err: invitation.ErrConflict}
		}
		return storetest.Fault{}
	})
	if _, _, err := o.Edit(t.Context(), ifMatch(1), inv.ID, words, personal, origin); err != nil { // nothing had changed after all
		t.Fatal(err)
	}
	_, _, err := o.Edit(t.Context(), ifMatch(1), inv.ID, invitation.Words{Subject: "late", Body: personal.Reveal()}, personal, origin)
	wantCode(t, err, problem.PreconditionFailed)
	if got, err := o.says(t, inv, personal); err != nil || got != words {
		t.Errorf("%+v, %v", got, err)
	}
}

// Decision 0.41: after Done nobody is stuck, as long as we have mailed nothing.
func TestAfterDone(t *testing.T) {
	o := open(t)
	inv := o.done(t, o.edit(t, o.invite(t, by(alder), invitation.Proposal{Kind: invitation.Reseller})))
	old := linkOf(inv)
	inv, _, err := o.Revise(t.Context(), ifMatch(inv.Version), inv.ID, invitation.Revision{RecipientEmail: ptr("nora@larch.example")})
	if err != nil || inv.RecipientEmail != "nora@larch.example" || inv.Status != invitation.Pending {
		t.Fatalf("%+v, %v", inv, err)
	}
	if _, _, err := o.Invite(t.Context(), by(alder), to("nora@larch.example")); !problem.Is(err, problem.DuplicateOpenInvitation) {
		t.Errorf("another for the same: %v", err)
	}
	c := by(alder)
	c.Key = "once"
	inv, _, err = o.Relink(t.Context(), c, inv.ID)
	if err != nil || inv.Generation != 2 || !inv.Edited {
		t.Fatalf("%+v, %v", inv, err)
	}
	if again, replayed, err := o.Relink(t.Context(), c, inv.ID); err != nil || !replayed || again.Generation != 2 {
		t.Errorf("the same once more: %+v, %v, %v", again, replayed, err)
	}
	if _, got, err := o.Look(t.Context(), old, nil, true); err != nil || got != invitation.Superseded {
		t.Errorf("the old link: %s, %v", got, err)
	}
	if w, err := o.says(t, inv, origin+"another"); err != nil || !strings.Contains(w.Body, origin+"another") {
		t.Errorf("the words: %+v, %v", w, err)
	}
	// Words that were made for the older link are not written.
	edit := ifMatch(command.AnyVersion)
	edit.Generation = 1
	_, _, err = o.Edit(t.Context(), edit, inv.ID, words, personal, origin)
	wantCode(t, err, problem.PreconditionFailed)
	if inv, _, err = o.Reset(t.Context(), by(alder), inv.ID); err != nil || inv.Edited {
		t.Fatalf("%+v, %v", inv, err)
	}
	if inv, _, err = o.Send(t.Context(), by(alder), inv.ID); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"edit": func() error {
			_, _, err := o.Edit(t.Context(), ifMatch(-1), inv.ID, words, personal, origin)
			return err
		},
		"reset": func() error { _, _, err := o.Reset(t.Context(), by(alder), inv.ID); return err },
		"link":  func() error { _, _, err := o.Relink(t.Context(), by(alder), inv.ID); return err },
	} {
		if err := do(); !problem.Is(err, problem.InvalidTransition) {
			t.Errorf("%s of what we mail: %v", name, err)
		}
	}
}

// Decision 0.41: the end moves without a new link, to at most 90 days from now.
func TestExtend(t *testing.T) {
	const day = 24 * time.Hour
	o := open(t)
	inv := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	o.pass(10 * day)
	for _, c := range []struct {
		open *time.Duration
		want time.Duration // from now; 0 for refused
	}{{ptr(91 * day), 0}, {ptr(time.Hour), 0}, {ptr(19 * day), 0}, {ptr(60 * day), 60 * day}, {nil, 0}, {ptr(90 * day), 90 * day}} {
		got, _, err := o.Extend(t.Context(), by(alder), inv.ID, c.open)
		if c.want == 0 {
			if f := wantCode(t, err, problem.ValidationFailed).Findings; len(f) != 1 || f[0].Pointer != "/expiresIn" {
				t.Errorf("%v: %+v", c.open, f)
			}
			continue
		}
		if err != nil || !got.ExpiresAt.Equal(o.now().Add(c.want)) || got.Generation != inv.Generation || got.Mail != inv.Mail {
			t.Errorf("%v: %+v, %v", c.open, got, err)
		}
	}
	// While the first mail waits, the time that begins with it is what changes.
	waiting := o.mailed(t, o.invite(t, by(alder), to("lena@larch.example")), outbox.Waiting)
	got, _, err := o.Extend(t.Context(), by(alder), waiting.ID, ptr(45*day))
	if err != nil || !got.ExpiresAt.IsZero() || got.Duration != 45*day {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestExtendedInvitationsAreRemindedAnew: what was said of the end before does not hold, and the new end has its reminders (0.41, G3).
func TestExtendedInvitationsAreRemindedAnew(t *testing.T) {
	const day = 24 * time.Hour
	o := open(t)
	inv := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	o.pass(24 * day)
	o.clean(t)
	if inv = o.stored(t, inv.Key); inv.Reminded != 1 || !slices.Contains(inv.Post.Owed, invitation.ReminderNotice) {
		t.Fatalf("no reminder is owed: %+v", inv)
	}
	inv, _, err := o.Extend(t.Context(), by(alder), inv.ID, ptr(60*day))
	if err != nil || inv.Reminded != 0 || slices.Contains(inv.Post.Owed, invitation.ReminderNotice) {
		t.Fatalf("%+v, %v", inv, err)
	}
	o.pass(53 * day)
	o.clean(t)
	if inv = o.stored(t, inv.Key); inv.Reminded != 1 || !slices.Contains(inv.Post.Owed, invitation.ReminderNotice) {
		t.Errorf("nobody is reminded of the new end: %+v", inv)
	}
}
