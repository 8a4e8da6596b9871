// Function relationships serves the customers, granular administration and audit of the calling partner, the operator's API, and the
// OpenAPI document, over the HTTP API.
package main

import (
	"concord/internal/app"
	"concord/internal/app/relationships"
)

func main() { app.Start(relationships.New) }
