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
