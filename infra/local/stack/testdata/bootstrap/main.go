// The functions of the tests of the stack, in one binary: each does what its name says.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"concord/internal/authorizer"
	"concord/internal/identity"
)

var config = aws.Config{Region: os.Getenv("AWS_REGION"), Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY")}, nil
})}

func main() {
	switch os.Getenv("AWS_LAMBDA_FUNCTION_NAME") {
	case "Who":
		authorities, err := identity.Parse(os.Getenv("AUTHORITIES"))
		if err != nil {
			panic(err)
		}
		lambda.Start(authorizer.Authorizer{Authorities: authorities, Audiences: []string{"concord-api"}, Log: slog.Default()}.Handle)
	case "Web":
		lambda.Start(web)
	case "Follower":
		lambda.Start(follow)
	case "Timer":
		lambda.Start(tick)
	case "Failing":
		lambda.Start(func() error { return errors.New("as always") })
	}
}

func put(ctx context.Context, pk, sk, text string) error {
	db := dynamodb.NewFromConfig(config, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(os.Getenv("AWS_ENDPOINT_URL_DYNAMODB")) })
	_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(os.Getenv("TABLE")), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}, "text": &types.AttributeValueMemberS{Value: text},
	}})
	return err
}

func web(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	answer := func(v any) (events.APIGatewayV2HTTPResponse, error) {
		body, err := json.Marshal(v)
		return events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: map[string]string{"content-type": "application/json"}, Body: string(body)}, err
	}
	if a := e.RequestContext.Authorizer; a != nil {
		return answer(a.Lambda)
	}
	switch e.PathParameters["do"] {
	case "put":
		return answer(put(ctx, "watched", "a", "by web"))
	case "crash":
		os.Exit(1)
	case "slow":
		time.Sleep(time.Minute)
	case "clock":
		return answer(os.Getenv("CLOCK_OFFSET"))
	case "environment":
		return answer(os.Environ())
	case "secret":
		sm := secretsmanager.NewFromConfig(config, func(o *secretsmanager.Options) {
			o.BaseEndpoint = aws.String(os.Getenv("AWS_ENDPOINT_URL_SECRETS_MANAGER"))
		})
		out, err := sm.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(os.Getenv("KEY"))})
		if err != nil {
			return answer(err.Error())
		}
		return answer(aws.ToString(out.SecretString))
	}
	return answer(e)
}

// follow writes down each change that it is told, and who made it.
func follow(ctx context.Context, e events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	for _, r := range e.Records {
		by := "somebody"
		if r.UserIdentity != nil {
			by = r.UserIdentity.PrincipalID
		}
		if err := put(ctx, "seen", r.EventName+" "+r.Change.Keys["sk"].String(), by); err != nil {
			return events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{{ItemIdentifier: r.Change.SequenceNumber}}}, nil
		}
	}
	return events.DynamoDBEventResponse{}, nil
}

// tick writes down when it ran, by its own clock.
func tick(ctx context.Context) error {
	offset, _ := time.ParseDuration(os.Getenv("CLOCK_OFFSET"))
	return put(ctx, "ticks", time.Now().Format(time.RFC3339Nano), offset.String())
}
