// Package link makes and checks the links in emails.
//
// A link is a bearer value: who holds it can read what is asked. It is derived from the item that it leads to and never
// stored (architecture, decision 1). A [Signer] makes the token of a [Link] for one [Purpose]; Verify gives the Link
// back when, in this order,
//
//   - the token has the length and alphabet of a token of this version,
//   - its key is one that the Signer knows,
//   - its authentication code fits the content and the purpose, compared in constant time (invariant 16).
//
// Whoever redeems a link then reads the item and checks, in the order of the domain (2.2), that it exists and is not
// cancelled, that the generation is the item's own, that it is not expired and not answered. A token of one purpose is
// malformed for every other.
package link

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"iter"
	"log/slog"
	"strings"

	"github.com/google/uuid"

	"concord/internal/publicid"
)

// Purpose is what a link is for.
type Purpose byte

// The purposes. Each is the first part of its path.
const (
	Answer      Purpose = 'i' // a customer reads and answers an invitation
	Granular    Purpose = 'g' // a customer reads, approves, rejects and ends granular administration
	Receipt     Purpose = 'r' // who was invited says that an answer was not its own
	Unsubscribe Purpose = 'u' // who is reminded wants no more mail
	// Allow is of who has stopped a partner's mails and wants them again. It stands in mails of ours to the recipient alone, and in nothing
	// that a partner can read: that is what it proves (domain, 0.36).
	Allow         Purpose = 'm'
	AllowGranular Purpose = 'n' // Allow, in mails about granular administration
	Verify        Purpose = 'e' // the primary contact of an enrolment confirms its address
)

// Purposes are all of them.
var Purposes = []Purpose{Answer, Granular, Receipt, Unsubscribe, Allow, AllowGranular, Verify}

// Path gives the path of a link, below the base URL of the recipient's cloud.
func (p Purpose) Path(token Secret) string { return "/" + string(rune(p)) + "/" + token.Reveal() }

// Link says which item a token leads to.
type Link struct {
	Tenant     string // the partner's tenant id, a UUID
	ID         string // the item's public id, with its prefix
	Generation int    // 1 to 65535; a resend raises it and thereby ends older links
}

// Key is one signing key. Its id tells whether a token's key is known without trying all; two keys may have the same by chance.
type Key struct {
	ID     uint16
	Secret []byte
}

// Errors of Verify. Neither says anything about whether the item exists.
var (
	// ErrMalformed means that the token was not made by this deployment for this purpose.
	ErrMalformed = errors.New("link: malformed token")
	// ErrUnknownKey means that the token names a key that the signer does not have: garbled, or newer than the signer.
	ErrUnknownKey = errors.New("link: unknown key")
)

const (
	version  = 1
	macBytes = 16
	// Where the parts of a token begin: version, key id, tenant, item id, generation, authentication code.
	atKey        = 1
	atTenant     = atKey + 2
	atID         = atTenant + 16
	atGeneration = atID + publicid.Size
	atMAC        = atGeneration + 2
	size         = atMAC + macBytes
)

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// text is the base 64 of URLs (RFC 4648, 5).
var text = base64.NewEncoding(alphabet).WithPadding(base64.NoPadding).Strict()

// Holds reports whether a text holds what has the form of a token, of whatever purpose: nobody keeps one (architecture, decision 1).
// It looks through percent-encoding and HTML, and needs no key.
func Holds(s string) bool {
	for range Tokens(Spelt(s)) {
		return true
	}
	return false
}

// Tokens gives what in a text has the form of a token.
func Tokens(s string) iter.Seq[string] {
	length := text.EncodedLen(size)
	return func(yield func(string) bool) {
		for run := range strings.FieldsFuncSeq(s, func(r rune) bool { return !InToken(r) }) {
			for n := 0; n+length <= len(run); n++ {
				part := run[n : n+length]
				b, err := text.DecodeString(part)
				// Within a longer run the beginning is one of a token by chance every 256th time, and a generation below 1,024 is there as rarely.
				if err != nil || b[0] != version || len(run) > length && b[atGeneration] >= 4 {
					continue
				}
				if !yield(part) {
					return
				}
				n += length - 1
			}
		}
	}
}

// InToken reports whether a character is one of those that tokens are made of.
func InToken(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}

// Without gives a text with an ellipsis for every token in it.
func Without(s string) string {
	if Holds(s) {
		s = Spelt(s) // in whatever way one is written
	}
	for found := range Tokens(s) {
		s = strings.Replace(s, found, "…", 1)
	}
	return s
}

// Spelt gives a text as the most lenient of its readers understands it: what is written as an HTML entity or in percent-encoding, one within
// the other too, stands for itself, and a backslash for the slash that browsers take it for.
func Spelt(s string) string {
	for range maxLayers {
		next := html.UnescapeString(decoded(s))
		if next == s {
			break
		}
		s = next
	}
	return strings.ReplaceAll(s, `\`, "/")
}

// maxLayers is how many encodings around one another are looked through: mail programs and browsers take off one or two.
const maxLayers = 8

// decoded takes off one layer of percent-encoding, and leaves what is none.
func decoded(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for {
		before, after, more := strings.Cut(s, "%")
		b.WriteString(before)
		if !more {
			return b.String()
		}
		if s = after; len(s) >= 2 {
			if c, err := hex.DecodeString(s[:2]); err == nil {
				b.Write(c)
				s = s[2:]
				continue
			}
		}
		b.WriteByte('%')
	}
}

// Signer makes and checks tokens with the first key and accepts those of all its keys.
type Signer struct{ keys []Key }

// NewSigner needs at least one key; the first one signs.
func NewSigner(keys ...Key) *Signer { return &Signer{keys} }

// Sign gives the token of a link. It fails when the link's ids are not of the forms that [Link] names.
func (s *Signer) Sign(p Purpose, l Link) (Secret, error) {
	b := make([]byte, 0, size)
	b = binary.BigEndian.AppendUint16(append(b, version), s.keys[0].ID)
	tenant, err := uuid.Parse(l.Tenant)
	if err != nil {
		return "", fmt.Errorf("link: tenant is not a UUID")
	}
	prefix := prefixes[p]
	id, ok := publicid.Parse(prefix, l.ID)
	if prefix == "" || !ok {
		return "", fmt.Errorf("link: not the id of an item that such a link leads to: %q", l.ID)
	}
	if l.Generation < 1 || l.Generation > 1<<16-1 {
		return "", fmt.Errorf("link: generation %d", l.Generation)
	}
	b = append(b, tenant[:]...)
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(l.Generation))
	b = append(b, mac(s.keys[0].Secret, p, b)...)
	return Secret(text.EncodeToString(b)), nil
}

// Cut parts a text that begins with what may be a token from what follows it: mail programs take the full stop or the bracket behind a link
// for a part of it. It gives false for a text that begins with none. Whether the token was made here is for Verify to say.
func Cut(s string) (token, rest string, found bool) {
	n := text.EncodedLen(size)
	if len(s) < n || strings.ContainsFunc(s[:n], func(r rune) bool { return !strings.ContainsRune(alphabet, r) }) {
		return "", s, false
	}
	return s[:n], s[n:], true
}

// Verify gives the link of a token, or [ErrMalformed] or [ErrUnknownKey].
func (s *Signer) Verify(p Purpose, token string) (Link, error) {
	if len(token) != text.EncodedLen(size) { // the decoder skips line ends
		return Link{}, ErrMalformed
	}
	b, err := text.DecodeString(token)
	if err != nil || len(b) != size || b[0] != version {
		return Link{}, ErrMalformed
	}
	failure := ErrUnknownKey
	body, sum := b[:atMAC], b[atMAC:]
	for _, k := range s.keys {
		if k.ID != binary.BigEndian.Uint16(b[atKey:]) {
			continue
		}
		if !hmac.Equal(sum, mac(k.Secret, p, body)) {
			failure = ErrMalformed // unless another key has the same id
			continue
		}
		return Link{
			Tenant:     uuid.UUID(b[atTenant:atID]).String(),
			ID:         publicid.Format(prefixes[p], [publicid.Size]byte(b[atID:atGeneration])),
			Generation: int(binary.BigEndian.Uint16(b[atGeneration:])),
		}, nil
	}
	return Link{}, failure
}

// prefixes are those of the items that a purpose leads to.
var prefixes = map[Purpose]string{
	Answer: publicid.Invitation, Granular: publicid.Granular, Receipt: publicid.Invitation, Unsubscribe: publicid.Invitation, Allow: publicid.Invitation,
	AllowGranular: publicid.Granular, Verify: publicid.Enrolment,
}

func mac(key []byte, p Purpose, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte{byte(p)})
	h.Write(body)
	return h.Sum(nil)[:macBytes]
}

// Secret is a token. It shows itself only to who calls Reveal: every other way to print it gives "[redacted]".
type Secret string

const redacted = "[redacted]"

// Reveal gives the token for a page or a mail.
func (s Secret) Reveal() string { return string(s) }

// String gives "[redacted]".
func (Secret) String() string { return redacted }

// GoString gives "[redacted]".
func (Secret) GoString() string { return redacted }

// Format prints "[redacted]" whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue gives "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
