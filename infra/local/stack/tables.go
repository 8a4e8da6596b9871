package stack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/infra/local/template"
)

// CreateTableInput is the request that makes a table of the template.
func CreateTableInput(t template.Table) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName: &t.Name, BillingMode: types.BillingModePayPerRequest, KeySchema: keySchema(t.Key),
	}
	for _, a := range t.Attributes {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &a.Name, AttributeType: types.ScalarAttributeType(a.Type)})
	}
	for _, i := range t.Indexes {
		in.GlobalSecondaryIndexes = append(in.GlobalSecondaryIndexes, types.GlobalSecondaryIndex{
			IndexName: &i.Name, KeySchema: keySchema(i.Key),
			Projection: &types.Projection{ProjectionType: types.ProjectionType(i.Projection.Type), NonKeyAttributes: i.Projection.NonKey},
		})
	}
	if t.StreamViewType != "" {
		in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(t.StreamViewType)}
	}
	return in
}

func keySchema(parts []template.KeyPart) []types.KeySchemaElement {
	var out []types.KeySchemaElement
	for _, p := range parts {
		out = append(out, types.KeySchemaElement{AttributeName: &p.Name, KeyType: types.KeyType(p.Type)})
	}
	return out
}

// adoptTable looks at a restored table and returns the ARN of its stream. What a restore leaves behind is an error that says how to get it.
func adoptTable(ctx context.Context, client *dynamodb.Client, t template.Table) (string, error) {
	found, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name})
	if err != nil {
		return "", fmt.Errorf("the restored table %s: %w", t.Name, err)
	}
	stream := found.Table.StreamSpecification
	if stream == nil || !aws.ToBool(stream.StreamEnabled) || string(stream.StreamViewType) != t.StreamViewType {
		return "", fmt.Errorf("the restored table %s has no stream of %s: a restore leaves it behind (infra/operations.md)", t.Name, t.StreamViewType)
	}
	if label := aws.ToString(found.Table.LatestStreamLabel); !strings.HasSuffix(t.StreamARN, "/stream/"+label) {
		return "", fmt.Errorf("the stream of the restored table %s has the label %s: RestoredTableStreamLabel", t.Name, label)
	}
	ttl, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &t.Name})
	if err != nil {
		return "", fmt.Errorf("the restored table %s: time to live: %w", t.Name, err)
	}
	if d := ttl.TimeToLiveDescription; d == nil || d.TimeToLiveStatus != types.TimeToLiveStatusEnabled || aws.ToString(d.AttributeName) != t.TTLAttribute {
		return "", fmt.Errorf("the restored table %s has no time to live by %s: a restore leaves it behind (infra/operations.md)", t.Name, t.TTLAttribute)
	}
	return aws.ToString(found.Table.LatestStreamArn), nil
}

// createTable makes a table and returns the ARN of its stream, which is empty without one.
func createTable(ctx context.Context, client *dynamodb.Client, t template.Table) (string, error) {
	if _, err := client.CreateTable(ctx, CreateTableInput(t)); err != nil {
		if _, there := errors.AsType[*types.ResourceInUseException](err); there {
			return "", fmt.Errorf("the DynamoDB engine has a table %s already: the stack starts on an empty one only", t.Name)
		}
		return "", fmt.Errorf("table %s: %w", t.Name, err)
	}
	out, err := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	}).WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: &t.Name}, time.Minute)
	if err != nil {
		return "", fmt.Errorf("table %s: %w", t.Name, err)
	}
	if t.TTLAttribute != "" {
		if _, err := client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
			TableName:               &t.Name,
			TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &t.TTLAttribute, Enabled: aws.Bool(true)},
		}); err != nil {
			return "", fmt.Errorf("table %s: time to live: %w", t.Name, err)
		}
	}
	return aws.ToString(out.Table.LatestStreamArn), nil
}
