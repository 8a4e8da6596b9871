package dynamo

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
)

// The types of items, as the attribute type says them.
const (
	invitationType   = "invitation"
	slotType         = "slot"
	relationshipType = "relationship"
	granularType     = "granular"
	grantType        = "grant"
	accountType      = "account"
	wordsType        = "words"
	mailingsType     = "mailings"
	countType        = "count"
	auditType        = "audit"
	registeredType   = "registered"
	objectionsType   = "objections"
	holderType       = "partnerId"
	agreementType    = "agreement"
	orderType        = "order"
	subscriptionType = "subscription"
	elsewhereType    = "elsewhere"
	termsType        = "terms"
	partnershipType  = "partnership"
	enrolmentType    = "enrolment"
	latestType       = "latestEnrolment"
	listedType       = "listedEnrolment"
	customerType     = "customer" // the record of a company that a partner created
	claimsType       = "claims"
	reviewType       = "review" // whom a company is asked by to look at who holds rights
	domainType       = "domain"
	commandType      = "command"
	batchType        = "batch"
	chunkType        = "rows"
	keptType         = "record" // of the operator
	reportType       = "report"
	runType          = "run" // of a schedule
	endpointType     = "endpoint"
	subscriberType   = "subscriber"
	deliveryType     = "delivery"
)

// timelines are the attributes with what has happened to an item.
var timelines = []string{aHistory, aRelated}

// ErrOtherItem means that an image is of another type of item than the one asked for.
var ErrOtherItem = errors.New("dynamo: another type of item")

// item is what is written. Attributes without a value are left out.
type item map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// newItem makes an item of a key that is nobody else's.
func newItem(k key, kind string) item {
	k[typeAttr] = str(kind)
	return item(k)
}

func (i item) text(name, s string) {
	if s != "" {
		i[name] = str(s)
	}
}

func (i item) number(name string, n int) {
	if n != 0 {
		i[name] = num(int64(n))
	}
}

func (i item) flag(name string, b bool) {
	if b {
		i[name] = &types.AttributeValueMemberBOOL{Value: true}
	}
}

// time keeps a moment as seconds since 1970: a number takes half the room of a text.
func (i item) time(name string, t time.Time) {
	if !t.IsZero() {
		i[name] = num(t.Unix())
	}
}

func (i item) texts(name string, list []string) {
	if len(list) > 0 {
		l := make([]types.AttributeValue, len(list))
		for n, s := range list {
			l[n] = str(s)
		}
		i[name] = &types.AttributeValueMemberL{Value: l}
	}
}

// fields reads an item and remembers the first fault: an attribute that has another type than it should, or that is
// missing where it is required.
type fields struct {
	item map[string]types.AttributeValue
	err  error
}

func (f *fields) fault(name, what string) {
	if f.err == nil {
		f.err = fmt.Errorf("dynamo: attribute %s %s", name, what)
	}
}

// get gives an attribute as a type of attribute value; the zero T when it is absent.
func get[T types.AttributeValue](f *fields, name string, required bool) (v T, found bool) {
	raw, found := f.item[name]
	if !found {
		if required {
			f.fault(name, "is missing")
		}
		return v, false
	}
	v, ok := raw.(T)
	if !ok || reflect.ValueOf(v).IsNil() {
		f.fault(name, fmt.Sprintf("has the wrong type %T", raw))
		return v, false
	}
	return v, true
}

func (f *fields) text(name string) string {
	if v, ok := get[*types.AttributeValueMemberS](f, name, false); ok {
		return v.Value
	}
	return ""
}

func (f *fields) needText(name string) string {
	if v, ok := get[*types.AttributeValueMemberS](f, name, true); ok {
		return v.Value
	}
	return ""
}

func (f *fields) integer(name string, required bool) (int64, bool) {
	v, ok := get[*types.AttributeValueMemberN](f, name, required)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		f.fault(name, "is not a whole number")
	}
	return n, err == nil
}

func (f *fields) number(name string) int {
	n, _ := f.integer(name, false)
	return int(n)
}

func (f *fields) needNumber(name string) int {
	n, _ := f.integer(name, true)
	return int(n)
}

func (f *fields) flag(name string) bool {
	v, ok := get[*types.AttributeValueMemberBOOL](f, name, false)
	return ok && v.Value
}

func (f *fields) time(name string) time.Time {
	if n, ok := f.integer(name, false); ok {
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}

func (f *fields) texts(name string) []string { return textsOf[string](f, name) }

func textsOf[S ~string](f *fields, name string) []S {
	v, ok := get[*types.AttributeValueMemberL](f, name, false)
	if !ok {
		return nil
	}
	list := make([]S, len(v.Value))
	for n, each := range v.Value {
		s, ok := each.(*types.AttributeValueMemberS)
		if !ok {
			f.fault(name, fmt.Sprintf("holds a %T", each))
			return nil
		}
		list[n] = S(s.Value)
	}
	return list
}

// join notes a fault in a group.
func (f *fields) join(name string, g *fields) {
	if g.err != nil && f.err == nil {
		f.err = fmt.Errorf("dynamo: in %s: %w", name, g.err)
	}
}

// expect checks the type of the item.
func (f *fields) expect(kind string) error {
	if k := f.needText(typeAttr); f.err == nil && k != kind {
		return fmt.Errorf("%w: %q, not %q", ErrOtherItem, k, kind)
	}
	return f.err
}

// update gives the expression that makes an item of before into one of after, and its names and values. Attributes that
// this code does not know stay as they are.
//
// The filter of a stream cannot compare two images. So an update that adds to a timeline says so, and the next that does not takes that
// back: who follows the timelines is woken by the first alone, whatever else the items say.
func update(before, after item) (expression string, names map[string]string, values map[string]types.AttributeValue) {
	before, after = maps.Clone(before), maps.Clone(after)
	if slices.ContainsFunc(timelines, func(name string) bool { return !reflect.DeepEqual(before[name], after[name]) }) {
		after.flag(newsAttr, true)
	} else {
		before.flag(newsAttr, true)
	}
	names, values = map[string]string{}, map[string]types.AttributeValue{}
	var sets, removes []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if old, found := before[name]; found && reflect.DeepEqual(old, after[name]) {
			continue
		}
		n := strconv.Itoa(len(names))
		names["#"+n], values[":"+n] = name, after[name]
		sets = append(sets, "#"+n+" = :"+n)
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, found := after[name]; !found {
			n := strconv.Itoa(len(names))
			names["#"+n] = name
			removes = append(removes, "#"+n)
		}
	}
	if len(sets) > 0 {
		expression = "SET " + strings.Join(sets, ", ")
	}
	if len(removes) > 0 {
		expression += " REMOVE " + strings.Join(removes, ", ")
	}
	return strings.TrimSpace(expression), names, values
}

// holds reports whether an item has every attribute of what was written.
func holds(stored map[string]types.AttributeValue, written item) bool {
	for name, v := range written {
		if !reflect.DeepEqual(stored[name], v) {
			return false
		}
	}
	return true
}

// pack shortens what has a shorter form, and unpack gives it back: "%" and 22 characters for a UUID, "#" and two thirds
// for hexadecimal digits.
func pack(s string) string {
	if strings.ContainsAny(s[:min(1, len(s))], "%#'") {
		return "'" + s
	}
	if b, err := bytesOf(s); err == nil {
		return "%" + base64.RawURLEncoding.EncodeToString(b[:])
	}
	if b, err := hex.DecodeString(s); err == nil && len(b) > 3 && hex.EncodeToString(b) == s {
		return "#" + base64.RawURLEncoding.EncodeToString(b)
	}
	return s
}

func unpack(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	switch s[0] {
	case '\'':
		return s[1:], nil
	case '%', '#':
		b, err := base64.RawURLEncoding.DecodeString(s[1:])
		if err != nil || s[0] == '%' && len(b) != 16 {
			return "", errors.New("dynamo: a packed text is garbled")
		}
		if s[0] == '%' {
			return uuid.UUID(b).String(), nil
		}
		return hex.EncodeToString(b), nil
	}
	return s, nil
}

// bytesOf returns the bytes of a UUID in lower case with hyphens, and of nothing else.
func bytesOf(s string) (id uuid.UUID, err error) {
	if id, err = uuid.Parse(s); err != nil || id.String() != s {
		return id, errors.New("dynamo: no UUID")
	}
	return id, nil
}
