// Cleanup does what is due: invitations and granular administration expire, and mail that waits is queued again. It is woken by a schedule.
package main

import (
	"concord/internal/app"
	"concord/internal/app/cleanup"
)

func main() { app.Start(cleanup.New) }
