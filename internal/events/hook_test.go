package events

import (
	"slices"
	"strings"
	"testing"

	"concord/internal/events/schematest"
	"concord/internal/webhook"
)

// TestEndpointsCanWantEveryEvent compares what endpoints can ask for with what is told.
func TestEndpointsCanWantEveryEvent(t *testing.T) {
	var told []string
	for name := range schematest.Load(t).Types() {
		told = append(told, name)
	}
	if slices.Sort(told); !slices.Equal(webhook.Types(), told) {
		t.Errorf("endpoints can want\n%s\ntold are\n%s", strings.Join(webhook.Types(), "\n"), strings.Join(told, "\n"))
	}
}
