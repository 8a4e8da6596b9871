// Events tells other systems what has happened. It is woken by the table's stream, for writes that can be told.
package main

import (
	"errors"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"concord/internal/awsenv"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/events"
	"concord/internal/observe"
	"concord/internal/stream"
)

// config is the operator's manual; template.yaml sets every variable.
type config struct {
	Stack string `env:"STACK"`     // name of the stack; a dimension of every metric
	Bus   string `env:"EVENT_BUS"` // name of the event bus
}

func main() {
	log := observe.Logger()
	var c config
	if err := env.Load(&c); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	metrics := &observe.Metrics{Stack: c.Stack, Function: "events"}
	bus := events.NewBus(awsenv.Config(), c.Bus)
	loop := stream.Loop{Log: log, Metrics: metrics, Reserve: events.PutTimeout}
	lambda.Start(stream.Gather(loop, events.MaxGroup, caused, bus.Put))
}

// caused reads a record as what it is an image of.
func caused(r stream.Record) ([]events.Event, error) {
	if was, is, err := stream.Pair(r, dynamo.InvitationFromImage); err == nil {
		return events.OfInvitation(was, is), nil
	} else if !errors.Is(err, dynamo.ErrOtherItem) {
		return nil, err
	}
	was, is, err := stream.Pair(r, dynamo.RelationshipFromImage)
	if err != nil {
		return nil, err
	}
	return events.OfRelationship(was, is), nil
}
