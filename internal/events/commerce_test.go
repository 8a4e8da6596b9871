package events

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/audit"
	"concord/internal/commerce"
	"concord/internal/dynamo"
	"concord/internal/events/schematest"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/stream"
)

const (
	cedar = partner.TenantID("33333333-3333-4333-8333-333333333333")
	agent = "someone@alder.example"
)

var soldAt = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// sale is an order that alder placed for cedar's customer larch, its subscription, and the agreement before it.
func sale() (commerce.Agreement, commerce.Order, commerce.Subscription) {
	const id = "_mfzxe2lomruw4zzanfzsa5dpnu"
	a := commerce.Agreement{
		ID: "agr" + id, Customer: larch, Source: commerce.PartnerAttested, Partner: alder, Number: 1, Text: relationship.AttestedText{Version: "2026-01", Language: "en", Hash: "00ff"},
		Contact: commerce.Person{FirstName: "Nora", LastName: "Berg", Email: "nora@larch.example"}, AgreedAt: soldAt.AddDate(0, 0, -1), At: soldAt, By: agent,
		CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001", Key: "0102030405ff", Body: "0a0b0c0d0e0f",
	}
	s := commerce.Subscription{
		ID: "sub" + id, Seller: alder, Customer: larch, Order: "ord" + id, Offer: "ofr-office-basic", OfferName: "Sample office suite, basic", Family: commerce.Other, Term: "P1Y",
		Quantity: 25, Status: commerce.SubscriptionActive, PartnerIDOfRecord: "4100003", Reseller: cedar, CreatedAt: soldAt, UpdatedAt: soldAt, Version: 1,
		History: []commerce.Entry{
			{At: soldAt, Action: commerce.WasCreated, Is: "25", By: agent, Tenant: alder, CorrelationID: a.CorrelationID, Key: a.Key, Body: a.Body},
			{At: soldAt, Action: commerce.RecordChanged, Is: "4100003", By: agent, Tenant: alder, CorrelationID: a.CorrelationID, Key: a.Key, Body: a.Body},
		},
	}
	o := commerce.Order{
		ID: s.Order, Seller: alder, Customer: larch, Status: commerce.OrderCompleted, For: cedar, PartnerIDOnRecord: "4100003", PlacedAt: soldAt, PlacedBy: agent,
		Lines:         []commerce.Line{{Offer: s.Offer, Quantity: 25, Term: "P1Y", Subscription: s.ID}},
		CorrelationID: a.CorrelationID, Key: a.Key, Body: a.Body, Version: 1,
	}
	return a, o, s
}

// images are the items that writes put into the table, as the stream has them.
func images(t *testing.T, writes ...func(*dynamo.Store) error) (items []string) {
	t.Helper()
	seen := &wire{}
	cfg := credentials
	cfg.HTTPClient = seen
	for _, write := range writes {
		if err := write(dynamo.New(cfg, "table")); err != nil {
			t.Fatal(err)
		}
	}
	for _, item := range seen.items {
		var sorted any
		if err := json.Unmarshal(item, &sorted); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(sorted)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, string(text))
	}
	return items
}

// TestWhatBuyingTells: what is recorded and ordered becomes events and audit records by way of the stream, and neither tells a name or an
// address (invariant 18).
func TestWhatBuyingTells(t *testing.T) {
	agreement, order, sub := sale()
	stands := relationship.Relationship{ID: "rel_mfzxe2lomruw4zzanfzsa5dpnu", Partner: alder, Customer: relationship.Customer{Tenant: larch}, Status: relationship.Active, Version: 1}
	after := stands
	after.Version = 2
	items := images(t,
		func(s *dynamo.Store) error { return s.AddAgreement(t.Context(), agreement, nil) },
		func(s *dynamo.Store) error {
			return s.PlaceOrder(t.Context(), order, []commerce.Subscription{sub}, relationship.Change{Before: &stands, After: after})
		})
	var records []string
	for n, item := range items {
		if strings.Contains(item, `"elsewhere"`) { // what a reseller finds an order or a subscription by is no news
			continue
		}
		records = append(records, fmt.Sprintf(`{"eventID":"c4ca4238a0b923820dcc509a6f7584%02d","eventName":"INSERT","eventVersion":"1.1","eventSource":"aws:dynamodb",
"awsRegion":"us-east-1","dynamodb":{"ApproximateCreationDateTime":%d,"NewImage":%s,"SequenceNumber":%q,"SizeBytes":512,"StreamViewType":"NEW_AND_OLD_IMAGES"},
"eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/concord/stream/2026-01-01T00:00:00.000"}`, n, soldAt.Unix(), item, sequence(n)))
	}
	if len(records) != 3 {
		t.Fatalf("%d records", len(records))
	}
	var written bytes.Buffer
	if err := json.Indent(&written, []byte(`{"Records":[`+strings.Join(records, ",")+`]}`), "", "  "); err != nil {
		t.Fatal(err)
	}
	written.WriteByte('\n')
	file := filepath.Join("..", "..", "events", "events-ordered.json")
	if *update {
		if err := os.WriteFile(file, written.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(written.String(), string(content)); d != "" {
		t.Errorf("%s is not what the store writes; if it is meant, run the test with -update\n%s", file, d)
	}
	var b stream.Batch
	if err := json.Unmarshal(content, &b); err != nil {
		t.Fatal(err)
	}
	var told []string
	schemas, kept := schematest.Load(t), &shelf{}
	answer := runWith(t, b, Dispatcher{Audit: kept, Tell: func(_ context.Context, group []Event) (int, error) {
		for _, e := range group {
			told = append(told, e.Detail.ID)
			impersonal(t, schemas, e)
		}
		return len(group), nil
	}})
	if len(answer.BatchItemFailures) != 0 {
		t.Errorf("%v", answer)
	}
	want := []string{"agr_mfzxe2lomruw4zzanfzsa5dpnu.1.customer-agreement-signed", "ord_mfzxe2lomruw4zzanfzsa5dpnu.1.order-completed"}
	if !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
	var operations []string
	for _, r := range kept.records {
		operations = append(operations, r.Operation)
		if r.Customer != larch || r.Partner != alder || r.Actor.Subject != agent || r.CorrelationID != agreement.CorrelationID {
			t.Errorf("%+v", r)
		}
		harmless(t, r)
	}
	if slices.Sort(operations); !slices.Equal(operations, []string{"customerAgreement.attested", "order.completed", "subscription.created", "subscription.recordChanged"}) {
		t.Errorf("%v", operations)
	}
}

// impersonal holds an event against its schema and looks for what no event may hold.
func impersonal(t *testing.T, schemas *schematest.Schemas, e Event) {
	t.Helper()
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas.Check(string(e.Type), detail); err != nil {
		t.Errorf("%s: %v", detail, err)
	}
	for _, personal := range []string{"@", "Nora", "Berg", "someone"} {
		if strings.Contains(string(detail), personal) {
			t.Errorf("%q stands in %s", personal, detail)
		}
	}
}

// TestWhatAChangeOfASubscriptionTells: the seller's audit has all of it, and what the reseller of record did the reseller's too, which alone
// names the person.
func TestWhatAChangeOfASubscriptionTells(t *testing.T) {
	_, _, before := sale()
	after := before
	at := soldAt.Add(time.Hour)
	after.Status, after.Quantity, after.SupportContact, after.UpdatedAt, after.Version = commerce.SubscriptionSuspended, 20, cedar, at, 2
	e := commerce.Entry{At: at, By: "carla", Tenant: cedar, CorrelationID: "6f1c9d3e-1111-4000-8000-000000000002", Key: "1102030405ff", Body: "1a0b0c0d0e0f"}
	quantity, status, support := e, e, e
	quantity.Action, quantity.Is = commerce.QuantityChanged, "20"
	status.Action, status.Is = commerce.StatusChanged, "suspended"
	support.Action, support.Is, support.Tenant, support.By = commerce.SupportChanged, string(cedar), alder, agent
	after.History = append(slices.Clone(before.History), quantity, status, support)

	told := OfSubscription(&before, after)
	if len(told) != 1 || told[0].Detail.PartnerTenantID != string(alder) || !slices.Equal(told[0].Detail.Subscription.Changed, []string{"quantity", "status", "supportContactTenantId"}) {
		t.Fatalf("%+v", told)
	}
	impersonal(t, schematest.Load(t), told[0])
	if again := OfSubscription(&after, after); again != nil {
		t.Errorf("%v", again)
	}
	if created := OfSubscription(nil, before); created != nil {
		t.Errorf("%v", created)
	}
	var got []string
	for _, r := range audit.OfSubscription(&before, after) {
		whose := map[partner.TenantID]string{alder: "alder", cedar: "cedar"}
		got = append(got, fmt.Sprintf("%s: %s by %q of %s, %v to %v", whose[r.Partner], r.Operation, r.Actor.Subject, whose[r.Actor.Tenant], r.Old, r.New))
	}
	want := []string{
		`alder: subscription.quantityChanged by "" of cedar, map[quantity:25] to map[quantity:20]`,
		`cedar: subscription.quantityChanged by "carla" of cedar, map[quantity:25] to map[quantity:20]`,
		`alder: subscription.statusChanged by "" of cedar, map[status:active] to map[status:suspended]`,
		`cedar: subscription.statusChanged by "carla" of cedar, map[status:active] to map[status:suspended]`,
		`alder: subscription.supportChanged by "someone@alder.example" of alder, map[] to map[supportContact:` + string(cedar) + `]`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// Told write by write or made from the whole history, a record is the same.
	whole := audit.OfSubscription(nil, after)
	for _, r := range append(audit.OfSubscription(nil, before), audit.OfSubscription(&before, after)...) {
		if !slices.ContainsFunc(whole, func(w audit.Record) bool { return cmp.Equal(w, r) }) {
			t.Errorf("only told: %+v", r)
		}
	}
}

// TestWhatACustomerSignsItself is the customer's doing, in the audit of the partner whose invitation it answered.
func TestWhatACustomerSignsItself(t *testing.T) {
	a, _, _ := sale()
	a.Source, a.Invitation, a.By = commerce.DirectSigned, "inv_jyedebystj55lcqjojbu43wh4u", "nora-of-larch"
	r := audit.OfAgreement(a)[0]
	if r.Operation != "customerAgreement.signed" || r.Actor != (audit.Actor{Kind: audit.Customer, Tenant: larch}) || r.Partner != alder {
		t.Errorf("%+v", r)
	}
	harmless(t, r)
	impersonal(t, schematest.Load(t), OfAgreement(a)[0])
}

// TestASupportContactThatFellBack is told as a change of the subscription, and is in the audit of the seller and of who supported it, done by
// nobody (0.44).
func TestASupportContactThatFellBack(t *testing.T) {
	_, _, before := sale()
	before.SupportContact, before.SupportedSince = cedar, soldAt
	after := before.FallBack(soldAt.Add(time.Hour), "6f1c9d3e-3333-4000-8000-000000000003")
	told := OfSubscription(&before, after)
	if len(told) != 1 || told[0].Type != SubscriptionChanged || !slices.Equal(told[0].Detail.Subscription.Changed, []string{"supportContactTenantId"}) ||
		told[0].Detail.Subscription.SupportContactTenantID != string(alder) || told[0].Detail.PartnerTenantID != string(alder) {
		t.Errorf("%+v", told)
	}
	var whose []partner.TenantID
	for _, r := range audit.OfSubscription(&before, after) {
		whose = append(whose, r.Partner)
		if r.Operation != "subscription.supportChanged" || r.Actor != (audit.Actor{Kind: audit.System}) || r.Reason != string(commerce.SupportFellBack) || r.CorrelationID != after.History[len(after.History)-1].CorrelationID {
			t.Errorf("%+v", r)
		}
	}
	if !slices.Equal(whose, []partner.TenantID{alder, cedar}) {
		t.Errorf("in the audit of %v", whose)
	}
}
