package iso8601

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Duration{
		"P30D": {Days: 30}, "P1Y6M": {Years: 1, Months: 6}, "P2W": {Weeks: 2}, "P1DT2H3M4S": {Days: 1, Hours: 2, Minutes: 3, Seconds: 4},
		"PT10M": {Minutes: 10}, "P10M": {Months: 10}, "P0D": {}, "PT0S": {}, "P011D": {Days: 11},
	} {
		if d, ok := Parse(text); !ok || d != want {
			t.Errorf("%q is %+v, %v", text, d, ok)
		}
	}
	for _, text := range []string{
		"", "P", "PT", "P1DT", "30D", "P1.5D", "-P1D", "P-1D", "p1d", "P1D ", "P1H", "PT1D", "P1D1D", "P1D2W", "PP1D", "P1DT1H1H", "P99999D", "P\u0661D",
	} {
		if d, ok := Parse(text); ok {
			t.Errorf("%q is %+v", text, d)
		}
	}
}

func TestFixed(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"P30D": 720 * time.Hour, "P1W": 168 * time.Hour, "PT36H": 36 * time.Hour, "P1DT1H1M1S": 25*time.Hour + time.Minute + time.Second,
		"P1Y": -1, "P1M": -1, "P1Y1D": -1,
	} {
		parsed, _ := Parse(text)
		if d, ok := parsed.Fixed(); ok != (want >= 0) || ok && d != want {
			t.Errorf("%q is %s, %v", text, d, ok)
		}
	}
}
