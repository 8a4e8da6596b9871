package dynamo

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"concord/internal/due"
	"concord/internal/partner"
)

// Due is that of [due.Index]: one query of each shard of the due index, and another one for every hundred that are
// due in it. The shards are merged by time, so that none waits for another.
func (s *Store) Due(ctx context.Context, now time.Time) iter.Seq2[due.Item, error] {
	return func(yield func(due.Item, error) bool) {
		var shards [dueShards]shard
		for n := range shards {
			next, stop := iter.Pull2(s.dueIn(ctx, strconv.Itoa(n), now))
			defer stop()
			shards[n].next = next
			if shards[n].advance(); shards[n].err != nil {
				yield(due.Item{}, shards[n].err)
				return
			}
		}
		for {
			var first *shard
			for n := range shards {
				if shards[n].any && (first == nil || shards[n].first.At.Before(first.first.At)) {
					first = &shards[n]
				}
			}
			if first == nil || !yield(first.first, nil) {
				return
			}
			if first.advance(); first.err != nil {
				yield(due.Item{}, first.err)
				return
			}
		}
	}
}

// shard is one partition of the due index: the first of it that was not listed yet, if there is any.
type shard struct {
	next  func() (due.Item, error, bool)
	first due.Item
	err   error
	any   bool
}

func (d *shard) advance() { d.first, d.err, d.any = d.next() }

// dueKinds says of which kind an entry of the due index is, by what its sort key begins with.
var dueKinds = map[string]due.Kind{}

// waiting is a kind of item that a machine has to look at. Each has one beside its fields, and by it alone comes into the index.
type waiting string

func newWaiting(kind due.Kind, prefix string) waiting {
	dueKinds[prefix] = kind
	return waiting(prefix)
}

// enter has an item say when it is due, or nothing where nobody waits for it.
func (waiting) enter(i item, id string, at time.Time, waits bool) {
	if waits {
		i[dueAttr] = str(dueShard(id))
		i[dueAtAttr] = num(at.Unix())
	}
}

// dueIn lists what is due in one partition of the due index, by time.
func (s *Store) dueIn(ctx context.Context, name string, until time.Time) iter.Seq2[due.Item, error] {
	return func(yield func(due.Item, error) bool) {
		for entry, err := range s.every(ctx, &dynamodb.QueryInput{
			TableName: s.table, IndexName: aws.String(dueIndex), KeyConditionExpression: aws.String("due = :due AND dueAt <= :now"),
			ExpressionAttributeValues: key{":due": str(name), ":now": num(until.Unix())}, Limit: aws.Int32(maxBatch),
		}) {
			var r due.Item
			if err == nil {
				r, err = appointment(entry)
			}
			if wrap(&err, "due in shard %s", name); !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// appointment reads an entry of the due index.
func appointment(entry image) (due.Item, error) {
	f := &fields{item: entry}
	pk := f.needText(pkAttr)
	r := due.Item{At: f.time(dueAtAttr), Partner: partner.TenantID(strings.TrimPrefix(pk, partnerPrefix))}
	prefix, id, _ := strings.Cut(f.needText(skAttr), "#")
	r.Kind, r.ID = dueKinds[prefix+"#"], id
	if id, found := strings.CutPrefix(pk, enrolmentPrefix); found {
		r.Partner, r.ID = "", id
	}
	if customer, found := strings.CutPrefix(pk, customerPrefix); found {
		r.Partner = partner.TenantID(customer)
	}
	return r, f.err
}
