package console_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var ofConsole = regexp.MustCompile("`/console(/[^`]*)?`")

// TestDocumentedSentences holds the table of docs/console.md to the console: each page is a route of it, and each button is what a page says.
func TestDocumentedSentences(t *testing.T) {
	document, err := os.ReadFile("../../docs/console.md")
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	files, err := filepath.Glob("../locale/messages/console*.en.json")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]any
		if err := json.Unmarshal(content, &texts); err != nil {
			t.Fatal(err)
		}
		for _, text := range texts {
			if s, ok := text.(string); ok {
				said = append(said, s)
			}
		}
	}
	var paths []string
	for _, row := range open(t).routes {
		paths = append(paths, row.Path)
	}
	rows := 0
	for line := range strings.Lines(string(document)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[2], "`/console") {
			continue
		}
		rows++
		for _, at := range ofConsole.FindAllStringSubmatch(cells[2], -1) {
			if !slices.Contains(paths, at[1]) {
				t.Errorf("%s: there is no page %s", strings.TrimSpace(cells[1]), at[0])
			}
		}
		for button := range strings.SplitSeq(strings.TrimSpace(cells[3]), ", ") {
			if button != "" && !slices.Contains(said, button) {
				t.Errorf("%s: no page says %q", strings.TrimSpace(cells[1]), button)
			}
		}
	}
	if rows < 20 {
		t.Errorf("%d rows", rows)
	}
}
