package web

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"concord/internal/iso8601"
	"concord/internal/link"
	"concord/internal/problem"
)

// FuzzBody: whatever is sent, a body is refused as malformed or taken apart so that each member is either taken or found.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"kind":"reseller","recipientEmail":"a@b.test","tags":{"a":"b"},"expiresIn":"P30D","reminders":true}`, `{"a":1,"a":2}`, `{"tags":{"a":null}}`,
		`[1]`, `null`, "{\"a\":\"\xff\"}", `{"kind":"\ud800"}`, `{"expiresIn":"P1DT"}`, `{"a/~":{}}`, `{"kind":1e999}`, `{} {}`, "\ufeff{}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := httptest.NewRequest(http.MethodPost, "/v1/invitations", strings.NewReader(string(text)))
		r.Header.Set("Content-Type", "application/json")
		c := call{r: r}
		b, err := c.body(true)
		if err != nil {
			if !problem.Is(err, problem.MalformedRequest) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if !utf8.Valid(text) || !json.Valid(text) || text[strings.IndexFunc(string(text), func(r rune) bool { return !strings.ContainsRune(" \t\r\n", r) })] != '{' {
			t.Fatalf("taken: %q", text)
		}
		members := len(b.members)
		taken := 0
		for _, got := range []bool{b.text("kind") != nil, b.flag("reminders") != nil, b.labels("tags") != nil} {
			if got {
				taken++
			}
		}
		if d := b.span("expiresIn"); d != nil {
			taken++
			if *d < 0 {
				t.Fatalf("duration %s of %q", *d, text)
			}
			parsed, ok := iso8601.Parse(formatDuration(*d))
			if back, fixed := parsed.Fixed(); !ok || !fixed || back != *d {
				t.Fatalf("%s is written as %s", *d, formatDuration(*d))
			}
		}
		if found := b.end(); taken+len(found) < members {
			t.Fatalf("%q: %d members, %d taken, found %v", text, members, taken, found)
		}
		for _, x := range b.findings {
			if !strings.HasPrefix(x.Pointer, "/") {
				t.Fatalf("%q: pointer %q", text, x.Pointer)
			}
		}
	})
}

func TestFingerprintIsOfTheContent(t *testing.T) {
	of := func(method, path, text string) string {
		m, err := object([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return fingerprint(method, path, m)
	}
	first := of("POST", "/a", `{"x":"é","y":{"b":1,"a":2}}`)
	if same := of("POST", "/a", "{ \"y\" : {\"a\":2, \"b\":1}, \"x\":\"\\u00e9\" }"); same != first {
		t.Error("order, spacing or escapes count")
	}
	for _, other := range []string{of("PATCH", "/a", `{"x":"é","y":{"b":1,"a":2}}`), of("POST", "/b", `{"x":"é","y":{"b":1,"a":2}}`), of("POST", "/a", `{"x":"e","y":{"b":1,"a":2}}`), of("POST", "/a", `{}`)} {
		if other == first {
			t.Error("another request has the same fingerprint")
		}
	}
}

var cursorKeys = []link.Key{{ID: 1, Secret: []byte("new")}, {ID: 2, Secret: []byte("old")}}

// FuzzCursor: no text but a cursor that was made for the same binding is taken.
func FuzzCursor(f *testing.F) {
	g := &Gate{Keys: func(context.Context, string, ...uint16) ([]link.Key, error) { return cursorKeys, nil }}
	const binding, position = "tenant\nGET /v1/customers\n", "2026-03-01T09:00:00Z#inv_a"
	own, err := g.seal(context.Background(), binding, position)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add("")
	f.Add("AAAA")
	f.Add(own + "=")
	f.Fuzz(func(t *testing.T, text string) {
		after, err := g.unseal(t.Context(), binding, text)
		switch {
		case err == nil && (text != own || after != position):
			t.Fatalf("%q is taken for %q", text, after)
		case err != nil && (text == own || !problem.Is(err, problem.MalformedRequest)):
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func TestCursorOfThePreviousKey(t *testing.T) {
	before := &Gate{Keys: func(context.Context, string, ...uint16) ([]link.Key, error) { return cursorKeys[1:], nil }}
	now := &Gate{Keys: func(context.Context, string, ...uint16) ([]link.Key, error) { return cursorKeys, nil }}
	cursor, err := before.seal(t.Context(), "b", "position")
	if err != nil {
		t.Fatal(err)
	}
	if after, err := now.unseal(t.Context(), "b", cursor); err != nil || after != "position" {
		t.Errorf("%q, %v", after, err)
	}
}

// TestCursorOfAYoungerKey: who gives the keys is told which one a cursor names, and may know it only then.
func TestCursorOfAYoungerKey(t *testing.T) {
	young := link.Key{ID: 0x0102, Secret: []byte("young")}
	after := &Gate{Keys: func(context.Context, string, ...uint16) ([]link.Key, error) { return []link.Key{young}, nil }}
	before := &Gate{Keys: func(_ context.Context, _ string, named ...uint16) ([]link.Key, error) {
		if slices.Contains(named, young.ID) {
			return append([]link.Key{young}, cursorKeys...), nil
		}
		return cursorKeys, nil
	}}
	cursor, err := after.seal(t.Context(), "b", "position")
	if err != nil {
		t.Fatal(err)
	}
	if position, err := before.unseal(t.Context(), "b", cursor); err != nil || position != "position" {
		t.Errorf("%q, %v", position, err)
	}
}

// TestEveryCodeHasAnAnswer reads the constants of package problem.
func TestEveryCodeHasAnAnswer(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "problem", "problem.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for n := range ast.Preorder(file) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			continue
		}
		if kind, ok := spec.Type.(*ast.Ident); !ok || kind.Name != "Code" {
			continue
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		count++
		if a := answers[problem.Code(code)]; a.title == "" || http.StatusText(a.status) == "" {
			t.Errorf("%s is answered with %d %q", code, a.status, a.title)
		}
	}
	if count != len(answers) {
		t.Errorf("package problem has %d codes, the table %d", count, len(answers))
	}
}

// An error says what would be right: the field that is meant, or those that there are.
func TestUnknownFieldsAreToldWhichThereAre(t *testing.T) {
	for name, c := range map[string]struct {
		members, want string
	}{
		"another spelling":     {`{"recipient_email":"a@b.example"}`, "It is called recipientEmail."},
		"another case":         {`{"RecipientEmail":"a@b.example"}`, "It is called recipientEmail."},
		"another word":         {`{"language":"fr"}`, "It is called locale."},
		"nothing like it":      {`{"colour":"red"}`, "The fields are recipientEmail, locale and granularAdmin."},
		"roles of an Entra ID": {`{"granularAdmin":{"accessDetails":{}}}`, "It is called roles."},
	} {
		t.Run(name, func(t *testing.T) {
			members, err := object([]byte(c.members))
			if err != nil {
				t.Fatal(err)
			}
			b := &body{members: members}
			b.text("recipientEmail")
			b.text("locale")
			b.granularAdmin()
			f := b.end()
			if len(f) != 1 || f[0].Code != problem.UnknownField || !strings.HasSuffix(f[0].Detail, c.want) {
				t.Errorf("%+v", f)
			}
		})
	}
	b := &body{members: map[string]json.RawMessage{"roles": nil}}
	granularTerms(b)
	if f := b.end(); len(f) != 1 || !strings.HasSuffix(f[0].Detail, "It is called accessDetails.unifiedRoles.") {
		t.Errorf("%+v", f)
	}
	if f := (&body{members: map[string]json.RawMessage{"x": nil}}).end(); len(f) != 1 || !strings.HasSuffix(f[0].Detail, "This request has none.") {
		t.Errorf("%+v", f)
	}
}
