package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"concord/internal/locale"
)

// seen is a page of the console that somebody looks at.
type seen struct{ name, path string }

// The pages of customers, partners, roles, subscriptions, the account and the audit, of each kind of partner, on the whole stack: its roles
// allow what they read, nothing is wider than the screen, axe finds nothing, and each is light.
func TestConsolePagesInBrowser(t *testing.T) {
	browser := newChromium(t)
	birch := newPartner(t, "birch")
	cedar := tenantOf(t, "cedar.example")
	made := birch.post("/v1/customers", `{"companyName":"Walnut & Söhne Verwaltungs- und Beteiligungsgesellschaft mbH","domain":"walnut.example","country":"US",
		"forReseller":"`+cedar+`"}`).want(t, 201).json(t)
	walnut := made["id"].(string)
	birch.post("/v1/customers/"+walnut+"/agreements", `{"type":"MicrosoftCustomerAgreement","primaryContact":{"firstName":"Wanda","lastName":"Walnut",
		"email":"wanda@walnut.example"},"dateAgreed":"2026-01-15"}`).want(t, 201)
	birch.post("/v1/customers/"+walnut+"/orders", `{"lines":[{"offerId":"ofr-cloud-reserved","quantity":25}],"partnerIdOnRecord":"4100003"}`).want(t, 201)
	subscription := birch.do("GET", "/v1/customers/"+walnut+"/subscriptions", "").want(t, 200).json(t)["items"].([]any)[0].(map[string]any)["id"].(string)
	granular := birch.post(granulars, fmt.Sprintf(`{"displayName":"Desk of walnut","customer":{"tenantId":%q},"duration":"P90D","autoExtendDuration":"P0D",
		"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"62e90394-69f5-4237-9190-012177145e10"}]}}`, tenantOf(t, "oak.example"))).want(t, 201).json(t)["id"].(string)
	hook := birch.post("/v1/webhook-endpoints", `{"url":"http://127.0.0.1:9/concord","description":"The shop"}`).want(t, 201).json(t)["id"].(string)
	birch.do("POST", "/v1/webhook-endpoints/"+hook+"/test", "").want(t, 202)
	between := birch.do("GET", "/v1/partnerships", "").want(t, 200).json(t)["items"].([]any)[0].(map[string]any)["id"].(string)

	for person, pages := range map[string][]seen{
		"agent@birch.example": {
			{"console-customers", "/console/customers"}, {"console-customer", "/console/customers/" + walnut}, {"console-remove", "/console/customers/" + walnut + "/remove"},
			{"console-attest", "/console/customers/" + walnut + "/agreement"}, {"console-add-customer", "/console/customers/new"},
			{"console-order", "/console/orders/new"}, {"console-order", "/console/orders/new?customerTenantId=" + walnut},
			{"console-order", "/console/orders/new?customerTenantId=" + walnut + "&offerId=ofr-cloud-reserved&quantity=5&step=check"}, {"console-subscriptions", "/console/subscriptions"},
			{"console-subscriptions", "/console/subscriptions?role=onRecord"},
			{"console-subscriptions", "/console/subscriptions?customerTenantId=" + walnut},
			{"console-subscription", "/console/subscriptions/" + walnut + "/" + subscription},
			{"console-subscription-cancel", "/console/subscriptions/" + walnut + "/" + subscription + "/cancel"},
			{"console-resellers", "/console/resellers"}, {"console-reseller", "/console/resellers/" + between},
			{"console-reseller-remove", "/console/resellers/" + between + "/remove"}, {"console-granular", "/console/administration"},
			{"console-granular-new", "/console/administration/new"}, {"console-granular-one", "/console/administration/" + granular},
			{"console-account", "/console/account"}, {"console-audit", "/console/audit"},
			{"console-webhooks", "/console/account/webhooks"}, {"console-webhook-new", "/console/account/webhooks/new"},
			{"console-webhook", "/console/account/webhooks/" + hook}, {"console-webhook-remove", "/console/account/webhooks/" + hook + "/remove"},
		},
		"agent@cedar.example": {
			{"console-providers", "/console/providers"}, {"console-providers", "/console/providers?show=directory"}, {"console-provider", "/console/providers/" + between},
			{"console-provider-remove", "/console/providers/" + between + "/remove"},
			{"console-account", "/console/account"}, {"console-subscriptions", "/console/subscriptions?role=onRecord"},
		},
		"ops@concord.example": {
			{"console-operator", "/console/operator"}, {"console-operator-vetting", "/console/operator/vetting"}, {"console-operator-partners", "/console/operator/partners"},
			{"console-operator-suppressions", "/console/operator/suppressions"},
			{"console-operator-reports", "/console/operator/reports"}, {"console-operator-records", "/console/operator/records"},
			{"console-operator-record-new", "/console/operator/records/company/new"},
			{"console-operator-calendar", "/console/operator/records/calendar"}, {"console-operator-health", "/console/operator/health"},
			{"console-operator-find", "/console/operator/find"},
		},
		// To revoke is the Global admin's.
		"admin@cedar.example": {{"console-provider-revoke", "/console/providers/" + between + "/revoke"}},
		"admin@gorse.example": {{"console-enrolment", "/console/enrolment"}},
		"sales@alder.example": {{"console-customers", "/console/customers"}, {"console-account", "/console/account"}},
	} {
		t.Run(person, func(t *testing.T) {
			b := newTab(t, browser, true)
			b.signInToConsole(pages[0].path, person)
			for _, page := range pages {
				b.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(local.URL+page.path), chromedp.WaitReady(`main`))
				if got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("main").dataset.page`)); err != nil || got != page.name {
					t.Errorf("%s is %q (%v)", page.path, got, err)
					continue
				}
				b.weight(page.name)
				b.lookEverywhere(page.name)
				b.languages(page.path)
			}
		})
	}
}

// languages looks at a page in every language on the smallest screen.
func (b *tab) languages(path string) {
	b.t.Helper()
	for _, tag := range locale.Names(locale.Tags) {
		at := local.URL + path + joined(path) + "lang=" + tag
		b.do(chromedp.EmulateViewport(320, 900), chromedp.Navigate(at), chromedp.WaitReady(`html[lang="`+tag+`"]`))
		if wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); err != nil || wide > 320 {
			b.t.Errorf("%s, %s is %d px wide (%v)", path, tag, wide, err)
		}
	}
	b.do(chromedp.Navigate(local.URL + path + joined(path) + "lang=en"))
}

// joined is what stands between a path and one more parameter.
func joined(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}
