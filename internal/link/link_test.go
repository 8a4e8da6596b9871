package link

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"concord/internal/publicid"
)

var (
	old = Key{ID: 1, Secret: bytes.Repeat([]byte{1}, 32)}
	now = Key{ID: 2, Secret: bytes.Repeat([]byte{2}, 32)}

	letter = Link{Tenant: "0a1b2c3d-4e5f-4a7b-8c9d-0e1f2a3b4c5d", ID: publicid.Format("inv_", [16]byte{0xff, 1, 2, 3, 15: 9}), Generation: 3}
)

func sign(t *testing.T, s *Signer, l Link) string {
	t.Helper()
	token, err := s.Sign(Answer, l)
	if err != nil {
		t.Fatal(err)
	}
	return token.Reveal()
}

func TestRoundTrip(t *testing.T) {
	s := NewSigner(now)
	for _, generation := range []int{1, 255, 256, 1<<16 - 1} {
		l := letter
		l.Generation = generation
		token := sign(t, s, l)
		if got, err := s.Verify(Answer, token); err != nil || got != l {
			t.Errorf("Verify = %+v, %v; want %+v", got, err, l)
		}
		if again := sign(t, s, l); again != token {
			t.Error("signing twice gives two links: a repeated mail would carry another one")
		}
		if path := Answer.Path(Secret(token)); len(path) >= 200 || path != "/i/"+token {
			t.Errorf("the path has %d characters: %s", len(path), path)
		}
	}
}

func TestTwoLinksDiffer(t *testing.T) {
	s := NewSigner(now)
	seen := map[string]bool{}
	other := letter
	other.Tenant = "1a1b2c3d-4e5f-4a7b-8c9d-0e1f2a3b4c5d"
	third := letter
	third.ID = publicid.Format("inv_", [16]byte{1})
	fourth := letter
	fourth.Generation++
	for _, l := range []Link{letter, other, third, fourth} {
		seen[sign(t, s, l)] = true
	}
	if len(seen) != 4 {
		t.Errorf("four links have %d tokens", len(seen))
	}
}

func TestWhatCannotBeSigned(t *testing.T) {
	for name, l := range map[string]Link{
		"no tenant":                {ID: letter.ID, Generation: 1},
		"a tenant that is no UUID": {Tenant: "larch", ID: letter.ID, Generation: 1},
		"half a tenant":            {Tenant: "0a1b2c3d-4e5f", ID: letter.ID, Generation: 1},
		"no id":                    {Tenant: letter.Tenant, Generation: 1},
		"an id of another kind":    {Tenant: letter.Tenant, ID: publicid.Format("rel_", [16]byte{}), Generation: 1},
		"half an id":               {Tenant: letter.Tenant, ID: "inv_aaaa", Generation: 1},
		"an id with a line end":    {Tenant: letter.Tenant, ID: letter.ID[:10] + "\n" + letter.ID[10:], Generation: 1},
		"an id written otherwise":  {Tenant: letter.Tenant, ID: letter.ID[:len(letter.ID)-1] + "f", Generation: 1},
		"generation 0":             {Tenant: letter.Tenant, ID: letter.ID},
		"generation 65536":         {Tenant: letter.Tenant, ID: letter.ID, Generation: 1 << 16},
	} {
		if token, err := NewSigner(now).Sign(Answer, l); err == nil || token != "" {
			t.Errorf("%s is signed", name)
		}
	}
	if _, err := NewSigner(now).Sign('x', letter); err == nil {
		t.Error("a purpose that leads nowhere is signed")
	}
}

// Invariant 16: whatever is changed of a token, it is nobody's.
func TestEveryChangeIsRefused(t *testing.T) {
	s := NewSigner(now, old)
	token := sign(t, s, letter)
	raw, err := text.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		for bit := range 8 {
			changed := slices.Clone(raw)
			changed[i] ^= 1 << bit
			got, err := s.Verify(Answer, text.EncodeToString(changed))
			unknownKey := (i == atKey || i == atKey+1) && binary.BigEndian.Uint16(changed[atKey:]) != old.ID
			if got != (Link{}) || unknownKey != errors.Is(err, ErrUnknownKey) || !unknownKey != errors.Is(err, ErrMalformed) {
				t.Errorf("byte %d, bit %d: %+v, %v", i, bit, got, err)
			}
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/.% \n"
	for i := range token {
		for _, c := range alphabet {
			if changed := token[:i] + string(c) + token[i+1:]; changed != token {
				if _, err := s.Verify(Answer, changed); err == nil {
					t.Errorf("character %d as %q verifies", i, c)
				}
			}
			if _, err := s.Verify(Answer, token[:i]+string(c)+token[i:]); !errors.Is(err, ErrMalformed) {
				t.Errorf("one more %q at %d: %v", c, i, err)
			}
		}
		if _, err := s.Verify(Answer, token[:i]); !errors.Is(err, ErrMalformed) {
			t.Errorf("the first %d characters: %v", i, err)
		}
	}
}

// The decoder of base64 skips line ends.
func TestTokenWithLineEndsIsMalformed(t *testing.T) {
	s := NewSigner(now)
	token := sign(t, s, letter)
	for _, changed := range []string{token + "\n", token + "\r\n", token[:10] + "\n" + token[10:], "\n" + token} {
		if _, err := s.Verify(Answer, changed); !errors.Is(err, ErrMalformed) {
			t.Errorf("%v", err)
		}
	}
}

func TestTokenOfAnotherPurposeIsMalformed(t *testing.T) {
	s := NewSigner(now)
	token := sign(t, s, letter)
	for p := range 256 {
		if p := Purpose(p); p != Answer {
			if _, err := s.Verify(p, token); !errors.Is(err, ErrMalformed) {
				t.Errorf("purpose %q: %v", p, err)
			}
		}
	}
}

func TestRotation(t *testing.T) {
	before, during, after := NewSigner(old), NewSigner(now, old), NewSigner(now)
	first, second := sign(t, before, letter), sign(t, during, letter)
	if first == second {
		t.Error("the older key still signs")
	}
	for _, c := range []struct {
		name  string
		s     *Signer
		token string
		want  error
	}{
		{"older link, before", before, first, nil},
		{"older link, during", during, first, nil},
		{"younger link, during", during, second, nil},
		{"younger link, at one that does not know the key yet", before, second, ErrUnknownKey},
		{"younger link, after", after, second, nil},
		{"older link, after", after, first, ErrUnknownKey},
		{"another deployment's key of the same id", NewSigner(Key{now.ID, old.Secret}), second, ErrMalformed},
		{"two keys of one id, the first fits", NewSigner(now, Key{now.ID, old.Secret}), second, nil},
		{"two keys of one id, the second fits", NewSigner(Key{now.ID, old.Secret}, now), second, nil},
	} {
		if _, err := c.s.Verify(Answer, c.token); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// Invariant of the architecture's decision 1: a token shows itself to who calls Reveal, and to nobody else.
func TestSecretNeverPrintsItself(t *testing.T) {
	const token = "AQxToken-that-opens"
	s := Secret(token)
	holder := struct{ Link Secret }{s}
	var out bytes.Buffer
	for _, verb := range "vsqxXdtbcoUeEfFgGpT" {
		for _, flags := range []string{"", "+", "#", "40", "-40", "0", ".3"} {
			if verb == 'T' || verb == 'p' {
				continue // the type; a pointer
			}
			_, _ = fmt.Fprintf(&out, "%"+flags+string(verb)+" %"+flags+string(verb)+"\n", s, &s)
			_, _ = fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", holder)
		}
	}
	_, _ = fmt.Fprintln(&out, s, []Secret{s}, map[Secret]Secret{s: s}, holder, s.String(), s.GoString(), fmt.Errorf("link %v: %w", s, errors.New("x")))
	for _, logger := range []*slog.Logger{slog.New(slog.NewJSONHandler(&out, nil)), slog.New(slog.NewTextHandler(&out, nil))} {
		logger.Info("mail", "link", s, "links", []Secret{s}, "holder", holder, slog.Any("any", &s), slog.Group("g", "link", s))
	}
	for _, v := range []any{s, &s, holder, []Secret{s}, map[string]Secret{"link": s}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	if err := template.Must(template.New("").Parse(`{{.}} <a href="{{.}}">`)).Execute(&out, s); err != nil {
		t.Fatal(err)
	}
	hexadecimal := fmt.Sprintf("%x", token[:8])
	for _, trace := range []string{token, token[:6], hexadecimal, strings.ToUpper(hexadecimal), "opens"} {
		if strings.Contains(out.String(), trace) {
			t.Errorf("%q shows in %s", trace, out.String())
		}
	}
	if !strings.Contains(out.String(), redacted) || s.Reveal() != token {
		t.Error("nothing shows")
	}
}

func FuzzVerify(f *testing.F) {
	s := NewSigner(now, old)
	token, err := s.Sign(Answer, letter)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{token.Reveal(), "", "AQ", token.Reveal() + "\n", strings.Repeat("A", 70), "é"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		l, err := s.Verify(Answer, token)
		if err != nil {
			if l != (Link{}) || !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnknownKey) {
				t.Fatalf("%+v, %v", l, err)
			}
			return
		}
		again, err := NewSigner(now).Sign(Answer, l)
		other, err2 := NewSigner(old).Sign(Answer, l)
		if err != nil || err2 != nil || again.Reveal() != token && other.Reveal() != token {
			t.Fatalf("%q verifies and is not what is signed: %+v", token, l)
		}
	})
}

// A token is found however it is written, and nothing else is taken for one.
func TestHolds(t *testing.T) {
	secret, err := NewSigner(Key{7, []byte("k")}).Sign(Receipt, Link{"0a1b2c3d-4e5f-4a7b-8c9d-0e1f2a3b4c5d", publicid.Format("inv_", [16]byte{3}), 2})
	if err != nil {
		t.Fatal(err)
	}
	token := secret.Reveal()
	var escaped, entities strings.Builder
	for _, c := range token {
		fmt.Fprintf(&escaped, "%%%02x", c)
		fmt.Fprintf(&entities, "&#%d;", c)
	}
	for _, s := range []string{
		token, "https://a.example/r/" + token, "HTTPS://x@A.example/%72/" + token + "?a=b", "(" + token + ").", "see" + token, token + token,
		escaped.String(), entities.String(), strings.ReplaceAll(escaped.String(), "%", "%25"), strings.ReplaceAll(entities.String(), "&", "&amp;"), token[:30] + "%" + hex.EncodeToString([]byte(token[30:31])) + token[31:],
	} {
		if !Holds(s) {
			t.Errorf("not found in %q", s)
		}
		if left := Without(s); Holds(left) || strings.Contains(left, token[20:60]) {
			t.Errorf("left %q of %q", left, s)
		}
	}
	for _, s := range []string{
		"", "Dear Nora", token[:70], token[:40] + " " + token[40:], strings.Repeat("a", 100), strings.Repeat("https://a.example/", 20), "100% & more &lt;%zz%4", strings.Repeat("B", 71),
	} {
		if Holds(s) || Without(s) != s {
			t.Errorf("found in %q", s)
		}
	}
	if got := Without("a " + token + " b"); got != "a … b" {
		t.Errorf("%q", got)
	}
}

func TestSpelt(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "%69%2f": "i/", "%2569": "i", "&#105;&#x2F;": "i/", "&amp;#105;": "i", "&amp;#37;69": "i", "50% of %zz %": "50% of %zz %", `a\b`: "a/b", "&lt;": "<",
	} {
		if got := Spelt(in); got != want {
			t.Errorf("Spelt(%q) = %q, want %q", in, got, want)
		}
	}
}
