package dynamo

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/problem"
)

// image is an item as it is read, from the table, an index or the stream.
type image = map[string]types.AttributeValue

// maxBatch is how many items one request reads at most.
const maxBatch = 100

// pages queries page by page, until nothing is left or an error. Between two the caller may change how much the next one reads.
func (s *Store) pages(ctx context.Context, in *dynamodb.QueryInput) iter.Seq2[*dynamodb.QueryOutput, error] {
	return func(yield func(*dynamodb.QueryOutput, error) bool) {
		for {
			out, err := s.client.Query(ctx, in)
			if !yield(out, err) || err != nil || len(out.LastEvaluatedKey) == 0 {
				return
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
}

// every gives all that a query finds, and ends with the first error.
func (s *Store) every(ctx context.Context, in *dynamodb.QueryInput) iter.Seq2[image, error] {
	return func(yield func(image, error) bool) {
		for out, err := range s.pages(ctx, in) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, each := range out.Items {
				if !yield(each, nil) {
					return
				}
			}
		}
	}
}

// begins asks the table for what begins with a prefix in a partition.
func (s *Store) begins(pk, prefix string, strong bool) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName: s.table, ConsistentRead: &strong, KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :sk)"),
		ExpressionAttributeValues: key{":pk": str(pk), ":sk": str(prefix)},
	}
}

// all asks the table for a partition, strongly consistent.
func (s *Store) all(pk string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName: s.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: key{":pk": str(pk)},
	}
}

// newestFirst asks index list for what a partition has there of one kind, newest first.
func (s *Store) newestFirst(pk, kind string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName: s.table, IndexName: aws.String(listIndex), ScanIndexForward: aws.Bool(false),
		KeyConditionExpression:    aws.String("pk = :pk AND begins_with(listAt, :kind)"),
		ExpressionAttributeValues: key{":pk": str(pk), ":kind": str(kind)},
	}
}

// startAt gives the key of a place in index list.
func startAt(k key, place string) key {
	k[listAtAttr] = str(place)
	return k
}

// listing says how a list is read that goes on from page to page.
type listing[T any] struct {
	// limit is of a page, at most maxBatch.
	limit int
	// read gives what the entries stand for, in their order; what is not there any more, or not yet, is left out.
	read func(context.Context, []image) ([]T, error)
	// fits is the filter of the list; nil for none.
	fits func(T) bool
	// place is where the list goes on behind one of it, and attr with prefix where the key of an entry says the same.
	place        func(T) string
	attr, prefix string
}

// paged reads one page of a list, and from where the next one goes on; empty at the end. A filter that fits little ends a page early
// instead of reading on: it looks at [bound] entries at most.
func paged[T any](ctx context.Context, s *Store, in *dynamodb.QueryInput, l listing[T]) (found []T, next string, err error) {
	left := bound(l.limit)
	chunk := min(left, l.limit)
	in.Limit = aws.Int32(int32(chunk))
	for out, err := range s.pages(ctx, in) {
		if err != nil {
			return nil, "", err
		}
		all, err := l.read(ctx, out.Items)
		if err != nil {
			return nil, "", err
		}
		more := len(out.LastEvaluatedKey) > 0
		for n, each := range all {
			if l.fits != nil && !l.fits(each) {
				continue
			}
			if found = append(found, each); len(found) == l.limit {
				if n < len(all)-1 || more {
					next = l.place(each)
				}
				return found, next, nil
			}
		}
		if left -= chunk; more && left <= 0 {
			last := &fields{item: out.LastEvaluatedKey}
			return found, strings.TrimPrefix(last.needText(l.attr), l.prefix), last.err
		}
		chunk = min(left, l.limit)
		in.Limit = aws.Int32(int32(chunk))
	}
	return found, "", nil
}

// bound is how many entries a page of a list looks at, at most.
func bound(limit int) int { return min(4*limit, maxBatch) }

func errAfter() error {
	return problem.New(problem.MalformedRequest, "The list cannot be continued from there.")
}

// ofItems decodes items one by one, for a list whose entries are what it lists.
func ofItems[T any](decode func(image) (T, error)) func(context.Context, []image) ([]T, error) {
	return func(_ context.Context, entries []image) (list []T, err error) {
		for _, one := range entries {
			v, err := decode(one)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
}

// ofEntries reads what index entries stand for, which have its key and nothing else. An entry may be there a moment before every
// replica of its item.
func ofEntries[T any](s *Store, strong bool, decode func(image) (T, error)) func(context.Context, []image) ([]T, error) {
	return func(ctx context.Context, entries []image) ([]T, error) {
		keys, err := keysOf(entries)
		if err != nil {
			return nil, err
		}
		return decoded(ctx, s, keys, strong, decode)
	}
}

// keysOf gives the keys of the items that index entries stand for.
func keysOf(entries []image) ([]key, error) {
	keys := make([]key, len(entries))
	for n, entry := range entries {
		f := &fields{item: entry}
		if keys[n] = keyOf(f.needText(pkAttr), f.needText(skAttr)); f.err != nil {
			return nil, f.err
		}
	}
	return keys, nil
}

// decoded reads items in the order of their keys, without those that are not there.
func decoded[T any](ctx context.Context, s *Store, keys []key, strong bool, decode func(image) (T, error)) ([]T, error) {
	items, err := s.batch(ctx, keys, strong)
	if err != nil {
		return nil, err
	}
	list := make([]T, 0, len(items))
	for _, one := range items {
		if one == nil {
			continue
		}
		v, err := decode(one)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// batch reads items in the order of their keys, of which no two are the same; nil for one that is not there. What DynamoDB leaves
// unread is asked for again, with pauses; what stays unread is an error like throttling, so that no list has holes.
func (s *Store) batch(ctx context.Context, keys []key, strong bool) ([]image, error) {
	items := make([]image, len(keys))
	place := make(map[string]int, len(keys))
	for n, k := range keys {
		place[named(k)] = n
	}
	for len(keys) > 0 {
		asked := keys[:min(len(keys), maxBatch)]
		keys = keys[len(asked):]
		for attempt := 0; len(asked) > 0; attempt++ {
			if attempt == attempts {
				return nil, &types.ProvisionedThroughputExceededException{Message: aws.String("keys were left unread")}
			}
			if attempt > 0 {
				if err := pause(ctx, attempt); err != nil {
					return nil, err
				}
			}
			out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
				RequestItems: map[string]types.KeysAndAttributes{*s.table: {Keys: asked, ConsistentRead: &strong}},
			})
			if err != nil {
				return nil, err
			}
			for _, one := range out.Responses[*s.table] {
				if n, known := place[named(one)]; known {
					items[n] = one
				}
			}
			asked = out.UnprocessedKeys[*s.table].Keys
		}
	}
	return items, nil
}

// named gives the key of an item as one text.
func named(i image) string {
	f := &fields{item: i}
	return f.text(pkAttr) + "\n" + f.text(skAttr)
}

func pause(ctx context.Context, attempt int) error {
	wait, _ := backoff(attempt, nil)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting to read on: %w", ctx.Err())
	}
}
