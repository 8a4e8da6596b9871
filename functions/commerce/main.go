// Function commerce serves agreements, PartnerIDs, offers, orders and subscriptions of the calling partner, over the HTTP API.
package main

import (
	"concord/internal/app"
	"concord/internal/app/commerce"
)

func main() { app.Start(commerce.New) }
