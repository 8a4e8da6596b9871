package terms

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"concord/internal/problem"
)

type shelf []Text

func (s shelf) Texts(context.Context, Type) ([]Text, error) { return s, nil }

var now = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func text(version, language string, from time.Duration, countries ...string) Text {
	words := version + language
	sum := sha256.Sum256([]byte(words))
	return Text{
		Type: RelationshipRemoval, Version: version, Language: language, Countries: countries, Title: "T", Body: words,
		Hash: hex.EncodeToString(sum[:]), From: now.Add(from),
	}
}

// 0.21: by when, for which country, in which language.
func TestCurrent(t *testing.T) {
	all := shelf{
		text("1", "en", -48*time.Hour), text("1", "fr", -48*time.Hour), text("2", "fr", -time.Hour, "FR"), text("2", "en", -time.Hour, "FR"),
		text("3", "en", time.Hour), text("0", "de", -72*time.Hour),
	}
	for name, c := range map[string]struct{ language, country, want string }{
		"language of its own":       {"fr", "US", "1fr"},
		"a region of it":            {"fr-CA", "US", "1fr"},
		"English for what is not":   {"ja", "US", "1en"},
		"no language":               {"", "US", "1en"},
		"of the country":            {"en", "FR", "2en"},
		"no country":                {"en", "", "1en"},
		"not what is over for good": {"de", "US", "1en"},
	} {
		got, err := Current(t.Context(), all, RelationshipRemoval, c.language, c.country, now)
		if err != nil || got.Body != c.want {
			t.Errorf("%s: %q, %v", name, got.Body, err)
		}
	}
	if _, err := Current(t.Context(), all[4:5], RelationshipRemoval, "en", "US", now); !problem.Is(err, problem.AgreementTextNotConfigured) {
		t.Errorf("nothing in force: %v", err)
	}
}

// Invariant 14.
func TestAttestation(t *testing.T) {
	yes, no, one, two := true, false, "1", "2"
	for name, a := range map[string]*Attestation{
		"none": nil, "empty": {}, "refused": {Accepted: &no, Version: &one}, "of no text": {Accepted: &yes},
	} {
		var f problem.Findings
		a.Check(&f)
		if !problem.Is(f.Err(), problem.AttestationRequired) {
			t.Errorf("%s: %v", name, f.Err())
		}
	}
	a := &Attestation{Accepted: &yes, Version: &one}
	var f problem.Findings
	if a.Check(&f); f.Err() != nil {
		t.Error(f.Err())
	}
	all := shelf{text("1", "en", -time.Hour)}
	if got, err := a.Text(t.Context(), all, RelationshipRemoval, "en", "US", now); err != nil || got.Version != "1" {
		t.Errorf("%+v, %v", got, err)
	}
	a.Version = &two
	if _, err := a.Text(t.Context(), all, RelationshipRemoval, "en", "US", now); !problem.Is(err, problem.AttestationOutdated) {
		t.Error(err)
	}
}

func TestFaultyTexts(t *testing.T) {
	good := text("1.0-a", "zh-Hans", 0, "CN")
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for _, edit := range []func(*Text){
		func(x *Text) { x.Type = "farewell" }, func(x *Text) { x.Version = "a#b" }, func(x *Text) { x.Language = "EN" }, func(x *Text) { x.Countries = []string{"china"} },
		func(x *Text) { x.Title = "" }, func(x *Text) { x.Body = "" }, func(x *Text) { x.URL = "https://texts.example" }, func(x *Text) { x.Hash = "0" },
		func(x *Text) { x.Body = "other" }, func(x *Text) { x.From = time.Time{} }, func(x *Text) { x.Body, x.URL = "", "http://texts.example" },
		func(x *Text) { x.Body = strings.Repeat("x", MaxBody+1) },
	} {
		x := good
		edit(&x)
		if err := x.Check(); err == nil {
			t.Errorf("%+v is no fault", x)
		}
	}
	good.Body, good.URL = "", "https://texts.example/1"
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}
