package pages

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"concord/internal/contact"
	"concord/internal/link"
	"concord/internal/partner"
)

// Cookies hold what has to survive a redirect, encrypted and authenticated with AES-256-GCM. Each of the two uses has a key of
// its own, and a cookie is bound to its name, so that none can stand for another. Their time is real time: the clock that a local
// stack moves is not theirs.
const (
	sessionCookie = "concord-session"
	attemptCookie = "concord-sign-in-"
	sessionUse    = "session"
	attemptUse    = "sign-in"
	hostPrefix    = "__Host-"
	// maxCookie is what browsers keep of one cookie, less its attributes, in bytes.
	maxCookie = 3800
)

// cookieName has the prefix that binds a cookie to its host, which browsers take over https only.
func cookieName(c partner.Cloud, name string) string {
	if encrypted(c) {
		return hostPrefix + name
	}
	return name
}

// suffix is the part of a state that names its cookie.
func suffix(state string) string {
	keep := state[:min(len(state), 12)]
	if strings.ContainsFunc(keep, func(r rune) bool { return !('A' <= r && r <= 'Z' || '0' <= r && r <= '9') }) {
		return ""
	}
	return keep
}

// attempts are the names of the cookies of sign-ins under way, the youngest first: browsers send the oldest first.
func attempts(r *http.Request) []string {
	var names []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(strings.TrimPrefix(c.Name, hostPrefix), attemptCookie) {
			names = append(names, c.Name)
		}
	}
	slices.Reverse(names)
	return names
}

// keyBytes is how much of a cookie is the id of its key; the rest is encrypted.
const keyBytes = 2

// content is what is encrypted: a value and until when it holds.
type content struct {
	Until int64 // Unix seconds
	Value json.RawMessage
}

func seal(key link.Key, name string, v any, until time.Time) (string, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	plain, err := json.Marshal(content{until.Unix(), value})
	if err != nil {
		return "", err
	}
	box, err := gcm(key.Secret)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(box.Seal(binary.BigEndian.AppendUint16(nil, key.ID), nil, plain, []byte(name))), nil
}

// sealed is the value of a cookie: which key it names, and what is encrypted.
type sealed struct {
	key uint16
	box []byte
}

// parse gives false for what is no value of ours, whatever the keys.
func parse(text string) (sealed, bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) <= keyBytes {
		return sealed{}, false
	}
	return sealed{binary.BigEndian.Uint16(b), b[keyBytes:]}, true
}

// unseal reports false for whatever was not sealed with one of the keys under this name, or whose time is over.
func (s sealed) unseal(keys []link.Key, name string, v any, now time.Time) bool {
	for _, k := range keys {
		if k.ID != s.key {
			continue
		}
		box, err := gcm(k.Secret)
		if err != nil {
			continue
		}
		plain, err := box.Open(nil, nil, s.box, []byte(name))
		if err != nil {
			continue
		}
		var c content
		return json.Unmarshal(plain, &c) == nil && now.Unix() < c.Until && json.Unmarshal(c.Value, v) == nil
	}
	return false
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// keep sets a cookie.
func (h *site) keep(ctx context.Context, w http.ResponseWriter, c partner.Cloud, name, use string, v any, d time.Duration) error {
	text, err := h.seal(ctx, name, use, v, d)
	if err == nil {
		h.set(w, c, name, text, d)
	}
	return err
}

func (h *site) seal(ctx context.Context, name, use string, v any, d time.Duration) (string, error) {
	keys, err := h.Keys.Keys(ctx, use)
	if err != nil {
		return "", err
	}
	return seal(keys[0], name, v, time.Now().Add(d))
}

func (h *site) set(w http.ResponseWriter, c partner.Cloud, name, text string, d time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(c, name), Value: text, Path: "/", MaxAge: int(d / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: encrypted(c),
	})
}

// drop removes a cookie by its full name.
func (h *site) drop(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(name, hostPrefix),
	})
}

// recall reads a cookie into v and reports whether there is one that holds. A name without the host prefix counts only
// where a cloud is served without https.
func (h *site) recall(r *http.Request, name, use string, v any) (bool, error) {
	names := []string{hostPrefix + name}
	if slices.ContainsFunc(h.clouds, func(c partner.Cloud) bool { return !encrypted(c) }) {
		names = append(names, name)
	}
	for _, full := range names {
		for _, c := range r.CookiesNamed(full) {
			value, ok := parse(c.Value)
			if !ok {
				continue
			}
			keys, err := h.Keys.Keys(r.Context(), use, value.key)
			if err != nil {
				return false, err
			}
			if value.unseal(keys, name, v, time.Now()) {
				return true, nil
			}
		}
	}
	return false, nil
}

// domainOf gives the domain of an address as addresses are compared; empty for none.
func domainOf(address string) string {
	_, domain, _ := strings.Cut(contact.Normalise(address), "@")
	return domain
}
