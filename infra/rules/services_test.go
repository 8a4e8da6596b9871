package rules

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A draft's service is made with what signs its link: nothing that a deployment decides is in it.

// answering is the function of who answers, whose services have parts of their own: what it lacks, its test names.
const answering = "internal/app/acceptance/acceptance.go"

// TestServicesArePutTogetherOnce: the services of the API are put together by one constructor each, so that the console, batches and what
// translates other APIs have the same rules, limits and parts.
func TestServicesArePutTogetherOnce(t *testing.T) {
	// A draft's service is no part of this: it is made with what signs its link, and nothing that a deployment decides is in it.
	literal := regexp.MustCompile(`\b(\w+)\.(Service|Records|Reputation|Clearing|SuppressionRemoval|Agreed|Reports|Reading)\{`)
	made := map[string][]string{}
	for name, content := range tracked(t) {
		if !strings.HasPrefix(name, "internal/app/") || strings.HasSuffix(name, "_test.go") || filepath.Ext(name) != ".go" {
			continue
		}
		for _, found := range literal.FindAllStringSubmatch(string(content), -1) {
			if service := found[1] + "." + found[2]; service != "draft.Service" && name != answering && !slices.Contains(made[service], name) {
				made[service] = append(made[service], name)
			}
		}
	}
	for _, service := range []string{"invitation.Service", "customer.Service", "commerce.Service", "enrolment.Service", "webhook.Service"} {
		if made[service] == nil {
			t.Errorf("nothing makes a %s", service)
		}
	}
	// Who has access to what a customer bought is asked without what mails a request.
	apart := map[string][]string{
		"granular.Service": {"internal/app/granting/granting.go", "internal/app/trading/trading.go"},
		// What records of companies are asked alone, and what pauses a partner, is made with what only that function has.
		"enrolment.Records":   {"internal/app/enrolling/enrolling.go", "internal/app/trading/trading.go"},
		"registry.Reputation": {"internal/app/feedback/feedback.go", "internal/app/registering/registering.go"},
	}
	for service, names := range made {
		slices.Sort(names)
		if len(names) > 1 && !slices.Equal(names, apart[service]) {
			t.Errorf("%s is put together in %q: one constructor makes it, in a package of its own below internal/app", service, names)
		}
		for _, name := range names {
			if room := strings.TrimPrefix(path.Dir(name), "internal/"); !slices.Contains(constructors, room) && room != "app/feedback" {
				t.Errorf("%s: %s is put together by a constructor below internal/app, which the function calls", name, service)
			}
		}
	}
}
