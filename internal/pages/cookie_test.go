package pages

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/identity"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
)

var keyA = link.Key{ID: 1, Secret: bytes.Repeat([]byte("a"), 32)}

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
		Keys: fixed{keyA}, Operator: emailaddr.Operator{Name: "O"}, Authorities: authorities, Log: quiet,
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

// TestPagesOverHTTPS holds that what is served over https asks browsers to stay with it.
func TestPagesOverHTTPS(t *testing.T) {
	w := httptest.NewRecorder()
	(&site{clouds: partner.Clouds{{ID: "s", BaseURL: "https://a.example"}}}).headers(w, &visit{})
	if w.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
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
