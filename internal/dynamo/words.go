package dynamo

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/invitation"
	"concord/internal/problem"
)

// Attributes of the words of a draft, beside the version of the invitation with which they were written.
const (
	aSubject = "su"
	aBody    = "bo"
)

// forgotten is how long words that were taken back leave an empty item: to write over it asks for fewer permissions than to
// delete it.
const forgotten = 7 * 24 * time.Hour

// Words is that of [invitation.Store].
func (s *Store) Words(ctx context.Context, k invitation.Key) (w invitation.Words, err error) {
	defer func() { wrap(&err, "words of %.64q", k.ID) }()
	const missing = "The draft was not edited."
	if !isID(k.ID) {
		return w, problem.New(problem.NotFound, missing)
	}
	stored, err := s.read(ctx, wordsKey(k), true, missing)
	if err != nil {
		return w, err
	}
	f := &fields{item: stored}
	if err := f.expect(wordsType); err != nil {
		return w, err
	}
	w = invitation.Words{Subject: f.text(aSubject), Body: f.text(aBody)}
	if f.err == nil && w == (invitation.Words{}) {
		return w, problem.New(problem.NotFound, missing)
	}
	return w, f.err
}

// reworded gives the write of a draft's words. The condition on the invitation's version decides who was quicker; the one here
// keeps words from going back behind those of a later version whatever the transaction holds beside them.
func (s *Store) reworded(c invitation.Change) types.TransactWriteItem {
	i := newItem(wordsKey(c.After.Key), wordsType)
	i.number(aVersion, c.After.Version)
	i.text(aSubject, c.Words.Subject)
	i.text(aBody, c.Words.Body)
	if n := len(c.After.History); *c.Words == (invitation.Words{}) && n > 0 {
		i.time(ttlAttr, c.After.History[n-1].At.Add(forgotten))
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName: s.table, Item: i, ConditionExpression: aws.String(isNew + " OR v < :v"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":v": num(int64(c.After.Version))},
	}}
}
