package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestTrialNamesTheStep: a deployment that fails somewhere is told by where, and no invitation stays open.
func TestTrialNamesTheStep(t *testing.T) {
	for name, c := range map[string]struct {
		answers map[string]string // by method and path: status, a space and the body
		want    string            // of the error; empty for none
		cancels int
	}{
		"all right":     {nil, "", 1},
		"unhealthy":     {map[string]string{"GET /healthz": `503 {"code":"store_unavailable","detail":"The table does not answer."}`}, "health: GET /healthz answers 503 store_unavailable", 0},
		"no document":   {map[string]string{"GET /openapi.json": `200 {}`}, "document: what is at /openapi.json", 0},
		"no account":    {map[string]string{"POST /v1/invitations": `403 {"code":"account_required","detail":"No."}`}, "test invitation: POST /v1/invitations answers 403 account_required", 0},
		"not delivered": {map[string]string{"GET /v1/invitations/inv_1": `200 {"id":"inv_1","delivery":{"state":"sending","reason":"sender_not_verified"}}`}, "delivered: after 50ms the mail is still sending sender_not_verified", 1},
		"given up":      {map[string]string{"GET /v1/invitations/inv_1": `200 {"id":"inv_1","delivery":{"state":"failed","reason":"message_rejected"}}`}, "delivered: the mail is failed message_rejected", 1},
		"stays open":    {map[string]string{"POST /v1/invitations/inv_1/cancel": `200 {"id":"inv_1","status":"sent"}`}, "cancelled: the invitation is sent", 1},
	} {
		t.Run(name, func(t *testing.T) {
			usual := map[string]string{
				"GET /healthz": `200 {}`, "GET /openapi.json": `200 {"openapi":"3.1.0"}`, "POST /v1/invitations": `201 {"id":"inv_1","status":"draft"}`,
				"POST /v1/invitations/inv_1/send": `202 {}`, "GET /v1/invitations/inv_1": `200 {"id":"inv_1","delivery":{"state":"delivered"}}`,
				"POST /v1/invitations/inv_1/cancel": `200 {"id":"inv_1","status":"cancelled"}`,
			}
			cancels := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				call := r.Method + " " + r.URL.Path
				answer := c.answers[call]
				if answer == "" {
					answer = usual[call]
				}
				if strings.HasSuffix(call, "/cancel") {
					cancels++
				}
				if signed := r.Header.Get("Authorization") == "Bearer secret"; signed != strings.HasPrefix(r.URL.Path, "/v1/") {
					t.Errorf("%s with the token: %t", call, signed)
				}
				status, body, _ := strings.Cut(answer, " ")
				w.WriteHeader(map[string]int{"200": 200, "201": 201, "202": 202, "403": 403, "503": 503}[status])
				_, _ = w.Write([]byte(body))
			}))
			defer server.Close()
			var out bytes.Buffer
			err := trial{url: server.URL, token: "secret", kind: "reseller", wait: 50 * time.Millisecond, pause: 10 * time.Millisecond, out: &out}.run(t.Context())
			if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) || cancels != c.cancels {
				t.Errorf("%v, %d cancelled", err, cancels)
			}
			if strings.Contains(out.String(), "secret") || c.want == "" && strings.Count(out.String(), "\n") != 6 {
				t.Errorf("told:\n%s", &out)
			}
		})
	}
}
