package template

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// shortForms are the tags that CloudFormation reads as functions of one argument.
var shortForms = map[string]string{
	"!Ref": "Ref", "!Condition": "Condition",
	"!GetAtt": "Fn::GetAtt", "!Sub": "Fn::Sub", "!Join": "Fn::Join", "!If": "Fn::If", "!Equals": "Fn::Equals", "!Not": "Fn::Not",
	"!And": "Fn::And", "!Or": "Fn::Or", "!FindInMap": "Fn::FindInMap", "!Select": "Fn::Select", "!Split": "Fn::Split",
}

// plain turns a YAML node into maps, lists and scalars, with short-form tags in their long form.
func plain(n *yaml.Node) (any, error) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		name, ok := shortForms[n.Tag]
		if !ok {
			return nil, fmt.Errorf("line %d: the tag %s is not supported", n.Line, n.Tag)
		}
		argument := *n
		argument.Tag = ""
		if n.Kind == yaml.ScalarNode {
			argument.Tag = "!!str"
		}
		v, err := plain(&argument)
		if err != nil {
			return nil, err
		}
		if s, isText := v.(string); isText && name == "Fn::GetAtt" {
			resource, attribute, _ := strings.Cut(s, ".")
			v = []any{resource, attribute}
		}
		return map[string]any{name: v}, nil
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return plain(n.Content[0])
	case yaml.AliasNode:
		return plain(n.Alias)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := plain(c)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			if _, twice := m[n.Content[i].Value]; twice {
				return nil, fmt.Errorf("line %d: the key %q stands twice", n.Content[i].Line, n.Content[i].Value)
			}
			v, err := plain(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[n.Content[i].Value] = v
		}
		return m, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, fmt.Errorf("line %d: %w", n.Line, err)
	}
	return v, nil
}

// absent is what AWS::NoValue evaluates to: the key or list entry that holds it disappears.
type absent struct{}

// scope is what references are resolved against.
type scope struct {
	parameters map[string]any
	pseudo     map[string]string
	mappings   map[string]any
	conditions map[string]any
	resources  map[string]*resource
	deciding   map[string]bool // conditions being evaluated, against cycles
}

func (s *scope) eval(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		list := make([]any, 0, len(v))
		for _, e := range v {
			r, err := s.eval(e)
			if err != nil {
				return nil, err
			}
			if _, gone := r.(absent); !gone {
				list = append(list, r)
			}
		}
		return list, nil
	case map[string]any:
		if len(v) == 1 {
			for name, argument := range v {
				if name == "Ref" || strings.HasPrefix(name, "Fn::") {
					return s.call(name, argument)
				}
			}
		}
		m := make(map[string]any, len(v))
		for k, e := range v {
			r, err := s.eval(e)
			if err != nil {
				return nil, err
			}
			if _, gone := r.(absent); !gone {
				m[k] = r
			}
		}
		return m, nil
	}
	return v, nil
}

func (s *scope) call(name string, argument any) (any, error) {
	switch name {
	case "Ref":
		target, ok := argument.(string)
		if !ok {
			return nil, fmt.Errorf("a Ref wants a name")
		}
		return s.ref(target)
	case "Fn::GetAtt":
		parts, err := s.list(name, argument, 2)
		if err != nil {
			return nil, err
		}
		return s.attribute(text(parts[0]), text(parts[1]))
	case "Fn::Sub":
		return s.sub(argument)
	case "Fn::If":
		raw, ok := argument.([]any)
		if !ok || len(raw) != 3 {
			return nil, fmt.Errorf("Fn::If wants a condition and two values")
		}
		yes, err := s.condition(text(raw[0]))
		if err != nil {
			return nil, err
		}
		if yes {
			return s.eval(raw[1])
		}
		return s.eval(raw[2])
	case "Fn::Join":
		parts, err := s.list(name, argument, 2)
		if err != nil {
			return nil, err
		}
		items, ok := parts[1].([]any)
		if !ok {
			return nil, fmt.Errorf("Fn::Join wants a list")
		}
		words := make([]string, len(items))
		for i, item := range items {
			words[i] = text(item)
		}
		return strings.Join(words, text(parts[0])), nil
	case "Fn::Split":
		parts, err := s.list(name, argument, 2)
		if err != nil {
			return nil, err
		}
		var items []any
		for word := range strings.SplitSeq(text(parts[1]), text(parts[0])) {
			items = append(items, word)
		}
		return items, nil
	case "Fn::Select":
		parts, err := s.list(name, argument, 2)
		if err != nil {
			return nil, err
		}
		i, err := strconv.Atoi(text(parts[0]))
		items, ok := parts[1].([]any)
		if err != nil || !ok || i < 0 || i >= len(items) {
			return nil, fmt.Errorf("Fn::Select: no entry %v", parts[0])
		}
		return items[i], nil
	case "Fn::FindInMap":
		parts, err := s.list(name, argument, 3)
		if err != nil {
			return nil, err
		}
		var at any = s.mappings
		for _, key := range parts {
			m, _ := at.(map[string]any)
			if at = m[text(key)]; at == nil {
				return nil, fmt.Errorf("Fn::FindInMap: nothing at %v", parts)
			}
		}
		return s.eval(at)
	case "Fn::Equals", "Fn::Not", "Fn::And", "Fn::Or":
		return s.decide(map[string]any{name: argument})
	}
	return nil, fmt.Errorf("the function %s is not supported", name)
}

func (s *scope) list(name string, argument any, n int) ([]any, error) {
	v, err := s.eval(argument)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok || len(list) != n {
		return nil, fmt.Errorf("%s wants %d arguments", name, n)
	}
	return list, nil
}

// sub replaces ${Name}, ${Resource.Attribute} and the local variables of the two-argument form; ${!x} stays as ${x}.
func (s *scope) sub(argument any) (any, error) {
	pattern, local := text(argument), map[string]any{}
	if list, ok := argument.([]any); ok {
		if len(list) != 2 {
			return nil, fmt.Errorf("Fn::Sub wants a text and a map")
		}
		pattern = text(list[0])
		v, err := s.eval(list[1])
		if err != nil {
			return nil, err
		}
		if local, ok = v.(map[string]any); !ok {
			return nil, fmt.Errorf("Fn::Sub wants a text and a map")
		}
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(pattern, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("Fn::Sub: ${%s is not closed", rest)
		}
		pattern = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			b.WriteString("${" + literal + "}")
			continue
		}
		var v any
		var err error
		if value, ok := local[name]; ok {
			v = value
		} else if resource, attribute, ok := strings.Cut(name, "."); ok {
			v, err = s.attribute(resource, attribute)
		} else {
			v, err = s.ref(name)
		}
		if err != nil {
			return nil, err
		}
		b.WriteString(text(v))
	}
}

func (s *scope) condition(name string) (bool, error) {
	definition, ok := s.conditions[name]
	if !ok {
		return false, fmt.Errorf("unresolved condition %s", name)
	}
	if s.deciding[name] {
		return false, fmt.Errorf("the condition %s refers to itself", name)
	}
	s.deciding[name] = true
	defer delete(s.deciding, name)
	return s.decide(definition)
}

func (s *scope) decide(v any) (bool, error) {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		return false, fmt.Errorf("not a condition: %v", v)
	}
	for name, argument := range m {
		if name == "Condition" {
			return s.condition(text(argument))
		}
		list, ok := argument.([]any)
		if !ok {
			return false, fmt.Errorf("%s wants a list", name)
		}
		switch name {
		case "Fn::Equals":
			sides, err := s.list(name, argument, 2)
			if err != nil {
				return false, err
			}
			return text(sides[0]) == text(sides[1]), nil
		case "Fn::Not":
			if len(list) != 1 {
				return false, fmt.Errorf("Fn::Not wants one condition")
			}
			yes, err := s.decide(list[0])
			return !yes, err
		case "Fn::And", "Fn::Or":
			for _, e := range list {
				yes, err := s.decide(e)
				if err != nil {
					return false, err
				}
				if yes == (name == "Fn::Or") {
					return yes, nil
				}
			}
			return name == "Fn::And", nil
		}
	}
	return false, fmt.Errorf("not a condition: %v", v)
}

// text writes a scalar as CloudFormation does when it needs a string.
func text(v any) string {
	switch v := v.(type) {
	case nil, absent:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(v)
}

// decode fills a typed value from an evaluated one.
func decode(v any, into any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// number reads 3 and "3": a Ref to a parameter of type Number gives text.
type number int

func (n *number) UnmarshalJSON(raw []byte) error {
	f, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil {
		return fmt.Errorf("not a number: %s", raw)
	}
	*n = number(f)
	return nil
}

// flag reads true and "true".
type flag bool

func (f *flag) UnmarshalJSON(raw []byte) error {
	b, err := strconv.ParseBool(strings.Trim(string(raw), `"`))
	if err != nil {
		return fmt.Errorf("not a boolean: %s", raw)
	}
	*f = flag(b)
	return nil
}

// words reads a text, a number or a boolean as text.
type words string

func (w *words) UnmarshalJSON(raw []byte) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if n, ok := v.(float64); ok {
		*w = words(strconv.FormatFloat(n, 'f', -1, 64))
		return nil
	}
	*w = words(text(v))
	return nil
}
