package schedule

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/infra/local/engine"
	"concord/infra/local/template"
)

func TestSweepDeletesWhatIsPastByTheStacksClock(t *testing.T) {
	endpoint := engine.StartForTest(t)
	db := dynamodb.New(dynamodb.Options{Region: template.Region, BaseEndpoint: &endpoint, Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		})})
	table := template.Table{Name: "sweep-" + strconv.FormatInt(time.Now().UnixNano(), 10), TTLAttribute: "ttl", Key: []template.KeyPart{{Name: "pk", Type: "HASH"}, {Name: "sk", Type: "RANGE"}}}
	if _, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &table.Name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("sk"), AttributeType: "N"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}, {AttributeName: aws.String("sk"), KeyType: "RANGE"}},
	}); err != nil {
		t.Fatal(err)
	}
	number := func(at time.Time) types.AttributeValue {
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(at.Unix(), 10)}
	}
	now := time.Now()
	for name, ttl := range map[string]types.AttributeValue{
		"past": number(now.Add(-time.Hour)), "in a month": number(now.AddDate(0, 0, 30)), "in a year": number(now.AddDate(1, 0, 0)),
		"six years past": number(now.AddDate(-6, 0, 0)), "text": &types.AttributeValueMemberS{Value: "1"}, "none": nil,
	} {
		item := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: name}, "sk": &types.AttributeValueMemberN{Value: "1"}}
		if ttl != nil {
			item["ttl"] = ttl
		}
		if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table.Name, Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	left := func() map[string]bool {
		out, err := db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table.Name})
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, i := range out.Items {
			names[i["pk"].(*types.AttributeValueMemberS).Value] = true
		}
		return names
	}
	clock := &Clock{}
	s := NewSweeper(db, table, clock)
	key := func(name string) map[string]any {
		return map[string]any{"pk": map[string]any{"S": name}, "sk": map[string]any{"N": "1"}}
	}
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil || left()["past"] || len(left()) != 5 {
		t.Fatalf("swept %d, %v, left %v", n, err, left())
	}
	if !s.Deleted(key("past")) || s.Deleted(key("in a month")) {
		t.Error("the sweeper does not know what it deleted")
	}
	clock.move(31 * 24 * time.Hour)
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil || left()["in a month"] || !left()["in a year"] || !left()["six years past"] {
		t.Fatalf("a month later: swept %d, %v, left %v", n, err, left())
	}
}
