package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestSmoke: what an operator runs after a deployment goes through, here against the local stack.
func TestSmoke(t *testing.T) {
	run := exec.CommandContext(t.Context(), "go", "run", "../smoke")
	run.Env = append(os.Environ(), "URL="+local.URL, "TOKEN="+newPartner(t, "alder").token, "WAIT=20s")
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, step := range []string{"health", "document", "test invitation", "sent", "delivered", "cancelled"} {
		if !strings.Contains("\n"+string(out), "\n"+step) {
			t.Errorf("no step %q in\n%s", step, out)
		}
	}
}
