package enrolment

import (
	"context"
	"slices"
	"strings"
	"time"

	"concord/internal/problem"
)

// ReviewDays is how many business days a review takes at most (rule E14).
const ReviewDays = 5

// MaxHolidays is how many days off a calendar has: some years of them, in an item that is read for a unit.
const MaxHolidays = 200

// Calendar says which days the operator works. The zero value works from Monday to Friday, in UTC.
type Calendar struct {
	Weekend  []time.Weekday // in the order of the week from Sunday on; none for Saturday and Sunday
	Holidays []string       // days of UTC such as 2026-12-25, in their order
}

// Weekdays are the days of a week as they are written in a calendar.
var Weekdays = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

var usualWeekend = []time.Weekday{time.Sunday, time.Saturday}

// days reads a calendar as the operator writes it; names of days in any case, and everything in any order.
func days(f *problem.Findings, weekend, holidays []string) (c Calendar) {
	for _, name := range weekend {
		n := slices.Index(Weekdays, strings.ToLower(name))
		if n < 0 {
			f.Add("/weekend", problem.ValidationFailed, "A day of the weekend is one of %s.", problem.Or(Weekdays))
			return Calendar{}
		}
		c.Weekend = append(c.Weekend, time.Weekday(n))
	}
	slices.Sort(c.Weekend)
	if c.Weekend = slices.Compact(c.Weekend); len(c.Weekend) == len(Weekdays) {
		f.Add("/weekend", problem.ValidationFailed, "There must be a day on which somebody works.")
	}
	c.Holidays = slices.Clone(holidays)
	slices.Sort(c.Holidays)
	if c.Holidays = slices.Compact(c.Holidays); len(c.Holidays) > MaxHolidays {
		f.Add("/holidays", problem.ValidationFailed, "A calendar has at most %d holidays: leave out those that are over.", MaxHolidays)
	}
	for _, day := range c.Holidays {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			f.Add("/holidays", problem.ValidationFailed, "A holiday is a date such as 2026-12-25.")
			break
		}
	}
	return c
}

// Calendar is that of [Calendars]: one that stays as it is.
func (c Calendar) Calendar(context.Context) (Calendar, error) { return c, nil }

// Days are the days of each week on which nobody works, in the order of the week from Sunday on.
func (c Calendar) Days() []time.Weekday {
	if len(c.Weekend) == 0 {
		return usualWeekend
	}
	return c.Weekend
}

// Works reports whether the day of a moment, in UTC, is a business day.
func (c Calendar) Works(t time.Time) bool {
	t = t.UTC()
	return !slices.Contains(c.Days(), t.Weekday()) && !slices.Contains(c.Holidays, t.Format(time.DateOnly))
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
