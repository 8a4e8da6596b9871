package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/terms"
)

// ErrTextTaken means that other words were published under the same type, version and language.
var ErrTextTaken = errors.New("dynamo: another text has this type, version and language")

// Publish adds a text to the catalogue of the deployment; one that is there stays as it is, and is [ErrTextTaken] unless it is the same.
func (s *Store) Publish(ctx context.Context, t terms.Text) (err error) {
	defer func() { wrap(&err, "publish %s %s", t.Type, t.Version) }()
	if err := t.Check(); err != nil {
		return err
	}
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: s.table, Item: encodeTerms(t), ConditionExpression: aws.String(isNew),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	refused, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	if !ok {
		return err
	}
	there, err := decodeTerms(refused.Item)
	if err == nil && (there.Hash != t.Hash || there.URL != t.URL || !there.From.Equal(t.From)) {
		err = ErrTextTaken
	}
	return err
}

// Texts is that of [terms.Catalogue].
func (s *Store) Texts(ctx context.Context, t terms.Type) (all []terms.Text, err error) {
	defer func() { wrap(&err, "texts of %s", t) }()
	for each, err := range s.every(ctx, s.begins(termsPartition, string(t)+"#", false)) {
		if err != nil {
			return nil, err
		}
		text, err := decodeTerms(each)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

func encodeTerms(t terms.Text) item {
	return written(newItem(termsKey(t.Type, t.Version, t.Language), termsType), termsFields, &t)
}

func decodeTerms(stored map[string]types.AttributeValue) (t terms.Text, err error) {
	c, err := reading(stored, termsType)
	if err != nil {
		return t, err
	}
	termsFields(&c, &t)
	return t, c.err
}

func termsFields(c *coder, t *terms.Text) {
	need(c, "kind", &t.Type)
	need(c, "version", &t.Version)
	need(c, "language", &t.Language)
	texts(c, "countries", &t.Countries)
	need(c, "title", &t.Title)
	text(c, "body", &t.Body)
	text(c, "url", &t.URL)
	need(c, "hash", &t.Hash)
	moment(c, "from", &t.From)
}
