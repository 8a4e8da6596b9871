package web

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"concord/internal/iso8601"
	"concord/internal/problem"
)

// How many bytes are read of a body.
const (
	maxBody  = 64 << 10
	maxBatch = 4 << 20 // Lambda takes 6 MB, with the quotation marks of the body escaped
)

// body is the JSON object of a request, taken apart member by member: what is wrong with one is noted and does not hide what is
// wrong with the others.
type body struct {
	members  map[string]json.RawMessage
	findings problem.Findings
	// fields are the names that were asked for.
	fields []string
	// fingerprint stands for the method, the path and the members in whatever order and spacing.
	fingerprint string
}

// body reads the request's object; without a required one, no body is an empty object. Its error is [problem.MalformedRequest]: the
// body is too large, is not said to be JSON, is not one valid JSON value in UTF-8 or names a member twice, or is no object.
func (c *call) body(required bool) (*body, error) { return c.bodyUpTo(maxBody, required) }

func (c *call) bodyUpTo(limit int64, required bool) (*body, error) {
	text, err := c.bytes(limit)
	if err != nil {
		return nil, err
	}
	b := &body{}
	if len(text) == 0 && required {
		return nil, problem.New(problem.MalformedRequest, "This request has a body: a JSON object.")
	}
	if len(text) > 0 {
		if t, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || t != "application/json" && !c.patches(t) {
			return nil, c.unsupported()
		}
		if b.members, err = object(text); err != nil {
			return nil, err
		}
	}
	b.fingerprint = fingerprint(c.r.Method, c.r.URL.Path, b.members)
	return b, nil
}

// mergePatch is what a PATCH may be called too: members that are not there stay as they are (RFC 7396).
const mergePatch = "application/merge-patch+json"

func (c *call) patches(mediaType string) bool {
	return c.r.Method == http.MethodPatch && mediaType == mergePatch
}

// mediaTypes gives the header that says which types of content the operation takes.
func (c *call) mediaTypes() (name, types string) {
	switch {
	case c.r.Method == http.MethodPatch:
		return "Accept-Patch", "application/json, " + mergePatch
	case c.r.Method == http.MethodPost && c.r.URL.Path == batchesPath:
		return "Accept", "application/json, text/csv"
	}
	return "Accept", "application/json"
}

func (c *call) unsupported() error {
	_, types := c.mediaTypes()
	return problem.New(problem.UnsupportedMediaType, "The Content-Type of this request is one of: %s.", types)
}

// bytes reads the request's body.
func (c *call) bytes(limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(c.r.Body, limit+1))
	if err != nil || int64(len(text)) > limit {
		return nil, problem.New(problem.MalformedRequest, "The body can have at most %d bytes.", limit)
	}
	return text, nil
}

// object gives the members of a JSON object, each in canonical form (RFC 8785).
func object(text []byte) (map[string]json.RawMessage, error) {
	v := jsontext.Value(text)
	if err := v.Canonicalize(); err != nil {
		return nil, problem.New(problem.MalformedRequest, "The body is not one JSON value in UTF-8 that names each field once.")
	}
	var members map[string]json.RawMessage
	if v.Kind() != '{' || json.Unmarshal(v, &members) != nil {
		return nil, problem.New(problem.MalformedRequest, "The body is a JSON object, in braces.")
	}
	return members, nil
}

func fingerprint(method, path string, members map[string]json.RawMessage) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s\n", method, path)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		fmt.Fprintf(h, "%q:%s\n", name, members[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// text, flag, span and labels take one member out of the body: nil when it is absent or, with a finding, of the wrong type. null is no
// value of any of them.
func (b *body) text(name string) *string { return take[string](b, name, "text") }

func (b *body) flag(name string) *bool { return take[bool](b, name, "true or false") }

func (b *body) span(name string) *time.Duration {
	s := b.text(name)
	if s == nil {
		return nil
	}
	parsed, ok := iso8601.Parse(*s)
	d, fixed := parsed.Fixed()
	if !ok || !fixed {
		b.findings.Add("/"+name, problem.ValidationFailed, "This must be a duration of ISO 8601 in whole weeks, days, hours, minutes or seconds, such as P30D.")
		return nil
	}
	return &d
}

func (b *body) labels(name string) map[string]string {
	members := take[map[string]json.RawMessage](b, name, "an object of texts")
	if members == nil {
		return nil
	}
	labels := make(map[string]string, len(*members))
	for _, k := range slices.Sorted(maps.Keys(*members)) {
		var v *string
		if err := json.Unmarshal((*members)[k], &v); err != nil || v == nil {
			b.findings.Add("/"+name+"/"+escape(k), problem.ValidationFailed, "This is text.")
			continue
		}
		labels[k] = *v
	}
	return labels
}

// group takes a member that is an object, whose members are taken out of it and its findings joined; nil as above.
func (b *body) group(name string) *body {
	members := take[map[string]json.RawMessage](b, name, "an object")
	if members == nil {
		return nil
	}
	return &body{members: *members}
}

// join notes what was found in a member.
func (b *body) join(pointer string, g *body) {
	for _, f := range g.end() {
		f.Pointer = pointer + f.Pointer
		b.findings = append(b.findings, f)
	}
}

func take[T any](b *body, name, kind string) *T {
	if !slices.Contains(b.fields, name) {
		b.fields = append(b.fields, name)
	}
	raw, ok := b.members[name]
	if !ok {
		return nil
	}
	delete(b.members, name)
	var v *T
	if err := json.Unmarshal(raw, &v); err != nil || v == nil {
		b.findings.Add("/"+name, problem.ValidationFailed, "This is %s.", kind)
		return nil
	}
	return v
}

// end gives what was found. Members that were not taken are none of the operation.
func (b *body) end() problem.Findings {
	for _, name := range slices.Sorted(maps.Keys(b.members)) {
		b.findings.Add("/"+escape(name), problem.UnknownField, "There is no such field here.%s", b.instead(name))
	}
	return b.findings
}

// otherNames are fields that are called otherwise in another place, where they are asked for instead.
var otherNames = map[string][]string{
	"roles": {"accessDetails", "unifiedRoles"}, "accessDetails": {"roles"}, "unifiedRoles": {"accessDetails", "roles"}, "email": {"recipientEmail"},
	"to": {"recipientEmail"}, "recipient": {"recipientEmail"}, "name": {"recipientName", "companyName", "displayName"}, "phone": {"phoneNumber"}, "phoneNumber": {"phone"},
	"language": {"locale"}, "duration": {"expiresIn"}, "expiresIn": {"duration"}, "tenantId": {"customerTenantId"}, "customerId": {"customerTenantId"},
	"provider": {"providerTenantId"}, "partnerId": {"partnerIdOfRecord", "partnerIdOnRecord"}, "mpnId": {"partnerId", "partnerIdOfRecord"}, "date": {"dateAgreed"},
	"version": {"textVersion"}, "delegatedAdmin": {"requestDelegatedAdmin"}, "companyname": {"companyName"},
}

// within says where a field stands that another one holds.
var within = map[string]string{"accessDetails": "accessDetails.unifiedRoles"}

// instead says which field is meant, or else which there are.
func (b *body) instead(name string) string {
	same := func(s string) string { return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s)) }
	for _, f := range b.fields {
		if same(f) == same(name) {
			return " It is called " + f + "."
		}
	}
	for _, f := range otherNames[name] {
		if slices.Contains(b.fields, f) {
			return " It is called " + cmp.Or(within[f], f) + "."
		}
	}
	if len(b.fields) == 0 {
		return " This request has none."
	}
	return " The fields are " + problem.And(b.fields) + "."
}

// escape writes a name as a part of a JSON Pointer (RFC 6901).
func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }

func formatDuration(d time.Duration) string {
	days, rest := d/(24*time.Hour), d%(24*time.Hour)
	if rest == 0 {
		return fmt.Sprintf("P%dD", days)
	}
	return fmt.Sprintf("P%dDT%dS", days, rest/time.Second)
}
