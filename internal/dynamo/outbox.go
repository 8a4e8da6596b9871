package dynamo

import "concord/internal/outbox"

// box writes what an aggregate owes of mails. Invitations have forms of their own for what is owed and until when,
// which are shorter.
func (i item) box(b outbox.Box) {
	owed := make([]string, len(b.Owed))
	for n, k := range b.Owed {
		owed[n] = string(k)
	}
	i.text(aPost, string(b.State))
	i.texts(aPostOwed, owed)
	i.number(aPostAttempts, b.Attempts)
	i.text(aPostOwner, b.Owner)
	i.time(aPostAt, b.At)
	i.text(aPostReason, b.Reason)
}

// box reads what [item.box] wrote.
func (f *fields) box() outbox.Box {
	b := outbox.Box{
		State: outbox.State(f.text(aPost)), Attempts: f.number(aPostAttempts), Owner: f.text(aPostOwner),
		At: f.time(aPostAt), Reason: f.text(aPostReason),
	}
	for _, k := range f.texts(aPostOwed) {
		b.Owed = append(b.Owed, outbox.Kind(k))
	}
	return b
}

// work writes what is owed of something other than mail: its state stands where batches have theirs, for another word would
// wake the mailer.
func (i item) work(b outbox.Box) {
	i.box(b)
	delete(i, aPost)
	i.text(aJob, string(b.State))
}

// work reads what [item.work] wrote.
func (f *fields) work() outbox.Box {
	b := f.box()
	b.State = outbox.State(f.text(aJob))
	return b
}
