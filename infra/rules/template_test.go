package rules

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// wildcards are the actions that have no resource type, by role, each with its reason. Nothing else may hold a star.
var wildcards = map[string]string{}

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
	raw, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil {
		t.Fatal(err)
	}
	all := longForm(t, &node).(object)
	return stack{all: all, resources: all["Resources"].(object)}
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
		return id
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
	s := readTemplate(t)
	parameters, _ := s.all["Parameters"].(object)
	conditions, _ := s.all["Conditions"].(object)
	used := map[string]bool{}
	resolve := func(path, name string, local object) {
		used[name] = true
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
		want(slices.ContainsFunc(events, func(e event) bool { return e.function == id }), "has no event: nothing would ever call it")
		want(timeout <= 30 || !slices.ContainsFunc(events, func(e event) bool { return e.function == id && e.kind == "HttpApi" }),
			"Timeout %d: API Gateway gives up after 30 seconds", timeout)
	}
	for _, folder := range functionFolders(t) {
		if !slices.Contains(folders, folder) {
			t.Errorf("functions/%s is in no resource of template.yaml", folder)
		}
	}
}

func TestEveryRoute(t *testing.T) {
	s := readTemplate(t)
	apis := s.ofType("AWS::Serverless::HttpApi")
	if len(apis) != 1 {
		t.Fatalf("one HTTP API, not %v", apis)
	}
	fallback, _ := s.property(apis[0], "Auth", "DefaultAuthorizer").(string)
	routes := map[string]string{}
	for _, e := range s.events("HttpApi") {
		method, _ := e.properties["Method"].(string)
		path, _ := e.properties["Path"].(string)
		route := method + " " + path
		if method == "" || path == "" || strings.EqualFold(method, "any") || strings.Contains(path, "+}") || path == "$default" {
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
		if path != "/v1" && !strings.HasPrefix(path, "/v1/") {
			if own != "NONE" {
				t.Errorf("%s: a public route says Auth: {Authorizer: NONE}", route)
			}
			continue
		}
		if own == "" {
			own = fallback
		}
		authorizer := at(s.property(apis[0], "Auth", "Authorizers"), own)
		if at(authorizer, "JwtConfiguration", "issuer") == nil || !slices.Equal(strs(at(authorizer, "JwtConfiguration", "audience")), []string{"concord-api"}) {
			t.Errorf("%s: its authorizer %q is no JWT authorizer with an issuer and the audience concord-api alone", route, own)
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
		for _, entry := range all {
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
	if !readers["MailerFunction"] {
		t.Error("MailerFunction has no stream mapping: no mail would leave")
	}
	for _, e := range s.events("Schedule") {
		t.Errorf("%s.%s: schedules are ScheduleV2 (EventBridge Scheduler: retries, dead letters)", e.function, e.name)
	}
	for _, e := range s.events("ScheduleV2") {
		if at(e.properties, "RetryPolicy", "MaximumRetryAttempts") == nil || target(at(e.properties, "DeadLetterConfig", "Arn")) == "" {
			t.Errorf("%s.%s: a schedule has a RetryPolicy and a DeadLetterConfig", e.function, e.name)
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

// alarmOn tells whether an alarm watches a metric with a dimension that names the resource.
func (s stack) alarmOn(metric, resource string) bool {
	return slices.ContainsFunc(s.ofType("AWS::CloudWatch::Alarm"), func(id string) bool {
		dimensions, _ := s.property(id, "Dimensions").([]any)
		return s.property(id, "MetricName") == metric &&
			slices.ContainsFunc(dimensions, func(d any) bool { return target(at(d, "Value")) == resource })
	})
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
	// What cannot be made again outlives the stack; of everything else the template says that it may go.
	for _, kind := range []string{"AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::S3::Bucket"} {
		for _, id := range s.ofType(kind) {
			for _, policy := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
				if at(s.resources[id], policy) != "Retain" {
					t.Errorf("%s: %s is Retain", id, policy)
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
