package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/url"
	"slices"
	"strconv"
	"time"

	"concord/internal/partner"
	"concord/internal/problem"
)

// How many items a page has.
const (
	defaultLimit = 25
	maxLimit     = 100
)

// page is a list as it is answered. It may be empty while NextCursor is there.
type page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"nextCursor,omitempty"`
}

// next gives the cursor of the page after, empty at the end.
func (p page[T]) next() string { return p.NextCursor }

// list is what a request asks of a list. A filter that cannot be read makes the whole [problem.MalformedRequest].
type list struct {
	Limit   int
	After   string // where the page before ended
	filters url.Values
	binding string // what a cursor of this list is good for
	err     error
}

// list reads the query: limit, cursor and the filters, each at most once. The cursor is looked at before the filters.
func (c *call) list(filters ...string) (*list, error) {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, problem.New(problem.MalformedRequest, "The query cannot be read.")
	}
	for name, values := range query {
		if !slices.Contains(filters, name) && name != "limit" && name != "cursor" {
			return nil, problem.New(problem.MalformedRequest, "The query has a parameter that is none of this list: its parameters are %s.",
				problem.And(append([]string{"limit", "cursor"}, filters...)))
		}
		if len(values) != 1 && !slices.Contains(repeated, name) || slices.Contains(values, "") {
			return nil, problem.New(problem.MalformedRequest, "The parameter %s is there once, with a value.", name)
		}
	}
	l := &list{Limit: defaultLimit}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit || strconv.Itoa(n) != text {
			return nil, problem.New(problem.MalformedRequest, "The parameter limit must be 1 to %d.", maxLimit)
		}
		l.Limit = n
	}
	cursor := query.Get("cursor")
	query.Del("limit")
	query.Del("cursor")
	l.filters = query
	l.binding = string(c.user().Tenant) + "\n" + c.r.URL.Path + "\n" + query.Encode()
	if cursor != "" {
		if l.After, err = c.gate.unseal(c.r.Context(), l.binding, cursor); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// has gives a filter, and false when it is not asked for.
func (l *list) has(name string) (string, bool) {
	v := l.filters.Get(name)
	return v, v != ""
}

// repeated are the filters that a request may have several times: what has one of their values is listed.
var repeated = []string{"status"}

// severalOf reads a filter that has a fixed set of values and may be there several times.
func severalOf[T ~string](l *list, name string, values ...T) (all []T) {
	for _, v := range l.filters[name] {
		if !slices.Contains(values, T(v)) {
			l.refuse(name, "one of "+problem.Or(values))
		}
		all = append(all, T(v))
	}
	return all
}

// oneOf reads a filter that has a fixed set of values.
func oneOf[T ~string](l *list, name string, values ...T) T {
	v, ok := l.has(name)
	if ok && len(l.filters[name]) > 1 {
		l.refuse(name, "there once, with a value")
	}
	if ok && !slices.Contains(values, T(v)) {
		l.refuse(name, "one of "+problem.Or(values))
	}
	return T(v)
}

// text reads a filter of free text.
func (l *list) text(name string, limit int) string {
	v, _ := l.has(name)
	if len(v) > limit {
		l.refuse(name, "text of at most "+strconv.Itoa(limit)+" bytes")
	}
	return v
}

func (l *list) tenant(name string) partner.TenantID {
	v, ok := l.has(name)
	if !ok {
		return ""
	}
	tenant, ok := partner.ParseTenantID(v)
	if !ok {
		l.refuse(name, "a tenant id, which is a UUID such as 1a2c0000-0000-4000-8000-000000000011")
	}
	return tenant
}

// moment reads a time of RFC 3339. What is stored has whole seconds, so that the next whole second asks for the same.
func (l *list) moment(name string) time.Time {
	v, ok := l.has(name)
	if !ok {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || t.Year() < 1970 {
		l.refuse(name, "a time of RFC 3339, such as 2026-03-01T09:00:00Z")
		return time.Time{}
	}
	t = t.UTC()
	if whole := t.Truncate(time.Second); !whole.Equal(t) {
		t = whole.Add(time.Second)
	}
	return t
}

// day reads a day of UTC or a moment of RFC 3339, and gives false when it is not asked for. A day that ends something belongs to it: then
// it is the beginning of the next.
func (l *list) day(name string, ends bool) (time.Time, bool) {
	v, ok := l.has(name)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(time.DateOnly, v)
	if err != nil || t.Year() < 1970 {
		before := l.err
		at := l.moment(name)
		if before == nil && l.err != nil {
			l.err = before
			l.refuse(name, "a day or a time of RFC 3339, such as 2026-03-01 or 2026-03-01T09:00:00Z")
		}
		return at, true
	}
	if ends {
		t = t.AddDate(0, 0, 1)
	}
	return t, true
}

// refuse notes that a filter has no value of its kind, and says what one is.
func (l *list) refuse(name, kind string) {
	if l.err == nil {
		l.err = problem.New(problem.MalformedRequest, "The parameter %s is %s.", name, kind)
	}
}

// A cursor is the id of its key, an authentication code over the binding and the position, and the position.
const (
	cursorKey = 2
	cursorMAC = 16
)

// seal makes the cursor of a position, empty for none.
func (g *Gate) seal(ctx context.Context, binding, after string) (string, error) {
	if after == "" {
		return "", nil
	}
	keys, err := g.Keys(ctx, "cursor")
	if err != nil {
		return "", err
	}
	b := append(binary.BigEndian.AppendUint16(nil, keys[0].ID), cursorCode(keys[0].Secret, binding, after)...)
	return base64.RawURLEncoding.EncodeToString(append(b, after...)), nil
}

// unseal gives the position of a cursor that was made for the same binding, or [problem.MalformedRequest].
func (g *Gate) unseal(ctx context.Context, binding, cursor string) (string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil && len(b) > cursorKey+cursorMAC {
		id, code, after := binary.BigEndian.Uint16(b), b[cursorKey:cursorKey+cursorMAC], string(b[cursorKey+cursorMAC:])
		keys, err := g.Keys(ctx, "cursor", id)
		if err != nil {
			return "", err
		}
		for _, k := range keys {
			if k.ID == id && hmac.Equal(code, cursorCode(k.Secret, binding, after)) {
				return after, nil
			}
		}
	}
	return "", problem.New(problem.MalformedRequest, "The cursor is none of this list with these filters: begin again without one, or give the filters that it came with.")
}

func cursorCode(key []byte, binding, after string) []byte {
	h := hmac.New(sha256.New, key)
	// No part of a binding holds a line feed; the position may.
	h.Write([]byte(binding + "\n" + after))
	return h.Sum(nil)[:cursorMAC]
}
