// Batches works bulk invitations off. It is woken by the queue of those that wait for a worker.
package main

import (
	"concord/internal/app"
	"concord/internal/app/batches"
)

func main() { app.Start(batches.New) }
