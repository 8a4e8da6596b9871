package dynamo_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/review"
	"concord/internal/storetest"
)

// missing writes an item of each kind that has none in testdata/items yet. What is there was written by an earlier
// version and stays.
var missing = flag.Bool("missing", false, "write an item of each kind that testdata/items has none of")

var itemsFolder = filepath.Join("testdata", "items")

const keptCompany = "record-company"

// readers read an item of a kind, as whoever gets it from the table's stream does.
var readers = map[string]func(image) (any, error){
	"invitation": reader(dynamo.InvitationFromImage), "batch": reader(dynamo.BatchFromImage),
	"account":   reader(dynamo.AccountFromImage),
	"agreement": reader(dynamo.AgreementFromImage), "order": reader(dynamo.OrderFromImage),
	"subscription": reader(dynamo.SubscriptionFromImage),
	"granular":     reader(dynamo.GranularFromImage), "enrolment": reader(dynamo.EnrolmentFromImage),
	"review":       reader(dynamo.ReviewFromImage),
	"relationship": reader(dynamo.RelationshipFromImage),
	keptCompany:    func(i image) (any, error) { return i["name"], nil }, // read by its store alone, below
	"partnership": func(i image) (any, error) {
		p, of, err := dynamo.PartnershipFromImage(i)
		return []any{of, p}, err
	},
}

func reader[T any](read func(image) (T, error)) func(image) (any, error) {
	return func(i image) (any, error) { return read(i) }
}

// writeMissing fills a table with everything that the stores are tested with, and keeps the largest item of each kind.
func writeMissing(t *testing.T) {
	t.Helper()
	table := newTable(t)
	store := dynamo.New(config(t), table)
	storetest.Conformance(t, func(*testing.T) storetest.Stores { return storetest.Of(store) })
	largest := map[string][]byte{}
	pages := sdk.NewScanPaginator(sdk.NewFromConfig(config(t)), &sdk.ScanInput{TableName: &table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Items {
			kind := i["type"].(*types.AttributeValueMemberS).Value
			if kind == "record" && strings.HasPrefix(i["pk"].(*types.AttributeValueMemberS).Value, "RECORDS#company") {
				kind = keptCompany
			}
			read := readers[kind]
			if read == nil {
				continue
			}
			if _, err := read(i); err != nil {
				continue // a test of what is wrong
			}
			text, err := json.MarshalIndent(written(&types.AttributeValueMemberM{Value: i})["M"], "", " ")
			if err != nil {
				t.Fatal(err)
			}
			if len(text) > len(largest[kind]) {
				largest[kind] = text
			}
		}
	}
	if err := os.MkdirAll(itemsFolder, 0o755); err != nil {
		t.Fatal(err)
	}
	for kind, text := range largest {
		file, err := os.OpenFile(filepath.Join(itemsFolder, kind+".json"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if os.IsExist(err) {
			continue
		}
		if err == nil {
			_, err = file.Write(append(text, '\n'))
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
	}
}

// earlier gives the items that earlier versions wrote, by the names of their files.
func earlier(t *testing.T) map[string]image {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(itemsFolder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no items of an earlier version", err)
	}
	all := map[string]image{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(text))
		var m map[string]any
		if err := d.Decode(&m); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(name), ".json")] = attribute(t,
			map[string]any{"M": m}).(*types.AttributeValueMemberM).Value
	}
	return all
}

// lists are attributes whose members are names that somebody chose: one more is one more of them.
var lists = []string{"ta", "steps"}

// later gives an item as a version after this one may write it: with attributes more, at its top and in every group.
func later(i image) image {
	out := image{"attributeOfALaterVersion": &types.AttributeValueMemberS{Value: "kept"}}
	for name, v := range i {
		if m, ok := v.(*types.AttributeValueMemberM); ok && !slices.Contains(lists, name) {
			v = &types.AttributeValueMemberM{Value: later(m.Value)}
		}
		out[name] = v
	}
	return out
}

// TestItemsOfOtherVersions: functions of two versions work on one table while a release goes on, and after it was taken
// back. What an earlier version wrote is read (testdata/items), and so is what a later one may write: attributes more.
func TestItemsOfOtherVersions(t *testing.T) {
	if *missing {
		writeMissing(t)
	}
	items := earlier(t)
	for kind, read := range readers {
		item, ok := items[kind]
		if !ok {
			t.Errorf("no item of kind %s: go test -run %s -missing ./internal/dynamo", kind, t.Name())
			continue
		}
		now, err := read(item)
		if err != nil {
			t.Errorf("%s of an earlier version: %v", kind, err)
			continue
		}
		if then, err := read(later(item)); err != nil || !reflect.DeepEqual(then, now) {
			t.Errorf("%s of a later version: %+v, %v", kind, then, err)
		}
	}
}

// TestUnknownAttributesSurvive: a version writes over an item of a later one without taking out what it does not know.
func TestUnknownAttributesSurvive(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	client, store := sdk.NewFromConfig(config(t)), dynamo.New(config(t), table)
	ctx := t.Context()
	writers := map[string]func(image) error{
		"invitation": func(i image) error {
			before, err := dynamo.InvitationFromImage(i)
			after := before
			after.Version++
			after.Tags = map[string]string{"another": "tag"}
			return first(err, func() error { return store.Write(ctx, invitation.Change{Before: &before, After: after}) })
		},
		"account": func(i image) error {
			before, err := dynamo.AccountFromImage(i)
			after := before.Next(partner.Entry{At: before.CreatedAt, By: "another"})
			return first(err, func() error { return store.WriteAccount(ctx, before, after) })
		},
		"relationship": func(i image) error {
			before, err := dynamo.RelationshipFromImage(i)
			after := before
			after.Version++
			after.Customer.CompanyName = "Another"
			return first(err, func() error { return store.Commit(ctx, nil, []relationship.Change{{Before: &before, After: after}}) })
		},
		"enrolment": func(i image) error {
			before, err := dynamo.EnrolmentFromImage(i)
			after := before
			after.Version++
			after.Reason = "another"
			return first(err, func() error { return store.WriteEnrolment(ctx, enrolment.Change{Before: &before, After: after}) })
		},
		"review": func(i image) error {
			before, err := dynamo.ReviewFromImage(i)
			after := before
			after.Version++
			after.Locale = "hi"
			return first(err, func() error { return store.WriteReview(ctx, review.Change{Before: &before, After: after}) })
		},
		keptCompany: func(i image) error {
			before, err := store.KeptRecord(ctx, enrolment.CompanyRecord, i["sk"].(*types.AttributeValueMemberS).Value, true)
			after := before
			after.Version++
			after.Company.Name = "Another"
			return first(err, func() error { return store.KeepRecord(ctx, enrolment.RecordChange{Before: &before, After: after}) })
		},
	}
	items := earlier(t)
	for _, kind := range slices.Sorted(maps.Keys(writers)) {
		item := later(items[kind])
		if _, err := client.PutItem(ctx, &sdk.PutItemInput{TableName: &table, Item: item}); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if err := writers[kind](item); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		strong := true
		got, err := client.GetItem(ctx, &sdk.GetItemInput{TableName: &table, Key: image{"pk": item["pk"], "sk": item["sk"]},
			ConsistentRead: &strong})
		if err != nil {
			t.Fatal(err)
		}
		kept, _ := got.Item["attributeOfALaterVersion"].(*types.AttributeValueMemberS)
		if kept == nil || kept.Value != "kept" || reflect.DeepEqual(got.Item["v"], item["v"]) {
			t.Errorf("%s: the attribute of a later version is %+v, its version %+v", kind, kept, got.Item["v"])
		}
	}
}

func first(err error, then func() error) error {
	if err != nil {
		return err
	}
	return then()
}

// written and attribute write attributes and read them again, as DynamoDB's own JSON has them.
func written(a types.AttributeValue) map[string]any {
	switch v := a.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}
	case *types.AttributeValueMemberB:
		return map[string]any{"B": base64.StdEncoding.EncodeToString(v.Value)}
	case *types.AttributeValueMemberL:
		list := make([]any, len(v.Value))
		for n, e := range v.Value {
			list[n] = written(e)
		}
		return map[string]any{"L": list}
	case *types.AttributeValueMemberM:
		m := map[string]any{}
		for name, e := range v.Value {
			m[name] = written(e)
		}
		return map[string]any{"M": m}
	}
	panic(fmt.Sprintf("%T", a))
}

func attribute(t *testing.T, v map[string]any) types.AttributeValue {
	t.Helper()
	for kind, value := range v {
		switch kind {
		case "S":
			return &types.AttributeValueMemberS{Value: value.(string)}
		case "N":
			return &types.AttributeValueMemberN{Value: value.(string)}
		case "BOOL":
			return &types.AttributeValueMemberBOOL{Value: value.(bool)}
		case "B":
			b, err := base64.StdEncoding.DecodeString(value.(string))
			if err != nil {
				t.Fatal(err)
			}
			return &types.AttributeValueMemberB{Value: b}
		case "L":
			list := &types.AttributeValueMemberL{}
			for _, e := range value.([]any) {
				list.Value = append(list.Value, attribute(t, e.(map[string]any)))
			}
			return list
		case "M":
			m := &types.AttributeValueMemberM{Value: image{}}
			for name, e := range value.(map[string]any) {
				m.Value[name] = attribute(t, e.(map[string]any))
			}
			return m
		}
	}
	t.Fatalf("%v is no attribute", v)
	return nil
}
