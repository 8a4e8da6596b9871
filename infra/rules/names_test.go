package rules

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// nameOf says which property names a resource of a type for its whole account and region; empty where none does. A kind that
// is not here is one whose names nobody has looked at.
var nameOf = map[string]string{
	"AWS::ApiGatewayV2::Api":                     "Name",
	"AWS::ApiGatewayV2::ApiMapping":              "",
	"AWS::ApiGatewayV2::DomainName":              "", // of a parameter: a domain leads to one stack
	"AWS::ApiGatewayV2::Stage":                   "", // $default, of one API
	"AWS::Backup::BackupPlan":                    "",
	"AWS::Backup::BackupSelection":               "", // of one plan
	"AWS::Backup::BackupVault":                   "BackupVaultName",
	"AWS::Budgets::Budget":                       "",
	"AWS::CertificateManager::Certificate":       "",
	"AWS::CloudWatch::Alarm":                     "AlarmName",
	"AWS::CloudWatch::Dashboard":                 "DashboardName",
	"AWS::CodeDeploy::Application":               "ApplicationName",
	"AWS::CodeDeploy::DeploymentGroup":           "DeploymentGroupName",
	"AWS::DynamoDB::Table":                       "TableName",
	"AWS::Events::EventBus":                      "Name",
	"AWS::Events::Rule":                          "Name",
	"AWS::IAM::Role":                             "RoleName",
	"AWS::KMS::Key":                              "",
	"AWS::Lambda::Alias":                         "", // of one function
	"AWS::Lambda::EventInvokeConfig":             "",
	"AWS::Lambda::EventSourceMapping":            "",
	"AWS::Lambda::Function":                      "FunctionName",
	"AWS::Lambda::Permission":                    "",
	"AWS::Lambda::Version":                       "",
	"AWS::Logs::LogGroup":                        "LogGroupName",
	"AWS::Logs::MetricFilter":                    "", // of one log group
	"AWS::S3::Bucket":                            "BucketName",
	"AWS::S3::BucketPolicy":                      "",
	"AWS::SES::ConfigurationSet":                 "Name",
	"AWS::SES::ConfigurationSetEventDestination": "", // of one configuration set
	"AWS::SES::EmailIdentity":                    "EmailIdentity",
	"AWS::SNS::Subscription":                     "",
	"AWS::SNS::Topic":                            "TopicName",
	"AWS::SNS::TopicPolicy":                      "",
	"AWS::SQS::Queue":                            "QueueName",
	"AWS::SQS::QueuePolicy":                      "",
	"AWS::Scheduler::Schedule":                   "Name",
	"AWS::SecretsManager::Secret":                "Name",
	"AWS::Serverless::Function":                  "FunctionName",
	"AWS::Serverless::HttpApi":                   "Name",
}

// taken are the resources that another stack of the account may have by the same name, each with how the template leaves it alone then.
var taken = map[string]string{
	"MailIdentity": "MailIdentityExists: a domain is an identity of the account, which stacks may share",
}

// TestNamesAreOfTheStack: a second stack in the same account and region finds no name of its own taken. `make check` asks the same of
// what SAM makes of the template (EXPANDED_TEMPLATE).
func TestNamesAreOfTheStack(t *testing.T) {
	s := readTemplate(t)
	// SAM names a schedule after its function and event alone.
	for _, e := range s.events("ScheduleV2") {
		if name, err := json.Marshal(e.properties["Name"]); err != nil || e.properties["OmitName"] != true && !strings.Contains(string(name), "AWS::StackName") {
			t.Errorf("%s.%s: OmitName: true, or a Name with the stack's: every stack has this schedule otherwise", e.function, e.name)
		}
	}
	t.Run("as written", func(t *testing.T) { namesAreOfTheStack(t, s) })
	if file := os.Getenv("EXPANDED_TEMPLATE"); file != "" {
		t.Run("as expanded", func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var all object
			if err := json.Unmarshal(raw, &all); err != nil {
				t.Fatal(err)
			}
			expanded := stack{all: all, resources: all["Resources"].(object)}
			if len(expanded.ofType("AWS::Lambda::Function")) != len(s.functions()) || len(expanded.ofType("AWS::Scheduler::Schedule")) != len(s.events("ScheduleV2")) {
				t.Fatalf("%s is no expansion of this template", file)
			}
			namesAreOfTheStack(t, expanded)
			invocations(t, expanded)
		})
	}
}

func namesAreOfTheStack(t *testing.T, s stack) {
	t.Helper()
	for _, id := range slices.Sorted(maps.Keys(s.resources)) {
		kind, _ := at(s.resources[id], "Type").(string)
		property, known := nameOf[kind]
		if !known {
			t.Errorf("%s: does a %s have a name that another stack can take? Say so in `nameOf`", id, kind)
		}
		name := at(s.resources[id], "Properties", property)
		if property == "" || name == nil {
			continue
		}
		if written, err := json.Marshal(name); err != nil || strings.Contains(string(written), "AWS::StackName") {
			continue
		}
		if taken[id] == "" || at(s.resources[id], "Condition") == nil {
			t.Errorf("%s: %s %v: without a name CloudFormation makes one up; with one it has ${AWS::StackName} in it, or a condition and its reason in `taken`", id, property, name)
		}
	}
}

// mostPermissions is how many statements the policy of a function has at most: each has some 350 bytes, and the policy ends at 20 KB,
// which 58 would fill. With more, routes move to another function or to one greedy route.
const mostPermissions = 40

// invocations: what the API may invoke stands in the policy of each function's alias, a statement for each route; and whatever calls a
// function calls its alias, or a release would reach it all at once.
func invocations(t *testing.T, s stack) {
	t.Helper()
	count, called := map[string]int{}, map[string]any{}
	for _, id := range s.ofType("AWS::Lambda::EventSourceMapping") {
		called[id] = s.property(id, "FunctionName")
	}
	for _, id := range s.ofType("AWS::Scheduler::Schedule") {
		called[id] = s.property(id, "Target", "Arn")
	}
	for _, id := range s.ofType("AWS::Lambda::Permission") {
		count[target(s.property(id, "FunctionName"))]++
		called[id] = s.property(id, "FunctionName")
	}
	if len(count) == 0 {
		t.Error("nothing may invoke a function")
	}
	for function, n := range count {
		if n >= mostPermissions {
			t.Errorf("%s has %d permissions: they stay below %d", function, n, mostPermissions)
		}
		t.Logf("%s: %d permissions", function, n)
	}
	for id, what := range called {
		if name, _ := at(what, "Ref").(string); !strings.HasSuffix(name, "Aliaslive") {
			t.Errorf("%s: %v is no alias", id, what)
		}
	}
}
