package dynamo

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/partner"
	"concord/internal/registry"
)

// What is said against mails is an attribute of its own in the item of its hour: its name says what and by whose voice, its value
// when. So the same is there once, whoever writes it and however often.
var objectionPrefix = map[registry.ObjectionKind]string{registry.Complaint: "c#", registry.Bounce: "b#"}

// Object is that of [registry.ReputationStore].
func (s *Store) Object(ctx context.Context, p partner.TenantID, o registry.Objection) (err error) {
	defer func() { wrap(&err, "note what %.64q says", o.By) }()
	prefix, known := objectionPrefix[o.Kind]
	if !known || !isID(o.By) {
		return errors.New("no objection to a mail")
	}
	_, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: s.table, Key: objectionsKey(p, o.At), ConditionExpression: aws.String("attribute_not_exists(#said)"),
		UpdateExpression:         aws.String("SET #type = :type, #ttl = :ttl, #said = :at"),
		ExpressionAttributeNames: map[string]string{"#type": typeAttr, "#ttl": ttlAttr, "#said": prefix + o.By},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":type": str(objectionsType), ":ttl": num(o.At.Add(24*time.Hour + countRemembered).Unix()), ":at": num(o.At.Unix()),
		},
	})
	if _, there := errors.AsType[*types.ConditionalCheckFailedException](err); there {
		return nil
	}
	return err
}

// Week is that of [registry.ReputationStore]: one query, because what is said of a day follows its count.
func (s *Store) Week(ctx context.Context, p partner.TenantID, from, to string) (w registry.Week, err error) {
	defer func() { wrap(&err, "what is said of the mails of %s", p) }()
	in := &dynamodb.QueryInput{
		TableName: s.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk AND sk BETWEEN :from AND :to"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": str(partition(p)), ":from": str(countPrefix + from), ":to": str(countPrefix + to + "#~")},
	}
	w.Mails = map[string]int{}
	for each, err := range s.every(ctx, in) {
		if err == nil {
			err = addTo(&w, each)
		}
		if err != nil {
			return w, err
		}
	}
	return w, nil
}

// addTo adds what one item knows to a week.
func addTo(w *registry.Week, stored map[string]types.AttributeValue) error {
	f := &fields{item: stored}
	switch f.needText(typeAttr) {
	case countType:
		w.Mails[strings.TrimPrefix(f.needText(skAttr), countPrefix)] = f.number(aCount)
	case objectionsType:
		for name := range stored {
			for kind, prefix := range objectionPrefix {
				if by, ok := strings.CutPrefix(name, prefix); ok {
					w.Objections = append(w.Objections, registry.Objection{Kind: kind, By: by, At: f.time(name)})
				}
			}
		}
	default:
		f.fault(typeAttr, "is "+strconv.Quote(f.text(typeAttr)))
	}
	return f.err
}
