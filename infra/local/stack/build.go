package stack

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"concord/infra/local/template"
)

// build makes .build/<LogicalId>/bootstrap of every function with the Makefile's own targets, for this machine, unless it
// is newer than every source. Several stacks may start at once: one builds, the others wait, and a binary that runs is
// replaced by renaming, never written to.
func build(ctx context.Context, root string, functions []template.Function) error {
	if err := os.MkdirAll(filepath.Join(root, ".build"), 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(root, ".build", "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	newest, err := newestSource(root)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for _, f := range functions {
		binary := filepath.Join(root, ".build", f.LogicalID, "bootstrap")
		if info, err := os.Stat(binary); err == nil && info.ModTime().After(newest) {
			continue
		}
		g.Go(func() error {
			fresh := filepath.Join(root, ".build", ".new", f.LogicalID)
			for _, dir := range []string{fresh, filepath.Dir(binary)} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
			started := time.Now()
			c := exec.CommandContext(ctx, "make", "--no-print-directory", "-C", root, "build-"+f.LogicalID, "ARTIFACTS_DIR="+fresh, "ARCH="+runtime.GOARCH)
			if out, err := c.CombinedOutput(); err != nil {
				return fmt.Errorf("make build-%s: %w\n%s", f.LogicalID, err, strings.TrimSpace(string(out)))
			}
			built := filepath.Join(fresh, "bootstrap")
			// A source that was saved while the build ran makes the binary old again.
			if err := os.Chtimes(built, started, started); err != nil {
				return err
			}
			return os.Rename(built, binary)
		})
	}
	return g.Wait()
}

func newestSource(root string) (time.Time, error) {
	var newest time.Time
	look := func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return err
	}
	for _, part := range []string{"go.mod", "go.sum", "Makefile", "functions", "internal"} {
		if err := filepath.WalkDir(filepath.Join(root, part), look); err != nil {
			return newest, err
		}
	}
	return newest, nil
}
