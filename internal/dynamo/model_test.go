package dynamo_test

import (
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"concord/internal/command"
	"concord/internal/dynamo"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

// most is how many invitations to the one recipient of a model there can be.
const most = 6

// model is what is true of one partner's invitations to one recipient: the rules in short, against which the service over
// the real store is held.
type model struct {
	invitations [most]standing
	mails       [recipient.PerRecipient]int64 // when the last ones were allowed, oldest first
}

// allow says why no mail may be sent now, and otherwise takes note of it.
func (m *model) allow(s standing, now int64) problem.Code {
	const cooldown, day = int64(recipient.Cooldown / time.Second), int64(24 * 3600)
	switch {
	case now < max(s.sent, m.mails[len(m.mails)-1])+cooldown:
		return problem.ResendCooldown
	case now < m.mails[0]+day:
		return problem.RecipientQuotaExceeded
	}
	copy(m.mails[:], m.mails[1:])
	m.mails[len(m.mails)-1] = now
	return ""
}

// standing is where one invitation stands. The zero value was never made.
type standing struct {
	status     invitation.Status
	generation int
	by         int   // who answered
	made       int64 // seconds
	expires    int64 // 0 while its mail waits
	mailed     bool  // its mail was asked for
	sent       int64 // when its last mail was sent
}

func (s standing) at(now int64) invitation.Status {
	if s.status.Open() && s.expires != 0 && now >= s.expires {
		return invitation.Expired
	}
	return s.status
}

// call is one thing that is done to an invitation, and outcome is what is said of it.
type call struct {
	do         string
	inv        int
	generation int // of the link, for an answer
	who        int // for an answer
	now        int64
}

type outcome struct {
	result     string // "ok", "replayed", a code of a problem, or a case of a page
	other      int    // the invitation in the way, for a duplicate
	generation int
}

const month = int64(invitation.DefaultDuration / time.Second)

// step says whether an outcome is right, and what is true afterwards. An outcome of "unavailable" changes nothing.
func (m model) step(c call, got outcome) (bool, model) {
	if got.result == string(problem.Unavailable) {
		return true, m
	}
	s := &m.invitations[c.inv]
	status := s.at(c.now)
	exists := s.status != ""
	before := m
	say := func(result string) (bool, model) { return got.result == result, m }
	if !exists && c.do != "create" {
		switch c.do {
		case "accept", "decline":
			return say(string(invitation.Unknown))
		default:
			return say(string(problem.NotFound))
		}
	}
	ended := map[invitation.Status]problem.Code{
		invitation.Accepted: problem.InvitationAlreadyAccepted, invitation.Declined: problem.InvitationAlreadyDeclined,
		invitation.Cancelled: problem.InvitationAlreadyCancelled, invitation.Expired: problem.InvitationExpired,
	}[status]
	switch c.do {
	case "create":
		if exists {
			return say("replayed")
		}
		for j, other := range m.invitations {
			if other.at(c.now).Open() {
				return got.result == string(problem.DuplicateOpenInvitation) && got.other == j, before
			}
		}
		*s = standing{status: invitation.Draft, generation: 1, made: c.now, expires: c.now + month}
	case "send":
		if ended != "" {
			return say(string(ended))
		}
		if s.mailed {
			return say(string(problem.InvalidTransition))
		}
		if no := m.allow(*s, c.now); no != "" {
			return say(string(no))
		}
		s.status, s.expires, s.mailed = invitation.Pending, 0, true
	case "done":
		if ended != "" {
			return say(string(ended))
		}
		if status != invitation.Draft {
			return say(string(problem.InvalidTransition))
		}
		s.status, s.expires = invitation.Pending, c.now+month
	case "resend":
		if ended != "" {
			return say(string(ended))
		}
		if !s.mailed {
			return say(string(problem.InvalidTransition))
		}
		if no := m.allow(*s, c.now); no != "" {
			return say(string(no))
		}
		s.generation, s.expires = s.generation+1, 0
	case "mail":
		if status != invitation.Pending || s.expires != 0 {
			return say("nothing to send")
		}
		s.expires, s.sent = c.now+month, c.now
	case "cancel":
		if ended != "" {
			return say(string(ended))
		}
		s.status, s.generation = invitation.Cancelled, s.generation+1
	case "read":
		return got.result == string(status) && got.generation == s.generation, m
	case "accept", "decline":
		now := map[string]invitation.Case{"accept": invitation.AcceptedBy, "decline": invitation.DeclinedBy}[c.do]
		switch {
		case status == invitation.Cancelled:
			return say(string(invitation.Unknown))
		case c.generation != s.generation:
			return say(string(invitation.Superseded))
		case status == invitation.Expired:
			return say(string(invitation.TooLate))
		case ended != "" && s.by == c.who && (status == invitation.Accepted) == (now == invitation.AcceptedBy):
			return say(string(now)) // the same answer again
		case ended != "":
			return say(string(invitation.Answered))
		}
		s.status, s.by = invitation.Accepted, c.who
		if now == invitation.DeclinedBy {
			s.status = invitation.Declined
		}
		return say(string(now))
	}
	return say("ok")
}

// stage is where calls are carried out: a service over the real store.
type stage struct {
	*setting
	mu     sync.Mutex
	ids    [most]string
	people []relationship.Person
	mail   string
}

func newStage(t testing.TB, store *dynamo.Store) *stage {
	s := &stage{setting: newSetting(t, store), mail: cryptorand.Text() + "@larch.example"}
	for range 3 {
		p := person()
		p.Subject = fmt.Sprint("who", len(s.people))
		s.people = append(s.people, p)
	}
	return s
}

func (s *stage) id(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids[n] == "" {
		return "inv_" + fmt.Sprintf("%026d", 0)[:25] + "a" // none that exists
	}
	return s.ids[n]
}

func (s *stage) number(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Index(s.ids[:], id)
}

func said(err error) outcome {
	if err == nil {
		return outcome{result: "ok"}
	}
	if code := problem.CodeOf(err); code != problem.Internal {
		return outcome{result: string(code)}
	}
	return outcome{result: err.Error()}
}

// command is a call with a key of its own, unless one is given.
func (s *stage) command(key string) command.Command {
	return command.Command{User: s.user, Key: key, Body: "00", CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001"}
}

func (s *stage) carryOut(ctx context.Context, c call) (o outcome) {
	service := s.service
	service.Now = func() time.Time { return time.Unix(c.now, 0) }
	id := s.id(c.inv)
	own := s.command(fmt.Sprint(c.do, rand.Uint64()))
	switch c.do {
	case "create":
		inv, replayed, err := service.Invite(ctx, s.command(fmt.Sprint("create ", c.inv)), invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: &s.mail})
		if err != nil {
			o := said(err)
			if taken, ok := errors.AsType[*problem.Error](err); ok && taken.Resource != "" {
				o.other = s.number(taken.Resource)
			}
			return o
		}
		s.mu.Lock()
		s.ids[c.inv] = inv.ID
		s.mu.Unlock()
		if replayed {
			return outcome{result: "replayed"}
		}
		return outcome{result: "ok"}
	case "send":
		_, _, err := service.Send(ctx, own, id)
		return said(err)
	case "done":
		_, _, err := service.Done(ctx, own, id)
		return said(err)
	case "resend":
		_, _, err := service.Resend(ctx, own, id)
		return said(err)
	case "cancel":
		_, _, err := service.Cancel(ctx, own, id, "")
		return said(err)
	case "read":
		inv, err := service.Invitation(ctx, s.user, id)
		if err != nil {
			return said(err)
		}
		return outcome{result: string(inv.StatusAt(time.Unix(c.now, 0))), generation: inv.Generation}
	case "mail":
		mailer := setting{store: s.store, now: time.Unix(c.now, 0).UTC()}
		before, err := s.store.Invitation(ctx, invitation.Key{Inviter: s.user.Tenant, ID: id}, true)
		if err != nil {
			return said(err)
		}
		if !before.Mail.State.Owed() {
			return outcome{result: "nothing to send"}
		}
		if before, err = mailer.claim(ctx, before); err == nil {
			_, err = mailer.settle(ctx, before)
		}
		return said(err)
	default:
		_, result, err := service.Respond(ctx, linkOf(invitation.Invitation{Key: invitation.Key{Inviter: s.user.Tenant, ID: id}, Generation: c.generation}),
			s.people[c.who], response(c.do))
		if err != nil {
			return said(err)
		}
		return outcome{result: string(result)}
	}
}

// TestLinearizable has several callers at once create, send, resend, be done, cancel, accept and decline a few invitations, and asks
// whether what they were told is what one after the other could have been told (reliability, promise 2).
func TestLinearizable(t *testing.T) {
	t.Parallel()
	const callers, each = 5, 5
	store := dynamo.New(config(t), newTable(t))
	start := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC).Unix()
	check := porcupine.Model{
		Init: func() any { return model{} },
		Step: func(state, input, output any) (bool, any) { return state.(model).step(input.(call), output.(outcome)) },
	}
	var mu sync.Mutex
	operations, outcomes := 0, map[string]int{}
	var wg sync.WaitGroup
	limit := make(chan struct{}, 4)
	for h := *firstHistory; h < *firstHistory+*histories; h++ {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			s := newStage(t, store)
			var history []porcupine.Operation
			var lock sync.Mutex
			began := time.Now()
			do := func(client int, c call) {
				before := time.Since(began)
				got := s.carryOut(t.Context(), c)
				after := time.Since(began)
				lock.Lock()
				defer lock.Unlock()
				history = append(history, porcupine.Operation{ClientId: client, Input: c, Call: int64(before), Output: got, Return: int64(after)})
			}
			random := rand.New(rand.NewPCG(1, uint64(h)))
			do(0, call{do: "create", now: start})
			if h%2 == 0 {
				do(0, call{do: "send", now: start})
			}
			plans := make([][]call, callers)
			for n := range plans {
				for range each {
					c := call{do: []string{"create", "send", "resend", "done", "cancel", "accept", "accept", "decline", "read"}[random.IntN(9)], who: random.IntN(3),
						inv: random.IntN(2), generation: 1 + random.IntN(2), now: start + 3600}
					if c.inv == 1 {
						c.do = "create"
					}
					plans[n] = append(plans[n], c)
				}
			}
			var together sync.WaitGroup
			for n, plan := range plans {
				together.Go(func() {
					for _, c := range plan {
						do(n, c)
					}
				})
			}
			together.Wait()
			result := porcupine.CheckOperationsTimeout(check, history, 10*time.Second)
			mu.Lock()
			defer mu.Unlock()
			if operations += len(history); result != porcupine.Ok {
				t.Errorf("history %d is not linearizable (%v)", h, result)
				for _, o := range history {
					t.Logf("%d: %8d to %8d: %+v gives %+v", o.ClientId, o.Call, o.Return, o.Input, o.Output)
				}
			}
			for _, o := range history {
				outcomes[o.Input.(call).do+" "+o.Output.(outcome).result]++
			}
		})
	}
	wg.Wait()
	t.Logf("%d histories, %d operations: %v", *histories, operations, outcomes)
	for _, must := range []string{"accept accepted", "accept answered", "decline declined", "cancel ok", "resend ok", "create replayed", "create duplicate_open_invitation"} {
		if outcomes[must] == 0 && *histories > 1 {
			t.Errorf("%q never happened: the histories prove little", must)
		}
	}
}

// TestModel has one caller do anything at all in any order, with days passing and the cleanup coming by, and holds every
// answer against the model.
func TestModel(t *testing.T) {
	t.Parallel()
	operations := 0
	rapid.Check(t, func(rt *rapid.T) {
		s := newStage(t, dynamo.New(config(t), newTable(t)))
		var truth model
		now := s.now.Unix()
		act := func(do string) func(*rapid.T) {
			return func(rt *rapid.T) {
				c := call{do: do, now: now, inv: rapid.IntRange(0, most-1).Draw(rt, "invitation")}
				if do == "create" && truth.invitations[c.inv].status != "" && now-truth.invitations[c.inv].made >= 24*3600 {
					rt.Skip("its key is forgotten")
				}
				if do == "accept" || do == "decline" {
					c.who = rapid.IntRange(0, 2).Draw(rt, "who")
					c.generation = max(1, truth.invitations[c.inv].generation-rapid.IntRange(0, 1).Draw(rt, "behind"))
				}
				got := s.carryOut(t.Context(), c)
				operations++
				right, next := truth.step(c, got)
				if !right {
					rt.Fatalf("%+v gives %+v while %+v", c, got, truth)
				}
				truth = next
			}
		}
		accepted := map[partner.TenantID]bool{}
		actions := map[string]func(*rapid.T){
			"time passes": func(rt *rapid.T) {
				now += rapid.SampledFrom([]int64{60, 600, 86400, 20 * 86400, month}).Draw(rt, "seconds")
			},
			"cleanup": func(rt *rapid.T) {
				s.now = time.Unix(now, 0).UTC()
				if _, err := s.cleanup.Run(t.Context()); err != nil {
					rt.Fatal(err)
				}
				for n, each := range truth.invitations {
					if each.status == invitation.Pending && each.at(now) == invitation.Expired {
						inv, err := s.store.Invitation(t.Context(), invitation.Key{Inviter: s.user.Tenant, ID: s.id(n)}, true)
						if err != nil || inv.Status != invitation.Expired {
							rt.Fatalf("invitation %d is stored as %s (%v), and expired", n, inv.Status, err)
						}
					}
				}
			},
			"": func(rt *rapid.T) {
				for _, each := range truth.invitations {
					if each.status == invitation.Accepted {
						accepted[s.people[each.by].Company.Tenant] = true
					}
				}
				page, err := s.store.Relationships(t.Context(), s.user.Tenant, relationship.Query{Limit: 25})
				if err != nil || len(page.Relationships) != len(accepted) {
					rt.Fatalf("%d customers (%v), %d companies accepted", len(page.Relationships), err, len(accepted))
				}
				for _, r := range page.Relationships {
					if !accepted[r.Customer.Tenant] {
						rt.Fatalf("%s is a customer and never accepted", r.Customer.Tenant)
					}
				}
			},
		}
		for _, do := range []string{"create", "send", "resend", "done", "mail", "cancel", "accept", "decline", "read"} {
			actions[do] = act(do)
		}
		rt.Repeat(actions)
	})
	t.Logf("%d operations", operations)
}
