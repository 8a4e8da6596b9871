package mail

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// searched are the words that partners and administrators search for.
var searched = map[string]*regexp.Regexp{"DAP": regexp.MustCompile(`\bDAP\b`), "GDAP": regexp.MustCompile(`\bGDAP\b`)}

// saying are the mails that have to say them.
var saying = map[string]*regexp.Regexp{
	"DAP":  regexp.MustCompile(`^(reseller|dualReseller)\.administration\.[^.]+\.(draft\.)?txt$`),
	"GDAP": regexp.MustCompile(`^(granular(\.receipt|\.ending|\.partner)?|invitation\.granular|receipt\.accepted\.granular)\.[^.]+\.txt$`),
}

// TestWordsThatPeopleSearchFor: a mail about delegated administration says DAP, one about the granular one GDAP, once, in every language;
// one about neither says neither.
func TestWordsThatPeopleSearchFor(t *testing.T) {
	mails, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(mails) < 300 {
		t.Fatal(len(mails), err)
	}
	for _, name := range mails {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Base(name)
		if strings.Contains(file, ".short.") { // as short as a mailto link takes
			continue
		}
		for word, pattern := range searched {
			if n := len(pattern.FindAllString(string(content), -1)); n > 1 {
				t.Errorf("%s says %s %d times", file, word, n)
			}
		}
		for word, files := range saying {
			if files.MatchString(file) && !searched[word].Match(content) {
				t.Errorf("%s does not say %s", file, word)
			}
		}
		if strings.HasPrefix(file, "enrolment.") || strings.HasPrefix(file, "renewal.") || strings.HasPrefix(file, "reseller.plain.") {
			for word, pattern := range searched {
				if pattern.Match(content) {
					t.Errorf("%s says %s", file, word)
				}
			}
		}
	}
}
