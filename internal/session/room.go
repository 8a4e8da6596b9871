// Package session signs people in, keeps them signed in, and lets them go, for whatever has pages: the emailed links
// and the console.
//
// Each of the two is a [Room] with cookies and keys of its own, so that who is signed in to one is nobody in the
// other. What has to survive a redirect is in cookies, encrypted and authenticated with AES-256-GCM; each value is
// bound to its name, so that none can stand for another. Their time is real time: the clock that a local stack moves
// is not theirs.
package session

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"concord/internal/identity"
	"concord/internal/link"
	"concord/internal/partner"
)

// Keys gives the keys of a use, the one to encrypt with first. Named are the ids of keys that cookies name: that such
// a key is not among those given means that there is none. An error means that the keys could not be had.
type Keys interface {
	Keys(ctx context.Context, use string, named ...uint16) ([]link.Key, error)
}

// Room is one place with pages for people who sign in. Its names and uses are those of no other room.
type Room struct {
	Cookie   string // of the session, without the prefix of the host
	Attempts string // how the names of the cookies of sign-ins under way begin, likewise
	// Use and AttemptUse are what the keys of the two are for.
	Use, AttemptUse string
	Callback        string // the path that the provider leads back to
	// Fresh is how long the roles of a session count; zero for as long as the session.
	Fresh time.Duration

	Keys        Keys
	Clouds      partner.Clouds
	Authorities *identity.Authorities
	Log         *slog.Logger
}

const (
	hostPrefix = "__Host-"
	// maxCookie is what browsers keep of one cookie, less its attributes, in bytes.
	maxCookie = 3800
)

// Encrypted reports whether a cloud's portal is served over https.
func Encrypted(c partner.Cloud) bool { return strings.HasPrefix(c.BaseURL, "https://") }

// Guard lets no form through that another site had a browser send. It fails when a cloud's base URL is no origin.
func (m *Room) Guard(next, refused http.Handler) (http.Handler, error) {
	guard := http.NewCrossOriginProtection()
	for _, c := range m.Clouds {
		if err := guard.AddTrustedOrigin(c.BaseURL); err != nil {
			return nil, err
		}
	}
	guard.SetDenyHandler(refused)
	return guard.Handler(next), nil
}

// cookieName has the prefix that binds a cookie to its host, which browsers take over https only.
func cookieName(c partner.Cloud, name string) string {
	if Encrypted(c) {
		return hostPrefix + name
	}
	return name
}

// Seal encrypts a value under a name for a time.
func (m *Room) Seal(ctx context.Context, name, use string, v any, d time.Duration) (string, error) {
	keys, err := m.Keys.Keys(ctx, use)
	if err != nil {
		return "", err
	}
	return seal(keys[0], name, v, time.Now().Add(d))
}

// Unseal reads into v what [Room.Seal] encrypted, and reports whether it holds.
func (m *Room) Unseal(ctx context.Context, name, use, text string, v any) (bool, error) {
	value, ok := parse(text)
	if !ok {
		return false, nil
	}
	keys, err := m.Keys.Keys(ctx, use, value.Key)
	if err != nil {
		return false, err
	}
	return value.unseal(keys, name, v, time.Now()), nil
}

// Put sets a cookie of a name and a use to a value that holds for a time.
func (m *Room) Put(ctx context.Context, w http.ResponseWriter, c partner.Cloud, name, use string, v any, d time.Duration) error {
	text, err := m.Seal(ctx, name, use, v, d)
	if err == nil {
		set(w, c, name, text, d)
	}
	return err
}

func set(w http.ResponseWriter, c partner.Cloud, name, text string, d time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(c, name), Value: text, Path: "/", MaxAge: int(d / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: Encrypted(c),
	})
}

// Take reads a cookie into v, as [Room.Put] set it, and drops it. It reports whether there was one that holds.
func (m *Room) Take(w http.ResponseWriter, r *http.Request, name, use string, v any) (bool, error) {
	ok, err := m.recall(r, name, use, v)
	for _, c := range r.Cookies() {
		if strings.TrimPrefix(c.Name, hostPrefix) == name {
			drop(w, c.Name)
		}
	}
	return ok, err
}

// drop removes a cookie by its full name.
func drop(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(name, hostPrefix),
	})
}

// recall reads a cookie into v and reports whether there is one that holds. A name without the host prefix counts only
// where a cloud is served without https.
func (m *Room) recall(r *http.Request, name, use string, v any) (bool, error) {
	names := []string{hostPrefix + name}
	if slices.ContainsFunc(m.Clouds, func(c partner.Cloud) bool { return !Encrypted(c) }) {
		names = append(names, name)
	}
	for _, full := range names {
		for _, c := range r.CookiesNamed(full) {
			if ok, err := m.Unseal(r.Context(), name, use, c.Value, v); ok || err != nil {
				return ok, err
			}
		}
	}
	return false, nil
}
