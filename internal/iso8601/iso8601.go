// Package iso8601 reads durations of ISO 8601 strictly. The library that reads the numbers takes units in any order and twice, fractions,
// and a duration of nothing; what a caller of the API has written so is refused here.
package iso8601

import (
	"regexp"
	"sync"
	"time"

	"github.com/sosodev/duration"
)

// form is a duration of whole units, each once and in its order. A "P" or a "T" alone has the form too.
var form = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^P([0-9]{1,2}Y)?([0-9]{1,2}M)?([0-9]{1,4}W)?([0-9]{1,4}D)?(T([0-9]{1,6}H)?([0-9]{1,6}M)?([0-9]{1,8}S)?)?$`)
})

// Duration is a duration in the units that it was written in, each a whole number and none negative. Years and months have no fixed
// length, and no place in a [time.Duration].
type Duration struct{ Years, Months, Weeks, Days, Hours, Minutes, Seconds int }

// Parse reads a duration such as P30D, P1Y6M or PT90S. It returns false for anything else: fractions, a sign, units out of order, no unit.
func Parse(s string) (Duration, bool) {
	if last := len(s) - 1; !form().MatchString(s) || s[last] == 'P' || s[last] == 'T' {
		return Duration{}, false
	}
	d, err := duration.Parse(s)
	if err != nil {
		return Duration{}, false
	}
	return Duration{
		Years: int(d.Years), Months: int(d.Months), Weeks: int(d.Weeks), Days: int(d.Days),
		Hours: int(d.Hours), Minutes: int(d.Minutes), Seconds: int(d.Seconds),
	}, true
}

// Fixed returns the duration in units of a fixed length. It returns false for one with years or months.
func (d Duration) Fixed() (time.Duration, bool) {
	const day = 24 * time.Hour
	return time.Duration(7*d.Weeks+d.Days)*day + time.Duration(d.Hours)*time.Hour +
		time.Duration(d.Minutes)*time.Minute + time.Duration(d.Seconds)*time.Second, d.Years == 0 && d.Months == 0
}
