package mail

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"concord/internal/locale"
)

// searched are the words that partners and administrators search for.
var searched = map[string]*regexp.Regexp{"DAP": regexp.MustCompile(`\bDAP\b`), "GDAP": regexp.MustCompile(`\bGDAP\b`)}

// saying are the mails that have to say them.
var saying = map[string]*regexp.Regexp{
	"DAP":  regexp.MustCompile(`^(reseller|dualReseller)\.administration\.(draft\.)?txt$`),
	"GDAP": regexp.MustCompile(`^(granular(\.receipt|\.ending|\.partner)?|invitation\.granular|receipt\.accepted\.granular)\.txt$`),
}

// TestWordsThatPeopleSearchFor: a mail about delegated administration says DAP, one about the granular one GDAP, once, in every language;
// one about neither says neither.
func TestWordsThatPeopleSearchFor(t *testing.T) {
	books, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(books) != len(locale.Tags) {
		t.Fatal(len(books), err)
	}
	for _, book := range books {
		archive, err := txtar.ParseFile(book)
		if err != nil || len(archive.Files) < 50 {
			t.Fatal(book, len(archive.Files), err)
		}
		for _, mail := range archive.Files {
			checkWords(t, filepath.Base(book)+", "+mail.Name, mail.Name, mail.Data)
		}
	}
}

// checkWords looks at one mail of a book.
func checkWords(t *testing.T, where, file string, content []byte) {
	t.Helper()
	if strings.Contains(file, ".short.") { // as short as a mailto link takes
		return
	}
	for word, pattern := range searched {
		if n := len(pattern.FindAll(content, -1)); n > 1 {
			t.Errorf("%s says %s %d times", where, word, n)
		}
	}
	for word, files := range saying {
		if files.MatchString(file) && !searched[word].Match(content) {
			t.Errorf("%s does not say %s", where, word)
		}
	}
	if strings.HasPrefix(file, "enrolment.") || strings.HasPrefix(file, "renewal.") || strings.HasPrefix(file, "reseller.plain.") {
		for word, pattern := range searched {
			if pattern.Match(content) {
				t.Errorf("%s says %s", where, word)
			}
		}
	}
}
