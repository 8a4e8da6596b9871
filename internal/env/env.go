// Package env reads a function's configuration from its environment.
//
// Each function has a struct whose fields carry the tag env:"NAME", and optionally default:"value"; the struct with its
// comments is the operator's manual. [Load] checks everything once, at start, and names every fault at once.
package env

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"time"
)

// Load fills the struct that config points to. A variable without a default has to be set and not empty. Fields are of the
// kinds string, int and bool.
func Load(config any) error {
	v := reflect.ValueOf(config).Elem()
	var faults []error
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("env")
		text := os.Getenv(name)
		if text == "" {
			d, ok := field.Tag.Lookup("default")
			if !ok {
				faults = append(faults, fmt.Errorf("%s is not set", name))
				continue
			}
			text = d
		}
		if err := set(v.Field(i), text); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(faults...)
}

func set(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("not a number")
		}
		v.SetInt(int64(n))
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return errors.New("neither true nor false")
		}
		v.SetBool(b)
	default:
		return fmt.Errorf("a field of kind %s cannot be read", v.Kind())
	}
	return nil
}

// Clock gives the function's clock. CLOCK_OFFSET, a Go duration, moves it; only a local stack sets that, to show what
// happens in a month. Tokens, sign-in and sessions do not use this clock.
func Clock() (func() time.Time, error) {
	text := os.Getenv("CLOCK_OFFSET")
	if text == "" {
		return time.Now, nil
	}
	offset, err := time.ParseDuration(text)
	if err != nil {
		return nil, errors.New("CLOCK_OFFSET: not a duration")
	}
	return func() time.Time { return time.Now().Add(offset) }, nil
}
