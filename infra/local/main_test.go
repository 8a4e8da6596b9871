package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var binary string // this program

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "local")
	if err != nil {
		log.Fatal(err)
	}
	binary = filepath.Join(dir, "local")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		log.Fatalf("build: %v\n%s", err, out)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// command is this program with free ports.
func command(environment ...string) *exec.Cmd {
	c := exec.Command(binary)
	c.Env = append(os.Environ(), append([]string{"PORT=0", "MAILBOX_PORT=0", "IDP_PORT=0", "LOG=", "SEED="}, environment...)...)
	return c
}

// descendants are the ids of the processes that a parent started and that live.
func descendants(t *testing.T, parent int) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == fmt.Sprint(parent) && f[0] != "Z" {
			found = append(found, filepath.Base(filepath.Dir(path)))
		}
	}
	return found
}

// ready starts the command and returns the URL of its ready line.
func ready(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var trouble bytes.Buffer
	c.Stderr = &trouble
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = c.Wait()
		t.Fatalf("no ready line: %v\n%s", err, trouble.String())
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if !ok || !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Fatalf("the line is %q", line)
	}
	return url
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestSignalEndsEverything(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			c := command()
			url := ready(t, c)
			if status, body := get(t, url+"/healthz"); status != http.StatusOK {
				t.Errorf("/healthz: %d %s", status, body)
			}
			children := descendants(t, c.Process.Pid)
			if len(children) < 3 {
				t.Errorf("engine, identity provider and a function should run: %q", children)
			}
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := c.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			gone(t, children)
		})
	}
}

func TestKilledParentLeavesNoProcess(t *testing.T) {
	c := command()
	ready(t, c)
	children := descendants(t, c.Process.Pid)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	gone(t, children)
}

func gone(t *testing.T, pids []string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		left := 0
		for _, pid := range pids {
			if raw, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(raw), ") Z ") {
				left++
			}
		}
		if left == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d processes are left", left, len(pids))
		}
	}
}

func TestTroubleAtStartIsOneLine(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	for environment, want := range map[string]string{
		"PORT=" + taken:         "PORT changes it",
		"MAILBOX_PORT=" + taken: "MAILBOX_PORT changes it",
		"IDP_PORT=" + taken:     "IDP_PORT changes it",
		"PORT=http":             "PORT=http is no port",
		"PORT=70000":            "PORT=70000 is no port",
		"ENGINE=moto":           "ENGINE=moto",
		"LOG=loud":              "LOG=loud",
		"PATH=/nowhere":         "node is missing",
	} {
		c := command(environment)
		out, err := c.CombinedOutput()
		text := strings.TrimSpace(string(out))
		if c.ProcessState.ExitCode() != 1 || strings.Contains(text, "\n") || !strings.Contains(text, want) {
			t.Errorf("%s: %v, %q, want one line with %q", environment, err, text, want)
		}
	}
}
