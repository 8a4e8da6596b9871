package schedule

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var rates = regexp.MustCompile(`^rate\((\d+) (minutes?|hours?|days?)\)$`)

// parse reads rate(5 minutes) as EventBridge Scheduler does. The template's functions have no other schedules; what cron() and at() need comes
// back with the first that does.
func parse(text string) (time.Duration, error) {
	r := rates.FindStringSubmatch(text)
	if r == nil {
		return 0, fmt.Errorf("the schedule expression %q is no rate(), and the local stack knows no others", text)
	}
	n, err := strconv.Atoi(r[1])
	if err != nil || n < 1 {
		return 0, fmt.Errorf("the schedule expression %q is no rate", text)
	}
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimSuffix(r[2], "s")]
	return time.Duration(n) * unit, nil
}
