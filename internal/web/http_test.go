package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"concord/internal/web"
)

// TestContentTypes: whatever takes a body says which types of content it takes, before it looks at anything else.
func TestContentTypes(t *testing.T) {
	a := newAPI(t)
	var d map[string]any
	if err := json.Unmarshal(web.Document(), &d); err != nil {
		t.Fatal(err)
	}
	eachOperation(d, func(route string, o map[string]any) {
		if o["requestBody"] == nil {
			return
		}
		method, target, _ := strings.Cut(route, " ")
		for _, name := range []string{"{tenantId}", "{subscriptionId}", "{orderId}", "{id}", "{dunsId}", "{partnerId}", "{deliveryId}"} {
			target = strings.ReplaceAll(target, name, larch)
		}
		header := map[string]string{"Idempotency-Key": "k", "If-Match": "*", "Content-Type": "text/plain"}
		for _, roles := range []string{"[adminAgent]", "[operator]", "[globalAdmin]"} {
			p := a.call(request{method: method, target: target, body: "x", roles: roles, header: header})
			if p.status == http.StatusForbidden {
				continue
			}
			p.is(http.StatusUnsupportedMediaType, "unsupported_media_type")
			want := "application/json"
			name := "Accept"
			if method == http.MethodPatch {
				name, want = "Accept-Patch", "application/json, application/merge-patch+json"
			} else if target == "/v1/invitation-batches" {
				want = "application/json, text/csv"
			}
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", route, name, got, want)
			}
			return
		}
		t.Errorf("%s: nobody may", route)
	})
}

// TestMergePatch: a PATCH may be called what it is (RFC 7396), and nothing else may.
func TestMergePatch(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	header := map[string]string{"If-Match": "*", "Content-Type": "application/merge-patch+json"}
	web := a.call(request{method: "PATCH", target: path, body: `{"reminders":false}`, header: header}).is(200)
	if web.body == nil || !strings.Contains(string(web.body), `"reminders":false`) {
		t.Errorf("%s", web.body)
	}
	header["Idempotency-Key"] = "m"
	a.call(request{method: "POST", target: path + "/send", body: `{}`, header: header}).is(415, "unsupported_media_type")
}

// TestConditionalRead: who has the current version is told so in a few bytes.
func TestConditionalRead(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	tag := a.call(request{method: "GET", target: path}).is(200).header.Get("ETag")
	for given, status := range map[string]int{tag: 304, `"0", ` + tag: 304, "W/" + tag: 304, "*": 304, `"0"`: 200, "": 200} {
		p := a.call(request{method: "GET", target: path, header: map[string]string{"If-None-Match": given}}).is(status)
		if p.header.Get("ETag") != tag || status == 304 && len(p.body) > 0 {
			t.Errorf("%q: %v, %d bytes", given, p.header, len(p.body))
		}
	}
}

// TestNextLink: a list leads to its next page by a Link header, with the filters of this one.
func TestNextLink(t *testing.T) {
	a := newAPI(t)
	for _, to := range []string{"a@larch.example", "b@larch.example", "c@larch.example"} {
		a.draft(to)
	}
	target, seen := "/v1/invitations?limit=1&status=draft", 0
	for target != "" && seen < 10 {
		p := a.call(request{method: "GET", target: target}).is(200)
		var page struct {
			Items      []any
			NextCursor string
		}
		if err := json.Unmarshal(p.body, &page); err != nil {
			t.Fatal(err)
		}
		seen += len(page.Items)
		next, found := strings.CutSuffix(p.header.Get("Link"), `>; rel="next"`)
		target = strings.TrimPrefix(next, "<")
		if found != (page.NextCursor != "") || found && httptest.NewRequest("GET", target, nil).URL.Query().Get("status") != "draft" {
			t.Errorf("cursor %q, Link %q", page.NextCursor, p.header.Get("Link"))
		}
	}
	if seen != 3 {
		t.Errorf("%d of 3 by links", seen)
	}
}
