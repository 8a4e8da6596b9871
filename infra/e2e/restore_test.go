package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/infra/local/stack"
)

// TestRestore rehearses "Restore" of infra/operations.md: a table as it was at a point in time, without what a restore leaves behind, gets
// that back, is adopted by parameter, and everything works on it. What came after the point is gone; the table before is not touched.
func TestRestore(t *testing.T) {
	const restored = "Table-restored"
	alder := newPartner(t, "alder")
	before := alder.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"restore-before@maple.example"}`).want(t, 201).json(t)["id"].(string)
	definition := stack.CreateTableInput(local.Template.Tables[0])
	definition.TableName, definition.StreamSpecification = aws.String(restored), nil
	pointInTime(t, definition)
	after := alder.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"restore-after@maple.example"}`).want(t, 201).json(t)["id"].(string)

	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", aws.ToString(local.DynamoDB.Options().BaseEndpoint))
	parameters := map[string]string{"RestoredTableName": restored, "RestoredTableStreamLabel": "none", "Issuer": local.IDPURL, "UsGovIssuer": local.IDPURL}
	start := func() (*stack.Stack, error) {
		return stack.Start(t.Context(), stack.Options{Engine: "external", Parameters: parameters})
	}
	refused := func(what string) {
		t.Helper()
		if s, err := start(); err == nil {
			s.Close()
			t.Fatalf("a restored table without %s is adopted", what)
		} else if !strings.Contains(err.Error(), what) {
			t.Fatalf("a restored table without %s: %v", what, err)
		}
	}
	refused("stream")
	changed, err := local.DynamoDB.UpdateTable(t.Context(), &dynamodb.UpdateTableInput{
		TableName: aws.String(restored), StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages},
	})
	if err != nil {
		t.Fatal(err)
	}
	refused("label")
	parameters["RestoredTableStreamLabel"] = aws.ToString(changed.TableDescription.LatestStreamLabel)
	refused("time to live")
	if _, err := local.DynamoDB.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
		TableName: aws.String(restored), TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("ttl"), Enabled: aws.Bool(true)},
	}); err != nil {
		t.Fatal(err)
	}
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	over := &partner{t: t, token: alder.token, http: alder.http, base: s.URL()}
	over.do("GET", "/v1/invitations/"+before, "").want(t, 200)
	over.do("GET", "/v1/invitations/"+after, "").code(t, 404, "not_found")
	over.do("GET", "/v1/delegated-admin-relationships", "").want(t, 200) // an index of the restored table
	over.post("/v1/invitations/"+before+"/send", "").want(t, 202)
	over.arrived(before) // the stream woke the mailer, and what SES said was recorded
	eventually(t, "the event of the mail", func() bool {
		for _, e := range s.Bus.Events() {
			if strings.Contains(string(e.Detail), before) {
				return true
			}
		}
		return false
	})
	if state, _ := alder.delivery(before); state == "delivered" {
		t.Error("the table before was written to")
	}
	if denials := s.Guard.Denials(); len(denials) > 0 {
		t.Errorf("the roles of an adopted table: %v", denials)
	}
}

// pointInTime makes a table with what the stack's own holds now.
func pointInTime(t *testing.T, definition *dynamodb.CreateTableInput) {
	t.Helper()
	if _, err := local.DynamoDB.CreateTable(t.Context(), definition); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := local.DynamoDB.DeleteTable(context.WithoutCancel(t.Context()), &dynamodb.DeleteTableInput{TableName: definition.TableName}); err != nil {
			t.Error(err)
		}
	})
	if err := dynamodb.NewTableExistsWaiter(local.DynamoDB).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: definition.TableName}, time.Minute); err != nil {
		t.Fatal(err)
	}
	pages := dynamodb.NewScanPaginator(local.DynamoDB, &dynamodb.ScanInput{TableName: &local.Template.Tables[0].Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			if _, err := local.DynamoDB.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: definition.TableName, Item: item}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
