package web_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/web"
	"concord/internal/web/contracttest"
)

func TestRoutesOfTheTemplateAreThoseOfTheDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Properties struct {
				Events map[string]struct {
					Type       string `yaml:"Type"`
					Properties struct {
						Method string `yaml:"Method"`
						Path   string `yaml:"Path"`
					} `yaml:"Properties"`
				} `yaml:"Events"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, r := range template.Resources {
		for _, e := range r.Properties.Events {
			p := e.Properties.Path
			if e.Type == "HttpApi" && (strings.HasPrefix(p, "/v1/") || p == "/openapi.json" || p == "/healthz") {
				routes = append(routes, e.Properties.Method+" "+p)
			}
		}
	}
	slices.Sort(routes)
	if documented := contracttest.New(t).Routes(); !slices.Equal(routes, documented) {
		t.Errorf("the template has\n%s\nthe document has\n%s", strings.Join(routes, "\n"), strings.Join(documented, "\n"))
	}
}

// TestEnumerationsOfTheDocument: what the domain can say is what the document says.
func TestEnumerationsOfTheDocument(t *testing.T) {
	var d struct {
		Components struct {
			Schemas struct {
				WrittenLocale, DeliveryState struct{ Enum []string }
			}
		}
	}
	if err := json.Unmarshal(web.Document(), &d); err != nil {
		t.Fatal(err)
	}
	var written, states []string
	for _, tag := range locale.Tags {
		written = append(written, tag.String())
	}
	for _, state := range outbox.Deliveries {
		states = append(states, string(state))
	}
	slices.Sort(states)
	documented := slices.Sorted(slices.Values(d.Components.Schemas.DeliveryState.Enum))
	if !slices.Equal(d.Components.Schemas.WrittenLocale.Enum, written) {
		t.Errorf("the document has %v, written are %v", d.Components.Schemas.WrittenLocale.Enum, written)
	}
	if !slices.Equal(documented, states) {
		t.Errorf("the document has %v, mails are %v", documented, states)
	}
}
