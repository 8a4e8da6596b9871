// Events tells other systems what has happened, keeps the partners' audit and asks workers for batches. It is woken by the table's stream, for writes of which
// there is something to tell.
package main

import (
	"concord/internal/app"
	"concord/internal/app/events"
)

func main() { app.Start(events.New) }
