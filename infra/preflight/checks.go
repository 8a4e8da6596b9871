package main

import (
	"context"
	"encoding/json"
	"maps"
	netmail "net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"concord/infra/local/template"
	"concord/internal/emailaddr"
	"concord/internal/identity"
	"concord/internal/partner"
)

// maxEnvironment is how many bytes of names and values Lambda takes for the variables of a function.
const maxEnvironment = 4096

// made are variables that are made of parameters, which of them, and how functions read them.
var made = map[string]struct {
	of   string
	read func(string) error
}{
	"CLOUDS":    {"PublicPortalName, PublicPortalUrl, UsGovPortalName, UsGovPortalUrl", reads(partner.ParseClouds)},
	"MAIL_FROM": {"MailFromName, MailDomain", reads(netmail.ParseAddress)},
}

func reads[T any](parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		_, err := parse(text)
		return err
	}
}

// values reads each text that parameters stand in as the functions do, which is when they start. It gives the identity providers, nil when
// they could not be read.
func (r *report) values(t *template.Template) *identity.Authorities {
	p, sound := t.Parameters, true
	for _, name := range []string{"SignInClaims", "UsGovSignInClaims"} {
		if _, err := identity.ParseClaims(p[name]); err != nil {
			r.say(wrong, name, "%v", err)
			sound = false
		}
	}
	read := map[string]bool{}
	var authorities *identity.Authorities
	for _, f := range t.Functions {
		size := 0
		for _, variable := range slices.Sorted(maps.Keys(f.Environment)) {
			value := f.Environment[variable]
			size += len(variable) + len(value)
			if read[variable] {
				continue
			}
			read[variable] = true
			if one, ok := made[variable]; ok {
				if err := one.read(value); err != nil {
					r.say(wrong, one.of, "%v", err)
				}
			} else if variable == "AUTHORITIES" && sound {
				var err error
				if authorities, err = identity.Parse(value); err != nil {
					r.say(wrong, "Issuer, SignInClientId, SignInClaims, UsGovIssuer, UsGovSignInClientId, UsGovSignInClaims, GraphEndpoint, UsGovGraphEndpoint, OperatorTenants", "%v", err)
				}
			}
		}
		if size > maxEnvironment {
			r.say(wrong, f.LogicalID, "its variables have %d bytes, Lambda takes %d: is a list of operators or of claims that long?", size, maxEnvironment)
		}
	}
	if err := (emailaddr.Operator{Name: p["OperatorName"], Contact: p["OperatorContact"], Privacy: p["PrivacyNoticeUrl"], Imprint: p["ImprintUrl"]}).Check(); err != nil {
		r.say(wrong, "OperatorName, OperatorContact, PrivacyNoticeUrl, ImprintUrl", "%v", err)
	}
	return authorities
}

// reserved are the names that lead nowhere (RFC 2606, RFC 6761).
var reserved = []string{"example", "example.com", "example.net", "example.org", "test", "invalid", "localhost"}

func isReserved(host string) bool {
	return slices.ContainsFunc(reserved, func(name string) bool { return host == name || strings.HasSuffix(host, "."+name) })
}

// sense looks for what no parser minds and nobody wants deployed.
func (r *report) sense(t *template.Template) {
	p := t.Parameters
	for _, name := range []string{
		"Issuer", "UsGovIssuer", "GraphEndpoint", "UsGovGraphEndpoint", "PublicPortalUrl", "UsGovPortalUrl", "PrivacyNoticeUrl", "ImprintUrl",
	} {
		u, err := url.Parse(p[name])
		switch {
		case p[name] == "":
		case err != nil:
			r.say(wrong, name, "%v", err)
		case u.Scheme == "http":
			r.say(wrong, name, "%s is this machine: a deployment is reached by https", p[name])
		case isReserved(u.Hostname()):
			r.say(wrong, name, "%s is a name for examples, which leads nowhere", u.Hostname())
		}
	}
	r.graphs(p)
	_, host, _ := strings.Cut(p["OperatorContact"], "@")
	for name, host := range map[string]string{"MailDomain": p["MailDomain"], "OperatorContact": host} {
		if isReserved(host) {
			r.say(wrong, name, "%s is a name for examples, where no mail comes from or goes to", host)
		}
	}
	first, _ := strconv.ParseFloat(p["FirstMonthQuota"], 64)
	daily, _ := strconv.ParseFloat(p["DailyQuota"], 64)
	if first > daily {
		r.say(wrong, "FirstMonthQuota", "%v is more than DailyQuota, %v: a new partner may send more than one that is known", first, daily)
	}
	if (p["RestoredTableName"] == "") != (p["RestoredTableStreamLabel"] == "") {
		r.say(wrong, "RestoredTableName, RestoredTableStreamLabel", "a restored table has both, the stack's own neither")
	}
	if p["UsGovIssuer"] == "" {
		r.say(look, "UsGovIssuer", "empty: nobody signs in or calls for the US government cloud")
	}
	if p["AlarmEmail"] == "" {
		r.say(look, "AlarmEmail", "empty: nobody is told about alarms, unless you subscribe somebody to the topic")
	}
	if p["ImprintUrl"] == "" {
		r.say(look, "ImprintUrl", "empty: the law of many countries asks for an imprint")
	}
	if p["AcceptanceNeedsAgreement"] == "true" {
		r.say(look, "AcceptanceNeedsAgreement", "nobody can accept before a customerAgreement is in the catalogue of texts")
	}
}

// graphOf are the hosts of Microsoft Entra ID, each with the one where its directories are read: a token for one is none for another.
var graphOf = map[string]string{
	"login.microsoftonline.com": "graph.microsoft.com", "login.microsoftonline.us": "graph.microsoft.us",
}

// graphs compares where people sign in with where their companies' directories are to be read.
func (r *report) graphs(p map[string]string) {
	for issuer, name := range map[string]string{"Issuer": "GraphEndpoint", "UsGovIssuer": "UsGovGraphEndpoint"} {
		at, fault := url.Parse(p[issuer])
		graph, err := url.Parse(p[name])
		if err != nil || fault != nil || p[issuer] == "" {
			continue // said already
		}
		want, entra := graphOf[at.Hostname()]
		switch {
		case entra && p[name] == "":
			r.say(look, name, "empty: tokens of Microsoft Entra ID say no domains, so every acceptance waits for the partner; https://%s/v1.0 says them", want)
		case entra && graph.Hostname() != want:
			r.say(wrong, name, "%s takes no tokens of %s: https://%s/v1.0", graph.Hostname(), at.Hostname(), want)
		case entra && strings.Trim(graph.Path, "/") != "v1.0":
			r.say(wrong, name, "%s: https://%s/v1.0 is what is read", p[name], want)
		case !entra && p[name] != "":
			r.say(look, name, "%s is asked at each sign-in: is it a Graph, for %s?", graph.Hostname(), at.Hostname())
		}
	}
}

// providers asks each issuer for its discovery document.
func (r *report) providers(world outside, t *template.Template, authorities *identity.Authorities) {
	if authorities == nil {
		return
	}
	for cloud, name := range map[partner.CloudID]string{"public": "Issuer", "usGov": "UsGovIssuer"} {
		if !authorities.Serves(cloud) {
			continue
		}
		if err := world.discover(authorities, cloud); err != nil {
			r.say(wrong, name, "%s: nobody could sign in: %v", t.Parameters[name], err)
		}
	}
}

// names looks the portals up: links in mails lead there.
func (r *report) names(ctx context.Context, world outside, t *template.Template) {
	asked := map[string]bool{}
	for _, name := range []string{"PublicPortalUrl", "UsGovPortalUrl"} {
		u, err := url.Parse(t.Parameters[name])
		if err != nil || asked[u.Hostname()] {
			continue
		}
		asked[u.Hostname()] = true
		if err := world.lookup(ctx, u.Hostname()); err != nil {
			r.say(look, name, "%s is not in DNS yet: links in mails lead nowhere until it is (the outputs say what to publish)", u.Hostname())
		}
	}
}

// account looks at what the deployment needs of its AWS account.
func (r *report) account(ctx context.Context, world outside, t *template.Template, stack string) {
	p := t.Parameters
	ask := func(about string, into any, arguments ...string) bool {
		out, err := world.aws(ctx, arguments...)
		if err == nil {
			err = json.Unmarshal(out, into)
		}
		if err != nil {
			r.say(unchecked, about, "%v", err)
		}
		return err == nil
	}
	var caller struct{ Account string }
	if !ask("the AWS account (concurrency, SES, its identity)", &caller, "sts", "get-caller-identity") {
		return
	}
	var lambda struct {
		AccountLimit struct{ ConcurrentExecutions int }
	}
	if ask("concurrency", &lambda, "lambda", "get-account-settings") {
		reserved := 0
		for _, f := range t.Functions {
			reserved += f.ReservedConcurrency
		}
		// Lambda keeps 100 for the functions that reserve none.
		if has := lambda.AccountLimit.ConcurrentExecutions; has < reserved+100 {
			r.say(wrong, "concurrency", "the account may run %d functions at once, the stack reserves %d and Lambda wants 100 beside them: "+
				"aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 --desired-value 1000", has, reserved)
		}
	}
	var ses struct {
		ProductionAccessEnabled, SendingEnabled bool
		EnforcementStatus                       string
		SendQuota                               struct{ MaxSendRate, Max24HourSend float64 }
	}
	if ask("SES account", &ses, "sesv2", "get-account") {
		sandbox := p["SesSandbox"] == "true"
		switch {
		case !ses.ProductionAccessEnabled && !sandbox:
			r.say(wrong, "SES account", "it is in the sandbox of SES, where mail goes to verified addresses and the simulator alone: ask for production access, or try with SesSandbox=true")
		case ses.ProductionAccessEnabled && sandbox:
			r.say(look, "SesSandbox", "the account is out of the sandbox: with false the mailer may use its own identity alone")
		}
		if !ses.SendingEnabled || ses.EnforcementStatus != "" && ses.EnforcementStatus != "HEALTHY" {
			r.say(wrong, "SES account", "SES sends nothing or reviews the account (%s)", ses.EnforcementStatus)
		}
		if rate, err := strconv.ParseFloat(p["MailRate"], 64); err == nil && ses.SendQuota.MaxSendRate > 0 && rate > ses.SendQuota.MaxSendRate {
			r.say(wrong, "MailRate", "%v a second is more than SES lets the account send, %v", rate, ses.SendQuota.MaxSendRate)
		}
	}
	r.mailIdentity(ctx, world, p, stack)
	if p["RestoredTableName"] != "" {
		r.restored(p, t.Tables[0], ask)
	}
}

// restored looks for what a restore to a point in time leaves behind: the stream, time to live, the next backups and the protection.
func (r *report) restored(p map[string]string, own template.Table, ask func(about string, into any, arguments ...string) bool) {
	const about = "RestoredTableName"
	name := p["RestoredTableName"]
	var table struct {
		Table struct {
			LatestStreamLabel         string
			DeletionProtectionEnabled bool
			StreamSpecification       struct{ StreamViewType string }
		}
	}
	if ask(about, &table, "dynamodb", "describe-table", "--table-name", name) {
		if table.Table.StreamSpecification.StreamViewType != own.StreamViewType {
			r.say(wrong, about, "%s has no stream of %s: no mail would leave", name, own.StreamViewType)
		} else if table.Table.LatestStreamLabel != p["RestoredTableStreamLabel"] {
			r.say(wrong, "RestoredTableStreamLabel", "the stream of %s has the label %s", name, table.Table.LatestStreamLabel)
		}
		if !table.Table.DeletionProtectionEnabled {
			r.say(wrong, about, "%s can be deleted: --deletion-protection-enabled", name)
		}
	}
	var ttl struct {
		TimeToLiveDescription struct{ TimeToLiveStatus, AttributeName string }
	}
	if ask(about, &ttl, "dynamodb", "describe-time-to-live", "--table-name", name) && ttl.TimeToLiveDescription.AttributeName != own.TTLAttribute {
		r.say(wrong, about, "%s has no time to live by %s: nothing would ever be forgotten", name, own.TTLAttribute)
	}
	var backups struct {
		ContinuousBackupsDescription struct {
			PointInTimeRecoveryDescription struct{ PointInTimeRecoveryStatus string }
		}
	}
	if ask(about, &backups, "dynamodb", "describe-continuous-backups", "--table-name", name) &&
		backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != "ENABLED" {
		r.say(wrong, about, "%s has no point-in-time recovery: it could not be restored once more", name)
	}
}

// mailIdentity compares what SES knows of the domain with what the template is told.
func (r *report) mailIdentity(ctx context.Context, world outside, p map[string]string, stack string) {
	_, err := world.aws(ctx, "sesv2", "get-email-identity", "--email-identity", p["MailDomain"])
	if err != nil && !strings.Contains(err.Error(), "NotFoundException") {
		r.say(unchecked, "MailDomain", "%v", err)
		return
	}
	exists, told := err == nil, p["MailIdentityExists"] == "true"
	switch {
	case !exists && told:
		r.say(wrong, "MailIdentityExists", "SES does not know %s in this account and region: nothing could be sent", p["MailDomain"])
	case exists && !told:
		if stack != "" { // it may be this stack's own
			if _, err := world.aws(ctx, "cloudformation", "describe-stack-resource", "--stack-name", stack, "--logical-resource-id", "MailIdentity"); err == nil {
				return
			}
		}
		r.say(wrong, "MailIdentityExists", "SES knows %s already, so that the stack cannot make it: MailIdentityExists=true", p["MailDomain"])
	}
}
