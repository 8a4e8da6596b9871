package granular

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Period is how long a relationship lasts: whole days, or whole months of the calendar.
type Period struct{ Months, Days int }

// How long a relationship may last (domain, 2.1). A day of P2Y may be one of a leap year's, so that days are bounded apart.
const (
	maxMonths = 24
	maxDays   = 730
)

var periodText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^P(?:([0-9]{1,3})D|([0-9]{1,3})W|(?:([0-9]{1,2})Y)?(?:([0-9]{1,2})M)?)$`)
})

// ParsePeriod reads a duration of ISO 8601 from P1D to P2Y, in days, in weeks, or in years and months. It gives false for any other.
func ParsePeriod(s string) (Period, bool) {
	m := periodText().FindStringSubmatch(s)
	if m == nil {
		return Period{}, false
	}
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1]) // digits, or none
	}
	p := Period{Months: 12*n[2] + n[3], Days: n[0] + 7*n[1]}
	return p, p != Period{} && p.Months <= maxMonths && p.Days <= maxDays
}

// String gives the period as ISO 8601 has it, in the largest units.
func (p Period) String() string {
	if p.Months == 0 {
		return fmt.Sprintf("P%dD", p.Days)
	}
	s := "P"
	if y := p.Months / 12; y > 0 {
		s += fmt.Sprintf("%dY", y)
	}
	if m := p.Months % 12; m > 0 {
		s += fmt.Sprintf("%dM", m)
	}
	return s
}

// From gives the end of a period that begins at t. A month that has no such day ends with its last.
func (p Period) From(t time.Time) time.Time {
	end := t.AddDate(0, p.Months, 0)
	if p.Months > 0 && end.Day() != t.Day() {
		end = end.AddDate(0, 0, -end.Day())
	}
	return end.AddDate(0, 0, p.Days)
}
