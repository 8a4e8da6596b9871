// Feedback records what SES says became of mails. It is woken by the queue of those events.
package main

import (
	"concord/internal/app"
	"concord/internal/app/feedback"
)

func main() { app.Start(feedback.New) }
