// Function enrolment serves how companies become indirect resellers, to their Global admins and to the operator, over the HTTP API.
package main

import (
	"concord/internal/app"
	"concord/internal/app/enrolment"
)

func main() { app.Start(enrolment.New) }
