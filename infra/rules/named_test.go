package rules

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// toldOnly are the rules that ask nothing of a program, and why.
var toldOnly = map[string]string{
	"N11": "the parties agree commercial terms elsewhere",
	"N14": "it says what partnerships are for",
	"E4":  "work accounts are made at the identity provider",
	"E5":  "the credentials of a centre that was closed are never asked for",
}

// last is how many rules each chapter of the domain has (1.1 to 1.8).
var last = map[string]int{"R": 11, "P": 8, "I": 18, "D": 11, "N": 14, "X": 11, "B": 6, "E": 18}

var (
	named  = regexp.MustCompile(`(?:\b|Rule)([RPIDNXBE])([0-9]{1,2})\b`)
	ranges = regexp.MustCompile(`\b([RPIDNXBE])([0-9]{1,2}) to ([RPIDNXBE])([0-9]{1,2})\b`)
)

// decisions are those of the domain's section 0 that were made where the documents are silent and that a program has to hold; the last of them.
const (
	firstDecision = 29
	lastDecision  = 45
)

var decided = regexp.MustCompile(`\b0\.([0-9]{1,2})\b`)

// TestEveryDecisionIsNamedInATest: each of these decisions has a test that says so.
func TestEveryDecisionIsNamedInATest(t *testing.T) {
	found := map[string]bool{}
	for name, content := range tracked(t) {
		if strings.HasSuffix(name, "_test.go") && filepath.Base(name) != "named_test.go" {
			for _, m := range decided.FindAllStringSubmatch(string(content), -1) {
				found[m[1]] = true
			}
		}
	}
	for n := firstDecision; n <= lastDecision; n++ {
		if !found[strconv.Itoa(n)] {
			t.Errorf("decision 0.%d is named in no test", n)
		}
	}
}

// TestEveryRuleIsNamedInATest: each rule of the domain has a test that says so, and can be found by its number.
func TestEveryRuleIsNamedInATest(t *testing.T) {
	found := map[string]string{}
	for name, content := range tracked(t) {
		if !strings.HasSuffix(name, "_test.go") || filepath.Base(name) == "named_test.go" {
			continue
		}
		for _, m := range named.FindAllStringSubmatch(string(content), -1) {
			found[m[1]+m[2]] = name
		}
		for _, m := range ranges.FindAllStringSubmatch(string(content), -1) {
			from, _ := strconv.Atoi(m[2])
			to, _ := strconv.Atoi(m[4])
			for n := from; m[1] == m[3] && n <= to; n++ {
				found[fmt.Sprint(m[1], n)] = name
			}
		}
	}
	for chapter, n := range last {
		for i := 1; i <= n; i++ {
			rule := fmt.Sprint(chapter, i)
			if why, only := toldOnly[rule]; only == (found[rule] != "") {
				t.Errorf("rule %s: named in %q, told only because %q", rule, found[rule], why)
			}
		}
	}
}
