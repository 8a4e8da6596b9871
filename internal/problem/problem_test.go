package problem

import (
	"errors"
	"fmt"
	"testing"
)

func TestCodeOf(t *testing.T) {
	refusal := New(NotFound, "There is no %s.", "invitation")
	for _, c := range []struct {
		name string
		err  error
		want Code
	}{
		{"nothing went wrong", nil, ""},
		{"a refusal", refusal, NotFound},
		{"a wrapped refusal", fmt.Errorf("reading: %w", refusal), NotFound},
		{"a joined refusal", errors.Join(errors.New("other"), refusal), NotFound},
		{"our own fault", errors.New("connection reset"), Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := CodeOf(c.err); got != c.want {
				t.Errorf("CodeOf = %q, want %q", got, c.want)
			}
			if c.err != nil && !Is(c.err, c.want) {
				t.Errorf("Is(%q) = false", c.want)
			}
			if Is(c.err, RoleNotPermitted) {
				t.Error("Is(another code) = true")
			}
		})
	}
	if got, want := refusal.Error(), "not_found: There is no invitation."; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

// One code for all findings is the code of the whole, several are validation_failed (domain, 2.5).
func TestFindings(t *testing.T) {
	var none Findings
	if err := none.Err(); err != nil {
		t.Errorf("no finding: %v", err)
	}
	var same Findings
	same.Add("/recipientEmail", EmailInvalid, "Not an address.")
	one, ok := errors.AsType[*Error](same.Err())
	if !ok || one.Code != EmailInvalid || one.Detail != "Not an address." || len(one.Findings) != 1 {
		t.Errorf("one finding: %+v", one)
	}
	same.Add("/contact", EmailInvalid, "Not an address, %d.", 2)
	two, _ := errors.AsType[*Error](same.Err())
	if two.Code != EmailInvalid || len(two.Findings) != 2 || two.Findings[1].Detail != "Not an address, 2." {
		t.Errorf("two findings of one code: %+v", two)
	}
	if got, want := two.Error(), "email_invalid: 2 things in the request are wrong.; /recipientEmail email_invalid; /contact email_invalid"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	same.Add("/recipientName", NameInvalid, "Not a name.")
	if got := CodeOf(same.Err()); got != ValidationFailed {
		t.Errorf("findings of two codes: %q", got)
	}
}
