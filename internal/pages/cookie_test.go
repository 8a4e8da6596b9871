package pages

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"concord/internal/contact"
	"concord/internal/granular"
	"concord/internal/identity"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
)

var (
	keyA = link.Key{ID: 1, Secret: bytes.Repeat([]byte("a"), 32)}
	keyB = link.Key{ID: 2, Secret: bytes.Repeat([]byte("b"), 32)}
	keyC = link.Key{ID: 1, Secret: bytes.Repeat([]byte("c"), 32)} // the id of A by chance
)

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

// TestHostCookies holds that a cloud served over https gets cookies that other hosts cannot set, and that its names alone count.
func TestHostCookies(t *testing.T) {
	secure, plain := partner.Cloud{ID: "s", BaseURL: "https://a.example"}, partner.Cloud{ID: "p", BaseURL: "http://127.0.0.1"}
	person := invitation.Person{Subject: "u", Roles: []partner.Role{partner.GlobalAdmin}}
	sealed, err := seal(keyA, sessionCookie, session{Person: person, Cloud: "s", At: time.Now().Unix()}, time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		clouds partner.Clouds
		name   string
		want   bool
	}{
		{partner.Clouds{secure}, hostPrefix + sessionCookie, true},
		{partner.Clouds{secure}, sessionCookie, false},
		{partner.Clouds{secure, plain}, sessionCookie, true},
	} {
		h := &site{Site: Site{Keys: fixed{keyA}}, clouds: c.clouds}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: c.name, Value: sealed})
		got, err := h.session(httptest.NewRecorder(), r)
		if err != nil || (got != nil) != c.want || c.want && !reflect.DeepEqual(*got, person) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	w := httptest.NewRecorder()
	(&site{}).set(w, secure, sessionCookie, "x", time.Minute)
	if c := w.Result().Cookies()[0]; !c.Secure || c.Name != "__Host-concord-session" || c.Path != "/" || c.Domain != "" {
		t.Errorf("%+v", c)
	}
	w = httptest.NewRecorder()
	(&site{clouds: partner.Clouds{secure}}).headers(w, &visit{})
	if w.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
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

// FuzzCallback gives the callback states, codes and cookies that nobody made: it makes no session and leads nowhere.
func FuzzCallback(f *testing.F) {
	f.Add("state=ABCDEFGHIJKLMNOP&code=x", "concord-sign-in-ABCDEFGHIJKL=AQ")
	f.Add("state=&error=access_denied", "concord-sign-in-=x; concord-session=y")
	f.Add("%zz", "\x00")
	authorities, err := identity.New([]identity.Authority{{Cloud: "p", Issuer: "http://127.0.0.1:1", ClientID: "c"}})
	if err != nil {
		f.Fatal(err)
	}
	handler, err := Site{
		Granular: &granular.Service{}, Invitations: &invitation.Service{Clouds: partner.Clouds{{ID: "p", PortalName: "P", BaseURL: "http://127.0.0.1"}}, Now: time.Now},
		Keys: fixed{keyA}, Operator: contact.Operator{Name: "O"}, Authorities: authorities, Log: quiet,
	}.Handler()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, query, cookie string) {
		r := httptest.NewRequest(http.MethodGet, callbackPath, nil)
		r.URL.RawQuery = query
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || len(w.Header()["Set-Cookie"]) > 0 || w.Header().Get("Location") != "" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	})
}

func TestMask(t *testing.T) {
	for address, want := range map[string]string{"jo@larch.example": "j•••@larch.example", "": "", "@x": "", "a@b@c": "a•••@c"} {
		if got := mask(address); got != want {
			t.Errorf("mask(%q) = %q", address, got)
		}
	}
}

func TestEveryCaseHasItsPageAndEveryFieldItsPlace(t *testing.T) {
	for _, c := range []invitation.Case{
		invitation.Unknown, invitation.Superseded, invitation.TooLate, invitation.Answered, invitation.Review, invitation.OtherTenant, invitation.NotAdmin,
		invitation.InviterNotActive, invitation.OtherCloud, invitation.OtherRegion, invitation.Form, invitation.AcceptedBy, invitation.DeclinedBy,
	} {
		if o, ok := outcomes[c]; !ok || o.name != string(c) || o.status == 0 {
			t.Errorf("%s: %+v", c, o.name)
		}
	}
	for _, r := range invitation.Reasons {
		if reasonTexts[r] == "" {
			t.Errorf("no words for %s", r)
		}
	}
	for field, anchor := range anchors {
		for _, word := range []string{"sign-in", "login", "authorize", "continue", "review", "answer"} {
			if strings.Contains(anchor, word) {
				t.Errorf("%s: a link to #%s is mistaken for another", field, anchor)
			}
		}
	}
}

var quiet = slog.New(slog.DiscardHandler)

// fixed is one key for everything.
type fixed struct{ key link.Key }

func (f fixed) Keys(context.Context, string, ...uint16) ([]link.Key, error) {
	return []link.Key{f.key}, nil
}

func (f fixed) Sign(_ context.Context, p link.Purpose, l link.Link) (link.Secret, error) {
	return link.NewSigner(f.key).Sign(p, l)
}

func (f fixed) Verify(_ context.Context, p link.Purpose, token string) (link.Link, error) {
	return link.NewSigner(f.key).Verify(p, token)
}

// A session slides: a page renews its cookie when that is some minutes old, and no longer than eight hours after the sign-in.
func TestSessionSlides(t *testing.T) {
	cloud := partner.Cloud{ID: "p", BaseURL: "http://127.0.0.1"}
	h := &site{Site: Site{Keys: fixed{keyA}}, clouds: partner.Clouds{cloud}}
	for name, c := range map[string]struct {
		since, at time.Duration // ago
		age       time.Duration // of the new cookie; 0 for none
	}{
		"new": {time.Minute, time.Minute, 0}, "some minutes old": {6 * time.Minute, 6 * time.Minute, 30 * time.Minute}, "renewed before": {3 * time.Hour, 29 * time.Minute, 30 * time.Minute},
		"near its end": {7*time.Hour + 50*time.Minute, 20 * time.Minute, 10 * time.Minute}, "at its end": {8 * time.Hour, 20 * time.Minute, 0},
	} {
		now := time.Now()
		sealed, err := seal(keyA, sessionCookie, session{
			Person: invitation.Person{Subject: "u", Roles: []partner.Role{partner.GlobalAdmin}}, Cloud: "p", Since: now.Add(-c.since).Unix(), At: now.Add(-c.at).Unix(),
		}, now.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: sealed})
		if p, err := h.session(w, r); err != nil || p == nil || p.Subject != "u" {
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
		if p, err := h.session(httptest.NewRecorder(), r); err != nil || p == nil || p.Subject != "u" {
			t.Errorf("%s: the renewed one gives %+v, %v", name, p, err)
		}
	}
}
