package template

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ref resolves !Ref: a parameter, a pseudo parameter or a resource's physical name.
func (s *scope) ref(name string) (any, error) {
	if name == "AWS::NoValue" {
		return absent{}, nil
	}
	if v, ok := s.pseudo[name]; ok {
		return v, nil
	}
	if v, ok := s.parameters[name]; ok {
		return v, nil
	}
	if api, ok := strings.CutSuffix(name, ".Stage"); ok { // SAM's name for what it makes
		r, err := s.resource(api)
		if err == nil && r.kind == "AWS::Serverless::HttpApi" {
			return "$default", nil
		}
		return nil, fmt.Errorf("unresolved reference %s", name)
	}
	if function, ok := strings.CutSuffix(name, ".Alias"); ok {
		// There is one version here, the newest: what its alias leads to.
		r, err := s.resource(function)
		if err == nil && r.kind == "AWS::Serverless::Function" && r.properties["AutoPublishAlias"] != nil {
			return s.attribute(function, "Arn")
		}
		return nil, fmt.Errorf("unresolved reference %s: no function with an AutoPublishAlias", name)
	}
	r, err := s.resource(name)
	if err != nil {
		return nil, err
	}
	switch r.kind {
	case "AWS::SecretsManager::Secret", "AWS::SNS::Topic", "AWS::ElasticLoadBalancingV2::LoadBalancer":
		return s.attribute(name, "Arn")
	case "AWS::SQS::Queue":
		n, err := s.name(r)
		return "https://sqs." + Region + ".amazonaws.com/" + Account + "/" + n, err
	}
	return s.name(r)
}

func (s *scope) resource(id string) (*resource, error) {
	if r, ok := s.resources[id]; ok {
		if !r.existing {
			return nil, fmt.Errorf("unresolved reference %s: its condition is false", id)
		}
		return r, nil
	}
	// Resources that SAM makes on the way.
	if owner, ok := strings.CutSuffix(id, "Role"); ok {
		if r, ok := s.resources[owner]; ok && r.kind == "AWS::Serverless::Function" {
			return &resource{id: id, kind: "AWS::IAM::Role", existing: true}, nil
		}
	}
	if id == "ServerlessHttpApi" {
		return &resource{id: id, kind: "AWS::Serverless::HttpApi", existing: true}, nil
	}
	return nil, fmt.Errorf("unresolved reference %s", id)
}

// nameProperties say which property names a resource physically; without it the logical id does.
var nameProperties = map[string]string{
	"AWS::DynamoDB::Table": "TableName", "AWS::Serverless::Function": "FunctionName", "AWS::SQS::Queue": "QueueName",
	"AWS::SecretsManager::Secret": "Name", "AWS::SES::EmailIdentity": "EmailIdentity", "AWS::SES::ConfigurationSet": "Name",
	"AWS::SNS::Topic": "TopicName", "AWS::S3::Bucket": "BucketName", "AWS::Logs::LogGroup": "LogGroupName", "AWS::IAM::Role": "RoleName",
	"AWS::Events::EventBus": "Name", "AWS::ApiGatewayV2::DomainName": "DomainName",
}

func (s *scope) name(r *resource) (string, error) {
	if property := r.properties[nameProperties[r.kind]]; property != nil {
		v, err := s.eval(property)
		return text(v), err
	}
	return r.id, nil
}

// attribute resolves !GetAtt. Every ARN is of the resource's real form, so that a policy or a message that holds one
// looks as it does when deployed; an attribute that is only known to AWS is a text that names it.
func (s *scope) attribute(id, attribute string) (any, error) {
	r, err := s.resource(id)
	if err != nil {
		return nil, err
	}
	name, err := s.name(r)
	if err != nil {
		return nil, err
	}
	arn := func(service, rest string) string {
		return "arn:aws:" + service + ":" + Region + ":" + Account + ":" + rest
	}
	switch r.kind + " " + attribute {
	case "AWS::DynamoDB::Table Arn":
		return arn("dynamodb", "table/"+name), nil
	case "AWS::DynamoDB::Table StreamArn":
		if r.properties["StreamSpecification"] == nil {
			return nil, fmt.Errorf("unresolved reference %s.StreamArn: the table has no stream", id)
		}
		return arn("dynamodb", "table/"+name+"/stream/local"), nil
	case "AWS::Serverless::Function Arn":
		return arn("lambda", "function:"+name), nil
	case "AWS::SecretsManager::Secret Arn", "AWS::SecretsManager::Secret Id":
		return arn("secretsmanager", "secret:"+name+"-local0"), nil
	case "AWS::SQS::Queue Arn":
		return arn("sqs", name), nil
	case "AWS::SQS::Queue QueueName", "AWS::SNS::Topic TopicName":
		return name, nil
	case "AWS::SNS::Topic Arn", "AWS::SNS::Topic TopicArn":
		return arn("sns", name), nil
	case "AWS::Logs::LogGroup Arn":
		return arn("logs", "log-group:"+name+":*"), nil
	case "AWS::IAM::Role Arn":
		return "arn:aws:iam::" + Account + ":role/" + name, nil
	case "AWS::Events::EventBus Arn":
		return arn("events", "event-bus/"+name), nil
	case "AWS::S3::Bucket Arn":
		return "arn:aws:s3:::" + name, nil
	case "AWS::Serverless::HttpApi ApiEndpoint":
		return "https://" + id + ".execute-api." + Region + ".amazonaws.com", nil
	}
	if attribute == "Arn" {
		service := strings.ToLower(strings.Split(r.kind+"::", "::")[1])
		return arn(service, name), nil
	}
	return id + "." + attribute, nil
}

// entry is a resource whose properties are evaluated, with the name and ARN that it has in the local stack.
type entry struct {
	id, name   string
	properties map[string]any
	scope      *scope
}

// arn returns the ARN of the resource in the local stack.
func (e entry) arn() string {
	v, _ := e.scope.attribute(e.id, "Arn")
	return text(v)
}

// types says what becomes of a resource of each type that the local stack obeys. Functions come last of all: their events need the APIs and
// tables. Other types are for deployments alone.
var types = map[string]func(*Template, entry) error{
	"AWS::DynamoDB::Table":                       (*Template).enterTable,
	"AWS::Serverless::HttpApi":                   (*Template).enterAPI,
	"AWS::SecretsManager::Secret":                (*Template).enterSecret,
	"AWS::SQS::Queue":                            (*Template).enterQueue,
	"AWS::SNS::Subscription":                     (*Template).enterSubscription,
	"AWS::SES::ConfigurationSetEventDestination": (*Template).enterEventDestination,
	"AWS::SES::EmailIdentity":                    func(t *Template, e entry) error { t.Identities = append(t.Identities, e.name); return nil },
	"AWS::SES::ConfigurationSet": func(t *Template, e entry) error {
		t.ConfigurationSets = append(t.ConfigurationSets, e.name)
		return nil
	},
	"AWS::Events::EventBus": func(t *Template, e entry) error { t.Buses = append(t.Buses, e.name); return nil },
}

// add enters a resource into the template.
func (t *Template) add(s *scope, r *resource, properties map[string]any) error {
	enter, known := types[r.kind]
	name, err := s.name(r)
	if err != nil || !known {
		return err
	}
	return enter(t, entry{r.id, name, properties, s})
}

func (t *Template) enterTable(e entry) error {
	var p struct {
		AttributeDefinitions    []Attribute
		KeySchema               []KeyPart
		GlobalSecondaryIndexes  []Index
		LocalSecondaryIndexes   []any
		StreamSpecification     struct{ StreamViewType string }
		TimeToLiveSpecification struct {
			AttributeName string
			Enabled       flag
		}
	}
	if err := decode(e.properties, &p); err != nil {
		return err
	}
	if len(p.LocalSecondaryIndexes) > 0 {
		return fmt.Errorf("local secondary indexes are not supported by the local stack")
	}
	table := Table{
		LogicalID: e.id, Name: e.name, ARN: e.arn(), Attributes: p.AttributeDefinitions, Key: p.KeySchema,
		Indexes: p.GlobalSecondaryIndexes, StreamViewType: p.StreamSpecification.StreamViewType,
	}
	if p.TimeToLiveSpecification.Enabled {
		table.TTLAttribute = p.TimeToLiveSpecification.AttributeName
	}
	if table.StreamViewType != "" {
		v, err := e.scope.attribute(e.id, "StreamArn")
		if err != nil {
			return err
		}
		table.StreamARN = text(v)
	}
	if restored := text(e.scope.parameters["RestoredTableName"]); restored != "" {
		table.Name, table.Adopted = restored, true
		table.ARN = "arn:aws:dynamodb:" + Region + ":" + Account + ":table/" + restored
		table.StreamARN = table.ARN + "/stream/" + text(e.scope.parameters["RestoredTableStreamLabel"])
	}
	t.Tables = append(t.Tables, table)
	return nil
}

func (t *Template) enterSecret(e entry) error {
	var p struct {
		SecretString         string
		GenerateSecretString *struct {
			PasswordLength          *number
			ExcludeCharacters       string
			ExcludeLowercase        flag
			ExcludeUppercase        flag
			ExcludeNumbers          flag
			ExcludePunctuation      flag
			IncludeSpace            flag
			RequireEachIncludedType *flag
			SecretStringTemplate    string
			GenerateStringKey       string
		}
	}
	if err := decode(e.properties, &p); err != nil {
		return err
	}
	secret := Secret{LogicalID: e.id, Name: e.name, ARN: e.arn(), Value: p.SecretString}
	if g := p.GenerateSecretString; g != nil {
		secret.Generate = &GenerateSecretString{
			Length: 32, ExcludeCharacters: g.ExcludeCharacters, ExcludeLowercase: bool(g.ExcludeLowercase),
			ExcludeUppercase: bool(g.ExcludeUppercase), ExcludeNumbers: bool(g.ExcludeNumbers), ExcludePunctuation: bool(g.ExcludePunctuation),
			IncludeSpace: bool(g.IncludeSpace), RequireEachType: g.RequireEachIncludedType == nil || bool(*g.RequireEachIncludedType),
			SecretStringTemplate: g.SecretStringTemplate, GenerateStringKey: g.GenerateStringKey,
		}
		if g.PasswordLength != nil {
			secret.Generate.Length = int(*g.PasswordLength)
		}
	}
	t.Secrets = append(t.Secrets, secret)
	return nil
}

func (t *Template) enterQueue(e entry) error {
	url, err := e.scope.ref(e.id)
	if err != nil {
		return err
	}
	var p struct {
		VisibilityTimeout *number
		DelaySeconds      number
		FifoQueue         flag
		RedrivePolicy     struct {
			DeadLetterTargetARN string `json:"deadLetterTargetArn"`
			MaxReceiveCount     number `json:"maxReceiveCount"`
		}
	}
	if err := decode(e.properties, &p); err != nil {
		return err
	}
	if p.FifoQueue || p.DelaySeconds != 0 {
		return fmt.Errorf("FIFO queues and delays are not supported by the local stack")
	}
	q := Queue{
		LogicalID: e.id, Name: e.name, ARN: e.arn(), URL: text(url), Visibility: 30 * time.Second,
		DeadLetters: p.RedrivePolicy.DeadLetterTargetARN, MaxReceives: int(p.RedrivePolicy.MaxReceiveCount),
	}
	if p.VisibilityTimeout != nil {
		q.Visibility = time.Duration(*p.VisibilityTimeout) * time.Second
	}
	if (q.DeadLetters == "") != (q.MaxReceives < 1) {
		return fmt.Errorf("a RedrivePolicy has deadLetterTargetArn and maxReceiveCount")
	}
	t.Queues = append(t.Queues, q)
	return nil
}

func (t *Template) enterSubscription(e entry) error {
	var p struct {
		TopicARN           string `json:"TopicArn"`
		Protocol, Endpoint string
		RawMessageDelivery flag
		FilterPolicy       any
	}
	if err := decode(e.properties, &p); err != nil {
		return err
	}
	if p.FilterPolicy != nil {
		return fmt.Errorf("filter policies of subscriptions are not supported by the local stack")
	}
	if p.Protocol == "sqs" {
		t.Subscriptions = append(t.Subscriptions, Subscription{Topic: p.TopicARN, Queue: p.Endpoint, Raw: bool(p.RawMessageDelivery)})
	}
	return nil
}

func (t *Template) enterEventDestination(e entry) error {
	var p struct {
		ConfigurationSetName string
		EventDestination     struct {
			Enabled            flag
			MatchingEventTypes []string
			SnsDestination     struct {
				TopicARN string
			}
		}
	}
	if err := decode(e.properties, &p); err != nil {
		return err
	}
	if p.EventDestination.SnsDestination.TopicARN == "" {
		return fmt.Errorf("only topics are event destinations in the local stack")
	}
	if p.EventDestination.Enabled {
		t.EventDestinations = append(t.EventDestinations, EventDestination{
			ConfigurationSet: p.ConfigurationSetName, Types: p.EventDestination.MatchingEventTypes, Topic: p.EventDestination.SnsDestination.TopicARN,
		})
	}
	return nil
}

func (t *Template) enterAPI(e entry) error {
	var p struct {
		DefaultRouteSettings struct {
			ThrottlingBurstLimit number
			ThrottlingRateLimit  json.Number
		}
		Auth struct {
			DefaultAuthorizer string
			Authorizers       map[string]struct {
				AuthorizerPayloadFormatVersion   string
				EnableSimpleResponses            flag
				EnableFunctionDefaultPermissions flag
				FunctionArn                      string
				Identity                         struct {
					Headers          []string
					QueryStrings     []string
					ReauthorizeEvery number
				}
			}
		}
		CorsConfiguration any
	}
	if err := decode(e.properties, &p); err != nil {
		return err
	}
	if p.CorsConfiguration != nil {
		return fmt.Errorf("CorsConfiguration is not supported by the local stack")
	}
	api := API{LogicalID: e.id, Authorizers: map[string]Authorizer{}, BurstLimit: int(p.DefaultRouteSettings.ThrottlingBurstLimit)}
	if p.DefaultRouteSettings.ThrottlingRateLimit != "" {
		rate, err := p.DefaultRouteSettings.ThrottlingRateLimit.Float64()
		if err != nil {
			return fmt.Errorf("ThrottlingRateLimit: %w", err)
		}
		api.RateLimit = rate
	}
	for name, a := range p.Auth.Authorizers {
		if a.FunctionArn == "" || a.AuthorizerPayloadFormatVersion != "2.0" || !bool(a.EnableSimpleResponses) {
			return fmt.Errorf("authorizer %s: only Lambda authorizers with payload format 2.0 and simple responses are supported by the local stack", name)
		}
		if !bool(a.EnableFunctionDefaultPermissions) {
			return fmt.Errorf("authorizer %s: without EnableFunctionDefaultPermissions the API may not invoke its function", name)
		}
		authorizer := Authorizer{Name: name, Function: a.FunctionArn, TTL: time.Duration(a.Identity.ReauthorizeEvery) * time.Second}
		for _, header := range a.Identity.Headers {
			authorizer.IdentitySources = append(authorizer.IdentitySources, "$request.header."+header)
		}
		for _, key := range a.Identity.QueryStrings {
			authorizer.IdentitySources = append(authorizer.IdentitySources, "$request.querystring."+key)
		}
		if len(authorizer.IdentitySources) == 0 {
			return fmt.Errorf("authorizer %s: it has no identity source", name)
		}
		api.Authorizers[name] = authorizer
	}
	if d := p.Auth.DefaultAuthorizer; d != "" {
		a, ok := api.Authorizers[d]
		if !ok {
			return fmt.Errorf("unresolved reference %s: no such authorizer", d)
		}
		api.Authorizers[""] = a // what a route without its own gets; taken out again after the functions
	}
	t.APIs = append(t.APIs, api)
	return nil
}

// statements gives those of a role of the template, by its ARN; none for a function without a role of its own.
func (s *scope) statements(role string) ([]Statement, error) {
	for _, r := range s.resources {
		arn, err := s.attribute(r.id, "Arn")
		if err != nil || r.kind != "AWS::IAM::Role" || text(arn) != role {
			continue
		}
		v, err := s.eval(r.properties)
		if err != nil {
			return nil, fmt.Errorf("resource %s: %w", r.id, err)
		}
		var p struct {
			Policies []struct {
				PolicyDocument struct {
					Statement []struct {
						Effect    string
						Action    any
						Resource  any
						Condition map[string]map[string]any
					}
				}
			}
		}
		if err := decode(v.(map[string]any), &p); err != nil {
			return nil, fmt.Errorf("resource %s: %w", r.id, err)
		}
		var out []Statement
		for _, policy := range p.Policies {
			for _, one := range policy.PolicyDocument.Statement {
				allowed := Statement{Effect: one.Effect, Actions: texts(one.Action), Resources: texts(one.Resource)}
				for operator, keys := range one.Condition {
					for key, values := range keys {
						if operator != "StringEquals" || key != "ses:FromAddress" {
							return nil, fmt.Errorf("resource %s: of conditions of a role's statements only StringEquals on ses:FromAddress is supported by the local stack", r.id)
						}
						allowed.Equal = map[string][]string{key: texts(values)}
					}
				}
				out = append(out, allowed)
			}
		}
		return out, nil
	}
	return nil, nil
}

// texts reads one text or a list of them.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return []string{text(v)}
	}
	out := make([]string, len(list))
	for i, each := range list {
		out[i] = text(each)
	}
	return out
}

func (t *Template) addFunction(s *scope, r *resource, properties map[string]any) error {
	var p struct {
		Role                         string
		Timeout                      number
		MemorySize                   number
		ReservedConcurrentExecutions number
		Environment                  struct{ Variables map[string]words }
		LoggingConfig                struct{ LogFormat, ApplicationLogLevel string }
		EventInvokeConfig            struct {
			MaximumRetryAttempts     *number
			MaximumEventAgeInSeconds *number
			DestinationConfig        struct {
				OnSuccess, OnFailure *struct{ Type, Destination string }
			}
		}
		Events map[string]struct {
			Type       string
			Properties map[string]any
		}
	}
	p.Timeout, p.MemorySize = 3, 128
	if err := decode(properties, &p); err != nil {
		return err
	}
	name, err := s.name(r)
	if err != nil {
		return err
	}
	arn, err := s.attribute(r.id, "Arn")
	if err != nil {
		return err
	}
	f := Function{
		LogicalID: r.id, Name: name, ARN: text(arn), Environment: map[string]string{}, Timeout: time.Duration(p.Timeout) * time.Second,
		Memory: int(p.MemorySize), ReservedConcurrency: int(p.ReservedConcurrentExecutions),
		LogFormat: cmp.Or(p.LoggingConfig.LogFormat, "Text"), LogLevel: p.LoggingConfig.ApplicationLogLevel,
	}
	if f.Statements, err = s.statements(p.Role); err != nil {
		return err
	}
	f.Asynchronous = Asynchronous{MaximumRetries: 2, MaximumAge: 6 * time.Hour}
	if n := p.EventInvokeConfig.MaximumRetryAttempts; n != nil {
		f.Asynchronous.MaximumRetries = int(*n)
	}
	if n := p.EventInvokeConfig.MaximumEventAgeInSeconds; n != nil {
		f.Asynchronous.MaximumAge = time.Duration(*n) * time.Second
	}
	if d := p.EventInvokeConfig.DestinationConfig; d.OnSuccess != nil || d.OnFailure != nil && (d.OnFailure.Type != "SQS" || d.OnFailure.Destination == "") {
		return fmt.Errorf("of asynchronous destinations only OnFailure with a queue is supported by the local stack")
	} else if d.OnFailure != nil {
		f.Asynchronous.OnFailure = d.OnFailure.Destination
	}
	for k, v := range p.Environment.Variables {
		f.Environment[k] = string(v)
	}
	for _, event := range slices.Sorted(maps.Keys(p.Events)) {
		e := p.Events[event]
		var err error
		switch e.Type {
		case "HttpApi":
			err = t.addRoute(r.id, e.Properties)
		case "DynamoDB":
			err = t.addStream(&f, event, e.Properties)
		case "SQS":
			err = t.addQueue(&f, event, e.Properties)
		case "ScheduleV2":
			err = addSchedule(&f, event, e.Properties)
		default:
			err = fmt.Errorf("events of type %s are not supported by the local stack", e.Type)
		}
		if err != nil {
			return fmt.Errorf("event %s: %w", event, err)
		}
	}
	t.Functions = append(t.Functions, f)
	return nil
}

func (t *Template) addRoute(function string, properties map[string]any) error {
	var p struct {
		APIID                string `json:"ApiId"`
		Method, Path         string
		TimeoutInMillis      number
		PayloadFormatVersion words
		Auth                 struct {
			Authorizer          string
			AuthorizationScopes []string
		}
	}
	if err := decode(properties, &p); err != nil {
		return err
	}
	i := slices.IndexFunc(t.APIs, func(a API) bool { return a.LogicalID == p.APIID })
	if p.APIID == "" && len(t.APIs) == 1 {
		i = 0
	}
	if i < 0 {
		return fmt.Errorf("unresolved reference %q: no such HTTP API", p.APIID)
	}
	if p.PayloadFormatVersion != "" && p.PayloadFormatVersion != "2.0" && p.PayloadFormatVersion != "2" {
		return fmt.Errorf("only payload format 2.0 is supported by the local stack")
	}
	if len(p.Auth.AuthorizationScopes) > 0 {
		return fmt.Errorf("scopes of a single route are not supported by the local stack")
	}
	api := &t.APIs[i]
	route := Route{Method: strings.ToUpper(p.Method), Path: p.Path, Function: function, Timeout: 30 * time.Second}
	if p.TimeoutInMillis > 0 {
		route.Timeout = time.Duration(p.TimeoutInMillis) * time.Millisecond
	}
	switch {
	case route.Path == "":
		route.Path = "$default"
	case route.Method == "" || route.Method == "X-AMAZON-APIGATEWAY-ANY-METHOD":
		route.Method = "ANY"
	}
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, "ANY", ""}
	if !slices.Contains(known, route.Method) {
		return fmt.Errorf("unknown method %q", p.Method)
	}
	switch p.Auth.Authorizer {
	case "NONE":
	case "":
		route.Authorizer = api.Authorizers[""].Name
	default:
		if _, ok := api.Authorizers[p.Auth.Authorizer]; !ok {
			return fmt.Errorf("unresolved reference %s: no such authorizer", p.Auth.Authorizer)
		}
		route.Authorizer = p.Auth.Authorizer
	}
	if j := slices.IndexFunc(api.Routes, func(o Route) bool { return o.Key() == route.Key() }); j >= 0 {
		return fmt.Errorf("the route %s is %s's already", route.Key(), api.Routes[j].Function)
	}
	api.Routes = append(api.Routes, route)
	return nil
}

func (t *Template) addStream(f *Function, event string, properties map[string]any) error {
	var p struct {
		Stream, StartingPosition       string
		BatchSize                      number
		MaximumBatchingWindowInSeconds number
		ParallelizationFactor          number
		BisectBatchOnFunctionError     flag
		FunctionResponseTypes          []string
		MaximumRetryAttempts           *number
		MaximumRecordAgeInSeconds      *number
		DestinationConfig              struct{ OnFailure struct{ Destination string } }
		FilterCriteria                 struct{ Filters []struct{ Pattern string } }
		TumblingWindowInSeconds        number
		Enabled                        *flag
	}
	p.BatchSize, p.ParallelizationFactor = 100, 1
	if err := decode(properties, &p); err != nil {
		return err
	}
	if p.TumblingWindowInSeconds != 0 {
		return fmt.Errorf("tumbling windows are not supported by the local stack")
	}
	if p.Enabled != nil && !*p.Enabled {
		return nil
	}
	i := slices.IndexFunc(t.Tables, func(t Table) bool { return t.StreamARN != "" && t.StreamARN == p.Stream })
	if i < 0 {
		return fmt.Errorf("unresolved reference: no table has the stream %q", p.Stream)
	}
	source := StreamSource{
		Name: event, Function: f.LogicalID, Table: t.Tables[i].LogicalID, StreamARN: p.Stream, StartingPosition: p.StartingPosition,
		BatchSize: int(p.BatchSize), BatchingWindow: time.Duration(p.MaximumBatchingWindowInSeconds) * time.Second,
		Parallelization: int(p.ParallelizationFactor), Bisect: bool(p.BisectBatchOnFunctionError),
		PartialFailures: slices.Contains(p.FunctionResponseTypes, "ReportBatchItemFailures"), MaximumRetries: -1,
		OnFailure: p.DestinationConfig.OnFailure.Destination,
	}
	if p.MaximumRetryAttempts != nil {
		source.MaximumRetries = int(*p.MaximumRetryAttempts)
	}
	if p.MaximumRecordAgeInSeconds != nil && *p.MaximumRecordAgeInSeconds > 0 {
		source.MaximumAge = time.Duration(*p.MaximumRecordAgeInSeconds) * time.Second
	}
	switch source.StartingPosition {
	case "LATEST", "TRIM_HORIZON":
	default:
		return fmt.Errorf("StartingPosition %q is none of LATEST and TRIM_HORIZON", source.StartingPosition)
	}
	for _, filter := range p.FilterCriteria.Filters {
		source.Patterns = append(source.Patterns, filter.Pattern)
	}
	f.Streams = append(f.Streams, source)
	return nil
}

func (t *Template) addQueue(f *Function, event string, properties map[string]any) error {
	var p struct {
		Queue                          string
		BatchSize                      number
		MaximumBatchingWindowInSeconds number
		FunctionResponseTypes          []string
		ScalingConfig                  struct{ MaximumConcurrency number }
		FilterCriteria                 any
		Enabled                        *flag
	}
	p.BatchSize = 10
	if err := decode(properties, &p); err != nil {
		return err
	}
	if p.FilterCriteria != nil {
		return fmt.Errorf("filters of queues are not supported by the local stack")
	}
	if p.Enabled != nil && !*p.Enabled {
		return nil
	}
	if !slices.ContainsFunc(t.Queues, func(q Queue) bool { return q.ARN == p.Queue }) {
		return fmt.Errorf("unresolved reference: there is no queue %q", p.Queue)
	}
	f.Queues = append(f.Queues, QueueSource{
		Name: event, Function: f.LogicalID, Queue: p.Queue, BatchSize: int(p.BatchSize),
		BatchingWindow:  time.Duration(p.MaximumBatchingWindowInSeconds) * time.Second,
		PartialFailures: slices.Contains(p.FunctionResponseTypes, "ReportBatchItemFailures"), Concurrency: int(p.ScalingConfig.MaximumConcurrency),
	})
	return nil
}

func addSchedule(f *Function, event string, properties map[string]any) error {
	var p struct {
		Name, ScheduleExpression, Input, State string
		RetryPolicy                            struct {
			MaximumRetryAttempts     *number
			MaximumEventAgeInSeconds *number
		}
		DeadLetterConfig struct{ Arn string }
	}
	if err := decode(properties, &p); err != nil {
		return err
	}
	if p.ScheduleExpression == "" {
		return fmt.Errorf("ScheduleExpression is missing")
	}
	schedule := Schedule{
		Name: p.Name, Function: f.LogicalID, Expression: p.ScheduleExpression, Input: p.Input,
		Disabled: p.State == "DISABLED", MaximumRetries: 185, MaximumAge: 24 * time.Hour, DeadLetterTarget: p.DeadLetterConfig.Arn,
	}
	if schedule.Name == "" {
		schedule.Name = f.LogicalID + event
	}
	schedule.ARN = "arn:aws:scheduler:" + Region + ":" + Account + ":schedule/default/" + schedule.Name
	if n := p.RetryPolicy.MaximumRetryAttempts; n != nil {
		schedule.MaximumRetries = int(*n)
	}
	if n := p.RetryPolicy.MaximumEventAgeInSeconds; n != nil {
		schedule.MaximumAge = time.Duration(*n) * time.Second
	}
	f.Schedules = append(f.Schedules, schedule)
	return nil
}
