package dynamo_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"concord/infra/local/engine"
	"concord/infra/local/template"
	"concord/internal/dynamo"
	"concord/internal/partner"
	"concord/internal/storetest"
)

// config is that of clients of the engine.
func config(t testing.TB) aws.Config {
	endpoint := engine.StartForTest(t)
	return aws.Config{
		Region: template.Region, BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	}
}

// newTable makes the table that template.yaml says, under a name of its own.
func newTable(t testing.TB) string {
	t.Helper()
	// The table depends on no parameter.
	tmpl, err := template.Read("../../template.yaml", map[string]string{
		"OperatorName": "Concord", "OperatorContact": "help@concord.example", "PrivacyNoticeUrl": "https://concord.example/privacy", "MailDomain": "mail.example", "Issuer": "http://127.0.0.1:1",
		"PublicPortalUrl": "http://127.0.0.1:1", "UsGovPortalUrl": "http://127.0.0.1:1",
	})
	if err != nil {
		t.Fatal(err)
	}
	def := tmpl.Tables[0]
	in := &sdk.CreateTableInput{TableName: aws.String("t-" + rand.Text()), BillingMode: types.BillingModePayPerRequest, KeySchema: schema(def.Key)}
	for _, a := range def.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: aws.String(a.Name), AttributeType: types.ScalarAttributeType(a.Type),
		})
	}
	for _, i := range def.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: aws.String(i.Name), KeySchema: schema(i.Key),
			Projection: &types.Projection{ProjectionType: types.ProjectionType(i.Projection.Type), NonKeyAttributes: i.Projection.NonKey},
		})
	}
	client := sdk.NewFromConfig(config(t))
	if _, err := client.CreateTable(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if err := sdk.NewTableExistsWaiter(client).Wait(t.Context(), &sdk.DescribeTableInput{TableName: in.TableName}, time.Minute); err != nil {
		t.Fatal(err)
	}
	return *in.TableName
}

func schema(parts []template.KeyPart) (s []types.KeySchemaElement) {
	for _, p := range parts {
		s = append(s, types.KeySchemaElement{AttributeName: aws.String(p.Name), KeyType: types.KeyType(p.Type)})
	}
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	store := dynamo.New(config(t), newTable(t))
	storetest.Conformance(t, func(*testing.T) storetest.Stores { return storetest.Of(store) })
}

func randomTenant() partner.TenantID {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return partner.TenantID(uuid.UUID(b).String())
}
