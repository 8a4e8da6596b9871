package dynamo

import (
	"context"
	"iter"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/partner"
)

// Holding is an item as it is stored, for an operator's command that shows or exports it.
type Holding struct {
	Key  string // partition and sort key
	Type string
	Item map[string]types.AttributeValue
}

// Holdings gives everything in the partition of a partner or of a company that enrols, in the order of the keys: a
// query of as many pages as it has. It ends with the first error.
func (s *Store) Holdings(ctx context.Context, tenant partner.TenantID) iter.Seq2[Holding, error] {
	return func(yield func(Holding, error) bool) {
		for each, err := range s.every(ctx, s.all(partition(tenant))) {
			if err != nil {
				wrap(&err, "holdings of %s", tenant)
				yield(Holding{}, err)
				return
			}
			f := &fields{item: each}
			h := Holding{Key: f.text(pkAttr) + " " + f.text(skAttr), Type: f.text(typeAttr), Item: each}
			if !yield(h, f.err) {
				return
			}
		}
	}
}
