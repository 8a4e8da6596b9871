// Webhooks delivers events to the endpoints of partners. It is woken by the queue of endpoints that are owed deliveries.
package main

import (
	"concord/internal/app"
	"concord/internal/app/webhooks"
)

func main() { app.Start(webhooks.New) }
