package emailaddr_test

import (
	"strings"
	"testing"

	"concord/internal/emailaddr"
)

func TestOperator(t *testing.T) {
	whole := emailaddr.Operator{Name: "Grove", Contact: "help@grove.example", Privacy: "https://grove.example/privacy", Imprint: "https://grove.example/imprint"}
	for name, c := range map[string]struct {
		spoil func(*emailaddr.Operator)
		want  string // part of the error; empty for none
	}{
		"whole":             {func(*emailaddr.Operator) {}, ""},
		"no imprint":        {func(o *emailaddr.Operator) { o.Imprint = "" }, ""},
		"no name":           {func(o *emailaddr.Operator) { o.Name = "" }, "no name"},
		"no contact":        {func(o *emailaddr.Operator) { o.Contact = "" }, "no email address"},
		"a name in contact": {func(o *emailaddr.Operator) { o.Contact = "Help <help@grove.example>" }, "no email address"},
		"no privacy notice": {func(o *emailaddr.Operator) { o.Privacy = "" }, "privacy notice"},
		"no URL":            {func(o *emailaddr.Operator) { o.Imprint = "grove.example/imprint" }, "imprint"},
		"a script":          {func(o *emailaddr.Operator) { o.Privacy = "javascript:alert(1)" }, "privacy notice"},
	} {
		o := whole
		c.spoil(&o)
		if err := o.Check(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
