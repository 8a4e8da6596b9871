package mail

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/storetest"
)

// figures of all simulated worlds.
type tally struct {
	worlds, invitations, faults, killed, lost, stuck, duplicates, otherLink, failed, sent int

	notices, reminders, noticesFailed, noticeDuplicates, remindedTwice, moot int
}

func (a *tally) add(b tally) {
	a.worlds += b.worlds
	a.invitations += b.invitations
	a.faults += b.faults
	a.killed += b.killed
	a.lost += b.lost
	a.stuck += b.stuck
	a.duplicates += b.duplicates
	a.otherLink += b.otherLink
	a.failed += b.failed
	a.sent += b.sent
	a.notices += b.notices
	a.reminders += b.reminders
	a.noticesFailed += b.noticesFailed
	a.noticeDuplicates += b.noticeDuplicates
	a.remindedTwice += b.remindedTwice
	a.moot += b.moot
}

// How far the simulation goes.
var (
	firstWorld     = flag.Int("seed", 0, "seed of the first world of the simulation")
	numberOfWorlds = flag.Int("worlds", 60, "how many worlds of the simulation")
)

// TestSimulation runs worlds in which anything goes wrong for hours: processes die between any two steps, the store fails
// before and after it stored, SES does whatever it can, records of the stream get lost, are doubled and come to two senders
// at once, whose clocks differ by five minutes, cleanup is late or dies, partners cancel and resend, customers answer, dispute and ask
// for new links, and reminders come due. Then everything works again, and two runs of cleanup have to bring everything home (reliability,
// promises 3 and 4).
//
// A failure names the seed of its world, and -seed with -worlds 1 runs that one alone. `make long` goes through many more.
func TestSimulation(t *testing.T) {
	first, worlds := *firstWorld, *numberOfWorlds
	var total tally
	for seed := first; seed < first+worlds; seed++ {
		var one tally
		synctest.Test(t, func(t *testing.T) { one = simulate(t, uint64(seed)) })
		if one.lost+one.stuck+one.otherLink+one.remindedTwice > 0 {
			t.Errorf("seed %d: lost %d, stuck %d, with another link %d, reminded twice %d", seed, one.lost, one.stuck, one.otherLink, one.remindedTwice)
		}
		total.add(one)
	}
	t.Logf("worlds %d, invitations %d, sent %d, failed visibly %d, faults %d, processes killed %d: lost %d, stuck %d, duplicates %d, of which with another link %d",
		total.worlds, total.invitations, total.sent, total.failed, total.faults, total.killed, total.lost, total.stuck, total.duplicates, total.otherLink)
	t.Logf("receipts and notices to inviters %d, reminders %d, given up visibly %d, duplicates %d, of which reminders %d; not needed any more %d",
		total.notices, total.reminders, total.noticesFailed, total.noticeDuplicates, total.remindedTwice, total.moot)
	if worlds >= 30 && (total.faults < worlds || total.killed < worlds || total.sent < worlds || total.duplicates == 0 ||
		total.notices < worlds || total.reminders < worlds/2 || total.moot < worlds/2 || total.noticesFailed == 0 || total.noticeDuplicates == 0) {
		t.Error("the simulation does not simulate")
	}
}

// dice are rolled by one goroutine at a time: every roll comes after a pause of its own length, so a seed gives one history.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
	on  bool
}

func (d *dice) chance(p float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Float64() < p && d.on
}

func (d *dice) pause(most time.Duration) {
	d.mu.Lock()
	n := time.Duration(d.rng.Int64N(int64(most)))
	d.mu.Unlock()
	time.Sleep(n + 1)
}

func (d *dice) number(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

func (d *dice) calm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = false
}

func simulate(t *testing.T, seed uint64) tally {
	w := newWorld(t)
	d := &dice{rng: rand.New(rand.NewPCG(seed, 1)), on: true}
	const invitations = 8
	sum := tally{worlds: 1, invitations: invitations}
	var counts sync.Mutex
	count := func(n *int) {
		counts.Lock()
		defer counts.Unlock()
		*n++
	}
	ids := make([]string, invitations)
	// The first ones go to one company, which answers some of them: the others are moot then (0.40).
	w.domain = func(n int) string {
		if n < 4 {
			return ""
		}
		return fmt.Sprintf("oak%d.example", n)
	}
	for i := range ids {
		ids[i] = w.draftFor(i, 36*time.Hour) // it is reminded of twelve hours after its mail
	}

	w.memory.Inject(func(storetest.Operation) storetest.Fault {
		if d.chance(0.04) {
			count(&sum.faults)
			return storetest.Fault{Err: errors.New("down"), Stored: d.chance(0.5)}
		}
		return storetest.Fault{}
	})
	w.ses.next = func() answer {
		if !d.chance(0.4) {
			return takes
		}
		count(&sum.faults)
		return answer(1 + d.number(int(lastAnswer)))
	}
	step := func(string) {
		d.pause(2 * time.Second)
		if d.chance(0.04) {
			panic(killed{})
		}
	}
	skew := func() func() time.Time {
		offset := time.Duration(d.number(301)-150) * time.Second
		return func() time.Time {
			d.mu.Lock()
			defer d.mu.Unlock()
			if !d.on {
				return time.Now()
			}
			return time.Now().Add(offset)
		}
	}

	var running sync.WaitGroup
	deliver := func(record invitation.Invitation) {
		running.Go(func() {
			d.pause(3 * time.Second)
			for range 10 { // MaximumRetryAttempts
				var err error
				if die(func() {
					mailer := w.dispatcher(step)
					mailer.Now = skew()
					err = mailer.Dispatch(t.Context(), record)
				}) {
					count(&sum.killed)
				} else if err == nil {
					return
				}
				d.pause(10 * time.Second)
			}
		})
	}
	stream := func() {
		for _, r := range w.records() {
			switch {
			case d.chance(0.1): // older than the mapping's longest age, or the shard was trimmed
				count(&sum.faults)
				continue
			case d.chance(0.15):
				count(&sum.faults)
				deliver(r)
			case d.chance(0.05): // delivered again much later
				count(&sum.faults)
				running.Go(func() {
					d.pause(time.Hour)
					deliver(r)
				})
			}
			deliver(r)
		}
	}
	cleanup := func() {
		if die(func() {
			now := skew()
			_, _ = w.round(stepped{w.memory, step}, now).Run(t.Context())
		}) {
			count(&sum.killed)
		}
	}

	// Every partner tries until the answer is a success, as a caller of an API does.
	began := time.Now()
	for time.Since(began) < 20*time.Hour {
		id := ids[d.number(invitations)]
		early := time.Since(began) < 6*time.Hour
		switch inv := w.read(id); {
		case inv.Status == invitation.Draft:
			_, _, _ = w.service.Send(t.Context(), command.Command{User: agent, Key: "send" + id}, id)
		case early && d.chance(0.03):
			_, _, _ = w.service.Cancel(t.Context(), command.Command{User: agent}, id, "")
		case early && d.chance(0.1):
			_, _, _ = w.service.Resend(t.Context(), command.Command{User: agent}, id)
		case d.chance(0.03):
			_, _, _ = w.respond(inv, []string{"accept", "decline"}[d.number(2)])
		case inv.Answer != nil && d.chance(0.1):
			_, _, _ = w.service.Dispute(t.Context(), linkOf(inv, 0), &invitation.Plea{Reason: "not-us"})
		case inv.Generation > 1 && d.chance(0.1):
			_, _, _ = w.service.AskAgain(t.Context(), linkOf(inv, 1), &invitation.Plea{Reason: "mail-lost"})
		}
		stream()
		if d.chance(0.5) {
			cleanup()
		}
		stream()
		d.pause(10 * time.Minute)
	}

	d.calm()
	running.Wait()
	for range 2 {
		time.Sleep(5 * time.Hour) // everything that waits is due, for the quota of a recipient too
		cleanup()
		stream()
		running.Wait()
	}

	sent := map[string][]taken{}
	for _, m := range w.ses.all() {
		k := m.id + " " + m.generation + " " + m.kind
		sent[k] = append(sent[k], m)
	}
	agreed := slices.ContainsFunc(ids, func(id string) bool { return w.get(id).Status == invitation.Accepted })
	for n, id := range ids {
		inv := w.get(id)
		if n < 4 && agreed && inv.Status == invitation.Pending && inv.Moot == nil {
			sum.stuck++
			t.Logf("stuck: %s is still asked for: %+v", id, inv.History)
		}
		if inv.Moot != nil {
			sum.moot++
		}
		of := func(kind outbox.Kind) []taken { return sent[fmt.Sprintf("%s %d %s", id, inv.Generation, kind)] }
		sum.home(t, inv, of)
		switch m := inv.Mail; {
		case m.State == outbox.Unknown && !inv.Status.Open():
			// It ended before anybody could tell; nobody sends it again.
		case inv.Moot != nil && m.Reason == "moot":
			// It was not needed any more, and neither was the mail that waited.
		case m.State.Owed():
			sum.stuck++
			t.Logf("stuck: %s %+v", inv.Status, m)
		case m.State == outbox.Sent && inv.Status == invitation.Pending:
			sum.sent++
			if len(of(invitation.InviteMail)) == 0 {
				sum.lost++
				t.Logf("lost: %+v", m)
			}
		case m.State == outbox.Failed && m.Reason != "":
			sum.failed++
		case inv.Status == invitation.Pending:
			sum.lost++
			t.Logf("lost: %+v", m)
		}
	}
	for _, mails := range sent {
		for _, m := range mails[1:] {
			switch m.kind {
			case string(invitation.InviteMail):
				sum.duplicates++
			case string(invitation.ReminderNotice):
				sum.remindedTwice++
				sum.noticeDuplicates++
			default:
				sum.noticeDuplicates++
			}
			if m.link != mails[0].link {
				sum.otherLink++
			}
		}
	}
	return sum
}

// home looks whether every notice that an invitation has come to owe has gone, or was given up where everybody can see it.
func (a *tally) home(t *testing.T, inv invitation.Invitation, of func(outbox.Kind) []taken) {
	if inv.Post.State != outbox.None {
		a.stuck++
		t.Logf("stuck: %s %+v", inv.Status, inv.Post)
	}
	var due []outbox.Kind
	if inv.Answer != nil {
		due = append(due, invitation.ReceiptNotice, invitation.CopyNotice, invitation.AnswerNotice)
	}
	if !inv.DisputedAt.IsZero() {
		due = append(due, invitation.DisputeNotice)
	}
	if inv.Status == invitation.Pending && inv.Reminded > 0 && inv.Moot == nil {
		due = append(due, invitation.ReminderNotice)
	}
	failed := givenUp(inv)
	a.noticesFailed += len(failed)
	for _, n := range due {
		switch {
		case len(of(n)) > 0 && n == invitation.ReminderNotice:
			a.reminders++
		case len(of(n)) > 0:
			a.notices++
		case len(inv.History) >= 20: // what was given up may be forgotten by now
		case !slices.ContainsFunc(failed, func(why string) bool { return strings.HasPrefix(why, string(n)+" ") }):
			a.lost++
			t.Logf("lost: the %s of %s, %+v", n, inv.ID, inv.History)
		}
	}
}

func linkOf(inv invitation.Invitation, older int) link.Link {
	return link.Link{Tenant: string(inv.Inviter), ID: inv.ID, Generation: inv.Generation - older}
}

// read reads until the store answers.
func (w *world) read(id string) invitation.Invitation {
	for {
		inv, err := w.memory.Invitation(context.Background(), invitation.Key{Inviter: alder, ID: id}, true)
		if err == nil {
			return inv
		}
	}
}
