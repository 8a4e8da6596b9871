// Command acceptance answers every emailed link: what is asked, the sign-in of who follows it, the answer, and what a recipient can do
// beside answering.
package main

import (
	"concord/internal/app"
	"concord/internal/app/acceptance"
)

func main() { app.Start(acceptance.New) }
