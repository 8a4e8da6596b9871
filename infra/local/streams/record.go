package streams

import (
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"concord/infra/local/template"
)

// record is one stream record in the form that Lambda hands to a function.
type record struct {
	sequence string
	created  time.Time
	lane     uint32
	fields   map[string]any
	json     []byte
}

// convert makes a Lambda record of a stream record. deletedByTTL tells the deletions of the local stack's TTL sweep apart.
func convert(r types.Record, streamARN string, deletedByTTL func(table string, key map[string]any) bool, table string) record {
	out := record{fields: map[string]any{
		"eventID": aws.ToString(r.EventID), "eventName": string(r.EventName), "eventVersion": "1.1",
		"eventSource": "aws:dynamodb", "awsRegion": template.Region, "eventSourceARN": streamARN,
	}}
	if d := r.Dynamodb; d != nil {
		out.sequence = aws.ToString(d.SequenceNumber)
		keys := attributes(d.Keys)
		change := map[string]any{
			"Keys": keys, "SequenceNumber": out.sequence, "SizeBytes": aws.ToInt64(d.SizeBytes), "StreamViewType": string(d.StreamViewType),
		}
		if d.ApproximateCreationDateTime != nil {
			out.created = *d.ApproximateCreationDateTime
			change["ApproximateCreationDateTime"] = out.created.Unix()
		}
		if d.NewImage != nil {
			change["NewImage"] = attributes(d.NewImage)
		}
		if d.OldImage != nil {
			change["OldImage"] = attributes(d.OldImage)
		}
		out.fields["dynamodb"] = change
		h := fnv.New32a()
		_ = json.NewEncoder(h).Encode(keys)
		out.lane = h.Sum32()
		if r.UserIdentity == nil && r.EventName == types.OperationTypeRemove && deletedByTTL != nil && deletedByTTL(table, keys) {
			r.UserIdentity = &types.Identity{Type: aws.String("Service"), PrincipalId: aws.String("dynamodb.amazonaws.com")}
		}
	}
	if r.UserIdentity != nil {
		out.fields["userIdentity"] = map[string]any{
			"type": aws.ToString(r.UserIdentity.Type), "principalId": aws.ToString(r.UserIdentity.PrincipalId),
		}
	}
	return out
}

func attributes(m map[string]types.AttributeValue) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = attribute(v)
	}
	return out
}

func attribute(v types.AttributeValue) map[string]any {
	b64 := base64.StdEncoding.EncodeToString
	texts := func(in []string) []any {
		out := make([]any, len(in))
		for i := range in {
			out[i] = in[i]
		}
		return out
	}
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}
	case *types.AttributeValueMemberB:
		return map[string]any{"B": b64(v.Value)}
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}
	case *types.AttributeValueMemberNULL:
		return map[string]any{"NULL": true}
	case *types.AttributeValueMemberSS:
		return map[string]any{"SS": texts(v.Value)}
	case *types.AttributeValueMemberNS:
		return map[string]any{"NS": texts(v.Value)}
	case *types.AttributeValueMemberBS:
		out := make([]any, len(v.Value))
		for i := range v.Value {
			out[i] = b64(v.Value[i])
		}
		return map[string]any{"BS": out}
	case *types.AttributeValueMemberM:
		return map[string]any{"M": attributes(v.Value)}
	case *types.AttributeValueMemberL:
		out := make([]any, len(v.Value))
		for i := range v.Value {
			out[i] = attribute(v.Value[i])
		}
		return map[string]any{"L": out}
	}
	return map[string]any{}
}
