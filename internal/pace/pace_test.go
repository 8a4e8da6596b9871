package pace_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"concord/internal/pace"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pace.New(14, 2)
		began := time.Now()
		for range 15 {
			if err := p.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 2*time.Second-time.Microsecond || took > 2*time.Second {
			t.Errorf("15 steps at 7 a second took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait that is given up: %v", err)
		}
	})
}
