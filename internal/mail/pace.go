package mail

import (
	"math"
	"time"

	"golang.org/x/time/rate"

	"concord/internal/invitation"
	"concord/internal/outbox"
)

// How fast a sandbox sends. What SES, the table and the letter take for one mail is some 100 ms; held is twice and a half of that,
// so that the rate and not the waiting is what bounds it.
const (
	held     = 250 * time.Millisecond
	burst    = 100 * time.Millisecond // of its rate: what it did not send between two batches of the stream
	mostAway = 32
)

// Limiter gives the pace of one of some sandboxes that share a rate of mails a second.
func Limiter(perSecond, sandboxes int) *rate.Limiter {
	each := rate.Limit(perSecond) / rate.Limit(max(sandboxes, 1))
	return rate.NewLimiter(each, max(1, int(min(float64(each)*burst.Seconds(), mostAway))))
}

// Lanes is how many mails a sandbox has under way at a time to send at its pace.
func Lanes(l *rate.Limiter) int {
	return max(1, int(min(math.Ceil(float64(l.Limit())*held.Seconds()), mostAway)))
}

// Rank says which of the mails that are queued together goes first, the lower before the higher: what somebody waits for,
// such as a receipt or the one invitation that a person sends, before the rows of a batch and reminders.
func Rank(queued invitation.Invitation) int {
	for _, k := range queued.Post.Owed {
		if queued.Post.State == outbox.Queued && k != invitation.ReminderNotice {
			return 0
		}
	}
	if queued.Mail.State == outbox.Queued && queued.BatchID == "" {
		return 0
	}
	return 1
}
