package invitation

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

// renewalKeeps are the fields of an invitation that one which renews it takes over; renewalResets are all others. A
// new field belongs into one of the two, and one that is reset into [Invitation.again].
var (
	renewalKeeps = []string{
		"Inviter", "Kind", "Customer", "Bound", "ActingRole", "Provider", "RecipientEmail", "RecipientName", "Locale",
		"LocaleAsked", "Cloud",
		"RequestDelegatedAdmin", "GranularID", "Source", "Tags", "Message", "Sandbox", "Reminders", "Duration",
	}
	renewalResets = []string{
		"ID", "Orderer", "BatchID", "RegionTable", "Status", "Generation", "Mail", "ExpiresAt", "CreatedAt", "CreatedBy",
		"Edited", "Answer", "Post",
		"Reminded", "RemindedAt", "Asked", "Reported", "DisputedAt", "Moot", "EraseAt", "EndedAt", "Version", "History",
	}
)

// TestEveryFieldIsKeptOrResetOnRenewal: of an invitation that has a value in each field, those above are as before and
// the others are empty. Replaces alone gets a value of its own.
func TestEveryFieldIsKeptOrResetOnRenewal(t *testing.T) {
	var old Invitation
	fill(t, reflect.ValueOf(&old).Elem())
	again := old.again(Cancelled)
	before, after := reflect.ValueOf(old), reflect.ValueOf(again)
	for _, f := range reflect.VisibleFields(before.Type()) {
		if f.Anonymous || f.Name == "Replaces" {
			continue
		}
		was, is := before.FieldByIndex(f.Index), after.FieldByIndex(f.Index)
		switch keeps, clears := slices.Contains(renewalKeeps, f.Name), slices.Contains(renewalResets, f.Name); {
		case was.IsZero():
			t.Errorf("%s: the test gives it no value", f.Name)
		case keeps == clears:
			t.Errorf("%s: say above whether renewal keeps or resets it", f.Name)
		case keeps && !reflect.DeepEqual(was.Interface(), is.Interface()):
			t.Errorf("%s is %v after renewal, was %v", f.Name, is, was)
		case clears && !is.IsZero():
			t.Errorf("%s is %v after renewal", f.Name, is)
		}
	}
	if again.Replaces != old.ID {
		t.Errorf("it renews %q", again.Replaces)
	}
	for _, ended := range []Status{Accepted, Declined} {
		if got := old.again(ended); got.GranularID != "" {
			t.Errorf("%s: what was answered is asked again: %q", ended, got.GranularID)
		}
	}
	old.Bound = false
	if got := old.again(Expired); got.Customer != "" || got.GranularID == "" {
		t.Errorf("whom an answer bound is named: %q, %q", got.Customer, got.GranularID)
	}
}

// fill gives every field a value other than its zero.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(2)
	case reflect.Struct:
		for n := range v.NumField() {
			fill(t, v.Field(n))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, k)
		fill(t, e)
		v.SetMapIndex(k, e)
	default:
		t.Fatalf("a %s", v.Kind())
	}
}
