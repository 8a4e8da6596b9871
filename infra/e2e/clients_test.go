//go:build heavy

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"concord/infra/local/component"
	"concord/infra/local/stack"
)

// TestClients walks with clients that generators wrote from the document, against the local stack: each invites, sends, lists, reads,
// and reads its refusal as a typed error. `make clients` generates and compiles them, and runs this.
func TestClients(t *testing.T) {
	root, err := component.Root()
	if err != nil {
		t.Fatal(err)
	}
	s, err := stack.Start(t.Context(), stack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	built := filepath.Join(root, ".build", "clients")
	for name, command := range map[string][]string{
		"oapi-codegen":          {filepath.Join(built, "go", "bin", "oapi")},
		"ogen":                  {filepath.Join(built, "go", "bin", "ogen")},
		"openapi-python-client": {filepath.Join(built, "python", "venv", "bin", "python"), filepath.Join(built, "python", "walk.py")},
		"openapi-typescript":    {"node", filepath.Join(built, "typescript", "out", "fetch.js")},
		"@hey-api/openapi-ts":   {"node", filepath.Join(built, "typescript", "out", "heyapi.js")},
	} {
		t.Run(name, func(t *testing.T) {
			walk := exec.CommandContext(t.Context(), command[0], command[1:]...)
			walk.Env = append(os.Environ(), "CONCORD_URL="+s.URL(), "CONCORD_TOKEN_URL="+s.Issuer()+"/oauth2/token")
			walk.WaitDelay = time.Second
			said, err := walk.CombinedOutput()
			t.Logf("%s", said)
			if err != nil {
				t.Error(err)
			}
		})
	}
	if d := s.Guard.Denials(); len(d) > 0 {
		t.Errorf("denied: %v", d)
	}
}
