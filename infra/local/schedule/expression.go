package schedule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// expression is when a schedule fires.
type expression interface {
	// next is the first moment after t; zero for never again.
	next(t time.Time) time.Time
}

type rate time.Duration

func (r rate) next(t time.Time) time.Time { return t.Add(time.Duration(r)) }

type once time.Time

func (o once) next(t time.Time) time.Time {
	if at := time.Time(o); at.After(t) {
		return at
	}
	return time.Time{}
}

type calendar struct {
	cron.Schedule
	zone *time.Location
}

func (c calendar) next(t time.Time) time.Time { return c.Next(t.In(c.zone)) }

var (
	forms    = regexp.MustCompile(`^(rate|cron|at)\((.*)\)$`)
	rates    = regexp.MustCompile(`^(\d+) (minutes?|hours?|days?)$`)
	weekdays = regexp.MustCompile(`(^|[,-])([1-7])`)
	fields   = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
)

// parse reads rate(5 minutes), cron(0 3 * * ? *) and at(2030-01-31T12:00:00) as EventBridge Scheduler does.
func parse(text, timezone string) (expression, error) {
	zone, err := time.LoadLocation(timezone)
	if err != nil {
		return nil, err
	}
	parts := forms.FindStringSubmatch(text)
	if parts == nil {
		return nil, fmt.Errorf("the schedule expression %q is none of rate(), cron(), at()", text)
	}
	switch body := parts[2]; parts[1] {
	case "rate":
		r := rates.FindStringSubmatch(body)
		if r == nil {
			return nil, fmt.Errorf("the schedule expression %q is no rate", text)
		}
		n, err := strconv.Atoi(r[1])
		if err != nil || n < 1 {
			return nil, fmt.Errorf("the schedule expression %q is no rate", text)
		}
		unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimSuffix(r[2], "s")]
		return rate(time.Duration(n) * unit), nil
	case "at":
		at, err := time.ParseInLocation("2006-01-02T15:04:05", body, zone)
		if err != nil {
			return nil, fmt.Errorf("the schedule expression %q: %w", text, err)
		}
		return once(at), nil
	default:
		f := strings.Fields(body)
		if len(f) != 6 {
			return nil, fmt.Errorf("the schedule expression %q has %d fields, not 6", text, len(f))
		}
		if (f[2] == "?") == (f[4] == "?") {
			return nil, fmt.Errorf("the schedule expression %q: one of day of month and day of week is ?", text)
		}
		if f[5] != "*" {
			return nil, fmt.Errorf("the schedule expression %q: the local stack knows no years but *", text)
		}
		// AWS counts weekdays from 1 (Sunday), cron from 0.
		f[4] = weekdays.ReplaceAllStringFunc(f[4], func(s string) string {
			return s[:len(s)-1] + string(s[len(s)-1]-1)
		})
		s, err := fields.Parse(strings.Join(f[:5], " "))
		if err != nil {
			return nil, fmt.Errorf("the schedule expression %q: %w", text, err)
		}
		return calendar{s, zone}, nil
	}
}
