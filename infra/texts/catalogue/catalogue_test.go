package catalogue

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concord/internal/terms"
)

// The samples of the local stack say that they are samples (0.21), and there is one for each removal.
func TestTheSamples(t *testing.T) {
	texts, err := Load(filepath.Join("..", "..", "local", "texts.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range texts {
		if x.Language == "en" && !strings.Contains(x.Title+x.Body, "no legal effect") {
			t.Errorf("%s %s could be taken for a text in force", x.Type, x.Version)
		}
	}
	for _, kind := range []terms.Type{terms.RelationshipRemoval, terms.PartnershipRemoval} {
		if !slices.ContainsFunc(texts, func(x terms.Text) bool { return x.Type == kind && x.Language == "en" }) {
			t.Errorf("no sample for %s", kind)
		}
	}
}

func TestFaultsOfAFile(t *testing.T) {
	good := `{"type":"relationshipRemoval","version":"1","language":"en","title":"T","text":"words","effectiveFrom":"2026-01-01T00:00:00Z"}`
	for name, content := range map[string]string{
		"no JSON":        `{`,
		"unknown member": `{"texts":[],"more":1}`,
		"other type":     `{"texts":[` + strings.Replace(good, "relationshipRemoval", "farewell", 1) + `]}`,
		"foreign hash":   `{"texts":[` + strings.Replace(good, `"text"`, `"sha256":"`+strings.Repeat("0", 64)+`","text"`, 1) + `]}`,
		"words nowhere":  `{"texts":[` + strings.Replace(good, `"text":"words",`, "", 1) + `]}`,
	} {
		path := filepath.Join(t.TempDir(), "texts.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if texts, err := Load(path); err == nil {
			t.Errorf("%s: %v", name, texts)
		}
	}
	path := filepath.Join(t.TempDir(), "texts.json")
	if err := os.WriteFile(path, []byte(`{"texts":[`+good+`]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if texts, err := Load(path); err != nil || len(texts) != 1 || texts[0].Body != "words" || len(texts[0].Hash) != 64 {
		t.Errorf("%v, %v", texts, err)
	}
}
