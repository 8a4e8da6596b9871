// Command authorizer tells API Gateway who calls the API: it verifies access tokens of the providers of each cloud.
package main

import (
	"errors"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"

	"concord/internal/authorizer"
	"concord/internal/env"
	"concord/internal/identity"
	"concord/internal/observe"
)

// config is what template.yaml sets.
type config struct {
	// Authorities are the clouds with their identity providers, as identity.Parse reads them.
	Authorities string `env:"AUTHORITIES"`
	// Audiences are those of the tokens that are taken, separated by commas.
	Audiences string `env:"API_AUDIENCES"`
}

func main() {
	log := observe.Logger()
	var c config
	err := env.Load(&c)
	authorities, fault := identity.Parse(c.Authorities)
	if err := errors.Join(err, fault); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	a := authorizer.Authorizer{Authorities: authorities, Audiences: strings.Split(strings.ReplaceAll(c.Audiences, " ", ""), ","), Log: log}
	lambda.Start(a.Handle)
}
