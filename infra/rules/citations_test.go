package rules

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The pages whose numbers are cited, and how their anchors are written.
var (
	anchor = regexp.MustCompile(`<a id="([^"]+)">`)

	section   = regexp.MustCompile(`(?:domain,? |\()(\d\.[1-9]\d*)\b`)
	listed1   = `[A-Z]{1,2}\d+`
	rule      = regexp.MustCompile(`\b[Rr]ules? (` + listed1 + `(?:(?:, | and | to | or )` + listed1 + `)*)`)
	ruleNames = regexp.MustCompile(listed1)
	invariant = regexp.MustCompile(`\b[Ii]nvariants? (\d+b?(?:(?:, | and | to | or )\d+b?)*)`)
	decision  = regexp.MustCompile(`architecture,? decision (\d+)`)
	promise   = regexp.MustCompile(`reliability,? promise (\d+)`)
	numbers   = regexp.MustCompile(`\d+b?`)
)

// TestCitedNumbersExist: a number that code or a document cites leads to a rule.
func TestCitedNumbersExist(t *testing.T) {
	anchors := map[string][]string{}
	for _, page := range []string{"domain", "architecture", "reliability"} {
		raw, err := os.ReadFile(filepath.Join(root, "docs", page+".md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range anchor.FindAllStringSubmatch(string(raw), -1) {
			if slices.Contains(anchors[page], found[1]) {
				t.Errorf("docs/%s.md: the anchor %s stands twice", page, found[1])
			}
			anchors[page] = append(anchors[page], found[1])
		}
	}
	cited := 0
	for name, content := range tracked(t) {
		if !slices.Contains([]string{".go", ".md", ".yaml", ".json", ".mjs"}, filepath.Ext(name)) || strings.HasPrefix(name, "docs/") || strings.Contains(name, "testdata/") || filepath.Base(name) == "package-lock.json" {
			continue
		}
		text := string(content)
		want := func(page, id string) {
			cited++
			if !slices.Contains(anchors[page], id) {
				t.Errorf("%s cites %s, which docs/%s.md does not have", name, id, page)
			}
		}
		for _, found := range section.FindAllStringSubmatch(text, -1) {
			if filepath.Ext(name) == ".go" || strings.HasPrefix(found[0], "domain") {
				want("domain", found[1])
			}
		}
		for _, found := range rule.FindAllStringSubmatch(text, -1) {
			for _, id := range ruleNames.FindAllString(found[1], -1) {
				want("domain", id)
			}
		}
		for _, found := range invariant.FindAllStringSubmatchIndex(text, -1) {
			ids := numbers.FindAllString(text[found[2]:found[3]], -1)
			if strings.HasPrefix(text[found[3]:], ".") && len(ids) > 1 && section.MatchString("("+ids[len(ids)-1]+text[found[3]:found[3]+3]) {
				ids = ids[:len(ids)-1] // what follows the comma is a section, as in "invariant 10, 0.33"
			}
			for _, id := range ids {
				want("domain", "invariant-"+id)
			}
		}
		for _, found := range decision.FindAllStringSubmatch(text, -1) {
			want("architecture", "decision-"+found[1])
		}
		for _, found := range promise.FindAllStringSubmatch(text, -1) {
			want("reliability", "promise-"+found[1])
		}
	}
	if cited < 300 {
		t.Errorf("only %d citations were found: has their form changed?", cited)
	}
	t.Logf("%d citations", cited)
}
