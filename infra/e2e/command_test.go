//go:build heavy

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concord/infra/local/component"
)

// TestCommand goes a partner's way with the command concord: log in, invite, see the answer come, list customers, a file with
// a slip, roles for a time, the audit; and what is refused and mistyped ends with the exit code for it. `make clients` builds
// the command.
func TestCommand(t *testing.T) {
	root, err := component.Root()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	run := func(code int, arguments ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), filepath.Join(root, ".build", "concord"), arguments...)
		c.Env = append(os.Environ(), "XDG_CONFIG_HOME="+home)
		c.WaitDelay = time.Second
		var out, errs bytes.Buffer
		c.Stdout, c.Stderr = &out, &errs
		_ = c.Run()
		if got := c.ProcessState.ExitCode(); got != code {
			t.Fatalf("concord %q ended with %d, want %d: %s%s", arguments, got, code, out.String(), errs.String())
		}
		return out.String() + errs.String()
	}
	has := func(got string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("it does not say %q:\n%s", want, got)
			}
		}
	}
	has(run(1, "customers", "list"), "concord login")
	has(run(0, "login", "--local", "alder", "--url", local.URL, "--token-url", local.IDPURL+"/oauth2/token"), tenantOf(t, "alder.example"))
	if info, err := os.Stat(filepath.Join(home, "concord", "default.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("who may read the login: %v, %v", info, err)
	}
	has(run(2, "invitations", "list", "--nonsense"), "nonsense")
	has(run(2, "invitation"), "has no command")

	const recipient = "command@larch.example"
	var made struct{ ID, Status string }
	create := []string{"-o", "json", "invitations", "create", "--to", recipient, "--admin", "--tag", "campaign=spring", "--send"}
	if err := json.Unmarshal([]byte(run(0, create...)), &made); err != nil || made.Status != "pending" {
		t.Fatalf("%+v, %v", made, err)
	}
	has(run(1, create...), "duplicate_open_invitation", made.ID)
	has(run(0, "invitations", "list", "--tag", "campaign=spring"), recipient, "pending")
	person := newBrowser(t)
	person.submit(person.signIn(linkIn(t, mailTo(t, recipient, 1)[0]), "admin@larch.example").want(t, 200), accepting()).want(t, 200)
	has(run(0, "invitations", "watch", made.ID), "accepted")
	has(run(0, "invitations", "get", made.ID), "accepted", "customer")
	has(run(0, "customers", "list", "--name", "arch"), "Larch Industries", "dap")
	has(run(0, "-o", "csv", "customers", "list"), "id,company,domain")

	if err := json.Unmarshal([]byte(run(0, "-o", "json", "invitations", "create", "--to", "command@oak.example")), &made); err != nil {
		t.Fatal(err)
	}
	has(run(0, "invitations", "draft", made.ID), "Subject: ", "/i/")
	has(run(0, "invitations", "cancel", "--reason", "Wrong person", made.ID), "cancelled")
	run(3, "invitations", "watch", made.ID)

	file := filepath.Join(home, "fair.csv")
	if err := os.WriteFile(file, []byte("kind,recipientEmail\nreseller,fair@pine.example\nreseller,fair#pine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	has(run(0, "batches", "check", file), "2 rows, 1 ready", "email_invalid")
	has(run(0, "batches", "upload", "--watch", file), "completed", "email_invalid")
	has(run(0, "gdap", "request", "--name", "Desk of the command", "--role", "729827e3-9c14-49f7-bb1b-9608f156bbb8", "--to", "command@spruce.example"),
		"approvalPending")
	has(run(0, "gdap", "list", "--status", "approvalPending"), "Desk of the command")
	eventually(t, "the audit has it", func() bool { return strings.Contains(run(0, "-o", "csv", "audit", "export"), made.ID) })
	has(run(0, "local", "clock"), "NOW")
	has(run(0, "completion", "zsh"), "compdef")
}
