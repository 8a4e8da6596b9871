package guard

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"concord/infra/local/template"
)

// call is what a role has to allow.
type call struct {
	action, resource string
	context          map[string]string // condition keys of the request
}

func on(action, resource string) call { return call{action: action, resource: resource} }

// unknown is the resource of a request whose resource nobody knows: no role allows anything on it.
const unknown = "(unknown)"

// calls says what a request asks of a service. A request that is not understood asks for something that no role allows.
func (g *Guard) calls(s Service, r *http.Request, body []byte) []call {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch s {
	case DynamoDB:
		return g.tables(operation, body)
	case EventBridge:
		var in struct {
			Entries []struct{ EventBusName string }
		}
		_ = json.Unmarshal(body, &in)
		var out []call
		for _, e := range in.Entries {
			bus := e.EventBusName
			if !strings.HasPrefix(bus, "arn:") {
				bus = arn("events", "event-bus/"+bus)
			}
			out = append(out, on("events:"+operation, bus))
		}
		return some(out, "events:"+operation)
	case SecretsManager:
		var in struct {
			SecretID string `json:"SecretId"`
		}
		_ = json.Unmarshal(body, &in)
		for _, secret := range g.t.Secrets {
			if in.SecretID == secret.ARN || in.SecretID == secret.Name {
				return []call{on("secretsmanager:"+operation, secret.ARN)}
			}
		}
		return []call{on("secretsmanager:"+operation, unknown)}
	case SQS:
		var in struct {
			QueueURL string `json:"QueueUrl"`
		}
		_ = json.Unmarshal(body, &in)
		operation = strings.TrimSuffix(operation, "Batch") // the action of one and of many is the same
		for _, q := range g.t.Queues {
			if in.QueueURL == q.URL || strings.HasSuffix(in.QueueURL, "/"+q.Name) {
				return []call{on("sqs:"+operation, q.ARN)}
			}
		}
		return []call{on("sqs:"+operation, unknown)}
	case SES:
		return g.mails(r, body)
	}
	return []call{on(string(s)+":"+operation, unknown)}
}

func arn(service, rest string) string {
	return "arn:aws:" + service + ":" + template.Region + ":" + template.Account + ":" + rest
}

func some(calls []call, action string) []call {
	if len(calls) == 0 {
		return []call{on(action, unknown)}
	}
	return calls
}

// mails asks for the sender's identity and, where a mail names one, for the configuration set: SES wants both; in its sandbox it wants the
// recipient's identity too.
func (g *Guard) mails(r *http.Request, body []byte) []call {
	if r.Method != http.MethodPost || r.URL.Path != "/v2/email/outbound-emails" {
		return []call{on("ses:"+r.Method+" "+r.URL.Path, unknown)}
	}
	var in struct {
		FromEmailAddress, ConfigurationSetName string
		Destination                            struct{ ToAddresses []string }
	}
	_ = json.Unmarshal(body, &in)
	address := in.FromEmailAddress
	if _, inner, ok := strings.Cut(address, "<"); ok {
		address = strings.TrimSuffix(inner, ">")
	}
	_, domain, _ := strings.Cut(address, "@")
	identity := domain
	if slices.Contains(g.t.Identities, address) {
		identity = address
	}
	context := map[string]string{"ses:FromAddress": address}
	out := []call{{"ses:SendEmail", arn("ses", "identity/"+identity), context}}
	if in.ConfigurationSetName != "" {
		out = append(out, call{"ses:SendEmail", arn("ses", "configuration-set/"+in.ConfigurationSetName), context})
	}
	if g.t.Parameters["SesSandbox"] == "true" { // SES asks for those of the recipients there
		for _, to := range in.Destination.ToAddresses {
			out = append(out, call{"ses:SendEmail", arn("ses", "identity/"+to), context})
		}
	}
	return out
}

// part is one operation of a DynamoDB request.
type part struct{ TableName, IndexName string }

// inTransaction are the actions of what stands in TransactItems.
var inTransaction = map[string]string{
	"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem",
}

func (g *Guard) tables(operation string, body []byte) []call {
	var in struct {
		part
		RequestItems  map[string]json.RawMessage
		TransactItems []map[string]part
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return []call{on("dynamodb:"+operation, unknown)}
	}
	var out []call
	add := func(action string, p part) {
		resource := unknown
		for _, t := range g.t.Tables {
			if p.TableName == t.Name || p.TableName == t.ARN {
				resource = t.ARN
			}
		}
		if p.IndexName != "" {
			resource += "/index/" + p.IndexName
		}
		if c := on("dynamodb:"+action, resource); !slices.ContainsFunc(out, func(x call) bool { return x.action == c.action && x.resource == c.resource }) {
			out = append(out, c)
		}
	}
	switch operation {
	case "BatchGetItem", "BatchWriteItem":
		for table := range in.RequestItems {
			add(operation, part{TableName: table})
		}
	case "TransactWriteItems", "TransactGetItems":
		for _, item := range in.TransactItems {
			for kind, p := range item {
				add(inTransaction[kind], p)
			}
		}
	default:
		add(operation, in.part)
	}
	return some(out, "dynamodb:"+operation)
}
