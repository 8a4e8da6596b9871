package mail

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/stream"
)

// slow is an SES that takes its time, and notes how many mails it has under way and when it took each.
type slow struct {
	amazon
	takes time.Duration

	mu    sync.Mutex
	under map[string]int
	most  int
	at    []time.Time
}

func (s *slow) Do(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.under["mail"]++
	s.most = max(s.most, s.under["mail"])
	s.mu.Unlock()
	time.Sleep(s.takes)
	s.mu.Lock()
	s.under["mail"]--
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	return s.amazon.Do(r)
}

// batchOf is a batch of the stream as Lambda gives it, with the keys of invitations; their order is what a record's number says.
func batchOf(queued []invitation.Invitation) (b stream.Batch) {
	for n, i := range queued {
		b.Records = append(b.Records, json.RawMessage(fmt.Sprintf(
			`{"eventName":"MODIFY","dynamodb":{"SequenceNumber":"%d","Keys":{"sk":{"S":%q}},"NewImage":{"sk":{"S":%q}}}}`, n, i.ID, i.ID)))
	}
	return b
}

// TestRateWithASlowSES: with SES at 70 ms a mail, two sandboxes send MailRate mails a second, up to 200, and no more; each mail once.
func TestRateWithASlowSES(t *testing.T) {
	for _, perSecond := range []int{1, 14, 50, 200} {
		t.Run(fmt.Sprint(perSecond), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.service.Limits.FirstMonth, w.service.Limits.Daily = 100_000, 100_000
				w.domain = func(n int) string { return fmt.Sprintf("larch%d.example", n) }
				ses := &slow{takes: 70 * time.Millisecond, under: map[string]int{}}
				w.http = ses
				mails := min(perSecond*10, 1000)
				for n := range mails {
					w.invite(n)
				}
				queued := w.records()
				const sandboxes, each = 2, 100 // of which each takes every second record
				start := time.Now()
				var all sync.WaitGroup
				for box := range sandboxes {
					d := w.dispatcher(nil)
					d.Limiter = Limiter(perSecond, sandboxes)
					var mine []invitation.Invitation
					for n := box; n < len(queued); n += sandboxes {
						mine = append(mine, queued[n])
					}
					all.Go(func() {
						for batch := range slices.Chunk(mine, each) {
							for len(batch) > 0 {
								batch = batch[w.invoke(d, batch):]
							}
						}
					})
				}
				all.Wait()
				took := time.Since(start).Seconds()
				reached := float64(mails) / took
				t.Logf("%d mails in %.1f s: %.1f a second, %d under way at once", mails, took, reached, ses.most)
				if reached < 0.9*float64(perSecond) {
					t.Errorf("%.1f mails a second, of %d", reached, perSecond)
				}
				// In no second more than the rate, with what two sandboxes may make up for.
				most := float64(perSecond) + float64(2*max(1, perSecond/20))
				for first := range ses.at {
					n := 0
					for _, at := range ses.at[first:] {
						if at.Sub(ses.at[first]) < time.Second {
							n++
						}
					}
					if float64(n) > most+1 {
						t.Fatalf("%d mails in a second, the most is %.0f", n, most)
					}
				}
				seen := map[string]bool{}
				for _, m := range ses.taken {
					if seen[m.id] {
						t.Errorf("%s was mailed twice", m.id)
					}
					seen[m.id] = true
				}
				if len(seen) != mails {
					t.Errorf("%d of %d were mailed", len(seen), mails)
				}
			})
		})
	}
}

// invoke is one invocation of the mailer with a batch, and gives how many records are done.
func (w *world) invoke(d *Dispatcher, batch []invitation.Invitation) (done int) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	loop := stream.Loop{Log: d.Log, Metrics: d.Metrics, Reserve: 3 * SendTimeout}
	out, err := stream.Lanes(loop, Lanes(d.Limiter), func(r stream.Record) (stream.Task, error) {
		n, err := strconv.Atoi(r.SequenceNumber)
		return stream.Task{Rank: Rank(batch[n]), Do: func(ctx context.Context) error { return d.Dispatch(ctx, batch[n]) }}, err
	})(ctx, batchOf(batch))
	if err != nil {
		w.t.Error(err)
		return len(batch)
	}
	for _, f := range out.BatchItemFailures {
		n, _ := strconv.Atoi(f.ItemIdentifier)
		return n
	}
	return len(batch)
}

func TestPace(t *testing.T) {
	for _, c := range []struct{ rate, sandboxes, burst, lanes int }{
		{1, 2, 1, 1}, {14, 2, 1, 2}, {50, 2, 2, 7}, {200, 2, 10, 25}, {1000, 2, 32, 32}, {math.MaxInt32, 1, 32, 32},
	} {
		l := Limiter(c.rate, c.sandboxes)
		if l.Burst() != c.burst || Lanes(l) != c.lanes {
			t.Errorf("%d a second of %d sandboxes: burst %d and %d lanes, want %d and %d", c.rate, c.sandboxes, l.Burst(), Lanes(l), c.burst, c.lanes)
		}
	}
}

func TestRank(t *testing.T) {
	queued := func(batch string, kinds ...outbox.Kind) (i invitation.Invitation) {
		i.BatchID, i.Mail.State = batch, outbox.Queued
		if len(kinds) > 0 {
			i.Mail.State = outbox.Sent
			i.Post = outbox.Box{State: outbox.Queued, Owed: kinds}
		}
		return i
	}
	for want, all := range map[int][]invitation.Invitation{
		0: {queued(""), queued("", invitation.ReceiptNotice), queued("bat_1", invitation.ReceiptNotice, invitation.AnswerNotice),
			queued("bat_1", invitation.ReminderNotice, invitation.RenewalNotice)},
		1: {queued("bat_1"), queued("", invitation.ReminderNotice), queued("bat_1", invitation.ReminderNotice)},
	} {
		for _, i := range all {
			if got := Rank(i); got != want {
				t.Errorf("batch %q, owing %v: %d, want %d", i.BatchID, i.Post.Owed, got, want)
			}
		}
	}
}
