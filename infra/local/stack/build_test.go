package stack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concord/infra/local/template"
)

func TestBuildMakesWhatIsOutOfDateOnly(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string, age time.Duration) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "", time.Hour)
	write("go.sum", "", time.Hour)
	write("functions/a/main.go", "", time.Hour)
	write("internal/x/x.go", "", time.Hour)
	write("Makefile", "build-%:\n\tprintf '%s %s' $* $(ARCH) > $(ARTIFACTS_DIR)/bootstrap\n\techo $* >> made\nbuild-Broken:\n\t@echo 'x.go:1: wrong' >&2; exit 1\n", time.Hour)
	made := func() string {
		raw, _ := os.ReadFile(filepath.Join(root, "made"))
		return strings.Join(strings.Fields(string(raw)), " ")
	}
	functions := []template.Function{{LogicalID: "A"}}
	for step, want := range []string{"A", "A", "A A"} {
		if step == 2 {
			write("internal/x/x.go", "changed", -time.Second)
		}
		if err := build(t.Context(), root, functions); err != nil {
			t.Fatal(err)
		}
		if got := made(); got != want {
			t.Errorf("step %d: made %q, want %q", step, got, want)
		}
	}
	if raw, err := os.ReadFile(filepath.Join(root, ".build/A/bootstrap")); err != nil || !strings.HasPrefix(string(raw), "A ") {
		t.Errorf("%q, %v", raw, err)
	}
	err := build(t.Context(), root, []template.Function{{LogicalID: "Broken"}})
	if err == nil || !strings.Contains(err.Error(), "make build-Broken") || !strings.Contains(err.Error(), "x.go:1: wrong") {
		t.Errorf("got %v", err)
	}
}
