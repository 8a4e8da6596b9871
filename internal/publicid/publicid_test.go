package publicid

import (
	"strings"
	"testing"
)

func TestIDs(t *testing.T) {
	bits := [Size]byte{0xff, 1, 2, 3, 15: 9}
	id := Format(Invitation, bits)
	if b, ok := Parse(Invitation, id); !ok || b != bits || !Is(Invitation, id) || !strings.HasPrefix(id, "inv_") || len(id) != 30 {
		t.Errorf("%s is %v, %v", id, b, ok)
	}
	for _, s := range []string{
		"", Invitation, id + "a", id[:29], strings.ToUpper(id), "rel_" + id[4:], id[:29] + "1", id[:29] + "f", id[4:], id[:10] + "\n" + id[10:],
		id[:10] + "\n" + id[11:],
	} {
		if Is(Invitation, s) {
			t.Errorf("%q is an id", s)
		}
	}
	if a, b := Random(Granular), Random(Granular); a == b || !Is(Granular, a) || !Is(Granular, b) {
		t.Errorf("made at random: %s, %s", a, b)
	}
}
