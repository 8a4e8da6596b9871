package granular

import (
	"fmt"
	"strings"
	"time"

	"concord/internal/iso8601"
)

// Period is how long a relationship lasts: whole days, or whole months of the calendar.
type Period struct{ Months, Days int }

// How long a relationship may last (domain, 2.1). A day of P2Y may be one of a leap year's, so that days are bounded apart.
const (
	maxMonths = 24
	maxDays   = 730
)

// ParsePeriod reads a duration of ISO 8601 from P1D to P2Y, in days, in weeks, or in years and months. It gives false for any other.
func ParsePeriod(s string) (Period, bool) {
	d, ok := iso8601.Parse(s)
	p := Period{Months: 12*d.Years + d.Months, Days: d.Days + 7*d.Weeks}
	mixed := p.Months != 0 && p.Days != 0 || d.Days != 0 && d.Weeks != 0 || strings.Contains(s, "T")
	return p, ok && !mixed && p != Period{} && p.Months <= maxMonths && p.Days <= maxDays
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
