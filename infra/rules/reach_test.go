package rules

import (
	"fmt"
	"go/constant"
	"go/types"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/go/ssa"
	"golang.org/x/tools/go/ssa/ssautil"
)

// services are the SDK clients, by package, with the prefix of their IAM actions.
var services = map[string]string{
	"dynamodb":       "dynamodb",
	"sesv2":          "ses",
	"secretsmanager": "secretsmanager",
	"eventbridge":    "events",
	"sqs":            "sqs",
	"sns":            "sns",
	"s3":             "s3",
}

// inTransactions are the actions that IAM asks for when a transaction holds such an item; a transaction has no action of its own.
var inTransactions = map[string]string{
	"Put":            "dynamodb:PutItem",
	"Update":         "dynamodb:UpdateItem",
	"Delete":         "dynamodb:DeleteItem",
	"ConditionCheck": "dynamodb:ConditionCheckItem",
	"Get":            "dynamodb:GetItem",
}

// underAnotherName are operations whose IAM action is not their own name.
var underAnotherName = map[string]string{
	"dynamodb:TransactWriteItems": "", // see inTransactions
	"dynamodb:TransactGetItems":   "",
	"dynamodb:Query":              "", // see queried
}

// ofTheEvent are the actions that Lambda uses in the function's name, which its code never calls.
var ofTheEvent = map[string][]string{
	"DynamoDB": {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"},
	"SQS":      {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
}

// ofTheBucket are the actions with which Lambda keeps what a function failed on.
var ofTheBucket = []string{"s3:ListBucket", "s3:PutObject"}

// ofEveryFunction are the actions with which Lambda writes the function's log.
var ofEveryFunction = []string{"logs:CreateLogStream", "logs:PutLogEvents"}

// notInTheTemplate are the variables that a function may read although template.yaml gives them to none.
var notInTheTemplate = []struct{ pattern, reason string }{
	{`^AWS_`, "the Lambda service sets them; AWS_ENDPOINT_URL_* lead to other engines"},
	{`^_X_AMZN_`, "the Lambda service sets them"},
	{`^ALLOW_LOCAL_WEBHOOKS$`, "only the local stack delivers to this machine"},
	{`^ALLOW_RESERVED_DOMAINS$`, "only the local stack allows .example and .test"},
	{`^CLOCK`, "only the local stack moves the clock"},
}

// neverThere are actions that the code can reach in a function, as far as types tell, and that its data never let it call.
var neverThere = map[string]string{}

// called are methods that code outside this module finds on a value by itself, however the value was passed.
var called = map[string]bool{
	"Error": true, "Unwrap": true, "Is": true, "As": true, "String": true, "Format": true, "GoString": true, "LogValue": true,
	"MarshalJSON": true, "UnmarshalJSON": true, "MarshalText": true, "UnmarshalText": true,
	"Invoke": true, "ServeHTTP": true, "RoundTrip": true, "Handle": true,
}

// reach is what a function's program can get to from its main.
type reach struct {
	program   *ssa.Program
	functions map[*ssa.Function]*ssa.Function // reached function, and from where first
	values    map[types.Type]bool             // concrete types that stand behind an interface somewhere
	invoked   map[invocation]*ssa.Function
	queue     []*ssa.Function
	actions   map[string]*ssa.Function // IAM action, for DynamoDB with what it is done to, and the function that needs it
	variables map[string]*ssa.Function // environment variable, and the function that reads it
}

type invocation struct {
	contract *types.Interface
	method   string
	pkg      *types.Package
}

// programs are the programs of functions/, by folder, with the whole module in SSA form. Other modules have types only: whatever
// is handed to them counts as called by them.
var programs = sync.OnceValues(func() (map[string]*ssa.Package, error) {
	loaded, err := packages.Load(&packages.Config{
		Dir:        root,
		BuildFlags: []string{"-tags=" + tags},
		Mode:       packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo,
	}, "./functions/...", "./internal/...")
	if err != nil {
		return nil, err
	}
	for _, p := range loaded {
		for _, e := range p.Errors {
			return nil, e
		}
	}
	program, built := ssautil.Packages(loaded, ssa.InstantiateGenerics)
	program.Build()
	mains := map[string]*ssa.Package{}
	for i, p := range loaded {
		if name, ok := within("functions", p.PkgPath); ok {
			mains[name] = built[i]
		}
	}
	return mains, nil
})

// reachOf follows every call, every function that is mentioned, and every method of an interface on every type that was put
// behind one: more than can happen, never less, reflection over names apart.
func reachOf(t *testing.T, folder string) *reach {
	t.Helper()
	mains, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	main := mains[folder]
	if main == nil || main.Func("main") == nil {
		t.Fatalf("functions/%s has no main", folder)
	}
	r := &reach{
		program: main.Prog, functions: map[*ssa.Function]*ssa.Function{}, values: map[types.Type]bool{},
		invoked: map[invocation]*ssa.Function{}, actions: map[string]*ssa.Function{}, variables: map[string]*ssa.Function{},
	}
	r.add(main.Func("init"), nil)
	r.add(main.Func("main"), nil)
	for len(r.queue) > 0 {
		f := r.queue[0]
		r.queue = r.queue[1:]
		for _, block := range f.Blocks {
			for _, instruction := range block.Instrs {
				r.follow(f, instruction)
			}
		}
	}
	return r
}

func (r *reach) add(f, from *ssa.Function) {
	if f == nil {
		return
	}
	if _, known := r.functions[f]; known {
		return
	}
	r.functions[f] = from
	r.queue = append(r.queue, f)
	if action := actionOf(f); action != "" {
		r.need(action, from)
	}
}

func (r *reach) need(action string, from *ssa.Function) {
	if r.actions[action] == nil {
		r.actions[action] = from
	}
}

// actionOf is the IAM action of an SDK client's operation.
func actionOf(f *ssa.Function) string {
	receiver := f.Signature.Recv()
	if receiver == nil {
		return ""
	}
	named := namedOf(receiver.Type())
	if named == nil || named.Obj().Name() != "Client" || named.Obj().Pkg() == nil {
		return ""
	}
	service, ok := strings.CutPrefix(named.Obj().Pkg().Path(), "github.com/aws/aws-sdk-go-v2/service/")
	if !ok || f.Name() == "Options" || !f.Object().Exported() {
		return ""
	}
	prefix, known := services[service]
	if !known {
		prefix = service
	}
	action := prefix + ":" + f.Name()
	if other, renamed := underAnotherName[action]; renamed {
		return other
	}
	return action
}

func namedOf(t types.Type) *types.Named {
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		t = pointer.Elem()
	}
	named, _ := types.Unalias(t).(*types.Named)
	return named
}

func (r *reach) follow(f *ssa.Function, instruction ssa.Instruction) {
	var operands [16]*ssa.Value
	for _, operand := range instruction.Operands(operands[:0]) {
		if g, ok := (*operand).(*ssa.Function); ok {
			r.add(g, f)
		}
	}
	switch i := instruction.(type) {
	case ssa.CallInstruction:
		call := i.Common()
		if call.IsInvoke() {
			contract, _ := call.Value.Type().Underlying().(*types.Interface)
			r.invoke(invocation{contract, call.Method.Name(), call.Method.Pkg()}, f)
		} else if callee := call.StaticCallee(); callee != nil {
			r.readVariables(f, callee, call.Args)
		}
	case *ssa.MakeInterface:
		r.put(f, i.X.Type(), i.Type())
	case *ssa.ChangeInterface:
		r.handOver(f, i.Type())
	case *ssa.FieldAddr:
		r.inTransaction(f, i)
	case *ssa.Alloc:
		r.queried(f, i)
	}
}

// invoke reaches a method of an interface on every type that may stand behind it.
func (r *reach) invoke(i invocation, from *ssa.Function) {
	if i.contract == nil || r.invoked[i] != nil {
		return
	}
	r.invoked[i] = from
	for value := range r.values {
		r.method(value, i, from)
	}
}

func (r *reach) method(value types.Type, i invocation, from *ssa.Function) {
	if !types.Implements(value, i.contract) {
		return
	}
	if selection := r.program.MethodSets.MethodSet(value).Lookup(i.pkg, i.method); selection != nil {
		r.add(r.program.MethodValue(selection), from)
	}
}

// put notes that a type stands behind an interface from here on.
func (r *reach) put(f *ssa.Function, value, contract types.Type) {
	if !r.values[value] {
		r.values[value] = true
		for i, from := range r.invoked {
			r.method(value, i, from)
		}
		methods := r.program.MethodSets.MethodSet(value)
		for selection := range methods.Methods() {
			if called[selection.Obj().Name()] {
				r.add(r.program.MethodValue(selection), f)
			}
		}
	}
	r.handOver(f, contract)
}

// handOver: an interface of another module is called by that module, all of it.
func (r *reach) handOver(f *ssa.Function, contract types.Type) {
	if named := namedOf(contract); named != nil && named.Obj().Pkg() != nil && strings.HasPrefix(named.Obj().Pkg().Path(), module+"/") {
		return
	}
	underlying, ok := contract.Underlying().(*types.Interface)
	if !ok {
		return
	}
	for method := range underlying.Methods() {
		r.invoke(invocation{underlying, method.Name(), method.Pkg()}, f)
	}
}

// inTransaction notes which kinds of items a transaction is made of.
func (r *reach) inTransaction(f *ssa.Function, field *ssa.FieldAddr) {
	named := namedOf(field.X.Type())
	if named == nil || named.Obj().Pkg() == nil || !strings.HasSuffix(named.Obj().Pkg().Path(), "/service/dynamodb/types") ||
		(named.Obj().Name() != "TransactWriteItem" && named.Obj().Name() != "TransactGetItem") {
		return
	}
	for _, user := range *field.Referrers() {
		if store, ok := user.(*ssa.Store); ok && store.Addr == field {
			r.need(inTransactions[named.Underlying().(*types.Struct).Field(field.Field).Name()], f)
		}
	}
}

// queried notes what a query is made of: the table, or the index that its input names. IAM has a resource for each of them. An index that
// is not a constant where the input is made is said to be anyIndex, which no role holds.
func (r *reach) queried(f *ssa.Function, made *ssa.Alloc) {
	named := namedOf(made.Type())
	if named == nil || named.Obj().Pkg() == nil || !strings.HasSuffix(named.Obj().Pkg().Path(), "/service/dynamodb") || named.Obj().Name() != "QueryInput" {
		return
	}
	of := theTable
	for _, user := range *made.Referrers() {
		field, ok := user.(*ssa.FieldAddr)
		if !ok || named.Underlying().(*types.Struct).Field(field.Field).Name() != "IndexName" {
			continue
		}
		for _, user := range *field.Referrers() {
			store, ok := user.(*ssa.Store)
			if !ok || store.Addr != field {
				continue
			}
			of = anyIndex
			if call, ok := store.Val.(*ssa.Call); ok && len(call.Call.Args) == 1 {
				if c, ok := call.Call.Args[0].(*ssa.Const); ok && c.Value != nil && c.Value.Kind() == constant.String {
					of = indexPrefix + constant.StringVal(c.Value)
				}
			}
		}
	}
	r.need("dynamodb:Query "+of, f)
}

// What DynamoDB's actions are allowed on, as roles and code are compared by it.
const (
	theTable    = "table"
	theStream   = "stream"
	indexPrefix = "index/"
	anyIndex    = "index of a variable name"
)

// allowedOn says which of these a resource of a statement is.
func allowedOn(resource any) string {
	switch parts := strs(at(resource, "Fn::GetAtt")); {
	case slices.Equal(parts, []string{"Table", "Arn"}):
		return theTable
	case slices.Equal(parts, []string{"Table", "StreamArn"}):
		return theStream
	}
	if parts, ok := at(resource, "Fn::Sub").([]any); ok && len(parts) == 2 && allowedOn(at(parts[1], "InUse")) == theTable {
		if name, ok := strings.CutPrefix(fmt.Sprint(parts[0]), "${InUse}/"+indexPrefix); ok {
			return indexPrefix + name
		}
	}
	return fmt.Sprint(resource)
}

var variableName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$|^[A-Z]{4,}$`)

// readVariables notes the names of environment variables in a call that reads them: constants, and `env` tags of structs.
func (r *reach) readVariables(f, callee *ssa.Function, arguments []ssa.Value) {
	if o := callee.Origin(); o != nil {
		for _, given := range callee.TypeArgs() {
			r.tags(f, given)
		}
		callee = o
	}
	if callee.Pkg == nil {
		return
	}
	path := callee.Pkg.Pkg.Path()
	if path != module+"/internal/env" && !(path == "os" && (callee.Name() == "Getenv" || callee.Name() == "LookupEnv")) {
		return
	}
	for _, argument := range arguments {
		if made, ok := argument.(*ssa.MakeInterface); ok {
			argument = made.X
		}
		if c, ok := argument.(*ssa.Const); ok && c.Value != nil && c.Value.Kind() == constant.String {
			if name := constant.StringVal(c.Value); variableName.MatchString(name) {
				r.variables[name] = f
			}
		}
		r.tags(f, argument.Type())
	}
}

func (r *reach) tags(f *ssa.Function, t types.Type) {
	if pointer, ok := types.Unalias(t).(*types.Pointer); ok {
		t = pointer.Elem()
	}
	fields, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	for i := range fields.NumFields() {
		if name, tagged := reflect.StructTag(fields.Tag(i)).Lookup("env"); tagged {
			name, _, _ = strings.Cut(name, ",")
			if name != "" && name != "-" {
				r.variables[name] = f
			}
		}
		if fields.Field(i).Embedded() {
			r.tags(f, fields.Field(i).Type())
		}
	}
}

// way tells how the program gets to a function, the nearest steps of it.
func (r *reach) way(f *ssa.Function) string {
	var steps []string
	for ; f != nil && len(steps) < 6; f = r.functions[f] {
		steps = append(steps, strings.ReplaceAll(f.String(), module+"/", ""))
	}
	slices.Reverse(steps)
	return strings.Join(steps, " → ")
}

// TestRolesHoldWhatTheCodeCalls compares what the code of a function can call, on the table, its stream or which index, with what its
// role allows, both ways.
func TestRolesHoldWhatTheCodeCalls(t *testing.T) {
	s := readTemplate(t)
	for _, id := range s.functions() {
		t.Run(id, func(t *testing.T) {
			for _, fault := range s.faultsOfRole(t, id) {
				t.Error(fault)
			}
		})
	}
}

// TestTheRuleSeesIndexes: an index that is taken out of a role, another one, and the table for its index are each found.
func TestTheRuleSeesIndexes(t *testing.T) {
	const list = "${InUse}/index/list"
	for with, want := range map[string][]string{
		"${InUse}/index/due": {"the role lacks dynamodb:Query index/list", "the role holds dynamodb:Query index/due"},
		"${InUse}/index/*":   {"the role lacks dynamodb:Query index/list", "the role holds dynamodb:Query index/*"},
	} {
		s, changed := readTemplate(t), 0
		walk(s.resources["RelationshipsRole"], "RelationshipsRole", func(_ string, m object) {
			if parts, ok := at(m["Resource"], "Fn::Sub").([]any); ok && parts[0] == list {
				m["Resource"] = object{"Fn::Sub": []any{with, parts[1]}}
				changed++
			}
		})
		faults := strings.Join(s.faultsOfRole(t, "RelationshipsFunction"), "\n")
		for _, text := range want {
			if changed != 1 || !strings.Contains(faults, text) {
				t.Errorf("with %s in the place of %s: %q does not say %q", with, list, faults, text)
			}
		}
	}
}

// faultsOfRole says what a function's role lacks, and what it holds for nothing.
func (s stack) faultsOfRole(t *testing.T, id string) []string {
	t.Helper()
	var faults []string
	fault := func(format string, arguments ...any) { faults = append(faults, fmt.Sprintf(format, arguments...)) }
	granted := map[string]bool{}
	for _, one := range s.statements(t, s.property(target(s.property(id, "Role")), "Policies"), id) {
		for _, action := range one.actions {
			if !strings.HasPrefix(action, "dynamodb:") {
				granted[action] = true
				continue
			}
			for _, resource := range one.resources {
				granted[action+" "+allowedOn(resource)] = true
			}
		}
	}
	r := reachOf(t, folderOf(id))
	needed := map[string]*ssa.Function{}
	for action, from := range r.actions {
		if strings.HasPrefix(action, "dynamodb:") && !strings.Contains(action, " ") {
			action += " " + theTable
		}
		needed[action] = from
	}
	for _, action := range ofEveryFunction {
		needed[action] = nil
	}
	for _, e := range s.events() {
		if e.function == id {
			for _, action := range ofTheEvent[e.kind] {
				if e.kind == "DynamoDB" {
					action += " " + theStream
				}
				needed[action] = nil
			}
			if bucketOf(s, e) != "" {
				for _, action := range ofTheBucket {
					needed[action] = nil
				}
			}
		}
	}
	if s.failuresOf(id) != "" {
		needed["sqs:SendMessage"] = nil // Lambda's, with what the function failed on
	}
	for exception, reason := range neverThere {
		function, action, _ := strings.Cut(exception, " ")
		if _, reached := needed[action]; function == id && !reached {
			fault("`neverThere` explains %q (%s), which the code does not reach", exception, reason)
		} else if function == id {
			delete(needed, action)
		}
	}
	for _, action := range slices.Sorted(maps.Keys(needed)) {
		if strings.HasPrefix(action, "dynamodb:Scan ") {
			fault("the code scans: %s", r.way(needed[action]))
		} else if !granted[action] {
			fault("the role lacks %s, which the code needs: %s", action, r.way(needed[action]))
		}
	}
	for _, action := range slices.Sorted(maps.Keys(granted)) {
		if _, ok := needed[action]; !ok {
			fault("the role holds %s, which the code cannot call", action)
		}
	}
	return faults
}

func TestVariablesAreReadAndGiven(t *testing.T) {
	s := readTemplate(t)
	for _, id := range s.functions() {
		t.Run(id, func(t *testing.T) {
			given, _ := s.property(id, "Environment", "Variables").(object)
			r := reachOf(t, folderOf(id))
			for _, name := range slices.Sorted(maps.Keys(given)) {
				if r.variables[name] == nil {
					t.Errorf("the template gives %s, which the code does not read", name)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(r.variables)) {
				elsewhere := slices.ContainsFunc(notInTheTemplate, func(v struct{ pattern, reason string }) bool {
					return regexp.MustCompile(v.pattern).MatchString(name)
				})
				if _, ok := given[name]; !ok && !elsewhere {
					t.Errorf("the code reads %s, which the template does not give: %s", name, r.way(r.variables[name]))
				} else if ok && elsewhere {
					t.Errorf("the template gives %s, which is not its to give", name)
				}
			}
		})
	}
}
