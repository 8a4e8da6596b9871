package session

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/relationship"
)

var (
	keyA = link.Key{ID: 1, Secret: bytes.Repeat([]byte("a"), 32)}
	keyB = link.Key{ID: 2, Secret: bytes.Repeat([]byte("b"), 32)}
	keyC = link.Key{ID: 1, Secret: bytes.Repeat([]byte("c"), 32)} // the id of A by chance
)

// fixed is one key for everything.
type fixed struct{ key link.Key }

func (f fixed) Keys(context.Context, string, ...uint16) ([]link.Key, error) {
	return []link.Key{f.key}, nil
}

// roomOf makes a room with one key for everything.
func roomOf(clouds ...partner.Cloud) *Room {
	return &Room{
		Cookie: "concord-session", Attempts: "concord-sign-in-", Use: "session", AttemptUse: "sign-in", Callback: "/sign-in/callback",
		Keys: fixed{keyA}, Clouds: clouds, Log: slog.New(slog.DiscardHandler),
	}
}

func TestSeal(t *testing.T) {
	now := time.Now()
	text, err := seal(keyA, "name", "value", now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal(keyA, "name", "value", now.Add(time.Minute))
	if err != nil || again == text {
		t.Error("sealed twice the same way")
	}
	for name, c := range map[string]struct {
		keys []link.Key
		name string
		text string
		now  time.Time
		want bool
	}{
		"whole":                 {[]link.Key{keyA}, "name", text, now, true},
		"previous key":          {[]link.Key{keyB, keyA}, "name", text, now, true},
		"same id, another key":  {[]link.Key{keyC, keyA}, "name", text, now, true},
		"key gone":              {[]link.Key{keyB}, "name", text, now, false},
		"another key of its id": {[]link.Key{keyC}, "name", text, now, false},
		"another name":          {[]link.Key{keyA}, "other", text, now, false},
		"over":                  {[]link.Key{keyA}, "name", text, now.Add(time.Minute), false},
		"cut":                   {[]link.Key{keyA}, "name", text[:len(text)-2], now, false},
		"changed":               {[]link.Key{keyA}, "name", text[:20] + "AA" + text[22:], now, false},
		"empty":                 {[]link.Key{keyA}, "name", "", now, false},
		"no base64":             {[]link.Key{keyA}, "name", "***", now, false},
	} {
		var got string
		value, parsed := parse(c.text)
		if ok := parsed && value.unseal(c.keys, c.name, &got, c.now); ok != c.want || ok && got != "value" {
			t.Errorf("%s: %v %q", name, ok, got)
		}
	}
}

// TestHostCookies holds that a cloud served over https gets cookies that other hosts cannot set, and that its names
// alone count.
func TestHostCookies(t *testing.T) {
	secure, plain := partner.Cloud{ID: "s", BaseURL: "https://a.example"}, partner.Cloud{ID: "p", BaseURL: "http://127.0.0.1"}
	person := relationship.Person{Subject: "u", Roles: []partner.Role{partner.GlobalAdmin}}
	sealed, err := seal(keyA, "concord-session", Session{Person: person, Cloud: "s", At: time.Now().Unix()}, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		clouds partner.Clouds
		name   string
		want   bool
	}{
		{partner.Clouds{secure}, hostPrefix + "concord-session", true},
		{partner.Clouds{secure}, "concord-session", false},
		{partner.Clouds{secure, plain}, "concord-session", true},
	} {
		h := roomOf(c.clouds...)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: c.name, Value: sealed})
		got, err := h.Current(httptest.NewRecorder(), r)
		if err != nil || (got != nil) != c.want || c.want && !reflect.DeepEqual(got.Person, person) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	w := httptest.NewRecorder()
	set(w, secure, "concord-session", "x", time.Minute)
	if c := w.Result().Cookies()[0]; !c.Secure || c.Name != "__Host-concord-session" || c.Path != "/" || c.Domain != "" {
		t.Errorf("%+v", c)
	}
}

// FuzzUnseal gives whatever a browser may send: nothing opens, nothing breaks.
func FuzzUnseal(f *testing.F) {
	good, err := seal(keyA, "name", "value", time.Now().Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, "other")
	f.Add("", "")
	f.Add("AQ", "name")
	f.Add(base64.RawURLEncoding.EncodeToString(append([]byte{0, 1}, make([]byte, 40)...)), "name")
	f.Fuzz(func(t *testing.T, text, name string) {
		var v string
		if value, ok := parse(text); ok && value.unseal([]link.Key{keyA, keyC}, name, &v, time.Now()) && (text != good || name != "name") {
			t.Errorf("%q opened under %q", text, name)
		}
	})
}

// A session slides: a page renews its cookie when that is some minutes old, and no longer than eight hours after the
// sign-in.
func TestSessionSlides(t *testing.T) {
	cloud := partner.Cloud{ID: "p", BaseURL: "http://127.0.0.1"}
	h := roomOf(cloud)
	for name, c := range map[string]struct {
		since, at time.Duration // ago
		age       time.Duration // of the new cookie; 0 for none
	}{
		"new": {time.Minute, time.Minute, 0}, "some minutes old": {6 * time.Minute, 6 * time.Minute, 30 * time.Minute}, "renewed before": {3 * time.Hour, 29 * time.Minute, 30 * time.Minute},
		"near its end": {7*time.Hour + 50*time.Minute, 20 * time.Minute, 10 * time.Minute}, "at its end": {8 * time.Hour, 20 * time.Minute, 0},
	} {
		now := time.Now()
		sealed, err := seal(keyA, "concord-session", Session{
			Person: relationship.Person{Subject: "u", Roles: []partner.Role{partner.GlobalAdmin}}, Cloud: "p", Since: now.Add(-c.since).Unix(), At: now.Add(-c.at).Unix(),
		}, now.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.AddCookie(&http.Cookie{Name: "concord-session", Value: sealed})
		if p, err := h.Current(w, r); err != nil || p == nil || p.Person.Subject != "u" {
			t.Fatalf("%s: %+v, %v", name, p, err)
		}
		cookies := w.Result().Cookies()
		if c.age == 0 {
			if len(cookies) != 0 {
				t.Errorf("%s: renewed", name)
			}
			continue
		}
		if len(cookies) != 1 || (time.Duration(cookies[0].MaxAge)*time.Second-c.age).Abs() > 2*time.Second {
			t.Errorf("%s: %v", name, cookies)
			continue
		}
		r.Header.Set("Cookie", cookies[0].Name+"="+cookies[0].Value)
		if p, err := h.Current(httptest.NewRecorder(), r); err != nil || p == nil || p.Person.Subject != "u" {
			t.Errorf("%s: the renewed one gives %+v, %v", name, p, err)
		}
	}
}

// What one room gives is nothing in another, though both have one browser: neither under its own name nor put under
// the other's.
func TestRoomsDoNotKnowOneAnother(t *testing.T) {
	cloud := partner.Cloud{ID: "p", BaseURL: "http://127.0.0.1"}
	keys := perUse{}
	links, console := roomOf(cloud), roomOf(cloud)
	links.Keys, console.Keys = keys, keys
	console.Cookie, console.Attempts, console.Use, console.AttemptUse = "concord-console", "concord-console-sign-in-", "console", "console sign-in"
	person := relationship.Person{Subject: "u", Roles: []partner.Role{partner.AdminAgent}}
	for name, way := range map[string]struct{ from, to *Room }{"a link's": {links, console}, "the console's": {console, links}} {
		w := httptest.NewRecorder()
		if err := way.from.Keep(t.Context(), w, cloud, Session{Person: person}, ""); err != nil {
			t.Fatal(err)
		}
		made := w.Result().Cookies()[0]
		for as, room := range map[string]*Room{made.Name: way.from, way.to.Cookie: way.to} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(&http.Cookie{Name: made.Name, Value: made.Value})
			r.AddCookie(&http.Cookie{Name: as, Value: made.Value})
			s, err := room.Current(httptest.NewRecorder(), r)
			if err != nil || (s != nil) != (room == way.from) {
				t.Errorf("%s session as %s: %+v, %v", name, as, s, err)
			}
		}
	}
}

// perUse has a key for each use, as the master secret has.
type perUse struct{}

func (perUse) Keys(_ context.Context, use string, _ ...uint16) ([]link.Key, error) {
	return []link.Key{{ID: 1, Secret: bytes.Repeat([]byte(use), 32)[:32]}}, nil
}
