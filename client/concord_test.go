package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
)

// open is a client of a server that answers as a test says.
func open(t *testing.T, answer http.HandlerFunc) *Concord {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	c, err := NewWithTokens(s.URL+"/", oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "abc"}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func refuse(w http.ResponseWriter, status int, p Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p)
}

func TestRefusalIsAnError(t *testing.T) {
	open1 := "inv_1"
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer abc" || r.Header.Get("Idempotency-Key") != "k" {
			t.Errorf("headers %v", r.Header)
		}
		refuse(w, 409, Problem{Code: "duplicate_open_invitation", Detail: "There is one.", InvitationId: &open1, Errors: &[]Finding{
			{Code: "x", Detail: "There is one.", Pointer: "/recipientEmail"},
		}})
	})
	_, err := c.CreateInvitationWithResponse(t.Context(), &CreateInvitationParams{IdempotencyKey: "k"}, NewInvitation{Kind: InvitationKindReseller})
	r, ok := errors.AsType[*Refusal](err)
	if !ok || r.Status != 409 || !IsRefused(err, "duplicate_open_invitation") || IsRefused(err, "not_found") {
		t.Fatalf("%#v", err)
	}
	if want := "409 duplicate_open_invitation: There is one. (/recipientEmail) It is inv_1."; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestWhatIsNoProblemDocument(t *testing.T) {
	c := open(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"message":"Forbidden"}`))
	})
	_, err := c.GetOwnRolesWithResponse(t.Context())
	if !IsRefused(err, "http") || err.Error() != "403 http: Forbidden" {
		t.Errorf("%v", err)
	}
}

// What passes by itself is asked again where that changes nothing twice, with the same body.
func TestAsksAgain(t *testing.T) {
	for _, one := range []struct {
		name, after string
		call        func(*Concord) error
		status      int
		want        int
	}{
		{"reading", "1", func(c *Concord) error { _, err := c.GetOwnRolesWithResponse(t.Context()); return err }, 429, 2},
		{"with a key", "1", func(c *Concord) error {
			_, err := c.CreateInvitationWithResponse(t.Context(), &CreateInvitationParams{IdempotencyKey: "k"}, NewInvitation{Kind: "reseller"})
			return err
		}, 503, 2},
		{"for too long", "3600", func(c *Concord) error { _, err := c.GetOwnRolesWithResponse(t.Context()); return err }, 429, 1},
		{"without a key", "1", func(c *Concord) error {
			_, err := c.CancelInvitationWithResponse(t.Context(), "inv_1", nil, Cancellation{})
			return err
		}, 503, 1},
		{"for what will not pass", "", func(c *Concord) error { _, err := c.GetOwnRolesWithResponse(t.Context()); return err }, 404, 1},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			c := open(t, func(w http.ResponseWriter, r *http.Request) {
				calls++
				if r.Method == http.MethodPost && r.Header.Get("Idempotency-Key") != "" {
					var n NewInvitation
					if err := json.NewDecoder(r.Body).Decode(&n); err != nil || n.Kind != "reseller" {
						t.Errorf("call %d has another body: %v", calls, err)
					}
				}
				if calls == 1 {
					w.Header().Set("Retry-After", one.after)
					refuse(w, one.status, Problem{Code: "x", Detail: "Not now."})
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusOK)
				_, _ = w.Write([]byte(`{}`))
			})
			err := one.call(c)
			if calls != one.want || (err == nil) != (one.want == 2) {
				t.Errorf("%d calls, %v", calls, err)
			}
			if r, ok := errors.AsType[*Refusal](err); one.after == "3600" && (!ok || r.RetryAfter != time.Hour || !strings.Contains(err.Error(), "1h0m0s")) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestListsGoThroughTheirPages(t *testing.T) {
	asked := 0
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		next := ""
		if asked < 3 {
			next = fmt.Sprintf(`,"nextCursor":"c%d"`, asked)
		}
		if want := map[int]string{1: "", 2: "c1", 3: "c2"}[asked]; r.URL.Query().Get("cursor") != want {
			t.Errorf("page %d: %s", asked, r.URL)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"items":[{"id":"inv_%da"},{"id":"inv_%db"}]%s}`, asked, asked, next)
	})
	var ids []string
	for i, err := range c.Invitations(t.Context(), ListInvitationsParams{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, i.Id)
	}
	if got := strings.Join(ids, " "); got != "inv_1a inv_1b inv_2a inv_2b inv_3a inv_3b" {
		t.Error(got)
	}
	asked = 0
	for range c.Invitations(t.Context(), ListInvitationsParams{}) {
		break
	}
	if asked != 1 {
		t.Errorf("%d pages for one item", asked)
	}
}
