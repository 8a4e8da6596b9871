// Package rules holds the house rules as tests: who may import whom, what template.yaml must say of every function, route,
// role and stream mapping, what may be in the repository. A rule fails with the sentence that says what to do.
package rules

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.." // the repository, from this package's folder
	module = "concord"
	tags   = "lambda.norpc" // as the Makefile builds functions; without it they link net/rpc and more
)

// room is one package of internal/: which of its neighbours it may import and which packages of other modules, by prefix.
type room struct {
	neighbours []string
	foreign    []string
}

var (
	// What a domain package may know beside the standard library: codes and languages, nothing that does anything.
	words = []string{"problem", "locale", "country", "publicid"}
	text  = []string{"golang.org/x/text/"}
	// The rules of mail addresses and domains (IDNA lookup, the ICANN list).
	domains = []string{"golang.org/x/text/", "golang.org/x/net/idna", "golang.org/x/net/publicsuffix"}
	sdk     = []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/smithy-go"}
	lambda  = []string{"github.com/aws/aws-lambda-go/"}

	ground = append(slices.Clone(words), "env")
	domain = append(slices.Clone(ground), "iso8601", "emailaddr", "partner", "command", "registry", "due", "link", "terms", "outbox", "recipient", "relationship", "partnership", "granular", "invitation", "commerce", "enrolment", "review")
	// Adapters know the domain, the words, and the small rooms that make clients and keys and write logs. They never know one another.
	below = append(slices.Clone(domain), "webhook", "sealing", "audit", "oversight", "batch", "customer", "letter", "letter/markup", "draft", "awsenv", "keyring", "observe")
	// One for each service that the API's functions and the console share.
	constructors = []string{
		"app/customers", "app/enrolling", "app/granting", "app/inviting", "app/notifying", "app/overseeing",
		"app/partnering", "app/registering", "app/trading",
	}
)

// house is the table "who may import whom". A package that is not in it does not exist yet: add it here, in its level.
var house = map[string]room{
	// Level 0.
	"problem": {},
	"country": {neighbours: []string{"problem"}, foreign: text},
	"locale":  {foreign: text},
	"env":     {},
	// Strict where the library is not, and the one place that knows the library.
	"iso8601":  {foreign: []string{"github.com/sosodev/duration"}},
	"publicid": {},
	// Levels 1 to 3, the domain: pure.
	"emailaddr":    {neighbours: append(slices.Clone(words), "link"), foreign: domains},
	"partner":      {neighbours: append(slices.Clone(words), "emailaddr"), foreign: append(slices.Clone(text), "github.com/google/uuid")},
	"registry":     {neighbours: append(slices.Clone(words), "command", "emailaddr", "partner"), foreign: text},
	"command":      {neighbours: append(slices.Clone(words), "partner")},
	"due":          {neighbours: append(slices.Clone(words), "partner")},
	"link":         {neighbours: words, foreign: []string{"github.com/google/uuid"}},
	"terms":        {neighbours: words, foreign: text},
	"outbox":       {},
	"recipient":    {neighbours: append(slices.Clone(words), "command", "emailaddr", "outbox", "partner", "registry")},
	"relationship": {neighbours: append(slices.Clone(words), "emailaddr", "partner"), foreign: text},
	"granular":     {neighbours: append(slices.Clone(words), "command", "outbox", "iso8601", "due", "emailaddr", "link", "partner", "relationship"), foreign: text},
	"partnership":  {neighbours: append(slices.Clone(words), "command", "link", "partner", "relationship", "terms")},
	"invitation":   {neighbours: append(slices.Clone(words), "recipient", "command", "outbox", "due", "emailaddr", "granular", "link", "partner", "registry", "relationship", "partnership", "commerce"), foreign: text},
	"commerce":     {neighbours: append(slices.Clone(words), "command", "due", "emailaddr", "link", "partner", "relationship", "terms", "partnership")},
	"enrolment":    {neighbours: append(slices.Clone(words), "recipient", "command", "outbox", "due", "emailaddr", "link", "partner", "registry", "relationship", "terms"), foreign: text},
	"review": {neighbours: append(slices.Clone(words), "command", "due", "emailaddr", "outbox", "partner", "relationship",
		"granular", "partnership")},
	// What has happened, derived from the histories of the domain.
	"audit": {neighbours: append(slices.Clone(words), "outbox", "partner", "granular", "relationship", "partnership", "invitation", "commerce", "enrolment")},
	// What the operator sees of all partners.
	"oversight": {neighbours: append(slices.Clone(words), "command", "due", "audit", "emailaddr", "granular", "invitation", "enrolment", "partner", "registry")},
	// What a partner does with a customer once the relationship stands.
	"customer": {neighbours: append(slices.Clone(words), "command", "emailaddr", "link", "partner", "terms", "relationship", "partnership", "commerce", "granular", "invitation"), foreign: []string{"github.com/google/uuid"}},
	// Bulk invitations.
	"batch": {neighbours: append(slices.Clone(words), "command", "outbox", "due", "emailaddr", "iso8601", "link", "partner", "invitation"), foreign: text},
	// What mails and drafts say.
	"letter": {neighbours: domain, foreign: text},
	// A letter as HTML, for who mails it and who shows it first.
	"letter/markup": {neighbours: []string{"letter"}},
	// The draft that a partner mails itself.
	"draft": {neighbours: append(slices.Clone(domain), "letter")},
	// Level 4, adapters, and what they are made with.
	"awsenv":   {neighbours: ground, foreign: sdk},
	"keyring":  {neighbours: append(slices.Clone(ground), "awsenv", "link"), foreign: append(slices.Clone(sdk), "github.com/aws/aws-sdk-go-v2/service/secretsmanager")},
	"observe":  {neighbours: ground, foreign: lambda},
	"dynamo":   {neighbours: below, foreign: append(slices.Clone(sdk), "github.com/aws/aws-sdk-go-v2/service/dynamodb", "github.com/aws/aws-sdk-go-v2/feature/dynamodb/", "github.com/google/uuid")},
	"mail":     {neighbours: below, foreign: append(slices.Clone(sdk), "github.com/aws/aws-sdk-go-v2/service/sesv2", "golang.org/x/text/", "golang.org/x/net/idna", "golang.org/x/time/rate")},
	"feedback": {neighbours: below, foreign: lambda},
	"jobs":     {neighbours: below, foreign: lambda},
	// jsontext finds names that stand twice and invalid UTF-8, and gives the canonical form that an Idempotency-Key is compared by.
	"web":     {neighbours: below, foreign: append(slices.Clone(text), "github.com/go-json-experiment/json/jsontext", "github.com/google/uuid")},
	"compat":  {foreign: []string{"github.com/google/uuid"}}, // it knows the API by its documents alone
	"pages":   {neighbours: append(slices.Clone(below), "identity", "session", "palette"), foreign: text},
	"console": {neighbours: append(slices.Clone(below), "identity", "session", "palette", "locale/messages"), foreign: text},
	"palette": {},
	// What only the console says, apart from what every function carries.
	"locale/messages": {},
	// How each function is put together, by its main and by tests: with what it needs, and so each knows adapters of its own alone.
	"app": {neighbours: []string{"awsenv", "emailaddr", "env", "observe", "recipient"}, foreign: append(slices.Clone(lambda), sdk...)},
	// The constructors of services, each a package of its own: a function links what it uses.
	"app/customers":     {neighbours: append(slices.Clone(domain), "customer", "dynamo")},
	"app/enrolling":     {neighbours: append(slices.Clone(domain), "dynamo")},
	"app/granting":      {neighbours: append(slices.Clone(domain), "app", "dynamo")},
	"app/inviting":      {neighbours: append(slices.Clone(below), "app", "dynamo")},
	"app/notifying":     {neighbours: append(slices.Clone(below), "dynamo")},
	"app/overseeing":    {neighbours: append(slices.Clone(below), "app", "dynamo")},
	"app/partnering":    {neighbours: append(slices.Clone(domain), "dynamo")},
	"app/registering":   {neighbours: append(slices.Clone(domain), "dynamo")},
	"app/trading":       {neighbours: append(slices.Clone(domain), "app", "dynamo")},
	"app/invitations":   {neighbours: append(slices.Clone(below), "app", "app/inviting", "app/notifying", "apigw", "dynamo", "web")},
	"app/batches":       {neighbours: append(slices.Clone(below), "app", "app/inviting", "dynamo", "jobs"), foreign: []string{"golang.org/x/time/rate"}},
	"app/relationships": {neighbours: append(slices.Clone(below), "app", "app/customers", "app/granting", "app/partnering", "app/registering", "apigw", "dynamo", "web")},
	"app/commerce":      {neighbours: append(slices.Clone(below), "app", "app/trading", "apigw", "dynamo", "web")},
	"app/compat":        {neighbours: append(slices.Clone(below), "app", "app/commerce", "app/enrolment", "app/relationships", "apigw", "compat")},
	"app/enrolment":     {neighbours: append(slices.Clone(below), "app", "app/enrolling", "app/overseeing", "apigw", "dynamo", "web")},
	"app/acceptance":    {neighbours: append(slices.Clone(below), "app", "app/partnering", "apigw", "dynamo", "feedback", "identity", "pages")},
	"app/console":       {neighbours: append(slices.Concat(below, constructors), "app", "apigw", "console", "dynamo", "identity", "queues")},
	"app/authorizer":    {neighbours: []string{"authorizer", "identity"}},
	"app/mailer":        {neighbours: append(slices.Clone(below), "app", "dynamo", "mail", "stream"), foreign: []string{"golang.org/x/time/rate"}},
	"app/events":        {neighbours: append(slices.Clone(below), "app", "dynamo", "events", "stream")},
	"app/feedback":      {neighbours: append(slices.Clone(below), "app", "dynamo", "feedback")},
	"app/webhooks":      {neighbours: append(slices.Clone(below), "app", "app/notifying", "dynamo", "hooks", "jobs")},
	"app/cleanup":       {neighbours: append(slices.Clone(below), "app", "dynamo")},
	// What is encrypted with a key that its text names.
	"sealing": {neighbours: []string{"link"}},
	// What partners' programs are told, and the way of each delivery.
	"webhook": {neighbours: append(slices.Clone(words), "due", "command", "link", "outbox", "partner", "sealing")},
	// Who is signed in to pages, and how they came to be: one room for whatever has pages.
	"session": {neighbours: append(slices.Clone(words), "emailaddr", "identity", "link", "partner", "relationship", "sealing"), foreign: []string{"golang.org/x/oauth2"}},
	// Who signs in and who calls, by what providers sign.
	"identity":   {neighbours: append(slices.Clone(words), "country", "partner"), foreign: []string{"github.com/coreos/go-oidc/v3/oidc", "golang.org/x/oauth2"}},
	"authorizer": {neighbours: append(slices.Clone(ground), "identity", "partner"), foreign: lambda},
	"apigw":      {neighbours: below, foreign: lambda},
	// Signed by the library of the specification, https://www.standardwebhooks.com.
	"hooks":  {neighbours: below, foreign: append(slices.Clone(lambda), "github.com/standard-webhooks/standard-webhooks/libraries/go")},
	"stream": {neighbours: below, foreign: append(slices.Clone(lambda), "github.com/aws/aws-sdk-go-v2/service/dynamodb/types")}, // images as values
	"queues": {neighbours: []string{"awsenv", "oversight"}, foreign: append(slices.Clone(sdk), "github.com/aws/aws-sdk-go-v2/service/sqs")},
	"events": {neighbours: below, foreign: append(slices.Clone(sdk), "github.com/aws/aws-sdk-go-v2/service/eventbridge", "github.com/aws/aws-sdk-go-v2/service/sqs")},
}

// pure are the packages whose structs carry no tags: what is stored and what is sent is an adapter's business.
var pure = []string{"publicid", "iso8601", "emailaddr", "partner", "command", "registry", "due", "link", "terms", "outbox", "recipient", "relationship", "partnership", "granular", "invitation", "commerce", "enrolment", "review", "audit", "batch", "webhook"}

// onlyIn says which functions may carry a dependency; every other function that links it starts slower for nothing.
var onlyIn = []struct {
	prefix    string
	functions []string
	reason    string
}{
	{"github.com/aws/aws-sdk-go-v2/service/sesv2", []string{"mailer"}, "only the mailer sends"},
	{"github.com/aws/aws-sdk-go-v2/service/eventbridge", []string{"events"}, "what happens is read from the stream, and never told by who writes it"},
	{"github.com/aws/aws-sdk-go-v2/service/sqs", []string{"events", "console"}, "only the follower of the stream gives work to others, and only the operator's page asks how full queues are"},
	{"github.com/coreos/go-oidc/", []string{"acceptance", "authorizer", "console"}, "tokens are verified there and nowhere else"},
	{"golang.org/x/oauth2", []string{"acceptance", "authorizer", "console"}, "people sign in there and nowhere else"},
	{"html/template", []string{"acceptance", "console", "mailer"}, "2.3 MB and a sixth of a cold start for what writes no HTML"},
	{"github.com/aws/aws-sdk-go-v2/config", nil, "its LoadDefaultConfig more than doubles a cold start: internal/awsenv"},
	{"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams", nil, "Lambda reads the stream"},
	{"github.com/google/go-cmp", nil, "it is for tests"},
	{"pgregory.net/rapid", nil, "it is for tests"},
	{"github.com/anishathalye/porcupine", nil, "it is for tests"},
	{"github.com/chromedp/", nil, "it is for tests"},
	{"testing", nil, "it is for tests"},
}

// listed is what `go list` says of a package.
type listed struct {
	ImportPath string
	Dir        string
	Name       string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func list(t *testing.T, patterns ...string) map[string]listed {
	t.Helper()
	arguments := append([]string{"list", "-tags=" + tags, "-deps", "-json=ImportPath,Dir,Name,Standard,GoFiles,Imports,Deps"}, patterns...)
	command := exec.Command("go", arguments...)
	command.Dir = root
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaint.String())
	}
	packages := map[string]listed{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p
	}
}

// within cuts the module and a top-level folder off an import path.
func within(folder, path string) (string, bool) {
	return strings.CutPrefix(path, module+"/"+folder+"/")
}

// forTests tells a package that only tests may use, such as a store's conformance suite: its name ends in "test".
func forTests(path string) bool { return strings.HasSuffix(path, "test") }

func TestWhoImportsWhom(t *testing.T) {
	packages := list(t, "./...")
	for path, p := range packages {
		for _, imported := range p.Imports {
			if _, ok := within("functions", imported); ok {
				t.Errorf("%s imports %s: nothing imports a function", path, imported)
			}
			if _, ok := within("infra", imported); ok && !strings.HasPrefix(path, module+"/infra/") {
				t.Errorf("%s imports %s: what ships knows nothing of infra", path, imported)
			}
			if strings.HasPrefix(imported, module+"/") && forTests(imported) && !forTests(path) {
				t.Errorf("%s imports %s, which is for tests", path, imported)
			}
		}
		name, ok := within("internal", path)
		if !ok || forTests(name) {
			continue
		}
		may, known := house[name]
		if !known {
			t.Errorf("internal/%s is not in the table `house` of infra/rules/imports_test.go: decide its level and what it may import, and add it", name)
			continue
		}
		for _, imported := range p.Imports {
			if neighbour, ok := within("internal", imported); ok {
				if !slices.Contains(may.neighbours, neighbour) {
					t.Errorf("internal/%s imports internal/%s; it may import %v", name, neighbour, may.neighbours)
				}
				continue
			}
			if packages[imported].Standard || strings.HasPrefix(imported, module+"/") || imported == "C" || imported == "unsafe" {
				continue
			}
			if !slices.ContainsFunc(may.foreign, func(prefix string) bool { return strings.HasPrefix(imported, prefix) }) {
				t.Errorf("internal/%s imports %s; beside the standard library it may import %v", name, imported, may.foreign)
			}
		}
	}
}

func TestFunctionsAreMainAlone(t *testing.T) {
	for _, folder := range functionFolders(t) {
		entries, err := os.ReadDir(filepath.Join(root, "functions", folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "main.go" {
				t.Errorf("functions/%s holds %s: a function's folder holds main.go alone, its logic belongs in internal/", folder, e.Name())
			}
		}
	}
}

func TestFunctionsLinkOnlyWhatTheyNeed(t *testing.T) {
	packages := list(t, "./functions/...")
	for path, p := range packages {
		name, ok := within("functions", path)
		if !ok {
			continue
		}
		for _, rule := range onlyIn {
			if slices.Contains(rule.functions, name) {
				continue
			}
			for _, linked := range p.Deps {
				if linked == rule.prefix || strings.HasPrefix(linked, strings.TrimSuffix(rule.prefix, "/")+"/") {
					t.Errorf("functions/%s links %s: %s", name, linked, rule.reason)
					break
				}
			}
		}
	}
}

func TestDomainStructsCarryNoTags(t *testing.T) {
	files := token.NewFileSet()
	for path, p := range list(t, "./internal/...") {
		name, ok := within("internal", path)
		if !ok || !slices.Contains(pure, name) {
			continue
		}
		for _, file := range p.GoFiles {
			tree, err := parser.ParseFile(files, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for n := range ast.Preorder(tree) {
				field, ok := n.(*ast.Field)
				if !ok || field.Tag == nil {
					continue
				}
				raw, err := strconv.Unquote(field.Tag.Value)
				if err != nil {
					t.Fatal(err)
				}
				for _, key := range []string{"json", "dynamodbav", "yaml", "xml", "form"} {
					if _, tagged := reflect.StructTag(raw).Lookup(key); tagged {
						t.Errorf("internal/%s/%s:%d: a domain struct carries a %s tag: the adapter has a struct of its own",
							name, file, files.Position(field.Pos()).Line, key)
					}
				}
			}
		}
	}
}

// functionFolders are the folders of functions/.
func functionFolders(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if !e.IsDir() {
			t.Errorf("functions/%s: functions/ holds one folder per function and nothing else", e.Name())
			continue
		}
		folders = append(folders, e.Name())
	}
	if len(folders) == 0 {
		t.Fatal("functions/ is empty")
	}
	return folders
}
