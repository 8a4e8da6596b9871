package dynamo

import "concord/internal/outbox"

// boxFields are those of what an aggregate owes. The state of what is owed of mails is aPost, for which the mailer's filter looks;
// of other work it is aJob, where batches have theirs, for another word would wake the mailer. Invitations have forms of their own
// for what is owed and until when, which are shorter.
func boxFields(c *coder, state string, b *outbox.Box) {
	text(c, state, &b.State)
	texts(c, aPostOwed, &b.Owed)
	number(c, aPostAttempts, &b.Attempts)
	text(c, aPostOwner, &b.Owner)
	moment(c, aPostAt, &b.At)
	text(c, aPostReason, &b.Reason)
}
