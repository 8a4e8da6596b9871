// Function console serves the pages in which a partner's people and the operator work.
package main

import (
	"errors"
	"os"

	"concord/internal/apigw"
	"concord/internal/app/console"
	"concord/internal/awsenv"
	"concord/internal/env"
	"concord/internal/observe"
)

func main() {
	log := observe.Logger()
	var c console.Config
	now, fault := env.Clock()
	if err := errors.Join(env.Load(&c), fault); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	handler, base, err := console.New(c, awsenv.Config(), now, log)
	if err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	apigw.Start(handler, base, log)
}
