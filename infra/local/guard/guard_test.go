package guard

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"concord/infra/local/template"
)

const table = "arn:aws:dynamodb:us-east-1:000000000000:table/Table"

func guarded() *Guard {
	return New(&template.Template{
		Tables:     []template.Table{{Name: "Table", ARN: table}},
		Secrets:    []template.Secret{{Name: "Key", ARN: "arn:aws:secretsmanager:us-east-1:000000000000:secret:Key-local0"}},
		Queues:     []template.Queue{{Name: "Work", ARN: "arn:aws:sqs:us-east-1:000000000000:Work", URL: "http://sqs/000000000000/Work"}},
		Identities: []string{"concord.example"},
		Functions: []template.Function{{LogicalID: "F", Statements: []template.Statement{
			{Effect: "Allow", Actions: []string{"dynamodb:GetItem", "dynamodb:Put*", "dynamodb:ConditionCheckItem"}, Resources: []string{table}},
			{Effect: "Allow", Actions: []string{"dynamodb:Query"}, Resources: []string{table + "/index/list"}},
			{Effect: "Allow", Actions: []string{"events:PutEvents"}, Resources: []string{"arn:aws:events:us-east-1:000000000000:event-bus/Bus"}},
			{Effect: "Allow", Actions: []string{"secretsmanager:GetSecretValue"}, Resources: []string{"arn:aws:secretsmanager:us-east-1:000000000000:secret:Key-local0"}},
			{Effect: "Allow", Actions: []string{"sqs:SendMessage"}, Resources: []string{"arn:aws:sqs:us-east-1:000000000000:Work"}},
			{Effect: "Allow", Actions: []string{"ses:SendEmail"}, Resources: []string{"arn:aws:ses:us-east-1:000000000000:identity/concord.example", "arn:aws:ses:us-east-1:000000000000:configuration-set/Mail"}},
			{Effect: "Deny", Actions: []string{"dynamodb:PutThat"}, Resources: []string{"*"}},
		}}},
	})
}

// TestSandboxOfSES: where SES asks for the recipient's identity too, a role that allows each from its own sender alone is enough, and nothing
// less is.
func TestSandboxOfSES(t *testing.T) {
	const identities = "arn:aws:ses:us-east-1:000000000000:identity/"
	for name, c := range map[string]struct {
		sandbox, from string
		equal         map[string][]string
		denied        string
	}{
		"outside of it":              {"false", "invitations@concord.example", nil, ""},
		"without the statement":      {"true", "invitations@concord.example", map[string][]string{"ses:FromAddress": {"nobody"}}, "ses:SendEmail " + identities + "r@elsewhere.example"},
		"with it":                    {"true", "Concord <invitations@concord.example>", map[string][]string{"ses:FromAddress": {"other", "invitations@concord.example"}}, ""},
		"another sender":             {"true", "x@concord.example", map[string][]string{"ses:FromAddress": {"invitations@concord.example"}}, "ses:SendEmail " + identities + "r@elsewhere.example"},
		"a key that nothing says":    {"true", "invitations@concord.example", map[string][]string{"ses:Nobody": {""}}, "ses:SendEmail " + identities + "r@elsewhere.example"},
		"a foreign sender's mailbox": {"true", "invitations@other.example", map[string][]string{"ses:FromAddress": {"invitations@concord.example"}}, "ses:SendEmail " + identities + "other.example"},
	} {
		g := New(&template.Template{
			Parameters: map[string]string{"SesSandbox": c.sandbox}, Identities: []string{"concord.example"},
			Functions: []template.Function{{LogicalID: "F", Statements: []template.Statement{
				{Effect: "Allow", Actions: []string{"ses:SendEmail"}, Resources: []string{identities + "concord.example"}},
				{Effect: "Allow", Actions: []string{"ses:SendEmail"}, Resources: []string{identities + "*"}, Equal: c.equal},
			}}},
		})
		if c.equal == nil {
			g.roles["F"] = g.roles["F"][:1]
		}
		behind := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		h, err := g.Before(SES, behind.URL, "local")
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/v2/email/outbound-emails", strings.NewReader(`{"FromEmailAddress":"`+c.from+`","Destination":{"ToAddresses":["r@elsewhere.example"]}}`))
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=F/20300101/us-east-1/x/aws4_request, SignedHeaders=host, Signature=0")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		behind.Close()
		denied := ""
		for _, d := range g.Denials() {
			denied = d.Action + " " + d.Resource
		}
		if denied != c.denied || (w.Code == http.StatusOK) != (c.denied == "") {
			t.Errorf("%s: %d, denied %q", name, w.Code, denied)
		}
	}
}

// TestRoles: a call passes when the role allows every action of it on its resource, index and identity included.
func TestRoles(t *testing.T) {
	reached := 0
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached++
		if !strings.Contains(r.Header.Get("Authorization"), "Credential=local/") {
			t.Errorf("the service behind sees %s", r.Header.Get("Authorization"))
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	defer behind.Close()
	g := guarded()
	for name, c := range map[string]struct {
		service      Service
		target, body string
		who          string
		denied       string // action and resource; empty for a call that passes
	}{
		"read":                {DynamoDB, "X.GetItem", `{"TableName":"Table"}`, "F", ""},
		"by ARN":              {DynamoDB, "X.GetItem", `{"TableName":"` + table + `"}`, "F", ""},
		"star":                {DynamoDB, "X.PutItem", `{"TableName":"Table"}`, "F", ""},
		"deny wins":           {DynamoDB, "X.PutThat", `{"TableName":"Table"}`, "F", "dynamodb:PutThat " + table},
		"another table":       {DynamoDB, "X.GetItem", `{"TableName":"Other"}`, "F", "dynamodb:GetItem (unknown)"},
		"another action":      {DynamoDB, "X.UpdateItem", `{"TableName":"Table"}`, "F", "dynamodb:UpdateItem " + table},
		"index":               {DynamoDB, "X.Query", `{"TableName":"Table","IndexName":"list"}`, "F", ""},
		"another index":       {DynamoDB, "X.Query", `{"TableName":"Table","IndexName":"due"}`, "F", "dynamodb:Query " + table + "/index/due"},
		"table for its index": {DynamoDB, "X.Query", `{"TableName":"Table"}`, "F", "dynamodb:Query " + table},
		"scan":                {DynamoDB, "X.Scan", `{"TableName":"Table"}`, "F", "dynamodb:Scan " + table},
		"transaction":         {DynamoDB, "X.TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"Table"}},{"ConditionCheck":{"TableName":"Table"}}]}`, "F", ""},
		"part of transaction": {DynamoDB, "X.TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"Table"}},{"Delete":{"TableName":"Table"}}]}`, "F", "dynamodb:DeleteItem " + table},
		"batch":               {DynamoDB, "X.BatchGetItem", `{"RequestItems":{"Table":{}}}`, "F", "dynamodb:BatchGetItem " + table},
		"no JSON":             {DynamoDB, "X.GetItem", `x`, "F", "dynamodb:GetItem (unknown)"},
		"another function":    {DynamoDB, "X.GetItem", `{"TableName":"Table"}`, "G", "dynamodb:GetItem " + table},
		"bus":                 {EventBridge, "AWSEvents.PutEvents", `{"Entries":[{"EventBusName":"Bus"}]}`, "F", ""},
		"default bus":         {EventBridge, "AWSEvents.PutEvents", `{"Entries":[{}]}`, "F", "events:PutEvents arn:aws:events:us-east-1:000000000000:event-bus/"},
		"secret":              {SecretsManager, "secretsmanager.GetSecretValue", `{"SecretId":"Key"}`, "F", ""},
		"another secret":      {SecretsManager, "secretsmanager.GetSecretValue", `{"SecretId":"Other"}`, "F", "secretsmanager:GetSecretValue (unknown)"},
		"queue":               {SQS, "AmazonSQS.SendMessageBatch", `{"QueueUrl":"http://sqs/000000000000/Work"}`, "F", ""},
		"another queue":       {SQS, "AmazonSQS.SendMessage", `{"QueueUrl":"http://sqs/000000000000/Other"}`, "F", "sqs:SendMessage (unknown)"},
		"mail":                {SES, "", `{"FromEmailAddress":"Concord <no-reply@concord.example>","ConfigurationSetName":"Mail"}`, "F", ""},
		"another sender":      {SES, "", `{"FromEmailAddress":"no-reply@other.example","ConfigurationSetName":"Mail"}`, "F", "ses:SendEmail arn:aws:ses:us-east-1:000000000000:identity/other.example"},
		"another set":         {SES, "", `{"FromEmailAddress":"no-reply@concord.example","ConfigurationSetName":"X"}`, "F", "ses:SendEmail arn:aws:ses:us-east-1:000000000000:configuration-set/X"},
	} {
		t.Run(name, func(t *testing.T) {
			h, err := g.Before(c.service, behind.URL, "local")
			if err != nil {
				t.Fatal(err)
			}
			path := "/"
			if c.service == SES {
				path = "/v2/email/outbound-emails"
			}
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(c.body))
			r.Header.Set("X-Amz-Target", c.target)
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+c.who+"/20300101/us-east-1/x/aws4_request, SignedHeaders=host, Signature=0")
			before, w := reached, httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if c.denied == "" {
				if w.Code != 200 || w.Body.String() != c.body || reached != before+1 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				return
			}
			all := g.Denials()
			d := all[len(all)-1]
			if w.Code < 400 || !strings.Contains(w.Body.String(), "AccessDeniedException") || reached != before || d.Function != c.who || d.Action+" "+d.Resource != c.denied {
				t.Errorf("%d %s; denied %s", w.Code, w.Body, d)
			}
		})
	}
}
