package schedule

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/infra/local/template"
)

// Sweeper deletes the items of a table whose time to live is over by the stack's clock, as DynamoDB does by itself when
// deployed: the local engines have the setting and not the deed.
type Sweeper struct {
	client  *dynamodb.Client
	table   template.Table
	clock   *Clock
	mu      sync.Mutex
	deleted map[string]time.Time // canonical key → when, in real time
}

// NewSweeper makes the sweeper of one table, which must have a TTL attribute.
func NewSweeper(client *dynamodb.Client, table template.Table, clock *Clock) *Sweeper {
	return &Sweeper{client: client, table: table, clock: clock, deleted: map[string]time.Time{}}
}

// Deleted says whether the item with this key (in the JSON form of a stream record) was deleted by the sweeper, so that
// its stream record can say so.
func (s *Sweeper) Deleted(key map[string]any) bool {
	raw, _ := json.Marshal(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.deleted[string(raw)]
	return ok
}

// Sweep deletes what is past and says how many items that were. An item whose TTL is more than five years past stays,
// as DynamoDB lets it.
func (s *Sweeper) Sweep(ctx context.Context) (int, error) {
	now := s.clock.Now()
	names := map[string]string{"#ttl": s.table.TTLAttribute}
	projection := ""
	for i, k := range s.table.Key {
		alias := "#k" + strconv.Itoa(i)
		names[alias] = k.Name
		if projection += alias; i < len(s.table.Key)-1 {
			projection += ", "
		}
	}
	seconds := func(t time.Time) types.AttributeValue {
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(t.Unix(), 10)}
	}
	values := map[string]types.AttributeValue{":now": seconds(now), ":ancient": seconds(now.AddDate(-5, 0, 0))}
	const past = "#ttl < :now AND #ttl > :ancient"
	pages := dynamodb.NewScanPaginator(s.client, &dynamodb.ScanInput{
		TableName: &s.table.Name, FilterExpression: aws.String(past), ProjectionExpression: &projection,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	})
	n := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return n, fmt.Errorf("ttl of %s: %w", s.table.Name, err)
		}
		for _, key := range page.Items {
			s.remember(key)
			_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
				TableName: &s.table.Name, Key: key, ConditionExpression: aws.String(past),
				ExpressionAttributeNames: map[string]string{"#ttl": s.table.TTLAttribute}, ExpressionAttributeValues: values,
			})
			if _, changed := errors.AsType[*types.ConditionalCheckFailedException](err); changed {
				s.forget(key)
				continue
			}
			if err != nil {
				return n, fmt.Errorf("ttl of %s: %w", s.table.Name, err)
			}
			n++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, at := range s.deleted {
		if time.Since(at) > 24*time.Hour {
			delete(s.deleted, k) // its record has left the stream
		}
	}
	return n, nil
}

func (s *Sweeper) remember(key map[string]types.AttributeValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleted[canonical(key)] = time.Now()
}

func (s *Sweeper) forget(key map[string]types.AttributeValue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.deleted, canonical(key))
}

// canonical writes a key as encoding/json writes it in a stream record.
func canonical(key map[string]types.AttributeValue) string {
	out := map[string]any{}
	for name, v := range key {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			out[name] = map[string]any{"S": v.Value}
		case *types.AttributeValueMemberN:
			out[name] = map[string]any{"N": v.Value}
		case *types.AttributeValueMemberB:
			out[name] = map[string]any{"B": base64.StdEncoding.EncodeToString(v.Value)}
		}
	}
	raw, _ := json.Marshal(out)
	return string(raw)
}
