// Package awsenv makes the configuration of AWS clients from what Lambda puts into the environment, and from nothing else:
// resolving files, profiles and metadata services would cost a quarter of a cold start (architecture, decision 10).
package awsenv

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// attempt is how long one attempt of a prompt call may take; a function has seconds only.
const attempt = 3 * time.Second

// atOnce is how many connections to a service are kept: a function that works on more items at once would open one for each call.
const atOnce = 32

// Prompt gives the configuration with a time-out of a few seconds for each attempt, unless it has an HTTP client already: for
// services that answer in milliseconds or not at all.
func Prompt(cfg aws.Config) aws.Config {
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient().WithTimeout(attempt).WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = atOnce
		})
	}
	return cfg
}

// Config gives the region and the credentials of the function's role.
func Config() aws.Config {
	return aws.Config{
		Region: os.Getenv("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID:     os.Getenv("AWS_ACCESS_KEY_ID"),
				SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
				SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
				Source:          "awsenv",
			}, nil
		}),
	}
}

// Endpoint gives what AWS_ENDPOINT_URL_<service> says, and nil when it says nothing: then the client uses the region's own.
func Endpoint(service string) *string {
	if u := os.Getenv("AWS_ENDPOINT_URL_" + service); u != "" {
		return &u
	}
	return nil
}
