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

// Local is what only a local stack sets, never template.yaml; every function's configuration embeds it.
type Local struct {
	// AllowReserved accepts addresses and domains under .example and .test, and serves the console's page of components.
	AllowReserved bool `env:"ALLOW_RESERVED_DOMAINS" default:"false"`
	// ClockOffset moves the function's clock, to show what happens in a month: a Go duration such as 720h. Tokens, sign-in and
	// sessions do not use this clock.
	ClockOffset time.Duration `env:"CLOCK_OFFSET" default:"0s"`
}

// Clock returns the function's clock.
func (l Local) Clock() func() time.Time {
	if l.ClockOffset == 0 {
		return time.Now
	}
	return func() time.Time { return time.Now().Add(l.ClockOffset) }
}

// Load fills the struct that config points to, and the structs that it embeds. A variable without a default has to be set and
// not empty. Fields are of the types string, int, bool and time.Duration.
func Load(config any) error { return load(reflect.ValueOf(config).Elem()) }

func load(v reflect.Value) error {
	var faults []error
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			if err := load(v.Field(i)); err != nil {
				faults = append(faults, err)
			}
			continue
		}
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
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("not a duration")
		}
		v.SetInt(int64(d))
		return nil
	}
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

// Clock reads the clock alone: see [Local].
func Clock() (func() time.Time, error) {
	var l Local
	if err := Load(&l); err != nil {
		return nil, err
	}
	return l.Clock(), nil
}
