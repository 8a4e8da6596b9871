package pages_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"concord/internal/apigw"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/pages"
	"concord/internal/partner"
	"concord/internal/storetest"
)

// eventLink is what the token in events/acceptance-*.json leads to; its key is that of these tests.
var eventLink = link.Link{Tenant: string(alder), ID: "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa", Generation: 1}

// TestEvents answers each event in events/ as API Gateway sends it.
func TestEvents(t *testing.T) {
	want := map[string]struct {
		status int
		page   string
		to     string // beginning of the Location
	}{
		"open": {200, "review", ""}, "open-french": {200, "review", ""}, "open-garbled": {404, "unknown", ""}, "probe": {200, "", ""},
		"sign-in": {303, "", "IDP/authorize?"}, "callback-late": {400, "sign-in-over", ""},
		"answer-not-signed-in": {303, "", "/i/"}, "answer-from-elsewhere": {403, "cross-origin", ""},
	}
	k := &keys{masters: []string{"k1"}}
	token, err := k.Sign(t.Context(), link.Answer, eventLink)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../events/acceptance-*.json")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d events, want %d (%v)", len(files), len(want), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "acceptance-"), ".json")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if name != "callback-late" && name != "open-garbled" && !strings.Contains(string(raw), token.Reveal()) {
				t.Fatalf("the event's token has to be %s", token.Reveal())
			}
			var event apigw.Request
			if err := json.Unmarshal(raw, &event); err != nil {
				t.Fatal(err)
			}
			store, idp := &storetest.Memory{}, newIdentityProvider(t)
			store.PutAccount(alderAccount())
			store.PutInvitation(invitation.Invitation{
				Key: invitation.Key{Inviter: alder, ID: eventLink.ID}, Kind: invitation.Reseller, RecipientEmail: "jo@larch.example", Locale: "en", Cloud: "public",
				Status: invitation.Pending, Generation: 1, ExpiresAt: time.Now().Add(72 * time.Hour), CreatedAt: time.Now(), Version: 2,
			})
			writes := 0
			store.Inject(func(op storetest.Operation) storetest.Fault {
				if op == storetest.Write || op == storetest.Commit {
					writes++
				}
				return storetest.Fault{}
			})
			clouds := partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://concord.example"}}
			handler, err := pages.Site{
				Invitations: &invitation.Service{Store: store, Accounts: store, Relationships: store, Regions: partner.ShippedRegions(), Clouds: clouds, Locales: locale.Tags, Now: time.Now},
				Keys:        k, Operator: "Grove Marketplace Ltd", Issuer: idp.URL, ClientID: clientID, Log: slog.New(slog.DiscardHandler),
			}.Handler()
			if err != nil {
				t.Fatal(err)
			}
			got, err := apigw.Handler(handler, clouds[0].BaseURL, slog.New(slog.DiscardHandler))(t.Context(), event)
			if err != nil {
				t.Fatal(err)
			}
			w := want[name]
			doc, err := html.Parse(strings.NewReader(got.Body))
			if err != nil {
				t.Fatal(err)
			}
			to := strings.Replace(got.Headers["Location"], idp.URL, "IDP", 1)
			if page := (seen{doc: doc}).page(); got.StatusCode != w.status || page != w.page || !strings.HasPrefix(to, w.to) || got.IsBase64Encoded {
				t.Errorf("%d %q to %q, want %d %q to %q", got.StatusCode, page, to, w.status, w.page, w.to)
			}
			if got.Headers["Strict-Transport-Security"] == "" {
				t.Error("no Strict-Transport-Security")
			}
			if name == "open-french" && attr(find(doc, "html")[0], "lang") != "fr" || name == "open" && attr(find(doc, "html")[0], "lang") != "en" {
				t.Error("another language")
			}
			if name == "sign-in" && (len(got.Cookies) != 1 || !strings.HasPrefix(got.Cookies[0], "__Host-concord-sign-in-") || !strings.Contains(got.Cookies[0], "; Secure")) {
				t.Errorf("cookies: %.60q", got.Cookies)
			}
			if writes != 0 {
				t.Errorf("%d writes", writes)
			}
		})
	}
}
