package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/infra/local/engine"
	"concord/infra/local/stack"
	"concord/infra/local/template"
	"concord/internal/app"
	pages "concord/internal/app/acceptance"
	"concord/internal/app/invitations"
	"concord/internal/app/inviting"
	mails "concord/internal/app/mailer"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/env"
	"concord/internal/keyring"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/session"
)

const (
	alder  = partner.TenantID("a1de0000-0000-4000-8000-000000000001")
	portal = "https://concord.example"
	// The stages of the secret are answered alike: no rotation is under way.
	master = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	clouds = `[{"id":"public","portalName":"Concord","baseUrl":"` + portal + `","administrationOptional":true}]`
)

var operator = emailaddr.Operator{Name: "Grove", Contact: "help@grove.example", Privacy: "https://grove.example/privacy",
	Imprint: "https://grove.example/imprint"}

// subject is one thing that is measured: a handler with an event of its own, or a bare call of the SDK.
type subject struct {
	name   string
	invoke func(ctx context.Context) error
	event  []byte
	with   map[string]string // answers in the place of those that were recorded last
}

// world is the handlers as the functions wire them, before answers that do not change.
type world struct {
	aws      *canned
	cfg      aws.Config
	client   *dynamodb.Client
	store    *dynamo.Store
	keys     *keyring.Source
	root     string
	log      *slog.Logger
	draft    map[string]types.AttributeValue
	subjects []subject
}

func newWorld(ctx context.Context, root string) (*world, error) {
	e, err := engine.Start(ctx, engine.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = e.Close() }()
	//nolint:gosec // G101: where the secrets would be, and nobody is there
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": e.Endpoint(), "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:1",
		"AWS_ENDPOINT_URL_SESV2": "http://127.0.0.1:1",
		"AWS_LAMBDA_LOG_FORMAT":  "JSON",
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	w := &world{aws: &canned{recording: true, answers: map[string][]byte{}, asked: map[string]int{}}, root: root,
		log: slog.New(slog.NewJSONHandler(io.Discard, nil))}
	w.cfg = aws.Config{Region: template.Region, HTTPClient: w.aws,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: strings.Repeat("wJalrXUtn", 4),
				SessionToken: strings.Repeat("FwoGZXIvYXdzE", 40)}, nil
		})}
	w.client = dynamodb.NewFromConfig(w.cfg, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(e.Endpoint()) })
	w.store, w.keys = dynamo.New(w.cfg, "concord"), keyring.New(w.cfg, "x")
	w.aws.put("secretsmanager.GetSecretValue",
		`{"ARN":"arn:aws:secretsmanager:us-east-1:1:secret:x","Name":"x","SecretString":"`+master+`","VersionId":"v","VersionStages":["AWSCURRENT"]}`)
	w.aws.put("/v2/email/outbound-emails", `{"MessageId":"010001a22f3e6603-a6de15df-3ed4-bf15-4bfd-f5508a45d650-000000"}`)
	if err := w.fill(ctx); err != nil {
		return nil, err
	}
	if err := w.record(ctx); err != nil {
		return nil, err
	}
	w.aws.recording = false
	return w, nil
}

func (w *world) template() (*template.Template, error) {
	return template.Read(filepath.Join(w.root, "template.yaml"), map[string]string{
		"OperatorName": operator.Name, "OperatorContact": operator.Contact, "PrivacyNoticeUrl": operator.Privacy,
		"ImprintUrl": operator.Imprint, "MailDomain": "mail.example",
		"Issuer": "http://127.0.0.1:1", "PublicPortalUrl": portal, "UsGovPortalUrl": portal,
	})
}

// fill makes the table with one partner's account.
func (w *world) fill(ctx context.Context) error {
	t, err := w.template()
	if err != nil {
		return err
	}
	in := stack.CreateTableInput(t.Tables[0])
	in.TableName = aws.String("concord")
	if _, err := w.client.CreateTable(ctx, in); err != nil {
		return err
	}
	signed := time.Now().AddDate(0, -3, 0).UTC().Truncate(time.Second)
	return w.store.CreateAccount(ctx, partner.Account{
		Tenant: alder, DisplayName: "Alder Cloud Services", Role: partner.DirectBill, Cloud: "public", Country: "US",
		Status: partner.Active, Locale: "en",
		PartnerIDs: []partner.PartnerID{{ID: "4100001", Type: "location", Country: "US",
			OnboardingLocation: true}}, AssociatedPartnerID: "4100001",
		MPA:     &partner.Agreement{SignedAt: signed, SignedBy: "Ann Alder", Version: "2025", Hash: strings.Repeat("0f", 32)},
		Contact: partner.Contact{Email: "hello@alder.example"}, VerifiedDomain: "alder.example", CreatedAt: signed,
		Version: 1,
	})
}

// given is what the functions are put together with, as their mains do it.
func (w *world) given() app.Given { return app.Given{AWS: w.cfg, Log: w.log, Figures: io.Discard} }

// local is what a local stack sets.
var local = env.Local{AllowReserved: true}

// functions are the handlers of functions/invitations, functions/acceptance and functions/mailer.
func (w *world) functions() (invitation, acceptance, mailer lambda.Handler, err error) {
	asked, err1 := invitations.New(invitations.Config{
		Local: local, Config: inviting.Config{Quotas: app.Quotas{Partners: 3, FirstMonth: 100000, Daily: 100000}}, Table: "concord",
		Secret: "x", Operator: operator.Name, Contact: operator.Contact, Clouds: clouds,
	}, w.given())
	us := app.Operator{Name: operator.Name, Contact: operator.Contact, Privacy: operator.Privacy, Imprint: operator.Imprint}
	answered, err2 := pages.New(pages.Config{
		Local: local, Operator: us, Stack: "concord", Table: "concord", Secret: "x", Clouds: clouds, EvidenceYears: 7,
		Authorities:        `[{"cloud":"public","issuer":"http://127.0.0.1:1","clientId":"concord"}]`,
		ComplaintsPerMille: 3, ComplaintsLeast: 3,
	}, w.given())
	mailed, err3 := mails.New(mails.Config{
		Local: local, Operator: us, Stack: "concord", Table: "concord", LinkSecret: "x", Clouds: clouds, Rate: math.MaxInt32,
		Sandboxes: 1, From: `"Concord" <invitations@mail.example>`, ConfigurationSet: "set", NoticeSet: "notices",
	}, w.given())
	return lambda.NewHandler(asked), lambda.NewHandler(answered), lambda.NewHandler(mailed), errors.Join(err1, err2, err3)
}

// call invokes a handler once and holds its answer to what it must have.
func call(ctx context.Context, h lambda.Handler, event []byte, has string) (map[string]any, error) {
	out, err := h.Invoke(ctx, event)
	if err != nil || !strings.Contains(string(out), has) {
		return nil, fmt.Errorf("bench: no %s in %.2000s: %w", has, out, err)
	}
	var m map[string]any
	return m, json.Unmarshal(out, &m)
}

// event reads an event of events/ and has it changed.
func (w *world) event(name string, change func(event, http map[string]any)) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(w.root, "events", name+".json"))
	if err != nil {
		return nil, err
	}
	var e map[string]any
	if err := json.Unmarshal(b, &e); err != nil {
		return nil, err
	}
	var frame map[string]any
	if c, ok := e["requestContext"].(map[string]any); ok {
		frame, _ = c["http"].(map[string]any)
	}
	change(e, frame)
	return json.Marshal(e)
}

func (w *world) item(ctx context.Context, id string) (map[string]types.AttributeValue, map[string]any, error) {
	out, err := w.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("concord"),
		ConsistentRead: aws.Bool(true), Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: "P#" + string(alder)},
			"sk": &types.AttributeValueMemberS{Value: "I#" + id},
		}})
	if err != nil {
		return nil, nil, err
	}
	plain, err := itemOf(w.aws.answers[invitationItem])
	return out.Item, plain, err
}

const invitationItem = `DynamoDB_20120810.GetItem "sk":{"S":"I#`

// record takes one invitation its whole way over the engine and keeps what each handler was asked and answered.
func (w *world) record(ctx context.Context) error {
	api, site, mailer, err := w.functions()
	if err != nil {
		return err
	}
	address := func(s string) func(e, _ map[string]any) {
		return func(e, _ map[string]any) {
			e["headers"].(map[string]any)["idempotency-key"] = s
			e["body"] = strings.Replace(e["body"].(string), "admin@larch.com", s+"@larch.example", 1)
		}
	}
	create, err := w.event("invitations-create", address("admin"))
	if err != nil {
		return err
	}
	made, err := call(ctx, api, create, `"statusCode":201`)
	if err != nil {
		return err
	}
	var doc struct{ ID string }
	if err := json.Unmarshal([]byte(made["body"].(string)), &doc); err != nil {
		return err
	}
	for n := range 30 { // so that a page of the list is full
		more, err := w.event("invitations-create", address(fmt.Sprint("admin", n)))
		if err == nil {
			_, err = call(ctx, api, more, `"statusCode":201`)
		}
		if err != nil {
			return err
		}
	}
	if w.draft, _, err = w.item(ctx, doc.ID); err != nil {
		return err
	}
	draft := string(w.aws.answers[invitationItem])
	list, err := w.event("invitations-create", func(e, http map[string]any) {
		e["routeKey"], e["body"], e["rawQueryString"], http["method"] = "GET /v1/invitations", "", "limit=25", "GET"
		e["queryStringParameters"] = map[string]any{"limit": "25"}
	})
	if err == nil {
		_, err = call(ctx, api, list, `"statusCode":200`)
	}
	if err != nil {
		return err
	}
	send, err := w.event("invitations-create", func(e, http map[string]any) {
		e["routeKey"], e["rawPath"], e["body"] = "POST /v1/invitations/{id}/send", "/v1/invitations/"+doc.ID+"/send", ""
		http["path"], e["pathParameters"] = e["rawPath"], map[string]any{"id": doc.ID}
	})
	if err == nil {
		_, err = call(ctx, api, send, `"statusCode":202`)
	}
	if err != nil {
		return err
	}
	_, image, err := w.item(ctx, doc.ID)
	if err != nil {
		return err
	}
	mailing, err := w.event("mailer-queued", func(e, _ map[string]any) {
		r := e["Records"].([]any)[0].(map[string]any)["dynamodb"].(map[string]any)
		r["Keys"], r["NewImage"] = map[string]any{"pk": image["pk"], "sk": image["sk"]}, image
	})
	if err == nil {
		_, err = call(ctx, mailer, mailing, `"batchItemFailures":[]`)
	}
	if err != nil {
		return err
	}
	if _, _, err := w.item(ctx, doc.ID); err != nil {
		return err
	}
	sent := string(w.aws.answers[invitationItem])
	return w.visit(ctx, site, doc.ID, []subject{
		handled("create", api, create, nil), handled("send", api, send,
			map[string]string{invitationItem: draft}), handled("list, 25", api, list, nil),
		handled("mailer, one mail", mailer, mailing, map[string]string{invitationItem: sent}),
	}, sent)
}

// visit opens the page, signed out and in, and accepts.
func (w *world) visit(ctx context.Context, site lambda.Handler, id string, before []subject, sent string) error {
	token, err := w.keys.Sign(ctx, link.Answer, link.Link{Tenant: string(alder), ID: id, Generation: 1})
	if err != nil {
		return err
	}
	room := session.Room{Keys: w.keys}
	now := time.Now().Unix()
	cookie, err := room.Seal(ctx, "concord-session", "session", session.Session{Cloud: "public", Since: now, At: now,
		Person: relationship.Person{
			Subject: "aa8e3a52-6d0c-4f55-9a4e-0d4bb1f1a0ff", Name: "Ada Larch", Email: "admin@larch.example",
			Roles: []partner.Role{partner.GlobalAdmin},
			Company: relationship.Customer{Tenant: "1a2c0000-0000-4000-8000-000000000011", CompanyName: "Larch Ltd",
				Domains: []string{"larch.example"}, Country: "US", CountrySource: "token", Cloud: "public"},
		}}, 24*time.Hour)
	if err != nil {
		return err
	}
	at := func(method, cookie, body string) ([]byte, error) {
		return w.event("acceptance-open", func(e, http map[string]any) {
			path := "/i/" + token.Reveal()
			e["routeKey"], e["rawPath"], http["path"], http["method"] = method+" /i/{token}", path, path, method
			e["pathParameters"] = map[string]any{"token": token.Reveal()}
			headers := e["headers"].(map[string]any)
			headers["accept-language"] = "en"
			if cookie != "" {
				e["cookies"] = []string{"__Host-concord-session=" + cookie}
			}
			if body != "" {
				headers["content-type"], headers["origin"] = "application/x-www-form-urlencoded", portal
				e["body"], e["isBase64Encoded"] = base64.StdEncoding.EncodeToString([]byte(body)), true
			}
		})
	}
	page, err1 := at("GET", "", "")
	form, err2 := at("GET", cookie, "")
	accept, err3 := at("POST", cookie, "answer=accept&authorized=on&fullName=Ada+Byron&jobTitle=Director")
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return err
		}
	}
	for _, each := range []struct {
		event []byte
		has   string
	}{{page, `"statusCode":200`}, {form, `name=answer`}, {accept, `"statusCode":303`}} {
		if _, err := call(ctx, site, each.event, each.has); err != nil {
			return err
		}
	}
	// What was asked with the answer in the table is asked again with the invitation as it was sent, and nobody known.
	pending := map[string]string{invitationItem: sent}
	w.aws.put(`DynamoDB_20120810.GetItem "sk":{"S":"M"}`, `{}`)
	w.aws.put(`DynamoDB_20120810.GetItem "sk":{"S":"C#`, `{}`)
	for _, kind := range []string{"PutItem", "UpdateItem", "TransactWriteItems"} {
		w.aws.put("DynamoDB_20120810."+kind, `{}`)
		for _, a := range asks {
			w.aws.put("DynamoDB_20120810."+kind+" "+a, `{}`)
		}
	}
	put := &dynamodb.PutItemInput{TableName: aws.String("concord"), Item: w.draft,
		ConditionExpression: aws.String("attribute_not_exists(pk)")}
	minimal := lambda.NewHandler(func(ctx context.Context,
		q events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		_, err := w.client.PutItem(ctx, put)
		return events.APIGatewayV2HTTPResponse{StatusCode: 201, Body: q.Body}, err
	})
	w.subjects = append([]subject{
		{name: bare, invoke: func(ctx context.Context) error { _, err := w.client.PutItem(ctx, put); return err }},
		handled("a handler that only puts an item", minimal, before[0].event, nil),
	}, before...)
	w.subjects = append(w.subjects, handled("open the page", site, page, pending), handled("open the page, signed in",
		site, form, pending), handled("accept", site, accept, pending))
	return nil
}

// bare is what all others are held against.
const bare = "bare PutItem of the SDK"

func handled(name string, h lambda.Handler, event []byte, with map[string]string) subject {
	return subject{name, func(ctx context.Context) error { _, err := h.Invoke(ctx, event); return err }, event, with}
}
