// Function relationships serves the customers and relationships of the calling partner, and the OpenAPI document, over the
// HTTP API.
package main

import (
	"os"

	"concord/internal/apigw"
	"concord/internal/awsenv"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/masterkey"
	"concord/internal/observe"
	"concord/internal/web"
)

type config struct {
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys of cursors are derived
}

func main() {
	log := observe.Logger()
	var c config
	if err := env.Load(&c); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	aws := awsenv.Config()
	store, keys := dynamo.New(aws, c.Table), masterkey.New(aws, c.Secret)
	gate := web.Gate{Accounts: store, Claims: apigw.Claims, RequestID: apigw.RequestID, Keys: keys.Keys, Log: log}
	apigw.Start(web.Relationships(gate, store), "", log)
}
