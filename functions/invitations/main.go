// Function invitations serves the invitations and drafts of the calling partner over the HTTP API.
package main

import (
	"concord/internal/app"
	"concord/internal/app/invitations"
)

func main() { app.Start(invitations.New) }
