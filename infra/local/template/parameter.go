package template

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// give gives each parameter of the template its value: the one that is given, or else the local one, or its default. A value that a deployment would
// refuse is refused here too, and so is a name that the template does not have; the error names all of them, a line each.
func (s *scope) give(declared map[string]any, given, local map[string]string) (map[string]string, error) {
	values := map[string]string{}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if declared[name] == nil {
			faults = append(faults, fmt.Errorf("the template has no parameter %s", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		definition, _ := declared[name].(map[string]any)
		value, ok := given[name]
		if !ok {
			value, ok = local[name]
		}
		if !ok {
			if definition["Default"] == nil {
				faults = append(faults, fmt.Errorf("the parameter %s has neither a default nor a local value", name))
				continue
			}
			value = text(definition["Default"])
		}
		if err := allowed(definition, value); err != nil {
			faults = append(faults, fmt.Errorf("the parameter %s: %w", name, err))
			continue
		}
		values[name] = value
		s.parameters[name] = value
		if kind := text(definition["Type"]); strings.HasPrefix(kind, "List<") || kind == "CommaDelimitedList" {
			var items []any
			for item := range strings.SplitSeq(value, ",") {
				items = append(items, strings.TrimSpace(item))
			}
			s.parameters[name] = items
		}
	}
	return values, errors.Join(faults...)
}

// allowed checks a value as CloudFormation does before it deploys anything.
func allowed(definition map[string]any, value string) error {
	why := func(otherwise string, arguments ...any) error {
		if said := text(definition["ConstraintDescription"]); said != "" {
			return fmt.Errorf("%q is not allowed: %s", value, said)
		}
		return fmt.Errorf("%q is not allowed: "+otherwise, append([]any{value}, arguments...)...)
	}
	limit := func(name string) (float64, bool) {
		if definition[name] == nil {
			return 0, false
		}
		n, err := strconv.ParseFloat(text(definition[name]), 64)
		return n, err == nil
	}
	if definition["Type"] == "Number" {
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return why("it is no number")
		}
		if least, ok := limit("MinValue"); ok && n < least {
			return why("the least is %v", least)
		}
		if most, ok := limit("MaxValue"); ok && n > most {
			return why("the most is %v", most)
		}
	}
	if least, ok := limit("MinLength"); ok && utf8.RuneCountInString(value) < int(least) {
		return why("it needs %v characters", least)
	}
	if most, ok := limit("MaxLength"); ok && utf8.RuneCountInString(value) > int(most) {
		return why("it has more than %v characters", most)
	}
	if pattern := text(definition["AllowedPattern"]); pattern != "" {
		whole, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
		if err != nil {
			return err
		}
		if !whole.MatchString(value) {
			return why("it does not match %s", pattern)
		}
	}
	if list, ok := definition["AllowedValues"].([]any); ok && !slices.ContainsFunc(list, func(v any) bool { return text(v) == value }) {
		return why("it is none of %v", list)
	}
	return nil
}
