package env

import (
	"strings"
	"testing"
	"time"
)

type config struct {
	Table    string `env:"TABLE"`
	Partners string `env:"PARTNERS" default:""`
	Sender   string `env:"SENDER" default:"no-reply@concord.example"`
	Rate     int    `env:"RATE" default:"14"`
	Quota    int    `env:"QUOTA"`
	Reserved bool   `env:"ALLOW_RESERVED_DOMAINS" default:"false"`
	Strict   bool   `env:"STRICT"`
}

func TestEverythingIsRead(t *testing.T) {
	for name, value := range map[string]string{"TABLE": "concord", "PARTNERS": "p", "SENDER": "us@larch.example", "RATE": "-3", "QUOTA": "500", "ALLOW_RESERVED_DOMAINS": "true", "STRICT": "1"} {
		t.Setenv(name, value)
	}
	var c config
	if err := Load(&c); err != nil {
		t.Fatal(err)
	}
	if want := (config{"concord", "p", "us@larch.example", -3, 500, true, true}); c != want {
		t.Errorf("Load = %+v, want %+v", c, want)
	}
}

func TestDefaults(t *testing.T) {
	for name, value := range map[string]string{"TABLE": "concord", "PARTNERS": "", "SENDER": "", "RATE": "", "QUOTA": "7", "ALLOW_RESERVED_DOMAINS": "", "STRICT": "false"} {
		t.Setenv(name, value)
	}
	var c config
	if err := Load(&c); err != nil {
		t.Fatal(err)
	}
	if want := (config{"concord", "", "no-reply@concord.example", 14, 7, false, false}); c != want {
		t.Errorf("Load = %+v, want %+v", c, want)
	}
}

func TestAllFaultsAreNamedAtOnce(t *testing.T) {
	for name, value := range map[string]string{"TABLE": "", "PARTNERS": "", "SENDER": "", "RATE": "fast", "QUOTA": "", "ALLOW_RESERVED_DOMAINS": "perhaps", "STRICT": "true"} {
		t.Setenv(name, value)
	}
	err := Load(&config{})
	if err == nil {
		t.Fatal("accepted")
	}
	want := []string{"TABLE is not set", "RATE: not a number", "QUOTA is not set", "ALLOW_RESERVED_DOMAINS: neither true nor false"}
	if got := strings.Split(err.Error(), "\n"); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("faults %q, want %q", got, want)
	}
	if strings.Contains(err.Error(), "fast") || strings.Contains(err.Error(), "perhaps") {
		t.Error("a value is repeated; it may be a secret")
	}
}

func TestAKindThatCannotBeReadIsAFault(t *testing.T) {
	t.Setenv("WAIT", "1")
	err := Load(&struct {
		Wait float64 `env:"WAIT"`
	}{})
	if err == nil || !strings.Contains(err.Error(), "WAIT: a field of kind float64 cannot be read") {
		t.Errorf("%v", err)
	}
}

// TestWhatIsEmbeddedIsReadAsWell: the knobs of a local stack are part of every configuration, and their faults are named with the others.
func TestWhatIsEmbeddedIsReadAsWell(t *testing.T) {
	type whole struct {
		Local
		Table string `env:"TABLE"`
	}
	t.Setenv("TABLE", "concord")
	t.Setenv("ALLOW_RESERVED_DOMAINS", "")
	t.Setenv("CLOCK_OFFSET", "")
	var c whole
	if err := Load(&c); err != nil || c != (whole{Table: "concord"}) {
		t.Errorf("Load = %+v, %v", c, err)
	}
	t.Setenv("ALLOW_RESERVED_DOMAINS", "true")
	t.Setenv("CLOCK_OFFSET", "720h")
	if err := Load(&c); err != nil || c != (whole{Local{true, 720 * time.Hour}, "concord"}) {
		t.Errorf("Load = %+v, %v", c, err)
	}
	t.Setenv("TABLE", "")
	t.Setenv("CLOCK_OFFSET", "P30D")
	if err := Load(&c); err == nil || err.Error() != "CLOCK_OFFSET: not a duration\nTABLE is not set" {
		t.Errorf("%v", err)
	}
}

func TestClock(t *testing.T) {
	for text, offset := range map[string]time.Duration{"": 0, "744h": 744 * time.Hour, "-1h30m": -90 * time.Minute} {
		t.Run("moved by "+text, func(t *testing.T) {
			t.Setenv("CLOCK_OFFSET", text)
			clock, err := Clock()
			if err != nil {
				t.Fatal(err)
			}
			before := time.Now()
			got := clock().Add(-offset)
			if got.Before(before) || got.After(time.Now()) {
				t.Errorf("the clock says %v, now is %v", got, before)
			}
		})
	}
	t.Setenv("CLOCK_OFFSET", "P31D")
	if clock, err := Clock(); err == nil || clock != nil || !strings.Contains(err.Error(), "CLOCK_OFFSET") {
		t.Errorf("%v", err)
	}
}
