package app

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Whole says which parts the given thing lacks, by their names: what its exported fields, and those of its services, refer to and is nil
// or empty. Without are the parts that a function leaves out on purpose, each with all that is below it; one of which nothing is missing is
// a fault as well. Numbers, texts and switches have no part in it: zero means something for each of them.
//
// A function that has HTML templates leaves the question to its test: they find methods by name, and so the linker would keep every
// method of whatever is asked about, a quarter of a megabyte.
func Whole(service any, without ...string) error {
	var faults []error
	missing := lacking(reflect.ValueOf(service), "")
	for _, part := range missing {
		if !slices.ContainsFunc(without, func(w string) bool { return below(part, w) }) {
			faults = append(faults, fmt.Errorf("%T lacks %s", service, part))
		}
	}
	for _, part := range without {
		if !slices.ContainsFunc(missing, func(m string) bool { return below(m, part) }) {
			faults = append(faults, fmt.Errorf("%T does not lack %s", service, part))
		}
	}
	return errors.Join(faults...)
}

// below says whether a path is another, or a part of it.
func below(path, of string) bool { return path == of || strings.HasPrefix(path, of+".") }

// lacking gives the paths of what is missing below a value.
func lacking(v reflect.Value, path string) (missing []string) {
	switch v.Kind() {
	case reflect.Interface, reflect.Func, reflect.Chan:
		if v.IsNil() {
			return []string{path}
		}
	case reflect.Map, reflect.Slice:
		if v.Len() == 0 {
			return []string{path}
		}
	case reflect.Pointer:
		if v.IsNil() {
			return []string{path}
		}
		return lacking(v.Elem(), path)
	case reflect.Struct:
		if path != "" && !refers(v.Type(), reflect.Interface, reflect.Func) {
			// Data checks itself when it is read; a table that was never read is missing all the same.
			if v.IsZero() && refers(v.Type(), reflect.Map, reflect.Slice) {
				return []string{path}
			}
			return nil
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				missing = append(missing, lacking(v.Field(i), strings.TrimPrefix(path+"."+f.Name, "."))...)
			}
		}
	}
	return missing
}

// refers says whether a struct has an exported field of one of these kinds. A service has interfaces or functions, which somebody else
// provides; what has none is data.
func refers(t reflect.Type, kinds ...reflect.Kind) bool {
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && slices.Contains(kinds, f.Type.Kind()) {
			return true
		}
	}
	return false
}
