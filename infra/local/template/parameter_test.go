package template

import (
	"strings"
	"testing"
)

// TestParameters holds values to what CloudFormation would say before a deployment.
func TestParameters(t *testing.T) {
	const declared = `
Parameters:
  Url: {Type: String, AllowedPattern: 'https?://.+', Default: "http://a"}
  Count: {Type: Number, MinValue: 1, MaxValue: 30, Default: 7}
  Choice: {Type: String, AllowedValues: ["true", "false"], Default: "false"}
  Name: {Type: String, MinLength: 2, MaxLength: 4, Default: name, ConstraintDescription: two to four characters}
  List: {Type: CommaDelimitedList, Default: "a, b"}
  Wanted: {Type: String}
Resources: {}
`
	for name, c := range map[string]struct{ parameter, value, complaint string }{
		"fits":             {"Url", "https://b", ""},
		"pattern":          {"Url", "ftp://b", "Url"},
		"pattern in part":  {"Url", "x https://b", "Url"},
		"no number":        {"Count", "many", "no number"},
		"too little":       {"Count", "0", "the least is 1"},
		"too much":         {"Count", "31", "the most is 30"},
		"no choice":        {"Choice", "yes", "none of"},
		"short":            {"Name", "é", "two to four characters"},
		"long":             {"Name", "names", "two to four characters"},
		"as long as it is": {"Name", "éééé", ""},
		"unknown":          {"Title", "x", "the template has no parameter Title"},
	} {
		got, err := Parse([]byte(declared), map[string]string{"Wanted": "x", c.parameter: c.value})
		if c.complaint == "" && (err != nil || got.Parameters[c.parameter] != c.value) || c.complaint != "" && (err == nil || !strings.Contains(err.Error(), c.complaint)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse([]byte(declared), nil); err == nil || !strings.Contains(err.Error(), "Wanted") {
		t.Errorf("a parameter without a value: %v", err)
	}
}
