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
	"concord/internal/customer"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/pages"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/storetest"
)

// eventLink is what the token in events/acceptance-*.json leads to; its key is that of these tests.
var eventLink = link.Link{Tenant: string(alder), ID: "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa", Generation: 1}

// grantedID is that of the granular administration that such a token leads to.
const grantedID = "gdap_aaaaaaaaaaaaaaaaaaaaaaaaaa"

// TestEvents answers each event in events/ as API Gateway sends it.
func TestEvents(t *testing.T) {
	want := map[string]struct {
		status int
		page   string
		to     string // beginning of the Location
		writes int
	}{
		"open": {200, "review", "", 0}, "open-with-a-slash": {200, "review", "", 0}, "open-french": {200, "review", "", 0}, "open-garbled": {404, "unknown", "", 0}, "probe": {200, "", "", 0},
		"sign-in": {303, "", "IDP/authorize?", 0}, "callback-late": {400, "sign-in-over", "", 0},
		"answer-not-signed-in": {401, "session-over", "", 0}, "answer-from-elsewhere": {403, "cross-origin", "", 0},
		"renewal-open": {200, "no-renewal", "", 0}, "report": {200, "reported", "", 2}, "report-without-reason": {422, "report", "", 0},
		"unsubscribe-probe": {200, "", "", 0}, "unsubscribe-one-click": {200, "unsubscribed", "", 2}, "unsubscribe-one-click-multipart": {200, "unsubscribed", "", 2},
		"dispute-open": {200, "dispute", "", 0}, "answer-link-at-dispute": {404, "unknown", "", 0},
		"granular-open": {200, "review", "", 0}, "granular-sign-in": {303, "", "IDP/authorize?", 0}, "granular-answer-not-signed-in": {401, "session-over", "", 0},
		"granular-end-probe": {200, "", "", 0},
		"verification-open":  {200, "review", "", 0}, "verification-sign-in": {303, "", "IDP/authorize?", 0}, "verification-confirm-not-signed-in": {401, "session-over", "", 0},
		"customer-open": {200, "customer-sign-in", "", 0}, "customer-probe": {200, "", "", 0}, "customer-sign-in": {303, "", "IDP/authorize?", 0},
		"customer-partner-open": {303, "", "/customer", 0}, "customer-partner-probe": {303, "", "/customer", 0}, "customer-revoke": {401, "session-over", "", 0},
	}
	k := &keys{masters: []string{"k1"}}
	tokens := map[string]string{} // by the beginning of the path
	for _, p := range []link.Purpose{link.Answer, link.Receipt, link.Unsubscribe, link.Granular, link.Verify} {
		l := eventLink
		if p == link.Granular {
			l.ID = grantedID
		}
		if p == link.Verify {
			l.ID = "enr_aaaaaaaaaaaaaaaaaaaaaaaaaa"
		}
		token, err := k.Sign(t.Context(), p, l)
		if err != nil {
			t.Fatal(err)
		}
		tokens[p.Path("")] = token.Reveal()
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
			var event apigw.Request
			if err := json.Unmarshal(raw, &event); err != nil {
				t.Fatal(err)
			}
			at := event.RawPath[:min(3, len(event.RawPath))]
			if name == "answer-link-at-dispute" {
				at = "/i/"
			}
			if name != "callback-late" && name != "open-garbled" && !strings.HasPrefix(name, "customer-") && !strings.Contains(string(raw), tokens[at]) {
				t.Fatalf("the event's token has to be %s", tokens[at])
			}
			store, idp := &storetest.Memory{}, newIdentityProvider(t)
			store.PutAccount(alderAccount())
			if err := store.WriteEnrolment(t.Context(), enrolment.Change{After: enrolment.Enrolment{
				ID: "enr_aaaaaaaaaaaaaaaaaaaaaaaaaa", Tenant: alder, Cloud: "public", Path: enrolment.Full, Status: enrolment.EmailVerification, Locale: "en",
				Contact: enrolment.Person{Email: "grace@gorse.example"}, Verification: enrolment.Verification{Generation: 1, ExpiresAt: time.Now().Add(time.Hour)},
				CreatedAt: time.Now(), Version: 1,
			}}); err != nil {
				t.Fatal(err)
			}
			inv := invitation.Invitation{
				Key: invitation.Key{Inviter: alder, ID: eventLink.ID}, Kind: invitation.Reseller, RecipientEmail: "jo@larch.example", Locale: "en", Cloud: "public",
				Status: invitation.Pending, Generation: 1, ExpiresAt: time.Now().Add(72 * time.Hour), CreatedAt: time.Now(), Version: 2,
			}
			if name == "dispute-open" {
				inv.Status, inv.Answer = invitation.Accepted, &invitation.Given{Subject: "u-lara", Tenant: larch, FullName: "Lara Larch", At: time.Now()}
			}
			store.PutInvitation(inv)
			store.PutGranular(granular.Relationship{
				Key: granular.Key{Partner: alder, ID: grantedID}, DisplayName: "Desk", Customer: larch, Cloud: "public", Roles: []string{helpdesk}, Duration: granular.Period{Days: 90},
				Status: granular.Pending, Generation: 1, CreatedAt: time.Now(), ApproveBy: time.Now().Add(granular.ApprovalTime), Version: 2, Mail: granular.Mail{Locale: "en"},
			})
			writes := 0
			store.Inject(func(op storetest.Operation) storetest.Fault {
				if op == storetest.Write || op == storetest.Commit || op == storetest.Settle || op == storetest.Record || op == storetest.WriteGranular {
					writes++
				}
				return storetest.Fault{}
			})
			clouds := partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://concord.example"}}
			handler, err := pages.Site{
				Invitations: &invitation.Service{Store: store, Accounts: store, Relationships: store, Partnerships: store, Regions: partner.ShippedRegions(), Clouds: clouds, Locales: locale.Tags, Ledger: store, Now: time.Now},
				Granular:    &granular.Service{Store: store, Accounts: store, Clouds: clouds, Roles: granular.ShippedRoles(), Now: time.Now},
				Enrolments:  enrolment.Confirmation{Store: store, Now: time.Now},
				Customers:   customer.Portal{Store: store, Register: store, Accounts: store, Purchases: store, Granular: &granular.Service{Store: store, Accounts: store, Now: time.Now}, Tiers: partnership.Service{Store: store, Accounts: store, Tiers: store, Now: time.Now}, Now: time.Now},
				Keys:        k, Operator: emailaddr.Operator{Name: "Grove Marketplace Ltd"}, Authorities: authorities(idp.URL), Log: slog.New(slog.DiscardHandler),
			}.Handler()
			if err != nil {
				t.Fatal(err)
			}
			delete(event.Headers, "accept-encoding") // to be read here as it is
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
			if (name == "open-french" || name == "open") && attr(find(doc, "html")[0], "lang") != "fr" { // the inviter said none (0.39)
				t.Error("another language")
			}
			if (name == "sign-in" || name == "granular-sign-in") && (len(got.Cookies) != 1 || !strings.HasPrefix(got.Cookies[0], "__Host-concord-sign-in-") || !strings.Contains(got.Cookies[0], "; Secure")) {
				t.Errorf("cookies: %.60q", got.Cookies)
			}
			if writes != w.writes {
				t.Errorf("%d writes, want %d", writes, w.writes)
			}
		})
	}
}
