// Function console serves the pages in which a partner's people and the operator work.
package main

import (
	"concord/internal/app"
	"concord/internal/app/console"
)

func main() { app.Start(console.New) }
