package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"concord/internal/identity"
	"concord/internal/partner"
)

// good is a deployment with nothing wrong.
var good = map[string]any{
	"OperatorName": "Dogwood Cloud", "OperatorContact": "help@dogwood.cloud", "PrivacyNoticeUrl": "https://dogwood.cloud/privacy", "ImprintUrl": "https://dogwood.cloud/imprint",
	"MailDomain": "mail.dogwood.cloud", "Issuer": "https://id.dogwood.cloud/v2.0", "UsGovIssuer": "https://gov.dogwood.cloud/v2.0",
	"SignInClaims":    map[string]string{"country": "tenant_ctry"},
	"PublicPortalUrl": "https://portal.dogwood.cloud", "UsGovPortalUrl": "https://gov-portal.dogwood.cloud", "AlarmEmail": "ops@dogwood.cloud",
}

// account is what the AWS CLI says of an account with nothing wrong, by operation.
var account = map[string]string{
	"get-caller-identity":     `{"Account":"111122223333"}`,
	"get-account-settings":    `{"AccountLimit":{"ConcurrentExecutions":1000}}`,
	"get-account":             `{"ProductionAccessEnabled":true,"SendingEnabled":true,"EnforcementStatus":"HEALTHY","SendQuota":{"MaxSendRate":14}}`,
	"get-email-identity":      "error: An error occurred (NotFoundException)",
	"describe-stack-resource": "error: Stack does not exist",
}

func world(said map[string]string) outside {
	return outside{
		discover: func(_ *identity.Authorities, c partner.CloudID) error {
			if text := said["discovery of "+string(c)]; text != "" {
				return errors.New(text)
			}
			return nil
		},
		lookup: func(_ context.Context, host string) error {
			if said["unknown host"] == host {
				return errors.New("no such host")
			}
			return nil
		},
		aws: func(_ context.Context, arguments ...string) ([]byte, error) {
			text := said[arguments[1]]
			if text == "" {
				text = account[arguments[1]]
			}
			if fault, ok := strings.CutPrefix(text, "error: "); ok {
				return nil, errors.New(fault)
			}
			return []byte(text), nil
		},
	}
}

// look runs preflight over the good parameters with others; nil takes one out.
func lookOver(t *testing.T, others map[string]any, w outside, more ...string) (int, string) {
	t.Helper()
	parameters := maps.Clone(good)
	for name, value := range others {
		parameters[name] = value
		if value == nil {
			delete(parameters, name)
		}
	}
	raw, err := json.Marshal(parameters)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "parameters.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code := run(t.Context(), append([]string{"-template", "../../template.yaml", "-stack", "concord", file}, more...), &out, w)
	return code, out.String()
}

// TestPreflight: each trap of a first deployment is named with what would be right, before anything is made.
func TestPreflight(t *testing.T) {
	if code, said := lookOver(t, nil, world(nil)); code != 0 || said != "nothing wrong was found\n" {
		t.Errorf("of what is right: %d\n%s", code, said)
	}
	const entra, entraGov = "https://login.microsoftonline.com/organizations/v2.0", "https://login.microsoftonline.us/organizations/v2.0"
	const graph = "https://graph.microsoft.com/v1.0"
	if code, said := lookOver(t, map[string]any{"Issuer": entra, "GraphEndpoint": graph}, world(nil)); code != 0 || said != "nothing wrong was found\n" {
		t.Errorf("of Entra with Graph: %d\n%s", code, said)
	}
	long := strings.Repeat("0be20000-0000-4000-8000-000000000008,", 60)
	for name, c := range map[string]struct {
		parameters map[string]any
		said       map[string]string
		want       string // how a line begins
	}{
		"missing":                {map[string]any{"MailDomain": nil}, nil, "wrong        parameters: the parameter MailDomain has neither"},
		"unknown":                {map[string]any{"MailDomian": "x"}, nil, "wrong        parameters: the template has no parameter MailDomian"},
		"http":                   {map[string]any{"PublicPortalUrl": "http://portal.dogwood.cloud"}, nil, `wrong        parameters: the parameter PublicPortalUrl: "http://portal.dogwood.cloud" is not allowed: an https URL`},
		"this machine":           {map[string]any{"Issuer": "http://127.0.0.1:8081"}, nil, "wrong        Issuer: http://127.0.0.1:8081 is this machine"},
		"an example":             {map[string]any{"MailDomain": "mail.example.com"}, nil, "wrong        MailDomain: mail.example.com is a name for examples"},
		"claims that are none":   {map[string]any{"SignInClaims": map[string]string{"rolls": "wids"}}, nil, "wrong        SignInClaims: "},
		"claims of a list":       {map[string]any{"UsGovSignInClaims": `{"roles":`}, nil, "wrong        parameters: the parameter UsGovSignInClaims: "},
		"too long a list":        {map[string]any{"OperatorTenants": strings.TrimSuffix(long, ",")}, nil, "wrong        AcceptanceFunction: its variables have "},
		"operators":              {map[string]any{"OperatorTenants": "------------------------------------"}, nil, "wrong        Issuer, SignInClientId"},
		"no directory":           {map[string]any{"Issuer": entra}, nil, "look at      GraphEndpoint: empty: tokens of Microsoft Entra ID say no domains"},
		"another's directory":    {map[string]any{"UsGovIssuer": entraGov, "UsGovGraphEndpoint": graph}, nil, "wrong        UsGovGraphEndpoint: graph.microsoft.com takes no tokens of login.microsoftonline.us"},
		"half a directory":       {map[string]any{"Issuer": entra, "GraphEndpoint": "https://graph.microsoft.com"}, nil, "wrong        GraphEndpoint: https://graph.microsoft.com: https://graph.microsoft.com/v1.0"},
		"directory without one":  {map[string]any{"GraphEndpoint": graph}, nil, "look at      GraphEndpoint: graph.microsoft.com is asked at each sign-in"},
		"directory of here":      {map[string]any{"GraphEndpoint": "http://localhost:1/v1.0"}, nil, "wrong        GraphEndpoint: http://localhost:1/v1.0 is this machine"},
		"quotas":                 {map[string]any{"FirstMonthQuota": 600}, nil, "wrong        FirstMonthQuota: 600 is more than DailyQuota"},
		"nobody for the US":      {map[string]any{"UsGovIssuer": ""}, nil, "look at      UsGovIssuer: empty"},
		"an issuer that is none": {nil, map[string]string{"discovery of usGov": "404 Not Found"}, "wrong        UsGovIssuer: https://gov.dogwood.cloud/v2.0: nobody could sign in: 404"},
		"a name":                 {nil, map[string]string{"unknown host": "portal.dogwood.cloud"}, "look at      PublicPortalUrl: portal.dogwood.cloud is not in DNS yet"},
		"no credentials":         {nil, map[string]string{"get-caller-identity": "error: Unable to locate credentials"}, "not checked  the AWS account (concurrency, SES, its identity): Unable to locate"},
		"a new account":          {nil, map[string]string{"get-account-settings": `{"AccountLimit":{"ConcurrentExecutions":10}}`}, "wrong        concurrency: the account may run 10 functions at once, the stack reserves 2"},
		"may not see":            {nil, map[string]string{"get-account-settings": "error: AccessDenied"}, "not checked  concurrency: AccessDenied"},
		"sandbox":                {nil, map[string]string{"get-account": `{"SendingEnabled":true,"EnforcementStatus":"HEALTHY"}`}, "wrong        SES account: it is in the sandbox"},
		"paused":                 {nil, map[string]string{"get-account": `{"ProductionAccessEnabled":true,"EnforcementStatus":"SHUTDOWN"}`}, "wrong        SES account: SES sends nothing"},
		"rate":                   {map[string]any{"MailRate": 50}, nil, "wrong        MailRate: 50 a second is more than SES lets the account send, 14"},
		"identity is there":      {nil, map[string]string{"get-email-identity": `{}`}, "wrong        MailIdentityExists: SES knows mail.dogwood.cloud already"},
		"identity is not there":  {map[string]any{"MailIdentityExists": "true"}, nil, "wrong        MailIdentityExists: SES does not know mail.dogwood.cloud"},
		"identity nobody knows":  {nil, map[string]string{"get-email-identity": "error: AccessDenied"}, "not checked  MailDomain: AccessDenied"},
	} {
		code, said := lookOver(t, c.parameters, world(c.said))
		found := false
		for line := range strings.Lines(said) {
			found = found || strings.HasPrefix(line, c.want)
		}
		if !found || (code == 1) != strings.HasPrefix(c.want, wrong) {
			t.Errorf("%s: exit code %d, no line %q in\n%s", name, code, c.want, said)
		}
	}
	table := map[string]any{"RestoredTableName": "concord-restored", "RestoredTableStreamLabel": "2026-11-30T10:00:00.000"}
	whole := map[string]string{
		"describe-table":              `{"Table":{"LatestStreamLabel":"2026-11-30T10:00:00.000","DeletionProtectionEnabled":true,"StreamSpecification":{"StreamViewType":"NEW_AND_OLD_IMAGES"}}}`,
		"describe-time-to-live":       `{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"ttl"}}`,
		"describe-continuous-backups": `{"ContinuousBackupsDescription":{"PointInTimeRecoveryDescription":{"PointInTimeRecoveryStatus":"ENABLED"}}}`,
	}
	if code, said := lookOver(t, table, world(whole)); code != 0 {
		t.Errorf("a table that is restored whole: %d\n%s", code, said)
	}
	bare := map[string]string{"describe-table": `{"Table":{}}`, "describe-time-to-live": `{}`, "describe-continuous-backups": `{}`}
	if code, said := lookOver(t, table, world(bare)); code != 1 || strings.Count(said, "wrong        RestoredTableName: ") != 4 {
		t.Errorf("a table as a restore leaves it: %d\n%s", code, said)
	}
	if code, said := lookOver(t, map[string]any{"RestoredTableName": "concord-restored"}, world(whole)); code != 1 || !strings.Contains(said, "a restored table has both") {
		t.Errorf("a table without its stream: %d\n%s", code, said)
	}
	own := map[string]string{"get-email-identity": `{}`, "describe-stack-resource": `{}`}
	if code, said := lookOver(t, nil, world(own)); code != 0 {
		t.Errorf("the stack's own identity: %d\n%s", code, said)
	}
}

// TestThenTheCommand: what deploys runs when nothing is wrong, with the parameters as the SAM CLI reads them, and else never.
func TestThenTheCommand(t *testing.T) {
	code, said := lookOver(t, map[string]any{"OperatorName": "Elm & Sons, Cloud"}, world(nil), "echo", "--parameter-overrides")
	for _, want := range []string{
		`--parameter-overrides ParameterKey=AlarmEmail,ParameterValue="ops@dogwood.cloud"`, `ParameterKey=OperatorName,ParameterValue="Elm & Sons, Cloud"`,
		`ParameterKey=SignInClaims,ParameterValue="{\"country\":\"tenant_ctry\"}"`,
	} {
		if code != 0 || !strings.Contains(said, want) {
			t.Errorf("%d: no %s in %s", code, want, said)
		}
	}
	if code, said := lookOver(t, map[string]any{"MailRate": 0}, world(nil), "echo", "deployed"); code != 1 || strings.Contains(said, "deployed ") {
		t.Errorf("deployed all the same: %d %s", code, said)
	}
	if code, _ := lookOver(t, nil, world(nil), "sh", "-c", "exit 7"); code != 7 {
		t.Errorf("a command that fails: %d", code)
	}
	if code := run(t.Context(), nil, &bytes.Buffer{}, world(nil)); code != 2 {
		t.Errorf("without a file: %d", code)
	}
}

// TestTheSample: the sample of parameters is one that every parser takes.
func TestTheSample(t *testing.T) {
	var out bytes.Buffer
	run(t.Context(), []string{"-offline", "-template", "../../template.yaml", "../parameters.json"}, &out, world(nil))
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, wrong) && !strings.Contains(line, "is a name for examples") {
			t.Error(line)
		}
	}
}

// TestRelease: the parameter differs when the program or a parameter does, and not otherwise.
func TestRelease(t *testing.T) {
	folder := t.TempDir()
	if _, err := release(folder, nil); err == nil {
		t.Error("of nothing")
	}
	program := func(text string) {
		if err := os.WriteFile(filepath.Join(folder, "bootstrap"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for n, step := range []struct {
		text, rate string
		fresh      bool
	}{{"one", "14", true}, {"one", "14", false}, {"two", "14", true}, {"two", "50", true}, {"one", "14", false}} {
		program(step.text)
		got, err := release(folder, map[string]string{"MailRate": step.rate})
		if err != nil || len(got) != 64 || seen[got] == step.fresh {
			t.Errorf("%d: %s, %v", n, got, err)
		}
		seen[got] = true
	}
}
