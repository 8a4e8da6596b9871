package dynamo

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"concord/internal/partner"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

// filled sets every field of a value, down to the last, to something that no other field has.
func filled(v reflect.Value, n *int) {
	*n++
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 12, 0, *n, 0, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range v.Fields() {
			filled(f, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), n)
		filled(v.Index(1), n)
	case reflect.String:
		v.SetString(fmt.Sprintf("value %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(int64(*n))
	default:
		panic("a field of a kind that nobody stores: " + v.Type().String())
	}
}

// survives fails for a field that one of the two directions forgets, also for one that is yet to come.
func survives[T any, I ~map[string]types.AttributeValue](
	t *testing.T, encode func(T) I, decode func(map[string]types.AttributeValue) (T, error),
) {
	t.Helper()
	var v T
	n := 0
	filled(reflect.ValueOf(&v).Elem(), &n)
	got, err := decode(encode(v))
	if err != nil {
		t.Errorf("%T: %v", v, err)
		return
	}
	if d := cmp.Diff(v, got); d != "" {
		t.Errorf("%T: %s", v, d)
	}
}

// Kinds whose items hold any text for any field. Those that keep their states as codes have their own tests.
func TestEveryFieldSurvives(t *testing.T) {
	t.Run("account", func(t *testing.T) {
		survives(t, encodeAccount, func(stored map[string]types.AttributeValue) (partner.Account, error) {
			return decodeAccount("value 2", stored) // the tenant is the first field
		})
	})
	t.Run("order", func(t *testing.T) { survives(t, encodeOrder, OrderFromImage) })
	t.Run("subscription", func(t *testing.T) { survives(t, encodeSubscription, SubscriptionFromImage) })
	t.Run("agreement", func(t *testing.T) { survives(t, encodeAgreement, AgreementFromImage) })
	t.Run("terms", func(t *testing.T) { survives(t, encodeTerms, decodeTerms) })
}
