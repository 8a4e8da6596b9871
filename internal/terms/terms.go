// Package terms holds the words that somebody attests, signs or agrees to: attestations on removal and agreements (domain, 0.21). The
// project ships none of them. Whoever deploys it puts a catalogue of its own into the table, and a signature records which version,
// in which language, with which hash.
package terms

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"concord/internal/country"
	"concord/internal/problem"
)

// Type is what a text is for.
type Type string

// The types of texts.
const (
	RelationshipRemoval Type = "relationshipRemoval" // attested by who ends a relationship (rule X5)
	PartnershipRemoval  Type = "partnershipRemoval"  // attested by who ends a partnership (rule X5)
	CustomerAgreement   Type = "customerAgreement"   // signed by a customer (rule P1)
	PartnerAgreement    Type = "partnerAgreement"    // signed by a partner (rule R4)
)

// Types are all of them.
var Types = []Type{RelationshipRemoval, PartnershipRemoval, CustomerAgreement, PartnerAgreement}

// Text is one version of a text in one language. It never changes: other words are another version.
type Text struct {
	Type      Type
	Version   string   // 1 to 32 letters, digits, dots and hyphens
	Language  string   // BCP 47
	Countries []string // ISO 3166-1 alpha-2, where it is in force; none for everywhere
	Title     string
	Body      string    // the words; empty when they are at URL only
	URL       string    // where the words are; empty when Body has them
	Hash      string    // SHA-256 of the words, hexadecimal
	From      time.Time // since when it is in force
}

// Limits of a text.
const (
	MaxTitle = 200    // characters
	MaxBody  = 100000 // bytes
)

var (
	version = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.-]{0,31}$`) })
	hash    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-f]{64}$`) })
)

// Check says what is wrong with a text, nil for nothing. The hash of words that are in the text has to be theirs.
func (t Text) Check() error {
	tag, err := language.Parse(t.Language)
	sum := sha256.Sum256([]byte(t.Body))
	u, fault := url.Parse(t.URL)
	switch {
	case !slices.Contains(Types, t.Type):
		return fmt.Errorf("terms: the type is one of %v", Types)
	case !version().MatchString(t.Version):
		return fmt.Errorf("terms: a version has 1 to 32 letters, digits, dots and hyphens")
	case err != nil || tag.String() != t.Language:
		return fmt.Errorf("terms: the language is a BCP 47 tag as it is written")
	case slices.ContainsFunc(t.Countries, func(c string) bool { return !country.Valid(c) }):
		return fmt.Errorf("terms: a country has two capital letters, as in ISO 3166-1")
	case t.Title == "" || utf8.RuneCountInString(t.Title) > MaxTitle || !utf8.ValidString(t.Title+t.Body) || len(t.Body) > MaxBody:
		return fmt.Errorf("terms: a title has 1 to %d characters, the words at most %d bytes of UTF-8", MaxTitle, MaxBody)
	case (t.Body == "") == (t.URL == ""):
		return fmt.Errorf("terms: a text has either its words or where they are")
	case t.URL != "" && (fault != nil || u.Scheme != "https" || u.Host == ""):
		return fmt.Errorf("terms: where the words are is an https URL")
	case !hash().MatchString(t.Hash) || t.Body != "" && hex.EncodeToString(sum[:]) != t.Hash:
		return fmt.Errorf("terms: the hash is the SHA-256 of the words, hexadecimal")
	case t.From.IsZero():
		return fmt.Errorf("terms: a text is in force from some time on")
	}
	return nil
}

// Catalogue is the texts of a deployment.
//
// Texts gives all that there are of a type, in no order; one that was added a second ago may be missing.
type Catalogue interface {
	// Texts gives those of a type, a second behind and in no order; none is no error.
	Texts(ctx context.Context, t Type) ([]Text, error)
}

// Current gives the text in force, in the language that is the nearest to the one asked for, else in English, else in any. The version
// in force is the one that came last for the country; an empty country has only what is in force everywhere. Code:
// [problem.AgreementTextNotConfigured].
func Current(ctx context.Context, c Catalogue, t Type, lang, country string, now time.Time) (Text, error) {
	all, err := c.Texts(ctx, t)
	if err != nil {
		return Text{}, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(x Text) bool {
		return x.From.After(now) || len(x.Countries) > 0 && !slices.Contains(x.Countries, country)
	})
	if len(all) == 0 {
		return Text{}, problem.New(problem.AgreementTextNotConfigured, "This deployment has no such text in force.")
	}
	last := slices.MaxFunc(all, func(a, b Text) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Version, b.Version))
	})
	all = slices.DeleteFunc(all, func(x Text) bool { return x.Version != last.Version })
	slices.SortFunc(all, func(a, b Text) int {
		english := func(x Text) int { return map[bool]int{true: 0, false: 1}[x.Language == "en"] } // a matcher falls back to the first
		return cmp.Or(english(a)-english(b), cmp.Compare(a.Language, b.Language))
	})
	tags := make([]language.Tag, len(all))
	for n, x := range all {
		tags[n] = language.Make(x.Language)
	}
	_, n, _ := language.NewMatcher(tags).Match(language.Make(lang))
	return all[n], nil
}

// Attestation is what somebody attests, as it was said. Nil means "not said".
type Attestation struct {
	Accepted *bool
	Version  *string // of the text that was shown
}

// Check notes when nothing is attested (invariant 14, X-i). Whether the text is the one in force is [Attestation.Text]'s matter. The
// code of the finding is [problem.AttestationRequired].
func (a *Attestation) Check(f *problem.Findings) {
	switch {
	case a == nil:
		f.Add("/attestation", problem.AttestationRequired, readIt)
	case a.Accepted == nil || !*a.Accepted:
		f.Add("/attestation/accepted", problem.AttestationRequired, "Nothing is removed without the attestation: accepted is true, once the text was read.")
	case a.Version == nil:
		f.Add("/attestation/textVersion", problem.AttestationRequired, "Say which text was attested: the textVersion that its GET gives.")
	}
}

// readIt says where the texts are.
const readIt = "Get the text at GET /v1/attestations/relationshipRemoval, or /v1/attestations/partnershipRemoval for a partnership, read it, and send " +
	`attestation: {"accepted":true,"textVersion":"<its textVersion>"}.`

// Text gives the text that is attested, which is the one in force. Codes: [problem.AttestationOutdated],
// [problem.AgreementTextNotConfigured].
func (a *Attestation) Text(ctx context.Context, c Catalogue, t Type, lang, country string, now time.Time) (Text, error) {
	text, err := Current(ctx, c, t, lang, country, now)
	if err != nil {
		return Text{}, err
	}
	if a == nil || a.Version == nil || *a.Version != text.Version {
		var f problem.Findings
		f.Add("/attestation/textVersion", problem.AttestationOutdated, "Another text is in force by now: get it where that one came from, read it, and attest its textVersion.")
		return Text{}, f.Err()
	}
	return text, nil
}
