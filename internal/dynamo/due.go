package dynamo

import (
	"context"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/due"
	"concord/internal/partner"
)

// Due is that of [due.Index]: one query of each shard of the due index, and another one for every hundred that are
// due in it. The shards are merged by time, so that none waits for another.
func (s *Store) Due(ctx context.Context, now time.Time) iter.Seq2[due.Item, error] {
	return func(yield func(due.Item, error) bool) {
		var shards [dueShards]shard
		for n := range shards {
			shards[n] = shard{name: strconv.Itoa(n), until: now}
			if err := shards[n].fill(ctx, s); err != nil {
				yield(due.Item{}, err)
				return
			}
		}
		for {
			var first *shard
			for n := range shards {
				if len(shards[n].due) > 0 && (first == nil || shards[n].due[0].At.Before(first.due[0].At)) {
					first = &shards[n]
				}
			}
			if first == nil {
				return
			}
			r := first.due[0]
			first.due = first.due[1:]
			if !yield(r, nil) {
				return
			}
			if err := first.fill(ctx, s); err != nil {
				yield(due.Item{}, err)
				return
			}
		}
	}
}

// due says of which kind an entry of the due index is, by what its sort key begins with.
var dueKinds = map[string]due.Kind{
	invitationPrefix: due.Invitation, batchPrefix: due.Batch, granularPrefix: due.Granular, enrolmentPrefix: due.Enrolment,
	agreementPrefix: due.Agreement, endpointPrefix: due.Webhook,
}

// shard is what is due in one partition of the due index, as far as it was read.
type shard struct {
	name  string
	until time.Time
	due   []due.Item
	last  map[string]types.AttributeValue
	done  bool
}

// fill reads on when nothing is left of what was read.
func (d *shard) fill(ctx context.Context, s *Store) (err error) {
	defer func() { wrap(&err, "due in shard %s", d.name) }()
	for len(d.due) == 0 && !d.done {
		out, err := s.client.Query(ctx, &dynamodb.QueryInput{
			TableName: s.table, IndexName: aws.String(dueIndex), KeyConditionExpression: aws.String("due = :due AND dueAt <= :now"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":due": str(d.name), ":now": num(d.until.Unix())},
			Limit:                     aws.Int32(100), ExclusiveStartKey: d.last,
		})
		if err != nil {
			return err
		}
		for _, entry := range out.Items {
			f := &fields{item: entry}
			pk := f.needText(pkAttr)
			r := due.Item{At: f.time(dueAtAttr), Partner: partner.TenantID(strings.TrimPrefix(pk, partnerPrefix))}
			prefix, id, _ := strings.Cut(f.needText(skAttr), "#")
			if f.err != nil {
				return f.err
			}
			r.Kind, r.ID = dueKinds[prefix+"#"], id
			if id, found := strings.CutPrefix(pk, enrolmentPrefix); found {
				r.Partner, r.ID = "", id
			}
			if customer, found := strings.CutPrefix(pk, customerPrefix); found {
				r.Partner = partner.TenantID(customer)
			}
			d.due = append(d.due, r)
		}
		d.last, d.done = out.LastEvaluatedKey, out.LastEvaluatedKey == nil
	}
	return nil
}
