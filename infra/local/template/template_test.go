package template

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// The template of the product itself must be one that the local stack understands whole.
func TestTemplateOfTheProduct(t *testing.T) {
	got, err := Read("../../../template.yaml", wanted)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Tables) != 1 || got.Tables[0].StreamViewType != "NEW_AND_OLD_IMAGES" || got.Tables[0].TTLAttribute == "" {
		t.Errorf("tables %+v", got.Tables)
	}
	if len(got.APIs) != 1 || len(got.APIs[0].Routes) == 0 {
		t.Fatalf("APIs %+v", got.APIs)
	}
	for _, r := range got.APIs[0].Routes {
		f, ok := got.Function(r.Function)
		if !ok || f.Timeout > 30*time.Second {
			t.Errorf("route %s goes to %s, whose time-out is %s", r.Key(), r.Function, f.Timeout)
		}
		api := slices.ContainsFunc([]string{"/v1/", "/graph/", "/pc/"}, func(p string) bool { return strings.HasPrefix(r.Path, p) })
		if api != (r.Authorizer != "") {
			t.Errorf("route %s has the authorizer %q", r.Key(), r.Authorizer)
		}
	}
	mailer, _ := got.Function("MailerFunction")
	if len(mailer.Streams) != 1 || !mailer.Streams[0].PartialFailures || !mailer.Streams[0].Bisect || len(mailer.Streams[0].Patterns) == 0 {
		t.Errorf("the mailer follows %+v", mailer.Streams)
	}
	if from := mailer.Environment["MAIL_FROM"]; !strings.HasSuffix(from, "@mail.example>") {
		t.Errorf("MAIL_FROM is %q", from)
	}
	events, _ := got.Function("EventsFunction")
	if len(events.Streams) != 1 || events.Streams[0].OnFailure != "arn:aws:s3:::UndeliveredEvents" || !slices.Equal(got.Buses, []string{events.Environment["EVENT_BUS"]}) {
		t.Errorf("events go to the buses %q, the function follows %+v", got.Buses, events.Streams)
	}
	cleanup, _ := got.Function("CleanupFunction")
	if len(cleanup.Schedules) == 0 || !slices.ContainsFunc(got.Queues, func(q Queue) bool { return q.ARN == cleanup.Schedules[0].DeadLetterTarget }) {
		t.Errorf("cleanup has the schedules %+v", cleanup.Schedules)
	}
	feedback, _ := got.Function("FeedbackFunction")
	if len(feedback.Queues) != 1 || !feedback.Queues[0].PartialFailures || feedback.Queues[0].BatchSize != 10 || feedback.Queues[0].Concurrency != 10 {
		t.Fatalf("feedback reads %+v", feedback.Queues)
	}
	if len(got.EventDestinations) != 2 || len(got.EventDestinations[0].Types) != 6 || len(got.EventDestinations[1].Types) != 3 || got.EventDestinations[0].ConfigurationSet != got.ConfigurationSets[0] ||
		!slices.Equal(got.Subscriptions, []Subscription{{Topic: got.EventDestinations[0].Topic, Queue: feedback.Queues[0].Queue}}) {
		t.Errorf("event destinations %+v, subscriptions %+v", got.EventDestinations, got.Subscriptions)
	}
	if i := slices.IndexFunc(got.Queues, func(q Queue) bool { return q.ARN == feedback.Queues[0].Queue }); i < 0 || got.Queues[i].Visibility != 3*time.Minute ||
		got.Queues[i].MaxReceives != 10 || got.Queues[i].DeadLetters == "" {
		t.Errorf("queues %+v", got.Queues)
	}
	if !slices.Equal(got.Identities, []string{"mail.example"}) || len(got.ConfigurationSets) != 2 || len(got.Secrets) != 1 {
		t.Errorf("identities %q, configuration sets %q, secrets %+v", got.Identities, got.ConfigurationSets, got.Secrets)
	}
}

// TestOfTheAccount: what the account has already, the template leaves alone.
func TestOfTheAccount(t *testing.T) {
	for exists, want := range map[string]int{"false": 1, "true": 0} {
		got, err := Read("../../../template.yaml", with(map[string]string{"MailIdentityExists": exists}))
		if err != nil {
			t.Fatal(err)
		}
		if _, told := got.Outputs["MailRecords"]; len(got.Identities) != want || told != (want == 1) || got.Outputs["TableName"] != "Table" {
			t.Errorf("MailIdentityExists %s: identities %q, outputs %v", exists, got.Identities, got.Outputs)
		}
	}
	if _, err := Read("../../../template.yaml", with(map[string]string{"MailDomain": "https://mail.example"})); err == nil || !strings.Contains(err.Error(), "domain name") {
		t.Errorf("a URL as MailDomain: %v", err)
	}
}

// TestDNS: the outputs are what an operator publishes, whole and for what the parameters say.
func TestDNS(t *testing.T) {
	const certificate = "arn:aws:acm:us-east-1:000000000000:certificate/"
	got, err := Read("../../../template.yaml", with(map[string]string{
		"PublicPortalUrl": "https://portal.operator.example", "UsGovPortalUrl": "https://gov.operator.example",
		"PublicPortalCertificateArn": certificate + "a", "UsGovPortalCertificateArn": certificate + "b",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"MailIdentity.DkimDNSTokenName3. CNAME MailIdentity.DkimDNSTokenValue3.\n", "bounces.mail.example. MX 10 feedback-smtp.us-east-1.amazonses.com.\n",
		`bounces.mail.example. TXT "v=spf1 include:amazonses.com -all"` + "\n", `_dmarc.mail.example. TXT "v=DMARC1; p=quarantine; rua=mailto:help@operator.example"` + "\n",
	} {
		if !strings.Contains(got.Outputs["MailRecords"], line) {
			t.Errorf("no %q in %q", line, got.Outputs["MailRecords"])
		}
	}
	for output, want := range map[string]string{
		"PublicPortalRecord": "portal.operator.example. CNAME PublicPortalDomain.RegionalDomainName.",
		"UsGovPortalRecord":  "gov.operator.example. CNAME UsGovPortalDomain.RegionalDomainName.",
	} {
		if got.Outputs[output] != want {
			t.Errorf("%s: %q", output, got.Outputs[output])
		}
	}
	got, err = Read("../../../template.yaml", with(map[string]string{
		"PublicPortalUrl": "https://portal.operator.example", "UsGovPortalUrl": "https://portal.operator.example",
		"PublicPortalCertificateArn": certificate + "a", "UsGovPortalCertificateArn": certificate + "a",
	}))
	if err != nil || got.Outputs["PublicPortalRecord"] == "" || got.Outputs["UsGovPortalRecord"] != "" {
		t.Errorf("one portal: %v, %v", got.Outputs, err)
	}
}

// TestTheSandboxOfSES: any identity, from our own sender, where the parameter says so and nowhere else.
func TestTheSandboxOfSES(t *testing.T) {
	for sandbox, want := range map[string]int{"false": 0, "true": 1} {
		got, err := Read("../../../template.yaml", with(map[string]string{"SesSandbox": sandbox}))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		mailer, _ := got.Function("MailerFunction")
		for _, s := range mailer.Statements {
			if slices.ContainsFunc(s.Resources, func(r string) bool { return strings.HasSuffix(r, ":identity/*") }) {
				found++
				if !reflect.DeepEqual(s.Equal, map[string][]string{"ses:FromAddress": {"invitations@mail.example"}}) {
					t.Errorf("conditions %v", s.Equal)
				}
			}
		}
		if found != want {
			t.Errorf("SesSandbox %s: %d statements for any identity", sandbox, found)
		}
	}
}

// with gives the parameters that the template wants, and others.
func with(more map[string]string) map[string]string {
	parameters := maps.Clone(wanted)
	maps.Copy(parameters, more)
	return parameters
}

var wanted = map[string]string{
	"OperatorName": "Operator", "OperatorContact": "help@operator.example", "PrivacyNoticeUrl": "https://operator.example/privacy",
	"MailDomain": "mail.example", "Issuer": "http://127.0.0.1:1", "PublicPortalUrl": "http://127.0.0.1:2", "UsGovPortalUrl": "http://127.0.0.1:3",
}

const base = `
Parameters:
  Name: {Type: String, Default: n}
  Flag: {Type: String, Default: "yes"}
  Rate: {Type: Number, Default: 7}
  Many: {Type: CommaDelimitedList, Default: "a, b"}
Mappings:
  M: {k: {v: mapped}}
Conditions:
  On: !Equals [!Ref Flag, "yes"]
  Off: !Not [!Condition On]
  Both: !And [!Condition On, !Condition Off]
  Either: !Or [!Condition On, !Condition Off]
Globals:
  Function:
    Timeout: 9
    Environment: {Variables: {GLOBAL: g, OVER: global}}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      StreamSpecification: {StreamViewType: KEYS_ONLY}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${Name}-queue"}}
  Secret: {Type: AWS::SecretsManager::Secret, Properties: {GenerateSecretString: {}}}
  Absent: {Type: AWS::SQS::Queue, Condition: Off}
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        Authorizers:
          A: {FunctionArn: !GetAtt F.Arn, AuthorizerPayloadFormatVersion: "2.0", EnableSimpleResponses: true, EnableFunctionDefaultPermissions: true, Identity: {Headers: [Authorization], ReauthorizeEvery: 300}}
`

func parseFunction(t *testing.T, properties string, parameters map[string]string) (*Template, error) {
	t.Helper()
	var b strings.Builder
	b.WriteString(base + "  F:\n    Type: AWS::Serverless::Function\n    Properties:\n")
	for line := range strings.Lines(strings.TrimLeft(properties, "\n")) {
		b.WriteString("      " + line)
	}
	return Parse([]byte(b.String()), parameters)
}

func function(t *testing.T, properties string) Function {
	t.Helper()
	got, err := parseFunction(t, properties, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got.Functions[0]
}

func TestIntrinsicFunctions(t *testing.T) {
	f := function(t, `
Environment:
  Variables:
    OVER: own
    REF: !Ref Name
    NUMBER: !Ref Rate
    TABLE: !Ref Table
    QUEUE: !Ref Queue
    SECRET: !Ref Secret
    ARN: !GetAtt Queue.Arn
    LONG: {"Fn::GetAtt": [Table, Arn]}
    SUB: !Sub "${Name}/${AWS::Region}/${Table.Arn}/${!kept}"
    SUB2: !Sub ["${x}-${Name}", {x: !Ref Rate}]
    JOIN: !Join ["+", [a, !Ref Name, !Select [1, !Ref Many]]]
    SPLIT: !Select [0, !Split ["|", "p|q"]]
    MAP: !FindInMap [M, k, v]
    IF: !If [On, then, else]
    ELSE: !If [Off, !Ref Absent, else]
    AND: !If [Both, then, else]
    OR: !If [Either, then, else]
    GONE: !If [Off, x, !Ref "AWS::NoValue"]
    ON: true
    INTEGER: 3
`)
	want := map[string]string{
		"GLOBAL": "g", "OVER": "own", "REF": "n", "NUMBER": "7", "TABLE": "Table", "QUEUE": "https://sqs.us-east-1.amazonaws.com/000000000000/n-queue",
		"SECRET": "arn:aws:secretsmanager:us-east-1:000000000000:secret:Secret-local0", "ARN": "arn:aws:sqs:us-east-1:000000000000:n-queue",
		"LONG": "arn:aws:dynamodb:us-east-1:000000000000:table/Table", "SUB": "n/us-east-1/arn:aws:dynamodb:us-east-1:000000000000:table/Table/${kept}",
		"SUB2": "7-n", "JOIN": "a+n+b", "SPLIT": "p", "MAP": "mapped", "IF": "then", "ELSE": "else", "AND": "else", "OR": "then", "ON": "true", "INTEGER": "3",
	}
	if !maps.Equal(f.Environment, want) {
		t.Errorf("got %v\nwant %v", f.Environment, want)
	}
	if f.Timeout != 9*time.Second || f.Memory != 128 {
		t.Errorf("time-out %s, memory %d", f.Timeout, f.Memory)
	}
}

func TestEvents(t *testing.T) {
	got, err := parseFunction(t, `
ReservedConcurrentExecutions: 3
Events:
  Own: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: post, Path: "/x/{id}", Auth: {Authorizer: A}, TimeoutInMillis: 5000}}
  Open: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: any, Path: "/y/{rest+}"}}
  Else: {Type: HttpApi, Properties: {ApiId: !Ref Api}}
  Plain: {Type: DynamoDB, Properties: {Stream: !GetAtt Table.StreamArn, StartingPosition: LATEST}}
  Rich:
    Type: DynamoDB
    Properties:
      Stream: !GetAtt Table.StreamArn
      StartingPosition: TRIM_HORIZON
      BatchSize: 10
      MaximumBatchingWindowInSeconds: 2
      ParallelizationFactor: !Ref Rate
      BisectBatchOnFunctionError: true
      FunctionResponseTypes: [ReportBatchItemFailures]
      MaximumRetryAttempts: 0
      MaximumRecordAgeInSeconds: 60
      DestinationConfig: {OnFailure: {Destination: !GetAtt Queue.Arn}}
      FilterCriteria: {Filters: [{Pattern: '{"eventName":["INSERT"]}'}]}
  Off: {Type: DynamoDB, Properties: {Stream: !GetAtt Table.StreamArn, StartingPosition: LATEST, Enabled: false}}
  Daily:
    Type: ScheduleV2
    Properties: {ScheduleExpression: rate(1 day), Input: '{"a":1}', State: DISABLED,
      RetryPolicy: {MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 60}, DeadLetterConfig: {Arn: !GetAtt Queue.Arn}}
  Often: {Type: ScheduleV2, Properties: {Name: often, ScheduleExpression: rate(1 minute)}}
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	arn := "arn:aws:sqs:us-east-1:000000000000:n-queue"
	stream := "arn:aws:dynamodb:us-east-1:000000000000:table/Table/stream/local"
	wantRoutes := []Route{
		{Path: "$default", Function: "F", Timeout: 30 * time.Second},
		{Method: "ANY", Path: "/y/{rest+}", Function: "F", Timeout: 30 * time.Second},
		{Method: "POST", Path: "/x/{id}", Function: "F", Authorizer: "A", Timeout: 5 * time.Second},
	}
	if !reflect.DeepEqual(got.APIs[0].Routes, wantRoutes) {
		t.Errorf("routes %+v", got.APIs[0].Routes)
	}
	a := got.APIs[0].Authorizers
	if len(a) != 1 || a["A"].Function != "F" || a["A"].TTL != 5*time.Minute || !slices.Equal(a["A"].IdentitySources, []string{"$request.header.Authorization"}) {
		t.Errorf("authorizers %+v", a)
	}
	f := got.Functions[0]
	if f.ReservedConcurrency != 3 {
		t.Errorf("reserved concurrency %d", f.ReservedConcurrency)
	}
	wantStreams := []StreamSource{
		{Name: "Plain", Function: "F", Table: "Table", StreamARN: stream, StartingPosition: "LATEST", BatchSize: 100, Parallelization: 1, MaximumRetries: -1},
		{
			Name: "Rich", Function: "F", Table: "Table", StreamARN: stream, StartingPosition: "TRIM_HORIZON", BatchSize: 10, BatchingWindow: 2 * time.Second,
			Parallelization: 7, Bisect: true, PartialFailures: true, MaximumRetries: 0, MaximumAge: time.Minute, OnFailure: arn, Patterns: []string{`{"eventName":["INSERT"]}`},
		},
	}
	if !reflect.DeepEqual(f.Streams, wantStreams) {
		t.Errorf("streams %+v", f.Streams)
	}
	prefix := "arn:aws:scheduler:us-east-1:000000000000:schedule/default/"
	wantSchedules := []Schedule{
		{Name: "FDaily", Function: "F", ARN: prefix + "FDaily", Expression: "rate(1 day)", Input: `{"a":1}`, Disabled: true, MaximumRetries: 2, MaximumAge: time.Minute, DeadLetterTarget: arn},
		{Name: "often", Function: "F", ARN: prefix + "often", Expression: "rate(1 minute)", MaximumRetries: 185, MaximumAge: 24 * time.Hour},
	}
	if !reflect.DeepEqual(f.Schedules, wantSchedules) {
		t.Errorf("schedules %+v", f.Schedules)
	}
}

func TestWhatDoesNotResolveIsNamed(t *testing.T) {
	for properties, want := range map[string]string{
		"Role: !Ref Nobody":             "resource F: unresolved reference Nobody",
		"Role: !GetAtt Nobody.Arn":      "unresolved reference Nobody",
		`Role: !Sub "${Nobody}"`:        "unresolved reference Nobody",
		`Role: !Sub "${Nobody.Arn}"`:    "unresolved reference Nobody",
		`Role: !Sub "${Name"`:           "not closed",
		"Role: !Ref Absent":             "unresolved reference Absent",
		"Role: !If [Nobody, a, b]":      "unresolved condition Nobody",
		"Role: !FindInMap [M, k, none]": "nothing at",
		"Role: !Select [4, [a]]":        "no entry 4",
		"Role: !Base64 x":               "!Base64 is not supported",
		"Timeout: soon":                 "not a number: \"soon\"",
		"Events: {E: {Type: SNS}}":      "SNS",
		"Events: {E: {Type: SQS}}":      "there is no queue",
		"Events: {E: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, FilterCriteria: {Filters: []}}}}":                            "filters of queues",
		"Events: {E: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /, Auth: {Authorizer: B}}}}":                   "event E: unresolved reference B",
		"Events: {E: {Type: HttpApi, Properties: {ApiId: Other, Method: GET, Path: /}}}":                                             "no such HTTP API",
		"Events: {E: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: FETCH, Path: /}}}":                                        "FETCH",
		"Events: {E: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: GET, Path: /, PayloadFormatVersion: '1.0'}}}":             "payload format",
		"Events: {E: {Type: DynamoDB, Properties: {Stream: 'arn:x', StartingPosition: LATEST}}}":                                     "no table has the stream",
		"Events: {E: {Type: DynamoDB, Properties: {Stream: !GetAtt Table.StreamArn, StartingPosition: NOW}}}":                        "StartingPosition",
		"Events: {E: {Type: ScheduleV2, Properties: {}}}":                                                                            "ScheduleExpression",
		"Events: {A: {Type: HttpApi, Properties: {Method: GET, Path: /a}}, B: {Type: HttpApi, Properties: {Method: GET, Path: /a}}}": "GET /a is F's already",
	} {
		if _, err := parseFunction(t, properties, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", properties, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                                   "empty",
		"[]":                                 "not a map",
		"a: 1\na: 2":                         "twice",
		"Parameters: {P: {Type: String}}":    "parameter P",
		"Outputs: {O: {Value: !Ref Nobody}}": "Nobody",
		"Resources: {Q: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true}}}":                                                                             "FIFO",
		"Resources: {Q: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {maxReceiveCount: 3}}}}":                                                         "deadLetterTargetArn",
		"Resources: {S: {Type: AWS::SNS::Subscription, Properties: {Protocol: sqs, FilterPolicy: {a: [b]}}}}":                                                "filter policies",
		"Resources: {D: {Type: AWS::SES::ConfigurationSetEventDestination, Properties: {EventDestination: {Enabled: true, CloudWatchDestination: {a: b}}}}}": "only topics",
		"Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}\nResources: {Q: {Type: AWS::SQS::Queue, Condition: A}}":                                "refers to itself",
	} {
		if _, err := Parse([]byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestLocalValueWinsOverDefault(t *testing.T) {
	got, err := parseFunction(t, "Environment: {Variables: {N: !Ref Name, F: !If [On, a, b]}}", map[string]string{"Name": "local", "Flag": "no"})
	if err != nil {
		t.Fatal(err)
	}
	if env := got.Functions[0].Environment; env["N"] != "local" || env["F"] != "b" || got.Parameters["Name"] != "local" {
		t.Errorf("got %v, %v", env, got.Parameters)
	}
}

func TestAsynchronousInvocations(t *testing.T) {
	for properties, want := range map[string]Asynchronous{
		"Timeout: 9": {MaximumRetries: 2, MaximumAge: 6 * time.Hour},
		"EventInvokeConfig: {MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60}": {MaximumAge: time.Minute},
		"EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Queue.Arn}}}": {
			MaximumRetries: 2, MaximumAge: 6 * time.Hour, OnFailure: "arn:aws:sqs:us-east-1:000000000000:n-queue",
		},
	} {
		got, err := parseFunction(t, properties, nil)
		if err != nil || got.Functions[0].Asynchronous != want {
			t.Errorf("%s: %+v, %v", properties, got, err)
		}
	}
	for _, destination := range []string{"{OnFailure: {Type: SNS, Destination: !GetAtt Queue.Arn}}", "{OnFailure: {Type: SQS}}", "{OnSuccess: {Type: SQS, Destination: !GetAtt Queue.Arn}}"} {
		if _, err := parseFunction(t, "EventInvokeConfig: {DestinationConfig: "+destination+"}", nil); err == nil {
			t.Errorf("%s is taken", destination)
		}
	}
}
