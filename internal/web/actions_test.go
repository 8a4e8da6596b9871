package web

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"concord/internal/invitation"
)

// TestActionsAreThoseOfTheDocument: the document names each action of a timeline as it is answered, and no other.
func TestActionsAreThoseOfTheDocument(t *testing.T) {
	content, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Components struct {
			Schemas struct {
				TimelineEvent struct {
					Properties struct{ Action struct{ Enum []string } }
				}
			}
		}
	}
	if err := json.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	var answered []string
	for action := range maps.Keys(invitation.Actions) {
		answered = append(answered, camel(action))
	}
	slices.Sort(answered)
	told := slices.Sorted(slices.Values(document.Components.Schemas.TimelineEvent.Properties.Action.Enum))
	if len(told) == 0 || !slices.Equal(answered, told) {
		t.Errorf("timelines say %q, the document %q", answered, told)
	}
}
