// Function compat lets programs of Microsoft Graph and Partner Center work with the API, over the HTTP API (docs/compat.md).
package main

import (
	"concord/internal/app"
	"concord/internal/app/compat"
)

func main() { app.Start(compat.New) }
