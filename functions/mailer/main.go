// Mailer mails what a write to the table says is owed. It is woken by the table's stream, for items whose mail is queued.
package main

import (
	"concord/internal/app"
	"concord/internal/app/mailer"
)

func main() { app.Start(mailer.New) }
