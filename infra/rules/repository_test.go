package rules

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const largest = 1 << 20 // bytes of one file in the repository

// tracked are the files that are, or would be with the next commit, in the repository, by their path from its root.
func tracked(t *testing.T) map[string][]byte {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	files := map[string][]byte{}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		path := filepath.Join(root, name)
		info, err := os.Lstat(path)
		if os.IsNotExist(err) { // removed, not yet committed
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !info.Mode().IsRegular() {
			t.Errorf("%s is no regular file", name)
			continue
		}
		if info.Size() > largest {
			t.Errorf("%s has %d bytes; nothing here needs more than %d", name, info.Size(), largest)
			continue
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		files[name] = content
	}
	if len(files) == 0 {
		t.Fatal("the repository is empty")
	}
	return files
}

// Pictures of the documents are the only files that are no text, and small.
func TestNoBinaries(t *testing.T) {
	for name, content := range tracked(t) {
		if strings.HasPrefix(name, "docs/pictures/") && http.DetectContentType(content) == "image/png" && len(content) <= 256<<10 {
			continue
		}
		if bytes.IndexByte(content[:min(len(content), 8000)], 0) >= 0 {
			t.Errorf("%s is a binary file: what can be built or fetched is not kept here", name)
		}
	}
}

func TestLockFilesNameNoHost(t *testing.T) {
	hosts := map[string]*regexp.Regexp{
		"package-lock.json": regexp.MustCompile(`"resolved"\s*:`),
		".npmrc":            regexp.MustCompile(`(?m)registry\s*=|_auth`),
		"requirements.txt":  regexp.MustCompile(`(?m)https?://|^\s*(-i|-f|--index-url|--extra-index-url|--find-links|--trusted-host)\b`),
		"pom.xml":           regexp.MustCompile(`<(repositories|pluginRepositories|distributionManagement)>`),
		"go.mod":            regexp.MustCompile(`(?m)^\s*replace\b`),
	}
	found := 0
	for name, content := range tracked(t) {
		host, ok := hosts[filepath.Base(name)]
		if !ok {
			continue
		}
		found++
		if line := host.Find(content); line != nil {
			t.Errorf("%s says %q: where packages come from is the machine's business", name, line)
		}
		if filepath.Base(name) == "requirements.txt" {
			for line := range strings.Lines(string(content)) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && !strings.Contains(line, "==") {
					t.Errorf("%s: %s has no exact version", name, line)
				}
			}
		}
	}
	if found == 0 {
		t.Error("there are no lock files")
	}
}

var schemaName = regexp.MustCompile(`^[a-z]+(-[a-z]+)+\.[1-9][0-9]*\.json$`)

func TestEventsAreNamedAfterTheirFunction(t *testing.T) {
	functions := functionFolders(t)
	seen := map[string]bool{}
	for name, content := range tracked(t) {
		file, ok := strings.CutPrefix(name, "events/")
		if !ok {
			continue
		}
		if described, ok := strings.CutPrefix(file, "schemas/"); ok {
			if !schemaName.MatchString(described) || !json.Valid(content) {
				t.Errorf("%s: the schemas of what functions/events emits are JSON, named <detail type>.<version>.json", name)
			}
			continue
		}
		function, rest, dash := strings.Cut(strings.TrimSuffix(file, ".json"), "-")
		if !dash || rest == "" || filepath.Ext(file) != ".json" || !slices.Contains(functions, function) {
			t.Errorf("%s: events are named <function>-<case>.json, for a function of %v", name, functions)
		}
		if !json.Valid(content) {
			t.Errorf("%s is not JSON", name)
		}
		seen[function] = true
	}
	for _, function := range functions {
		if !seen[function] {
			t.Errorf("events/ has no event for functions/%s", function)
		}
	}
}

func TestReadmeBeginsWithTheTwoCommands(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	fenced := false
	for line := range strings.Lines(string(readme)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		command, _, _ := strings.Cut(strings.TrimPrefix(line, "$ "), "#")
		if command = strings.TrimSpace(command); fenced && command != "" {
			commands = append(commands, command)
		}
	}
	if len(commands) < 2 || commands[0] != "make run" || commands[1] != "make test" {
		t.Errorf("the first two commands of README.md are `make run` and `make test`, not %q", commands[:min(2, len(commands))])
	}
}

func TestNothingIsPromisedInTheCode(t *testing.T) {
	promise := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	// A model test in rapid skips an action that its state does not allow; nothing else skips.
	skip := regexp.MustCompile(`\bt\.Skip(f|Now)?\(`)
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range tracked(t) {
		if bytes.Contains(content, []byte(here+"/")) {
			t.Errorf("%s names a path of this machine", name)
		}
		if filepath.Ext(name) != ".go" {
			continue
		}
		for i, line := range strings.Split(string(content), "\n") {
			if promise.MatchString(line) {
				t.Errorf("%s:%d: %s: done, or an issue, or gone", name, i+1, strings.TrimSpace(line))
			}
			if skip.MatchString(line) && !bytes.Contains(content, []byte(`"pgregory.net/rapid"`)) {
				t.Errorf("%s:%d: a test that lacks something fails, it does not skip", name, i+1)
			}
		}
	}
}
