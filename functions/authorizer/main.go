// Command authorizer tells API Gateway who calls the API: it verifies access tokens of the providers of each cloud.
package main

import (
	"errors"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"concord/internal/app/authorizer"
	"concord/internal/env"
	"concord/internal/observe"
)

func main() {
	log := observe.Logger()
	var c authorizer.Config
	err := env.Load(&c)
	a, fault := authorizer.New(c, log)
	if err := errors.Join(err, fault); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(a.Handle)
}
