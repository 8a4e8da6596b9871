// Package catalogue reads the texts of a deployment from a file: what people attest and sign (domain, 0.21).
package catalogue

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"concord/internal/terms"
)

// entry is one text of the file.
type entry struct {
	Type      terms.Type `json:"type"`
	Version   string     `json:"version"`
	Language  string     `json:"language"`            // BCP 47
	Countries []string   `json:"countries,omitempty"` // where it is in force; none for everywhere
	Title     string     `json:"title"`
	Text      string     `json:"text,omitempty"` // the words, or else
	URL       string     `json:"url,omitempty"`  // where they are
	SHA256    string     `json:"sha256"`         // of the words, hexadecimal; may be left out beside the words
	From      time.Time  `json:"effectiveFrom"`
}

// Load reads and checks a file: {"texts":[…]}, without unknown members.
func Load(path string) ([]terms.Text, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Texts []entry `json:"texts"`
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	texts := make([]terms.Text, 0, len(file.Texts))
	for n, e := range file.Texts {
		if e.SHA256 == "" && e.Text != "" {
			sum := sha256.Sum256([]byte(e.Text))
			e.SHA256 = hex.EncodeToString(sum[:])
		}
		t := terms.Text{
			Type: e.Type, Version: e.Version, Language: e.Language, Countries: e.Countries, Title: e.Title, Body: e.Text, URL: e.URL, Hash: e.SHA256, From: e.From.UTC(),
		}
		if err := t.Check(); err != nil {
			return nil, fmt.Errorf("%s: text %d: %w", path, n+1, err)
		}
		texts = append(texts, t)
	}
	return texts, nil
}
