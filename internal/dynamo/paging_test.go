package dynamo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// sparing answers a read of many items with the last few that were asked for, the last first, and leaves the others
// unread; of an item with an odd number it knows nothing. A limit of 0 reads none at all.
type sparing struct {
	limit    int
	requests []int // how many keys each asked for
}

func (s *sparing) Do(r *http.Request) (*http.Response, error) {
	type text struct{ S string }
	type keys = struct{ Keys []map[string]text }
	var asked struct{ RequestItems map[string]keys }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, err
	}
	all := asked.RequestItems["t"].Keys
	s.requests = append(s.requests, len(all))
	read := all[max(0, len(all)-s.limit):]
	slices.Reverse(read)
	answer := map[string]any{"Responses": map[string]any{"t": slices.DeleteFunc(slices.Clone(read), func(k map[string]text) bool {
		n, err := strconv.Atoi(k["sk"].S)
		return err != nil || n%2 == 1
	})}}
	if left := all[:len(all)-len(read)]; len(left) > 0 {
		answer["UnprocessedKeys"] = map[string]any{"t": keys{Keys: left}}
	}
	b, err := json.Marshal(answer)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Body: io.NopCloser(bytes.NewReader(b)), Request: r,
	}, err
}

func spared(s *sparing) *Store {
	return New(aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String("http://127.0.0.1:1"), HTTPClient: s,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	}, "t")
}

func numbered(count int) (keys []key) {
	for n := range count {
		keys = append(keys, keyOf("p", strconv.Itoa(n)))
	}
	return keys
}

// TestBatchInOrder: what is left unread is asked for again, more than fits into one request is asked for in several, and what
// is found stands in the order of the keys, with nothing in the place of what is not there.
func TestBatchInOrder(t *testing.T) {
	t.Parallel()
	network := &sparing{limit: 70}
	items, err := spared(network).batch(t.Context(), numbered(120), true)
	if err != nil || len(items) != 120 {
		t.Fatal(len(items), err)
	}
	for n, i := range items {
		if want := strconv.Itoa(n); n%2 == 1 && i != nil || n%2 == 0 && (&fields{item: i}).text(skAttr) != want {
			t.Errorf("in place %d: %v", n, i)
		}
	}
	if want := []int{100, 30, 20}; !slices.Equal(network.requests, want) {
		t.Errorf("asked for %d keys, not %d", network.requests, want)
	}
}

// TestBatchLeftUnread: what is never read is no hole in a list but an error.
func TestBatchLeftUnread(t *testing.T) {
	t.Parallel()
	network := &sparing{}
	_, err := spared(network).batch(t.Context(), numbered(2), false)
	if _, throttled := errors.AsType[*types.ProvisionedThroughputExceededException](err); !throttled || len(network.requests) != attempts {
		t.Errorf("%d requests: %v", len(network.requests), err)
	}
}
