package streams

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// filter says whether a record is for the function.
type filter func(record map[string]any) bool

// parsePatterns reads the patterns of FilterCriteria; a record passes when any of them matches, or when there is none.
func parsePatterns(patterns []string) (filter, error) {
	var all []filter
	for _, p := range patterns {
		var v any
		d := json.NewDecoder(strings.NewReader(p))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return nil, fmt.Errorf("filter pattern %s: %w", p, err)
		}
		if _, err := d.Token(); err != io.EOF {
			return nil, fmt.Errorf("filter pattern %s: more than one value", p)
		}
		f, err := parsePattern(v)
		if err != nil {
			return nil, fmt.Errorf("filter pattern %s: %w", p, err)
		}
		all = append(all, f)
	}
	return func(record map[string]any) bool {
		return len(all) == 0 || slices.ContainsFunc(all, func(f filter) bool { return f(record) })
	}, nil
}

// parsePattern reads one level: every key must match, $or needs one of its alternatives.
func parsePattern(v any) (filter, error) {
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return nil, fmt.Errorf("a pattern is a map that is not empty")
	}
	var all []filter
	for key, inner := range m {
		if key == "$or" {
			alternatives, ok := inner.([]any)
			if !ok || len(alternatives) < 2 {
				return nil, fmt.Errorf("$or wants a list of two patterns or more")
			}
			var either []filter
			for _, a := range alternatives {
				f, err := parsePattern(a)
				if err != nil {
					return nil, err
				}
				either = append(either, f)
			}
			all = append(all, func(r map[string]any) bool {
				return slices.ContainsFunc(either, func(f filter) bool { return f(r) })
			})
			continue
		}
		switch inner := inner.(type) {
		case map[string]any:
			f, err := parsePattern(inner)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			all = append(all, func(r map[string]any) bool {
				// A missing level matches like an empty one: {"exists": false} below it holds.
				below, _ := r[key].(map[string]any)
				return f(below)
			})
		case []any:
			if len(inner) == 0 {
				return nil, fmt.Errorf("%s: an empty list matches nothing", key)
			}
			var conditions []condition
			for _, e := range inner {
				c, err := parseCondition(e)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", key, err)
				}
				conditions = append(conditions, c)
			}
			all = append(all, func(r map[string]any) bool {
				value, present := r[key]
				return slices.ContainsFunc(conditions, func(c condition) bool { return c(value, present) })
			})
		default:
			return nil, fmt.Errorf("%s: a value to match stands in a list", key)
		}
	}
	return func(r map[string]any) bool {
		return !slices.ContainsFunc(all, func(f filter) bool { return !f(r) })
	}, nil
}

// condition is one entry of a list of a pattern.
type condition func(value any, present bool) bool

// each holds when the value, or one element of a list, does.
func each(test func(any) bool) condition {
	return func(value any, present bool) bool {
		if list, ok := value.([]any); ok {
			return slices.ContainsFunc(list, test)
		}
		return present && test(value)
	}
}

func parseCondition(e any) (condition, error) {
	operators, ok := e.(map[string]any)
	if !ok {
		return each(func(v any) bool { return same(v, e) }), nil
	}
	if len(operators) != 1 {
		return nil, fmt.Errorf("one operator at a time")
	}
	for name, argument := range operators {
		switch name {
		case "exists":
			want, ok := argument.(bool)
			if !ok {
				return nil, fmt.Errorf("exists wants true or false")
			}
			return func(v any, present bool) bool {
				if _, inner := v.(map[string]any); inner {
					present = false // exists looks at leaves only
				}
				return present == want
			}, nil
		case "prefix", "suffix", "equals-ignore-case":
			want, ok := argument.(string)
			if !ok {
				return nil, fmt.Errorf("%s wants a text", name)
			}
			test := map[string]func(string, string) bool{"prefix": strings.HasPrefix, "suffix": strings.HasSuffix, "equals-ignore-case": strings.EqualFold}[name]
			return each(func(v any) bool { s, ok := v.(string); return ok && test(s, want) }), nil
		case "numeric":
			return parseNumeric(argument)
		case "anything-but":
			list, ok := argument.([]any)
			if !ok {
				list = []any{argument}
			}
			var refused []condition
			for _, entry := range list {
				c, err := parseCondition(entry)
				if err != nil {
					return nil, err
				}
				refused = append(refused, c)
			}
			return each(func(v any) bool {
				return !slices.ContainsFunc(refused, func(c condition) bool { return c(v, true) })
			}), nil
		}
		return nil, fmt.Errorf("the operator %q is not supported", name)
	}
	panic("unreachable")
}

func parseNumeric(argument any) (condition, error) {
	list, ok := argument.([]any)
	if !ok || len(list) == 0 || len(list)%2 != 0 {
		return nil, fmt.Errorf("numeric wants pairs of comparison and number")
	}
	var tests []func(float64) bool
	for i := 0; i < len(list); i += 2 {
		number, ok := list[i+1].(json.Number)
		if !ok {
			return nil, fmt.Errorf("numeric wants pairs of comparison and number")
		}
		limit, err := number.Float64()
		if err != nil {
			return nil, err
		}
		switch list[i] {
		case "=":
			tests = append(tests, func(f float64) bool { return f == limit })
		case "<":
			tests = append(tests, func(f float64) bool { return f < limit })
		case "<=":
			tests = append(tests, func(f float64) bool { return f <= limit })
		case ">":
			tests = append(tests, func(f float64) bool { return f > limit })
		case ">=":
			tests = append(tests, func(f float64) bool { return f >= limit })
		default:
			return nil, fmt.Errorf("unknown comparison %v", list[i])
		}
	}
	return each(func(v any) bool {
		f, ok := asFloat(v)
		return ok && !slices.ContainsFunc(tests, func(t func(float64) bool) bool { return !t(f) })
	}), nil
}

func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func same(value, literal any) bool {
	if want, ok := asFloat(literal); ok {
		f, ok := asFloat(value)
		return ok && f == want
	}
	switch value.(type) {
	case string, bool, nil:
		return value == literal
	case []byte:
		s, ok := literal.(string)
		return ok && bytes.Equal(value.([]byte), []byte(s))
	}
	return false
}
