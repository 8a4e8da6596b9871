package enrolment

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ReviewDays is how many business days a review takes at most (rule E14).
const ReviewDays = 5

// Calendar says which days the operator works. The zero value works from Monday to Friday, in UTC.
type Calendar struct {
	weekend  []time.Weekday
	holidays map[string]bool
}

// ParseCalendar reads a calendar: {"weekend": ["friday", "saturday"], "holidays": ["2026-12-25"]}, both optional; days are those of UTC.
func ParseCalendar(text string) (Calendar, error) {
	var c struct {
		Weekend, Holidays []string
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Calendar{}, fmt.Errorf("calendar: %w", err)
	}
	out := Calendar{holidays: map[string]bool{}}
	for _, name := range c.Weekend {
		n := slices.IndexFunc(weekdays, func(d time.Weekday) bool { return strings.EqualFold(d.String(), name) })
		if n < 0 {
			return Calendar{}, fmt.Errorf("calendar: %q is no day of the week", name)
		}
		out.weekend = append(out.weekend, weekdays[n])
	}
	if len(out.weekend) >= len(weekdays) {
		return Calendar{}, fmt.Errorf("calendar: nobody ever works")
	}
	for _, day := range c.Holidays {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return Calendar{}, fmt.Errorf("calendar: %w", err)
		}
		out.holidays[day] = true
	}
	return out, nil
}

var (
	weekdays     = []time.Weekday{time.Sunday, time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday}
	usualWeekend = []time.Weekday{time.Saturday, time.Sunday}
)

// Works reports whether the day of a moment, in UTC, is a business day.
func (c Calendar) Works(t time.Time) bool {
	weekend := c.weekend
	if weekend == nil {
		weekend = usualWeekend
	}
	t = t.UTC()
	return !slices.Contains(weekend, t.Weekday()) && !c.holidays[t.Format(time.DateOnly)]
}

// Add gives the moment that is some business days later, at the same time of the day. What begins on a day off begins with the next
// business day.
func (c Calendar) Add(t time.Time, days int) time.Time {
	t = t.UTC()
	for !c.Works(t) {
		t = t.Truncate(24*time.Hour).AddDate(0, 0, 1)
	}
	for days > 0 {
		t = t.AddDate(0, 0, 1)
		if c.Works(t) {
			days--
		}
	}
	return t
}
