package streams

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFilterPatterns(t *testing.T) {
	const record = `{"eventName":"MODIFY","dynamodb":{"NewImage":{"mail":{"S":"queued"},"n":{"N":"7"},"tags":{"SS":["a","b"]},"gone":{"NULL":true}},"SizeBytes":120}}`
	for name, test := range map[string]struct {
		patterns []string
		want     bool
	}{
		"none":                          {nil, true},
		"equal":                         {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":["queued"]}}}}`}, true},
		"other value":                   {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":["sent"]}}}}`}, false},
		"one of a list":                 {[]string{`{"eventName":["INSERT","MODIFY"]}`}, true},
		"every key must match":          {[]string{`{"eventName":["MODIFY"],"dynamodb":{"NewImage":{"mail":{"S":["sent"]}}}}`}, false},
		"any pattern may match":         {[]string{`{"eventName":["REMOVE"]}`, `{"eventName":["MODIFY"]}`}, true},
		"missing level":                 {[]string{`{"dynamodb":{"OldImage":{"mail":{"S":["queued"]}}}}`}, false},
		"absent where absence is asked": {[]string{`{"dynamodb":{"OldImage":{"mail":{"S":[{"exists":false}]}}}}`}, true},
		"present where absence asked":   {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"exists":false}]}}}}`}, false},
		"absent or a value, present":    {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"exists":false},"queued"]}}}}`}, true},
		"absent or a value, another":    {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"exists":false},"sent"]}}}}`}, false},
		"absent or a value, absent":     {[]string{`{"dynamodb":{"NewImage":{"post":{"S":[{"exists":false},"queued"]}}}}`}, true},
		"a boolean that is absent":      {[]string{`{"dynamodb":{"NewImage":{"news":{"BOOL":[true]}}}}`}, false},
		"exists":                        {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"exists":true}]}}}}`}, true},
		"exists is for leaves":          {[]string{`{"dynamodb":{"NewImage":{"mail":[{"exists":true}]}}}`}, false},
		"prefix":                        {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"prefix":"que"}]}}}}`}, true},
		"suffix":                        {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"suffix":"xx"}]}}}}`}, false},
		"case ignored":                  {[]string{`{"eventName":[{"equals-ignore-case":"modify"}]}`}, true},
		"anything but":                  {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"anything-but":["sent","failed"]}]}}}}`}, true},
		"anything but this":             {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"anything-but":"queued"}]}}}}`}, false},
		"anything but a prefix":         {[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"anything-but":{"prefix":"q"}}]}}}}`}, false},
		"anything but needs a value":    {[]string{`{"dynamodb":{"NewImage":{"none":{"S":[{"anything-but":"x"}]}}}}`}, false},
		"numeric":                       {[]string{`{"dynamodb":{"SizeBytes":[{"numeric":[">",100,"<=",120]}]}}`}, true},
		"numeric outside":               {[]string{`{"dynamodb":{"SizeBytes":[{"numeric":[">",120]}]}}`}, false},
		"numbers of an item are text":   {[]string{`{"dynamodb":{"NewImage":{"n":{"N":[{"numeric":["=",7]}]}}}}`}, false},
		"number of an item as text":     {[]string{`{"dynamodb":{"NewImage":{"n":{"N":["7"]}}}}`}, true},
		"element of a set":              {[]string{`{"dynamodb":{"NewImage":{"tags":{"SS":["b"]}}}}`}, true},
		"boolean":                       {[]string{`{"dynamodb":{"NewImage":{"gone":{"NULL":[true]}}}}`}, true},
		"or":                            {[]string{`{"$or":[{"eventName":["INSERT"]},{"dynamodb":{"NewImage":{"mail":{"S":["queued"]}}}}]}`}, true},
		"or of none":                    {[]string{`{"$or":[{"eventName":["INSERT"]},{"eventName":["REMOVE"]}]}`}, false},
	} {
		t.Run(name, func(t *testing.T) {
			pass, err := parsePatterns(test.patterns)
			if err != nil {
				t.Fatal(err)
			}
			var r map[string]any
			if err := json.Unmarshal([]byte(record), &r); err != nil {
				t.Fatal(err)
			}
			if got := pass(r); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestFilterPatternsThatAreWrong(t *testing.T) {
	for pattern, want := range map[string]string{
		`{`:                           "unexpected EOF",
		`{} {}`:                       "more than one",
		`{}`:                          "not empty",
		`[]`:                          "a map",
		`{"a":"b"}`:                   "in a list",
		`{"a":[]}`:                    "empty list",
		`{"a":[{"between":[1,2]}]}`:   "between",
		`{"a":[{"exists":"yes"}]}`:    "exists",
		`{"a":[{"numeric":["<"]}]}`:   "numeric",
		`{"a":[{"numeric":["~",1]}]}`: "comparison",
		`{"$or":[{"a":["b"]}]}`:       "$or",
	} {
		if _, err := parsePatterns([]string{pattern}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want something of %q", pattern, err, want)
		}
	}
}
