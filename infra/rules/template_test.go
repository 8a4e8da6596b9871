package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/review"
)

// wildcards are the actions that have no resource type, by role, each with its reason. Nothing else may hold a star.
var wildcards = map[string]string{
	"EventsRole s3:PutObject":  "Lambda makes up the names of the objects below aws/lambda",
	"MailerRole ses:SendEmail": "in the sandbox of SES the recipients' identities are asked for, whoever they are: from our own sender, and there alone (TestTrialMail)",

	"MailEventsKey kms:CancelKeyDeletion":    theKey,
	"MailEventsKey kms:Decrypt":              theKey,
	"MailEventsKey kms:DescribeKey":          theKey,
	"MailEventsKey kms:DisableKey":           theKey,
	"MailEventsKey kms:DisableKeyRotation":   theKey,
	"MailEventsKey kms:EnableKey":            theKey,
	"MailEventsKey kms:EnableKeyRotation":    theKey,
	"MailEventsKey kms:GenerateDataKey":      theKey,
	"MailEventsKey kms:GetKeyPolicy":         theKey,
	"MailEventsKey kms:GetKeyRotationStatus": theKey,
	"MailEventsKey kms:ListKeyPolicies":      theKey,
	"MailEventsKey kms:ListResourceTags":     theKey,
	"MailEventsKey kms:PutKeyPolicy":         theKey,
	"MailEventsKey kms:ScheduleKeyDeletion":  theKey,
	"MailEventsKey kms:TagResource":          theKey,
	"MailEventsKey kms:UntagResource":        theKey,
	"MailEventsKey kms:UpdateKeyDescription": theKey,
}

const theKey = "in a key's own policy the star is this key and nothing else"

// streamReaders: a stream shard feeds at most two readers well.
var streamReaders = []string{"MailerFunction", "EventsFunction"}

// pseudo are the parameters that CloudFormation itself gives.
var pseudo = []string{"AWS::AccountId", "AWS::NoValue", "AWS::NotificationARNs", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix"}

type object = map[string]any

// stack is template.yaml as written, short forms such as !Ref in their long form.
type stack struct {
	all       object
	resources object
}

func readTemplate(t *testing.T) stack {
	t.Helper()
	all := ownTable(readWhole(t)).(object)
	return stack{all: all, resources: all["Resources"].(object)}
}

// ownTable takes the stack's own table wherever a restored one could stand in its place: the rules look at the template of every day.
func ownTable(v any) any {
	switch v := v.(type) {
	case object:
		if branches, ok := v["Fn::If"].([]any); ok && len(branches) == 3 && branches[0] == "AdoptsTable" {
			return branches[2]
		}
		out := object{}
		for key, value := range v {
			out[key] = ownTable(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = ownTable(value)
		}
		return out
	}
	return v
}

// TestARestoredTableIsAdopted: whatever names the table, its stream or an index takes the restored one when there is one.
func TestARestoredTableIsAdopted(t *testing.T) {
	own, inUse := 0, 0
	walk(readWhole(t), "template", func(path string, m object) {
		if branches, ok := m["Fn::If"].([]any); ok && branches[0] == "AdoptsTable" {
			inUse++
		}
		text := fmt.Sprint(m["Fn::Sub"])
		if m["Ref"] != "Table" && !slices.Equal(strs(m["Fn::GetAtt"])[:min(1, len(strs(m["Fn::GetAtt"])))], []string{"Table"}) && !strings.Contains(text, "${Table}") && !strings.Contains(text, "${Table.") {
			return
		}
		if own++; !strings.HasSuffix(path, ".Fn::If[2]") {
			t.Errorf("%s names the stack's own table: !If [AdoptsTable, …, …] before it, as elsewhere", path)
		}
	})
	if own == 0 || own != inUse {
		t.Errorf("%d names of the table, %d of them with a restored one in their place", own, inUse)
	}
}

// readWhole reads the template with everything that is there for a restored table.
func readWhole(t *testing.T) object {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil {
		t.Fatal(err)
	}
	return longForm(t, &node).(object)
}

func longForm(t *testing.T, n *yaml.Node) any {
	t.Helper()
	if name, short := strings.CutPrefix(n.Tag, "!"); short && !strings.HasPrefix(name, "!") {
		argument := *n
		argument.Tag = ""
		if n.Kind == yaml.ScalarNode {
			argument.Tag = "!!str"
		}
		v := longForm(t, &argument)
		switch name {
		case "Ref", "Condition":
			return object{name: v}
		case "GetAtt":
			if dotted, ok := v.(string); ok {
				resource, attribute, _ := strings.Cut(dotted, ".")
				v = []any{resource, attribute}
			}
		}
		return object{"Fn::" + name: v}
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return longForm(t, n.Content[0])
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, longForm(t, c))
		}
		return out
	case yaml.MappingNode:
		out := object{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := out[key]; twice {
				t.Errorf("template.yaml:%d: %s stands twice", n.Content[i].Line, key)
			}
			out[key] = longForm(t, n.Content[i+1])
		}
		return out
	}
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatalf("template.yaml:%d: %v", n.Line, err)
	}
	return v
}

// at follows keys into maps; nil where there is nothing.
func at(v any, keys ...string) any {
	for _, key := range keys {
		m, _ := v.(object)
		v = m[key]
	}
	return v
}

// strs reads a string or a list of them.
func strs(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, fmt.Sprint(e))
		}
		return out
	}
	return nil
}

// walk visits every map below v, each with its path.
func walk(v any, path string, visit func(path string, m object)) {
	switch v := v.(type) {
	case object:
		visit(path, v)
		for _, k := range slices.Sorted(maps.Keys(v)) {
			walk(v[k], path+"."+k, visit)
		}
	case []any:
		for i, e := range v {
			walk(e, fmt.Sprintf("%s[%d]", path, i), visit)
		}
	}
}

// ofType gives the resources of a type, ids sorted.
func (s stack) ofType(kind string) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(s.resources)) {
		if at(s.resources[id], "Type") == kind {
			ids = append(ids, id)
		}
	}
	return ids
}

func (s stack) functions() []string { return s.ofType("AWS::Serverless::Function") }

// property of a resource; for functions, Globals stand behind it.
func (s stack) property(id string, keys ...string) any {
	if v := at(s.resources[id], append([]string{"Properties"}, keys...)...); v != nil {
		return v
	}
	if at(s.resources[id], "Type") == "AWS::Serverless::Function" {
		return at(s.all, append([]string{"Globals", "Function"}, keys...)...)
	}
	return nil
}

// event is one entry of a function's Events.
type event struct {
	function, name, kind string
	properties           object
}

func (s stack) events(kinds ...string) []event {
	var out []event
	for _, id := range s.functions() {
		events, _ := s.property(id, "Events").(object)
		for _, name := range slices.Sorted(maps.Keys(events)) {
			kind, _ := at(events[name], "Type").(string)
			if len(kinds) > 0 && !slices.Contains(kinds, kind) {
				continue
			}
			properties, _ := at(events[name], "Properties").(object)
			out = append(out, event{id, name, kind, properties})
		}
	}
	return out
}

// target is the resource that a Ref or a GetAtt names.
func target(v any) string {
	if id, ok := at(v, "Ref").(string); ok {
		// What SAM calls an alias in the template, and in what it makes of it.
		return strings.TrimSuffix(strings.TrimSuffix(id, ".Alias"), "Aliaslive")
	}
	if parts := strs(at(v, "Fn::GetAtt")); len(parts) > 0 {
		return parts[0]
	}
	return ""
}

// folderOf is the folder of a function by the rule that the Makefile has too.
func folderOf(logicalID string) string {
	return strings.ToLower(strings.TrimSuffix(logicalID, "Function"))
}

var placeholder = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

func TestReferencesResolve(t *testing.T) {
	all := readWhole(t)
	s := stack{all: all, resources: all["Resources"].(object)}
	parameters, _ := s.all["Parameters"].(object)
	conditions, _ := s.all["Conditions"].(object)
	used := map[string]bool{}
	resolve := func(path, name string, local object) {
		used[name] = true
		// What SAM makes of an API has a name there.
		if api, ok := strings.CutSuffix(name, ".Stage"); ok && at(s.resources[api], "Type") == "AWS::Serverless::HttpApi" {
			return
		}
		if function, ok := strings.CutSuffix(name, ".Alias"); ok && s.property(function, "AutoPublishAlias") != nil {
			return
		}
		if name == "" || local[name] != nil || slices.Contains(pseudo, name) || parameters[name] != nil || s.resources[name] != nil {
			return
		}
		t.Errorf("%s: %s is neither a parameter nor a resource", path, name)
	}
	condition := func(path string, v any) {
		if name, ok := v.(string); ok {
			used[name] = true
			if conditions[name] == nil {
				t.Errorf("%s: there is no condition %s", path, name)
			}
		}
	}
	walk(s.all, "template", func(path string, m object) {
		// A condition of an IAM statement is a map and is skipped by its type.
		condition(path, m["Condition"])
		if branches, ok := m["Fn::If"].([]any); ok && len(branches) == 3 {
			condition(path, branches[0])
		}
		for _, id := range strs(m["DependsOn"]) {
			resolve(path, id, nil)
		}
		if name, ok := m["Ref"].(string); ok {
			resolve(path, name, nil)
		}
		if v, ok := m["Fn::GetAtt"]; ok {
			parts := strs(v)
			if len(parts) != 2 || s.resources[parts[0]] == nil || parts[1] == "" {
				t.Errorf("%s: GetAtt %v names no attribute of a resource", path, v)
			}
		}
		switch v := m["Fn::Sub"].(type) {
		case string:
			for _, found := range placeholder.FindAllStringSubmatch(v, -1) {
				name, _, _ := strings.Cut(found[1], ".")
				resolve(path, name, nil)
			}
		case []any:
			local, _ := v[len(v)-1].(object)
			for _, found := range placeholder.FindAllStringSubmatch(fmt.Sprint(v[0]), -1) {
				name, _, _ := strings.Cut(found[1], ".")
				resolve(path, name, local)
			}
		}
	})
	for name := range parameters {
		if !used[name] {
			t.Errorf("the parameter %s is asked for and never used", name)
		}
	}
	for name := range conditions {
		if !used[name] {
			t.Errorf("the condition %s is never used", name)
		}
	}
}

func TestEveryFunction(t *testing.T) {
	s := readTemplate(t)
	roles := map[string]string{}
	var folders []string
	for _, id := range s.functions() {
		folders = append(folders, folderOf(id))
		want := func(ok bool, format string, arguments ...any) {
			t.Helper()
			if !ok {
				t.Errorf(id+": "+format, arguments...)
			}
		}
		want(s.property(id, "Runtime") == "provided.al2023", "Runtime is provided.al2023, not %v", s.property(id, "Runtime"))
		want(slices.Equal(strs(s.property(id, "Architectures")), []string{"arm64"}), "Architectures is [arm64]")
		want(s.property(id, "CodeUri") == ".", "CodeUri is . (SAM copies only that folder, and the module's root is needed)")
		want(at(s.resources[id], "Metadata", "BuildMethod") == "makefile", "Metadata.BuildMethod is makefile")
		timeout, _ := s.property(id, "Timeout").(int)
		want(timeout > 0, "Timeout is missing")
		want(s.property(id, "MemorySize") != nil, "MemorySize is missing")
		want(s.property(id, "Policies") == nil, "Policies: write a role of its own, statement by statement")

		role := target(s.property(id, "Role"))
		want(at(s.resources[role], "Type") == "AWS::IAM::Role", "Role is a GetAtt of a role in this template")
		want(roles[role] == "", "shares %s with %s: every function has a role of its own", role, roles[role])
		roles[role] = id
		want(s.property(role, "ManagedPolicyArns") == nil, "%s has managed policies: write its statements", role)

		group := target(s.property(id, "LoggingConfig", "LogGroup"))
		want(at(s.resources[group], "Type") == "AWS::Logs::LogGroup", "LoggingConfig.LogGroup is a log group in this template")
		want(s.property(group, "RetentionInDays") != nil, "%s keeps its logs for ever: RetentionInDays", group)

		_, err := os.Stat(filepath.Join(root, "functions", folderOf(id), "main.go"))
		want(err == nil, "its program is functions/%s/main.go: %v", folderOf(id), err)

		build := exec.Command("make", "--dry-run", "build-"+id, "ARTIFACTS_DIR=/artifacts")
		build.Dir = root
		out, err := build.CombinedOutput()
		want(err == nil, "make build-%s: %v %s", id, err, out)
		for _, part := range []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64", "-trimpath", "-tags lambda.norpc", `-o "/artifacts/bootstrap"`, "./functions/" + folderOf(id) + "\n"} {
			want(strings.Contains(string(out), part), "make build-%s does not say %s:\n%s", id, part, out)
		}

		events := s.events()
		want(id == "AuthorizerFunction" || slices.ContainsFunc(events, func(e event) bool { return e.function == id }), "has no event: nothing would ever call it")
		want(timeout <= 30 || !slices.ContainsFunc(events, func(e event) bool { return e.function == id && e.kind == "HttpApi" }),
			"Timeout %d: API Gateway gives up after 30 seconds", timeout)
	}
	for _, folder := range functionFolders(t) {
		if !slices.Contains(folders, folder) {
			t.Errorf("functions/%s is in no resource of template.yaml", folder)
		}
	}
}

// dialects are the paths of what is translated (docs/compat.md).
var dialects = []string{"/graph/v1.0/{proxy+}", "/graph/beta/{proxy+}", "/pc/v1/{proxy+}"}

func TestEveryRoute(t *testing.T) {
	s := readTemplate(t)
	apis := s.ofType("AWS::Serverless::HttpApi")
	if len(apis) != 1 {
		t.Fatalf("one HTTP API, not %v", apis)
	}
	fallback, _ := s.property(apis[0], "Auth", "DefaultAuthorizer").(string)
	routes, defaults := map[string]string{}, 0
	for _, e := range s.events("HttpApi") {
		method, _ := e.properties["Method"].(string)
		path, _ := e.properties["Path"].(string)
		route := method + " " + path
		if method == "" && path == "" { // what is no route has a page
			if defaults++; defaults > 1 || e.function != "AcceptanceFunction" || at(e.properties, "Auth", "Authorizer") != "NONE" {
				t.Errorf("%s.%s: one route takes what no other does: the public one of the pages", e.function, e.name)
			}
			continue
		}
		// The console is one function with its own table of routes; nothing of it is in another.
		whole := e.function == "ConsoleFunction" && method == "ANY" && (path == "/console" || path == "/console/{proxy+}")
		if !whole && strings.HasPrefix(path, "/console") {
			t.Errorf("%s.%s: %q: the console has two routes, ANY /console and ANY /console/{proxy+}, to its own function", e.function, e.name, route)
		}
		// So is what programs of Graph and Partner Center ask: a route for each dialect and version, for callers with a token.
		translated := e.function == "CompatFunction" && method == "ANY" && slices.Contains(dialects, path)
		if above, ok := strings.CutSuffix(path, "/{page+}"); ok && method == "ANY" {
			// Pages below a page share a route, since each is a statement of a policy that ends at 20 KB: the program knows them by method and path.
			if e.function != "AcceptanceFunction" || at(e.properties, "Auth", "Authorizer") != "NONE" || above == "/v1" || strings.HasPrefix(above, "/v1/") {
				t.Errorf("%s.%s: %q: only pages share a route", e.function, e.name, route)
			}
		} else if !whole && !translated && (method == "" || path == "" || strings.EqualFold(method, "any") || strings.Contains(path, "+}") || path == "$default") {
			t.Errorf("%s.%s: %q: a route names its method and its path, no more than it serves", e.function, e.name, route)
		}
		if target(e.properties["ApiId"]) != apis[0] {
			t.Errorf("%s: ApiId is !Ref %s", route, apis[0])
		}
		if other := routes[route]; other != "" {
			t.Errorf("%s leads to %s and to %s", route, other, e.function)
		}
		routes[route] = e.function

		own, _ := at(e.properties, "Auth", "Authorizer").(string)
		if path != "/v1" && !strings.HasPrefix(path, "/v1/") && !translated {
			if own != "NONE" {
				t.Errorf("%s: a public route says Auth: {Authorizer: NONE}", route)
			}
			continue
		}
		if own == "" {
			own = fallback
		}
		authorizer := at(s.property(apis[0], "Auth", "Authorizers"), own)
		if target(at(authorizer, "FunctionArn")) != "AuthorizerFunction" || at(authorizer, "AuthorizerPayloadFormatVersion") != "2.0" ||
			at(authorizer, "EnableSimpleResponses") != true || at(authorizer, "EnableFunctionDefaultPermissions") != true ||
			!slices.Equal(strs(at(authorizer, "Identity", "Headers")), []string{"Authorization"}) {
			t.Errorf("%s: its authorizer %q is not the AuthorizerFunction, by the Authorization header, that the API may invoke", route, own)
		}
	}
	// What people open from a mail is also probed by mail filters, and a GET route of an HTTP API does not answer HEAD.
	emailed := regexp.MustCompile(`^GET (/[a-z]/\{token\})$`)
	found := false
	for route, function := range routes {
		if link := emailed.FindStringSubmatch(route); link != nil {
			found = true
			if routes["HEAD "+link[1]] != function {
				t.Errorf("HEAD %s does not lead to %s as its GET does", link[1], function)
			}
		}
	}
	if !found || routes["GET /i/{token}"] == "" {
		t.Error("no route serves GET /i/{token}")
	}

	format, _ := s.property(apis[0], "AccessLogSettings", "Format").(string)
	if !strings.Contains(format, "$context.routeKey") || regexp.MustCompile(`\$context\.[A-Za-z.]*[pP]ath`).MatchString(format) {
		t.Error("the access log has the route key and never the path: a path can hold a link")
	}
	if s.property(apis[0], "DefaultRouteSettings", "ThrottlingRateLimit") == nil {
		t.Error("the API has no throttling limit")
	}
}

// statement is one statement of a policy, whatever resource it stands in.
type statement struct {
	path      string
	actions   []string
	resources []any
	body      object
}

func (s stack) statements(t *testing.T, within any, path string) []statement {
	t.Helper()
	var out []statement
	walk(within, path, func(path string, m object) {
		entries, ok := m["Statement"]
		if !ok {
			return
		}
		all, isList := entries.([]any)
		if !isList {
			all = []any{entries}
		}
		for n := 0; n < len(all); n++ {
			entry := all[n]
			if branches, ok := at(entry, "Fn::If").([]any); ok && len(branches) == 3 { // whichever it is
				for _, branch := range branches[1:] {
					if at(branch, "Ref") != "AWS::NoValue" {
						all = append(slices.Clip(all), branch)
					}
				}
				continue
			}
			body, ok := entry.(object)
			if !ok {
				t.Errorf("%s: a statement is a map", path)
				continue
			}
			resources, isList := body["Resource"].([]any)
			if !isList && body["Resource"] != nil {
				resources = []any{body["Resource"]}
			}
			out = append(out, statement{path, strs(body["Action"]), resources, body})
		}
	})
	return out
}

func TestPolicies(t *testing.T) {
	s := readTemplate(t)
	allowed := map[string]bool{}
	for _, id := range slices.Sorted(maps.Keys(s.resources)) {
		for _, one := range s.statements(t, s.resources[id], id) {
			for _, key := range []string{"NotAction", "NotResource", "NotPrincipal"} {
				if one.body[key] != nil {
					t.Errorf("%s: %s allows what nobody listed", one.path, key)
				}
			}
			if len(one.actions) == 0 {
				t.Errorf("%s: a statement without an action", one.path)
			}
			if len(one.resources) == 0 && !strings.Contains(one.path, "AssumeRolePolicyDocument") {
				t.Errorf("%s: %v without a resource", one.path, one.actions)
			}
			star := false
			for _, resource := range one.resources {
				written, err := json.Marshal(resource)
				if err != nil {
					t.Fatal(err)
				}
				star = star || strings.ContainsAny(string(written), "*?")
			}
			for _, action := range one.actions {
				if strings.ContainsAny(action, "*?") {
					t.Errorf("%s: %s: actions are written out", one.path, action)
				}
				if strings.EqualFold(action, "dynamodb:Scan") {
					t.Errorf("%s: nothing scans", one.path)
				}
				if star && at(one.body, "Effect") != "Deny" {
					key := id + " " + action
					allowed[key] = true
					if wildcards[key] == "" {
						t.Errorf("%s: %s on a resource with a wildcard; if the action has no resource type, list %q with the reason in `wildcards`", one.path, action, key)
					}
				}
			}
		}
	}
	for key := range wildcards {
		if !allowed[key] {
			t.Errorf("`wildcards` explains %q, which the template no longer has", key)
		}
	}
}

// TestTrialMail: identities that are not ours may be used in the sandbox of SES alone, and by our own sender.
func TestTrialMail(t *testing.T) {
	s := readTemplate(t)
	walk(s.resources, "Resources", func(path string, m object) {
		written, err := json.Marshal(m["Resource"])
		if err != nil || !strings.Contains(string(written), ":identity/*") {
			return
		}
		sender, _ := at(m["Condition"], "StringEquals", "ses:FromAddress", "Fn::Sub").(string)
		if from, _ := at(s.property("MailerFunction", "Environment", "Variables", "MAIL_FROM"), "Fn::Sub").(string); sender == "" || !strings.HasSuffix(from, "<"+sender+">") {
			t.Errorf("%s: any identity for %q, where MAIL_FROM is %s", path, sender, from)
		}
		if !strings.Contains(path, ".Fn::If[1]") {
			t.Errorf("%s: any identity without a condition", path)
		}
	})
	statements, _ := s.property("MailerRole", "Policies").([]any)
	found := 0
	walk(statements, "MailerRole", func(path string, m object) {
		if branches, ok := m["Fn::If"].([]any); ok && branches[0] == "InSesSandbox" && at(branches[2], "Ref") == "AWS::NoValue" {
			found++
		}
	})
	if found != 1 || at(s.all, "Parameters", "SesSandbox", "Default") != "false" {
		t.Errorf("%d statements for the sandbox alone, want 1", found)
	}
}

func TestStreamsAndSchedules(t *testing.T) {
	s := readTemplate(t)
	if mappings := s.ofType("AWS::Lambda::EventSourceMapping"); len(mappings) > 0 {
		t.Errorf("%v: stream mappings stand among their function's events", mappings)
	}
	readers := map[string]bool{}
	for _, e := range s.events("DynamoDB") {
		name := e.function + "." + e.name
		readers[e.function] = true
		if !slices.Contains(streamReaders, e.function) {
			t.Errorf("%s reads the stream: only %v do", name, streamReaders)
		}
		if !slices.Contains(strs(e.properties["FunctionResponseTypes"]), "ReportBatchItemFailures") {
			t.Errorf("%s: FunctionResponseTypes has ReportBatchItemFailures, or one bad record repeats its whole batch", name)
		}
		if e.properties["BisectBatchOnFunctionError"] != true {
			t.Errorf("%s: BisectBatchOnFunctionError is true", name)
		}
		for _, key := range []string{"MaximumRetryAttempts", "MaximumRecordAgeInSeconds"} {
			if limit, ok := e.properties[key].(int); !ok || limit <= 0 {
				t.Errorf("%s: %s is a positive number, or a poison record blocks its shard", name, key)
			}
		}
		filters, _ := at(e.properties["FilterCriteria"], "Filters").([]any)
		if len(filters) == 0 {
			t.Errorf("%s: FilterCriteria is missing: a function is not woken by its own writes", name)
		}
		for _, filter := range filters {
			if pattern, _ := at(filter, "Pattern").(string); !json.Valid([]byte(pattern)) {
				t.Errorf("%s: the filter pattern is not JSON: %s", name, pattern)
			}
		}
		if !s.alarmOn("IteratorAge", e.function) {
			t.Errorf("%s: no alarm on %s's IteratorAge", name, e.function)
		}
	}
	// Both queues of an invitation wake the mailer, and no other write: its own, claims and outcomes, are other words.
	var words []string
	for _, e := range s.events("DynamoDB") {
		filters, _ := at(e.properties["FilterCriteria"], "Filters").([]any)
		for _, filter := range filters {
			if pattern, _ := at(filter, "Pattern").(string); e.function == "MailerFunction" {
				words = append(words, pattern)
			}
		}
	}
	slices.Sort(words)
	if want := []string{`{"dynamodb":{"NewImage":{"mail":{"S":["queued"]}}}}`, `{"dynamodb":{"NewImage":{"post":{"S":["queued"]}}}}`}; !slices.Equal(words, want) {
		t.Errorf("MailerFunction is woken by %q, want %q", words, want)
	}
	if !readers["MailerFunction"] {
		t.Error("MailerFunction has no stream mapping: no mail would leave")
	}
	if !readers["EventsFunction"] {
		t.Error("EventsFunction has no stream mapping: nobody would learn what happens")
	}
	for _, e := range s.events("DynamoDB") {
		if e.function != "EventsFunction" {
			continue
		}
		// No other way brings an event home: it is tried for as long as the stream has it, and then kept whole.
		if e.properties["MaximumRecordAgeInSeconds"] != 86400 || e.properties["MaximumRetryAttempts"] != 10000 {
			t.Errorf("%s.%s: records are tried to the end of the stream's 24 hours", e.function, e.name)
		}
		if bucketOf(s, e) == "" {
			t.Errorf("%s.%s: DestinationConfig.OnFailure.Destination is a bucket: a message to a queue or topic holds only where records stood", e.function, e.name)
		}
	}
	for _, e := range s.events("Schedule") {
		t.Errorf("%s.%s: schedules are ScheduleV2 (EventBridge Scheduler: retries, dead letters)", e.function, e.name)
	}
	for _, e := range s.events("ScheduleV2") {
		if at(e.properties, "RetryPolicy", "MaximumRetryAttempts") == nil || target(at(e.properties, "DeadLetterConfig", "Arn")) == "" {
			t.Errorf("%s.%s: a schedule has a RetryPolicy and a DeadLetterConfig", e.function, e.name)
		}
		// Those end when Lambda has accepted the event; by itself Lambda forgets it after two retries.
		if s.property(e.function, "EventInvokeConfig", "MaximumRetryAttempts") == nil || s.property(e.function, "EventInvokeConfig", "MaximumEventAgeInSeconds") == nil || s.failuresOf(e.function) == "" {
			t.Errorf("%s: what a schedule calls has an EventInvokeConfig with its retries, the age of events and a queue for those it fails on", e.function)
		} else if !s.alarmOn("ApproximateNumberOfMessagesVisible", s.failuresOf(e.function)) {
			t.Errorf("%s: no alarm on what it failed on, in %s", e.function, s.failuresOf(e.function))
		}
	}
	walk(s.resources, "Resources", func(path string, m object) {
		letters := target(at(m["DeadLetterConfig"], "Arn"))
		if letters == "" {
			letters = target(at(m["RedrivePolicy"], "deadLetterTargetArn"))
		}
		if letters != "" && !s.alarmOn("ApproximateNumberOfMessagesVisible", letters) {
			t.Errorf("%s: no alarm on the dead letters in %s", path, letters)
		}
	})
}

// TestQueuesAndTopics: what is published reaches its function, and what the function cannot handle is kept and seen.
func TestQueuesAndTopics(t *testing.T) {
	s := readTemplate(t)
	// grants tells whether the policy of a resource lets a service do something for one source alone.
	grants := func(kind, list, resource, service, action, source string) bool {
		return slices.ContainsFunc(s.ofType(kind), func(policy string) bool {
			named, _ := s.property(policy, list).([]any)
			return slices.ContainsFunc(named, func(v any) bool { return target(v) == resource }) &&
				slices.ContainsFunc(s.statements(t, s.property(policy), policy), func(one statement) bool {
					condition, err := json.Marshal(one.body["Condition"])
					return err == nil && at(one.body, "Principal", "Service") == service && slices.Contains(one.actions, action) &&
						strings.Contains(string(condition), "aws:SourceArn") && strings.Contains(string(condition), source)
				})
		})
	}
	for _, e := range s.events("SQS") {
		name := e.function + "." + e.name
		id := target(e.properties["Queue"])
		if at(s.resources[id], "Type") != "AWS::SQS::Queue" {
			t.Errorf("%s: Queue is a queue of this template", name)
			continue
		}
		if !slices.Contains(strs(e.properties["FunctionResponseTypes"]), "ReportBatchItemFailures") {
			t.Errorf("%s: FunctionResponseTypes has ReportBatchItemFailures, or one bad message repeats its whole batch", name)
		}
		timeout, _ := s.property(e.function, "Timeout").(int)
		if visibility, _ := s.property(id, "VisibilityTimeout").(int); visibility < 6*timeout {
			t.Errorf("%s: VisibilityTimeout %d is less than six times the %d seconds of %s", id, visibility, timeout, e.function)
		}
		if receives, _ := s.property(id, "RedrivePolicy", "maxReceiveCount").(int); receives < 5 || target(s.property(id, "RedrivePolicy", "deadLetterTargetArn")) == "" {
			t.Errorf("%s: a RedrivePolicy with at least five receives: throttled batches count too", id)
		}
		if !s.alarmOn("ApproximateAgeOfOldestMessage", id) {
			t.Errorf("%s: no alarm on what waits for too long", id)
		}
	}
	for _, id := range s.ofType("AWS::SNS::Subscription") {
		if s.property(id, "Protocol") != "sqs" {
			continue
		}
		topic, queue := target(s.property(id, "TopicArn")), target(s.property(id, "Endpoint"))
		if key := target(s.property(topic, "KmsMasterKeyId")); at(s.resources[key], "Type") != "AWS::KMS::Key" {
			t.Errorf("%s: what it carries is encrypted with a key of this template: services cannot use the one that AWS manages", topic)
		}
		if !grants("AWS::SQS::QueuePolicy", "Queues", queue, "sns.amazonaws.com", "sqs:SendMessage", topic) {
			t.Errorf("%s: no policy lets %s, and it alone, send to %s", id, topic, queue)
		}
	}
	sets := map[string]bool{}
	for _, id := range s.ofType("AWS::SES::ConfigurationSetEventDestination") {
		set, topic := target(s.property(id, "ConfigurationSetName")), target(s.property(id, "EventDestination", "SnsDestination", "TopicARN"))
		sets[set] = s.property(id, "EventDestination", "Enabled") == true
		if !grants("AWS::SNS::TopicPolicy", "Topics", topic, "ses.amazonaws.com", "sns:Publish", set) {
			t.Errorf("%s: no policy lets SES publish to %s, for %s alone", id, topic, set)
		}
		key := target(s.property(topic, "KmsMasterKeyId"))
		if !slices.ContainsFunc(s.statements(t, s.property(key), key), func(one statement) bool {
			return at(one.body, "Principal", "Service") == "ses.amazonaws.com" && slices.Contains(one.actions, "kms:GenerateDataKey") && slices.Contains(one.actions, "kms:Decrypt")
		}) {
			t.Errorf("%s: SES may not use %s", id, key)
		}
		types := strs(s.property(id, "EventDestination", "MatchingEventTypes"))
		needed := []string{"reject", "bounce", "complaint"}
		if set != target(s.property("MailerFunction", "Environment", "Variables", "NOTICE_CONFIGURATION_SET")) { // whose way somebody follows
			needed = append(needed, "send", "delivery", "deliveryDelay")
		}
		for _, kind := range needed {
			if !slices.Contains(types, kind) {
				t.Errorf("%s: MatchingEventTypes lacks %s", id, kind)
			}
		}
		for _, kind := range []string{"open", "click"} {
			if slices.Contains(types, kind) {
				t.Errorf("%s: nobody is tracked: no %s", id, kind)
			}
		}
		if !slices.Contains(strs(at(s.resources[id], "DependsOn")), "MailEventsPolicy") {
			t.Errorf("%s: DependsOn the topic's policy: SES tries the topic when the destination is made", id)
		}
	}
	for _, id := range s.ofType("AWS::SES::ConfigurationSet") {
		if !sets[id] {
			t.Errorf("%s has no event destination: nobody would learn what became of a mail", id)
		}
	}
}

// bucketOf is the bucket that an event source leaves its failed records in.
func bucketOf(s stack, e event) string {
	if id := target(at(e.properties, "DestinationConfig", "OnFailure", "Destination")); at(s.resources[id], "Type") == "AWS::S3::Bucket" {
		return id
	}
	return ""
}

func TestBucketsArePrivate(t *testing.T) {
	s := readTemplate(t)
	for _, id := range s.ofType("AWS::S3::Bucket") {
		for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			if s.property(id, "PublicAccessBlockConfiguration", block) != true {
				t.Errorf("%s: %s is true", id, block)
			}
		}
		if s.property(id, "BucketEncryption", "ServerSideEncryptionConfiguration") == nil {
			t.Errorf("%s says how it is encrypted", id)
		}
		rules, _ := s.property(id, "LifecycleConfiguration", "Rules").([]any)
		if !slices.ContainsFunc(rules, func(r any) bool {
			days, ok := at(r, "ExpirationInDays").(int)
			return ok && days > 0 && at(r, "Status") == "Enabled"
		}) {
			t.Errorf("%s keeps what is in it for ever", id)
		}
		if !slices.ContainsFunc(s.ofType("AWS::S3::BucketPolicy"), func(policy string) bool {
			return target(s.property(policy, "Bucket")) == id && slices.ContainsFunc(s.statements(t, s.resources[policy], policy), func(one statement) bool {
				return at(one.body, "Effect") == "Deny" && at(one.body, "Condition", "Bool", "aws:SecureTransport") == "false"
			})
		}) {
			t.Errorf("%s has no policy that denies requests without TLS", id)
		}
	}
}

// watched are the metrics of an alarm: its own, or those that its expression is over.
func (s stack) watched(alarm string) []any {
	metrics, ok := s.property(alarm, "Metrics").([]any)
	if !ok {
		return []any{s.property(alarm)}
	}
	var out []any
	for _, m := range metrics {
		if stat := at(m, "MetricStat", "Metric"); stat != nil {
			out = append(out, stat)
		}
	}
	return out
}

// alarmOn tells whether an alarm watches a metric with a dimension that names the resource.
func (s stack) alarmOn(metric, resource string) bool {
	return slices.ContainsFunc(s.ofType("AWS::CloudWatch::Alarm"), func(id string) bool {
		return slices.ContainsFunc(s.watched(id), func(m any) bool {
			dimensions, _ := at(m, "Dimensions").([]any)
			return at(m, "MetricName") == metric &&
				slices.ContainsFunc(dimensions, func(d any) bool { return target(at(d, "Value")) == resource })
		})
	})
}

// failuresOf is the queue to which Lambda sends the events that a function failed on.
func (s stack) failuresOf(function string) string {
	id := target(s.property(function, "EventInvokeConfig", "DestinationConfig", "OnFailure", "Destination"))
	if at(s.resources[id], "Type") == "AWS::SQS::Queue" && s.property(function, "EventInvokeConfig", "DestinationConfig", "OnFailure", "Type") == "SQS" {
		return id
	}
	return ""
}

func TestTheTable(t *testing.T) {
	s := readTemplate(t)
	tables := s.ofType("AWS::DynamoDB::Table")
	if len(tables) != 1 {
		t.Fatalf("one table, not %v", tables)
	}
	for path, wanted := range map[string]any{
		"Properties.BillingMode":                                                 "PAY_PER_REQUEST",
		"Properties.DeletionProtectionEnabled":                                   true,
		"Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled": true,
		"Properties.SSESpecification.SSEEnabled":                                 true,
		"Properties.StreamSpecification.StreamViewType":                          "NEW_AND_OLD_IMAGES",
		"Properties.TimeToLiveSpecification.Enabled":                             true,
	} {
		if got := at(s.resources[tables[0]], strings.Split(path, ".")...); got != wanted {
			t.Errorf("%s.%s is %v, not %v", tables[0], path, wanted, got)
		}
	}
	// What cannot be made again outlives the stack; of everything else the template says that it may go. A deployment that fails before
	// anything was in use leaves neither a secret nor a bucket behind.
	for kind, deletion := range map[string]string{
		"AWS::DynamoDB::Table": "Retain", "AWS::SecretsManager::Secret": "RetainExceptOnCreate", "AWS::S3::Bucket": "RetainExceptOnCreate",
	} {
		for _, id := range s.ofType(kind) {
			for policy, want := range map[string]string{"DeletionPolicy": deletion, "UpdateReplacePolicy": "Retain"} {
				if at(s.resources[id], policy) != want {
					t.Errorf("%s: %s is %s", id, policy, want)
				}
			}
		}
	}
	for _, id := range s.ofType("AWS::SQS::Queue") {
		if s.property(id, "SqsManagedSseEnabled") != true && s.property(id, "KmsMasterKeyId") == nil {
			t.Errorf("%s is not encrypted", id)
		}
	}
}

func TestEveryAlarmHasAnAction(t *testing.T) {
	s := readTemplate(t)
	alarms := s.ofType("AWS::CloudWatch::Alarm")
	if len(alarms) == 0 {
		t.Fatal("there are no alarms")
	}
	for _, id := range alarms {
		actions, _ := s.property(id, "AlarmActions").([]any)
		if len(actions) == 0 || slices.ContainsFunc(actions, func(v any) bool { return at(s.resources[target(v)], "Type") != "AWS::SNS::Topic" }) {
			t.Errorf("%s: AlarmActions names a topic of this template", id)
		}
		for _, key := range []string{"AlarmDescription", "TreatMissingData"} {
			if s.property(id, key) == nil {
				t.Errorf("%s: %s is missing", id, key)
			}
		}
	}
}

func TestEveryFunctionIsWatched(t *testing.T) {
	s := readTemplate(t)
	for _, id := range s.functions() {
		if !s.alarmOn("Errors", id) {
			t.Errorf("%s: no alarm on its Errors", id)
		}
	}
	for _, e := range s.events("HttpApi") {
		if !s.alarmOn("Throttles", e.function) {
			t.Errorf("%s: no alarm on the Throttles of a function of the API", e.function)
			break
		}
	}
	for _, id := range s.ofType("AWS::DynamoDB::Table") {
		indexes, _ := s.property(id, "GlobalSecondaryIndexes").([]any)
		watched := fmt.Sprint(s.watched("TableThrottlesAlarm"))
		for _, index := range indexes {
			if name := fmt.Sprint(at(index, "IndexName")); !strings.Contains(watched, "Name:GlobalSecondaryIndexName Value:"+name+"]") {
				t.Errorf("%s: no alarm on the throttles of the index %s", id, name)
			}
		}
		if !s.alarmOn("ReadThrottleEvents", id) || !s.alarmOn("WriteThrottleEvents", id) {
			t.Errorf("%s: no alarm on its throttles", id)
		}
	}
	for _, id := range s.ofType("AWS::S3::Bucket") {
		if !s.alarmOn("NumberOfObjects", id) {
			t.Errorf("%s: no alarm on what is put there", id)
		}
	}
	for _, id := range s.ofType("AWS::Logs::MetricFilter") {
		made, _ := s.property(id, "MetricTransformations").([]any)
		for _, m := range made {
			if at(m, "MetricNamespace", "Fn::Sub") != "Concord/${AWS::StackName}" || at(m, "DefaultValue") != nil {
				t.Errorf("%s: its namespace is the stack's, and no zero is written", id)
			}
			if !slices.ContainsFunc(s.ofType("AWS::CloudWatch::Alarm"), func(alarm string) bool {
				return s.property(alarm, "MetricName") == at(m, "MetricName") && at(s.property(alarm, "Namespace"), "Fn::Sub") == at(m, "MetricNamespace", "Fn::Sub")
			}) {
				t.Errorf("%s: no alarm on what it counts", id)
			}
		}
	}
	// A policy of a topic's own takes the place of the one that lets the account's alarms publish.
	publishers := map[string]bool{}
	for _, one := range s.statements(t, s.property("AlarmsPolicy"), "AlarmsPolicy") {
		for _, service := range strs(at(one.body, "Principal", "Service")) {
			publishers[service] = at(one.body, "Effect") == "Allow" && slices.Contains(one.actions, "sns:Publish") && one.body["Condition"] != nil
		}
	}
	for _, service := range []string{"cloudwatch.amazonaws.com", "budgets.amazonaws.com", "events.amazonaws.com"} {
		if !publishers[service] {
			t.Errorf("%s may not publish to Alarms, or for any account", service)
		}
	}
	// Silence of these is no news: they are counted when they happen.
	for _, metric := range []string{"MailBlocked", "MailFailed", "RecordPoisoned"} {
		if !slices.ContainsFunc(s.ofType("AWS::CloudWatch::Alarm"), func(id string) bool {
			return slices.ContainsFunc(s.watched(id), func(m any) bool { return at(m, "MetricName") == metric })
		}) {
			t.Errorf("no alarm on %s", metric)
		}
	}
}

// TestReleases: a function is called by its alias, a new version comes with each release, and its own alarm ends the release. An alarm that
// speaks of the API cannot do it: the API leads to the alias, which would wait for the alarm.
func TestReleases(t *testing.T) {
	s := readTemplate(t)
	for _, id := range s.functions() {
		if s.property(id, "AutoPublishAlias") != "live" || s.property(id, "AutoPublishAliasAllProperties") != true || at(s.property(id, "AutoPublishCodeSha256"), "Ref") != "Release" {
			t.Errorf("%s: AutoPublishCodeSha256: !Ref Release, AutoPublishAliasAllProperties, and what Globals say of its alias", id)
		}
		const preference = "DeploymentPreference"
		alarms, _ := s.property(id, preference, "Alarms").([]any)
		if at(s.property(id, preference, "Enabled"), "Ref") != "GradualReleases" || s.property(id, preference, "Type") == nil || len(alarms) == 0 {
			t.Errorf("%s: a release of it has no alarm that ends it", id)
		}
		for _, each := range alarms {
			alarm := target(each)
			if s.property(alarm, "MetricName") != "Errors" || !strings.Contains(fmt.Sprint(s.property(alarm, "Dimensions")), "Ref:"+id+"]") {
				t.Errorf("%s: %s is no alarm on its own errors", id, alarm)
			}
		}
	}
}

// TestOwnMetricsAreOfThisStack: the figures of another stack in the same account and region neither raise an alarm nor hide one.
func TestOwnMetricsAreOfThisStack(t *testing.T) {
	s := readTemplate(t)
	written := map[string]bool{}
	literal := regexp.MustCompile(`"([A-Z][A-Za-z]+)"`)
	metrics := regexp.MustCompile(`observe\.Metrics\{[^}]*\}|\.Metrics\(.*?\)`)
	made := 0
	for name, content := range tracked(t) {
		if filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || !strings.HasPrefix(name, "functions/") && !strings.HasPrefix(name, "internal/") {
			continue
		}
		for _, found := range literal.FindAllSubmatch(content, -1) {
			written[string(found[1])] = true
		}
		if name == "internal/app/app.go" { // the one place that makes them
			continue
		}
		folder, isFunction := strings.CutPrefix(filepath.ToSlash(filepath.Dir(name)), "internal/app/")
		for _, found := range metrics.FindAll(content, -1) {
			if want := fmt.Sprintf(".Metrics(c.Stack, %q)", folder); !isFunction || string(found) != want {
				t.Errorf("%s: %s, not %s", name, found, want)
			}
			made++
		}
	}
	if made < 6 {
		t.Errorf("%d functions make metrics", made)
	}
	for _, id := range s.functions() {
		if given := s.property(id, "Environment", "Variables", "STACK"); given != nil && at(given, "Ref") != "AWS::StackName" {
			t.Errorf("%s: STACK is !Ref AWS::StackName", id)
		}
	}
	found := 0
	for _, id := range s.ofType("AWS::CloudWatch::Alarm") {
		for _, m := range s.watched(id) {
			if at(m, "Namespace") != "Concord" {
				continue
			}
			found++
			dimensions, _ := at(m, "Dimensions").([]any)
			values := object{}
			for _, d := range dimensions {
				values[fmt.Sprint(at(d, "Name"))] = at(d, "Value")
			}
			function, _ := values["Function"].(string)
			if len(values) != 2 || at(values["Stack"], "Ref") != "AWS::StackName" || !slices.Contains(functionFolders(t), function) {
				t.Errorf("%s: %v: the dimensions of our own metrics are Stack, which is !Ref AWS::StackName, and Function, a folder of functions/", id, dimensions)
			}
			if metric, _ := at(m, "MetricName").(string); !written[metric] {
				t.Errorf("%s: nothing writes the metric %s", id, metric)
			}
		}
	}
	if found == 0 {
		t.Error("no alarm watches a metric of ours")
	}
}

// TestWhatIsGivenUpIsWatched: a mail of any kind that is given up raises an alarm, whether the mailer gives it up or cleanup does.
func TestWhatIsGivenUpIsWatched(t *testing.T) {
	s := readTemplate(t)
	watched := map[string]bool{}
	for _, m := range s.watched("MailFailedAlarm") {
		dimensions, _ := at(m, "Dimensions").([]any)
		for _, d := range dimensions {
			if function, ok := at(d, "Value").(string); ok && at(d, "Name") == "Function" && at(m, "MetricName") == "MailFailed" {
				watched[function] = true
			}
		}
	}
	if !watched["mailer"] || !watched["cleanup"] {
		t.Errorf("MailFailed is watched of %v, want of mailer and cleanup", watched)
	}
	counts := slices.Concat(invitation.Cleanup{}.Counts(), granular.Cleanup{}.Counts(), enrolment.Cleanup{}.Counts(),
		review.Cleanup{}.Counts())
	if n := len(slices.DeleteFunc(counts, func(name string) bool { return name != "MailFailed" })); n != 4 {
		t.Errorf("%d of the four duties that give up mail count it as MailFailed", n)
	}
}

// filled is a text with !Sub as CloudFormation fills it in; what has no value is named by itself.
func filled(v any, values map[string]string) string {
	text, _ := at(v, "Fn::Sub").(string)
	if parts, ok := at(v, "Fn::Sub").([]any); ok {
		text, _ = parts[0].(string)
	}
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "${"), "}")
		if value, ok := values[name]; ok {
			return value
		}
		return name
	})
}

func TestTheDashboardShowsEveryFunction(t *testing.T) {
	s := readTemplate(t)
	dashboards := s.ofType("AWS::CloudWatch::Dashboard")
	if len(dashboards) != 1 {
		t.Fatalf("one dashboard, not %v", dashboards)
	}
	var board struct {
		Widgets []struct {
			Properties struct {
				Region  string
				Title   string
				Metrics [][]any
			}
		}
	}
	if err := json.Unmarshal([]byte(filled(s.property(dashboards[0], "DashboardBody"), nil)), &board); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, w := range board.Widgets {
		if w.Properties.Region != "AWS::Region" || w.Properties.Title == "" || len(w.Properties.Metrics) == 0 {
			t.Errorf("widget %+v", w)
		}
		for _, metric := range w.Properties.Metrics {
			text := fmt.Sprint(metric...)
			shown[text] = true
			if metric[0] == "Concord" && (len(metric) < 6 || metric[2] != "Stack" || metric[3] != "AWS::StackName") {
				t.Errorf("%s: %v is of no stack", w.Properties.Title, metric)
			}
		}
	}
	for _, id := range s.functions() {
		for _, metric := range []string{"Errors", "Throttles", "Duration"} {
			if !shown[fmt.Sprint("AWS/Lambda", metric, "FunctionName", id)] {
				t.Errorf("the dashboard does not show %s of %s", metric, id)
			}
		}
	}
}

// TestTheOperationsPageKnowsEveryAlarm compares the alarms with the page's table, both ways.
func TestTheOperationsPageKnowsEveryAlarm(t *testing.T) {
	s := readTemplate(t)
	page, err := os.ReadFile(filepath.Join(root, "infra", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Alarms\n")
	section, _, _ = strings.Cut(section, "\n## ")
	explained := map[string]bool{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "---") || strings.TrimSpace(cells[1]) == "Alarm" {
			continue
		}
		for name := range strings.SplitSeq(cells[1], ",") {
			name = strings.TrimSpace(name)
			if explained[name] {
				t.Errorf("%s stands twice in infra/operations.md", name)
			}
			explained[name] = true
			if at(s.resources[name], "Type") != "AWS::CloudWatch::Alarm" {
				t.Errorf("infra/operations.md explains %q, which is no alarm", name)
			}
		}
		if len(strings.TrimSpace(cells[2])) < 20 || len(strings.TrimSpace(cells[3])) < 8 {
			t.Errorf("infra/operations.md does not say what%s means and what to do", cells[1])
		}
	}
	for _, id := range s.ofType("AWS::CloudWatch::Alarm") {
		if !explained[id] {
			t.Errorf("infra/operations.md does not explain %s", id)
		}
	}
}

func TestEveryFunctionHasTheSameClouds(t *testing.T) {
	s := readTemplate(t)
	clouds := map[string]string{}
	for _, id := range s.functions() {
		if v := s.property(id, "Environment", "Variables", "CLOUDS"); v != nil {
			text, _ := at(v, "Fn::Sub").(string)
			clouds[text] += " " + id
		}
	}
	if len(clouds) != 1 || clouds[""] != "" {
		t.Errorf("CLOUDS is not one text: %q", clouds)
	}
}

// TestNamesFitWhereTheyStand: what the parameters admit breaks neither the sender's address nor the list of clouds.
func TestNamesFitWhereTheyStand(t *testing.T) {
	s := readTemplate(t)
	admits := func(parameter, value string) bool {
		pattern, _ := at(s.all, "Parameters", parameter, "AllowedPattern").(string)
		if pattern == "" {
			t.Fatalf("%s has no AllowedPattern", parameter)
		}
		return regexp.MustCompile(`\A(?:` + pattern + `)\z`).MatchString(value)
	}
	for name, admitted := range map[string]bool{
		"Concord": true, "Dogwood, Elm & Sons: Cloud; <EU> (West)": true, "Société Générale d’Informatique": true, "株式会社": true, "a@b": true,
		`The "Cloud"`: false, `a\b`: false, "a\nb": false, "a\tb": false, "": false, "a\x7fb": false,
	} {
		for _, parameter := range []string{"MailFromName", "PublicPortalName", "UsGovPortalName"} {
			if admits(parameter, name) != admitted {
				t.Errorf("%s: %q is admitted: %t", parameter, name, !admitted)
			}
		}
		values := map[string]string{
			"MailFromName": name, "MailDomain": "mail.example", "PublicPortalName": name, "UsGovPortalName": name,
			"PublicPortalUrl": "https://portal.example", "UsGovPortalUrl": "https://gov.portal.example:8443",
		}
		if !admitted {
			continue
		}
		from := filled(s.property("MailerFunction", "Environment", "Variables", "MAIL_FROM"), values)
		if address, err := mail.ParseAddress(from); err != nil || address.Name != name || address.Address != "invitations@mail.example" {
			t.Errorf("%s: %v, %v", from, address, err)
		}
		for _, id := range s.functions() {
			v := s.property(id, "Environment", "Variables", "CLOUDS")
			if v == nil {
				continue
			}
			clouds, err := partner.ParseClouds(filled(v, values))
			if err != nil || len(clouds) != 2 || clouds[0].PortalName != name || clouds[1].PortalName != name {
				t.Errorf("%s: %q: %v, %v", id, name, clouds, err)
			}
		}
	}
	for url, admitted := range map[string]bool{
		"https://portal.example": true, "http://127.0.0.1:8080": true, "http://portal.example": false, "http://127.0.0.1.example": false, "https://portal.example/": false, `https://a"b`: false, `https://a\b`: false, "portal.example": false,
	} {
		for _, parameter := range []string{"PublicPortalUrl", "UsGovPortalUrl"} {
			if admits(parameter, url) != admitted {
				t.Errorf("%s: %q is admitted: %t", parameter, url, !admitted)
			}
		}
	}
	for url, admitted := range map[string]bool{
		"https://id.example/tenant/v2.0": true, "http://127.0.0.1:8081": true, "http://localhost:8081/realms/concord": true,
		"http://id.example": false, "http://localhost.example/x": false, `https://id.example/"`: false, "id.example": false, "https://": false,
	} {
		for _, parameter := range []string{"Issuer", "UsGovIssuer", "PrivacyNoticeUrl", "ImprintUrl"} {
			if admits(parameter, url) != admitted {
				t.Errorf("%s: %q is admitted: %t", parameter, url, !admitted)
			}
		}
	}
	for parameter, may := range map[string]bool{"Issuer": false, "PrivacyNoticeUrl": false, "UsGovIssuer": true, "ImprintUrl": true, "AlarmEmail": true} {
		if admits(parameter, "") != may {
			t.Errorf("%s may be empty: %t", parameter, !may)
		}
	}
	for parameter, url := range map[string]string{"Issuer": "https://id.example/", "UsGovIssuer": "http://127.0.0.1:8081/", "AlarmEmail": "somebody"} {
		if admits(parameter, url) {
			t.Errorf("%s: %q is admitted", parameter, url)
		}
	}
}
