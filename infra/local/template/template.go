// Package template reads template.yaml as CloudFormation and SAM would and gives the local stack what it runs from: tables,
// functions with their events, authorizers, secrets, mail identities, queues. A reference that resolves to nothing is an
// error that names it; a property that the local stack would have to obey and does not know is an error too.
package template

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"
)

// The pseudo parameters of the local stack.
const (
	Region  = "us-east-1"
	Account = "000000000000"
)

// Template is an evaluated template.
type Template struct {
	Parameters        map[string]string
	Tables            []Table
	APIs              []API
	Functions         []Function
	Secrets           []Secret
	Queues            []Queue
	Subscriptions     []Subscription
	EventDestinations []EventDestination
	Identities        []string // SES identities: domains or addresses
	ConfigurationSets []string
	Buses             []string // EventBridge event buses, by name
	Outputs           map[string]string
}

// Table is an AWS::DynamoDB::Table.
type Table struct {
	LogicalID, Name, ARN string
	StreamARN            string // as !GetAtt gives it; empty without a stream
	Attributes           []Attribute
	Key                  []KeyPart
	Indexes              []Index
	StreamViewType       string // empty without a stream
	TTLAttribute         string // empty without TTL
	Adopted              bool   // RestoredTableName: it is there already, and the stack's own is not used
}

// Attribute is a key attribute; Type is S, N or B.
type Attribute struct {
	Name string `json:"AttributeName"`
	Type string `json:"AttributeType"`
}

// KeyPart is one part of a key; Type is HASH or RANGE.
type KeyPart struct {
	Name string `json:"AttributeName"`
	Type string `json:"KeyType"`
}

// Index is a global secondary index.
type Index struct {
	Name       string    `json:"IndexName"`
	Key        []KeyPart `json:"KeySchema"`
	Projection struct {
		Type   string   `json:"ProjectionType"`
		NonKey []string `json:"NonKeyAttributes"`
	}
}

// API is an AWS::Serverless::HttpApi with the routes that functions hang on it.
type API struct {
	LogicalID   string
	Authorizers map[string]Authorizer
	Routes      []Route
	RateLimit   float64 // requests per second of the stage; 0 for no limit
	BurstLimit  int
}

// Authorizer is a Lambda authorizer of an HTTP API, with payload format 2.0 and simple responses.
type Authorizer struct {
	Name            string
	Function        string        // logical id
	IdentitySources []string      // such as $request.header.Authorization; all of them have to be there
	TTL             time.Duration // how long an answer is kept; 0 for not at all
}

// Route leads a method and a path to a function.
type Route struct {
	Method     string        // GET, …, or ANY
	Path       string        // with {name} and {name+}; $default for everything else
	Function   string        // logical id
	Authorizer string        // name; empty for a public route
	Timeout    time.Duration // of the integration; at most 30 s
}

// Key is the route's key as requestContext.routeKey has it.
func (r Route) Key() string {
	if r.Path == "$default" {
		return r.Path
	}
	return r.Method + " " + r.Path
}

// Function is an AWS::Serverless::Function with Globals merged in.
type Function struct {
	LogicalID, Name, ARN string
	Environment          map[string]string
	Timeout              time.Duration
	Memory               int         // MB
	ReservedConcurrency  int         // 0 when not reserved
	LogFormat            string      // JSON or Text
	LogLevel             string      // of the application; empty for Lambda's default
	Statements           []Statement // of its role
	Asynchronous         Asynchronous
	Streams              []StreamSource
	Queues               []QueueSource
	Schedules            []Schedule
}

// Statement is one statement of the policies of a function's role.
type Statement struct {
	Effect             string
	Actions, Resources []string
	// Equal are its conditions: what a request has to say for each key (StringEquals), one of the values.
	Equal map[string][]string
}

// Asynchronous is what becomes of an event that the function fails on after Lambda has accepted it (EventInvokeConfig).
type Asynchronous struct {
	MaximumRetries int           // of function errors
	MaximumAge     time.Duration // of an event that is tried again
	OnFailure      string        // ARN of a queue; empty without one
}

// StreamSource is an event source mapping from a table's stream.
type StreamSource struct {
	Name             string // of the event in the template
	Function         string // logical id
	Table            string // logical id
	StreamARN        string
	StartingPosition string // LATEST or TRIM_HORIZON
	BatchSize        int
	BatchingWindow   time.Duration
	Parallelization  int
	Bisect           bool
	PartialFailures  bool          // ReportBatchItemFailures
	MaximumRetries   int           // -1 for as long as the record lives
	MaximumAge       time.Duration // 0 for as long as the record lives
	OnFailure        string        // ARN; empty without a destination
	Patterns         []string      // filter patterns, JSON; any of them admits a record
}

// Schedule is a ScheduleV2 event.
type Schedule struct {
	Name             string
	Function         string // logical id
	ARN              string
	Expression       string // rate(…)
	Input            string // empty for EventBridge Scheduler's own event
	Disabled         bool
	MaximumRetries   int
	MaximumAge       time.Duration
	DeadLetterTarget string // ARN of a queue; empty without one
}

// Secret is an AWS::SecretsManager::Secret.
type Secret struct {
	LogicalID, Name, ARN string
	Value                string // SecretString, when the template holds one
	Generate             *GenerateSecretString
}

// GenerateSecretString says how Secrets Manager makes a value.
type GenerateSecretString struct {
	Length               int
	ExcludeCharacters    string
	ExcludeLowercase     bool
	ExcludeUppercase     bool
	ExcludeNumbers       bool
	ExcludePunctuation   bool
	IncludeSpace         bool
	RequireEachType      bool
	SecretStringTemplate string
	GenerateStringKey    string
}

// Queue is an AWS::SQS::Queue.
type Queue struct {
	LogicalID, Name, ARN, URL string
	Visibility                time.Duration // how long a message that was received is hidden
	DeadLetters               string        // ARN of the queue that takes what was received MaxReceives times; empty without one
	MaxReceives               int
}

// QueueSource is an event source mapping from a queue.
type QueueSource struct {
	Name            string // of the event in the template
	Function        string // logical id
	Queue           string // ARN
	BatchSize       int
	BatchingWindow  time.Duration
	PartialFailures bool // ReportBatchItemFailures
	Concurrency     int  // batches at once; 0 for Lambda's own limit
}

// Subscription is an AWS::SNS::Subscription of a queue.
type Subscription struct {
	Topic, Queue string // ARNs
	Raw          bool   // RawMessageDelivery
}

// EventDestination is an AWS::SES::ConfigurationSetEventDestination that publishes to a topic.
type EventDestination struct {
	ConfigurationSet string
	Types            []string // such as "deliveryDelay"
	Topic            string   // ARN
}

// resource is one entry of Resources: raw until its properties are evaluated.
type resource struct {
	id, kind   string
	properties map[string]any // raw
	condition  string
	existing   bool
}

// Read reads the template in a file; see Parse.
func Read(path string, parameters map[string]string) (*Template, error) {
	return ReadWith(path, parameters, nil)
}

// ReadWith is Read with values that stand before the template's defaults where nothing is given; one that the template does not have
// does not matter.
func ReadWith(path string, given, local map[string]string) (*Template, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := parse(raw, given, local)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Parse evaluates a template. The parameters take precedence over the template's defaults; one that the template does not declare, or
// whose value a deployment would refuse, is an error, and so is one without a value.
func Parse(raw []byte, parameters map[string]string) (*Template, error) {
	return parse(raw, parameters, nil)
}

func parse(raw []byte, given, local map[string]string) (*Template, error) {
	var node yaml.Node
	if err := yaml.Unmarshal(raw, &node); err != nil {
		return nil, err
	}
	if len(node.Content) == 0 {
		return nil, fmt.Errorf("the template is empty")
	}
	v, err := plain(&node)
	if err != nil {
		return nil, err
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the template is not a map")
	}
	s := &scope{
		parameters: map[string]any{}, conditions: part(root, "Conditions"), mappings: part(root, "Mappings"),
		resources: map[string]*resource{}, deciding: map[string]bool{},
		pseudo: map[string]string{
			"AWS::Region": Region, "AWS::AccountId": Account, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
			"AWS::StackName": "concord-local", "AWS::StackId": "arn:aws:cloudformation:" + Region + ":" + Account + ":stack/concord-local/local",
		},
	}
	t := &Template{}
	if t.Parameters, err = s.give(part(root, "Parameters"), given, local); err != nil {
		return nil, err
	}
	globals := part(root, "Globals")
	for id, r := range part(root, "Resources") {
		definition, ok := r.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("the resource %s is not a map", id)
		}
		res := &resource{id: id, kind: text(definition["Type"]), properties: part(definition, "Properties"), condition: text(definition["Condition"]), existing: true}
		switch res.kind {
		case "AWS::Serverless::Function":
			res.properties = merge(part(globals, "Function"), res.properties)
		case "AWS::Serverless::HttpApi":
			res.properties = merge(part(globals, "HttpApi"), res.properties)
		}
		s.resources[id] = res
	}
	for _, id := range slices.Sorted(maps.Keys(s.resources)) {
		if c := s.resources[id].condition; c != "" {
			if s.resources[id].existing, err = s.condition(c); err != nil {
				return nil, fmt.Errorf("resource %s: %w", id, err)
			}
		}
	}
	functions := map[string]map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(s.resources)) {
		r := s.resources[id]
		if !r.existing {
			continue
		}
		v, err := s.eval(r.properties)
		if err != nil {
			return nil, fmt.Errorf("resource %s: %w", id, err)
		}
		properties := v.(map[string]any)
		if r.kind == "AWS::Serverless::Function" {
			functions[id] = properties // their events need the APIs and tables
			continue
		}
		if err := t.add(s, r, properties); err != nil {
			return nil, fmt.Errorf("resource %s: %w", id, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(functions)) {
		if err := t.addFunction(s, s.resources[id], functions[id]); err != nil {
			return nil, fmt.Errorf("resource %s: %w", id, err)
		}
	}
	for i := range t.APIs {
		delete(t.APIs[i].Authorizers, "")
		for name, a := range t.APIs[i].Authorizers {
			n := slices.IndexFunc(t.Functions, func(f Function) bool { return f.ARN == a.Function })
			if n < 0 {
				return nil, fmt.Errorf("unresolved reference %s: the authorizer %s names no function", a.Function, name)
			}
			a.Function = t.Functions[n].LogicalID
			t.APIs[i].Authorizers[name] = a
		}
	}
	if t.Outputs, err = s.outputs(part(root, "Outputs")); err != nil {
		return nil, err
	}
	return t, nil
}

// outputs evaluates those whose condition is true.
func (s *scope) outputs(declared map[string]any) (map[string]string, error) {
	out := map[string]string{}
	for name, o := range declared {
		definition, _ := o.(map[string]any)
		if c := text(definition["Condition"]); c != "" {
			if yes, err := s.condition(c); err != nil {
				return nil, fmt.Errorf("output %s: %w", name, err)
			} else if !yes {
				continue
			}
		}
		v, err := s.eval(definition["Value"])
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		out[name] = text(v)
	}
	return out, nil
}

// Function finds a function by its logical id.
func (t *Template) Function(logicalID string) (Function, bool) {
	i := slices.IndexFunc(t.Functions, func(f Function) bool { return f.LogicalID == logicalID })
	if i < 0 {
		return Function{}, false
	}
	return t.Functions[i], true
}

func part(m map[string]any, key string) map[string]any {
	inner, _ := m[key].(map[string]any)
	return inner
}

// merge puts a resource's properties over the globals as SAM does: maps are merged, lists are appended, the rest replaced.
func merge(global, own map[string]any) map[string]any {
	out := maps.Clone(global)
	if out == nil {
		out = map[string]any{}
	}
	for k, v := range own {
		g, here := out[k]
		gm, gIsMap := g.(map[string]any)
		vm, vIsMap := v.(map[string]any)
		gl, gIsList := g.([]any)
		vl, vIsList := v.([]any)
		switch {
		case here && gIsMap && vIsMap:
			out[k] = merge(gm, vm)
		case here && gIsList && vIsList && k != "Architectures":
			out[k] = append(slices.Clone(gl), vl...)
		default:
			out[k] = v
		}
	}
	return out
}
