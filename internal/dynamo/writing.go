package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/command"
)

// Conditions.
const (
	isNew       = "attribute_not_exists(pk)"
	isUnchanged = "v = :was"
)

// fresh gives the write of an item that must not be there yet.
func (s *Store) fresh(i item) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{TableName: s.table, Item: i, ConditionExpression: aws.String(isNew)}}
}

// over gives the write of an item over one of its versions.
func (s *Store) over(before, after item, k key, version int) types.TransactWriteItem {
	expression, names, values := update(before, after)
	values[":was"] = num(int64(version))
	return types.TransactWriteItem{Update: &types.Update{
		TableName: s.table, Key: k, UpdateExpression: &expression, ConditionExpression: aws.String(isUnchanged),
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}}
}

// gone gives the removal of an item at a version.
func (s *Store) gone(k key, version int) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{
		TableName: s.table, Key: k, ConditionExpression: aws.String("#v = :was"), ExpressionAttributeNames: map[string]string{"#v": aVersion},
		ExpressionAttributeValues: map[string]types.AttributeValue{":was": num(int64(version))},
	}}
}

// single carries out a write alone: half the write units of a transaction. When an attempt that seemed to fail had been
// carried out, the next one fails its condition; what is stored then tells.
func (s *Store) single(ctx context.Context, w types.TransactWriteItem, after item) error {
	d := doubt{RetryerV2: s.retryer}
	var err error
	if p := w.Put; p != nil {
		_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: p.TableName, Item: p.Item, ConditionExpression: p.ConditionExpression,
			ExpressionAttributeNames: p.ExpressionAttributeNames, ExpressionAttributeValues: p.ExpressionAttributeValues,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}, d.apply)
	} else {
		u := w.Update
		_, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: u.TableName, Key: u.Key, UpdateExpression: u.UpdateExpression, ConditionExpression: u.ConditionExpression,
			ExpressionAttributeNames: u.ExpressionAttributeNames, ExpressionAttributeValues: u.ExpressionAttributeValues,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}, d.apply)
	}
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		if d.exists && holds(failed.Item, after) {
			return nil
		}
		return command.ErrConflict
	}
	return err
}

// together carries out writes in one transaction. When conditions failed it gives, for each write, the item that stood in
// the way, and nil for a write that was not to blame. The SDK gives every attempt the same token, so that one which was
// carried out although its answer was lost is not carried out twice.
func (s *Store) together(ctx context.Context, items []types.TransactWriteItem) (refused []map[string]types.AttributeValue, err error) {
	_, err = s.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
	if refused, ok := refusals(err); ok {
		return refused, nil
	}
	return nil, err
}

// allOrNone carries out writes in one transaction, or gives [command.ErrConflict] when a condition of one failed.
func (s *Store) allOrNone(ctx context.Context, items []types.TransactWriteItem) error {
	refused, err := s.together(ctx, items)
	if err == nil && refused != nil {
		return command.ErrConflict
	}
	return err
}

// stood reports whether an item has stood in the way of a write.
func stood(item map[string]types.AttributeValue) bool { return item != nil }
