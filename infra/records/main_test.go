package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concord/infra/records/file"
	"concord/internal/enrolment"
	"concord/internal/storetest"
)

func load(t *testing.T, content string) ([]file.Entry, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "records.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file.Load(path)
}

// A file can be put twice; what it says anew is a change, what it does not name stays, and what is wrong keeps nothing
// else back.
func TestPut(t *testing.T) {
	kept := enrolment.Records{Store: &storetest.Memory{}, Now: time.Now}
	say := func(content, why string) (string, int) {
		entries, err := load(t, content)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		code := put(t.Context(), kept, why, entries, &out)
		return out.String(), code
	}
	const one = `{"duns":"000000701","name":"Gorse","address":{"line1":"1","country":"US"}}`
	const first = `{"companies":[` + one + `],"partnerIds":[{"partnerId":"4100072","name":"Hawthorn","type":"location","country":"FR"}],"calendar":{"holidays":["2026-12-25"]}}`
	if said, code := say(first, "w"); code != 0 ||
		said != "company 000000701: made\npartnerId 4100072: made\ncalendar vetting: made\n" {
		t.Errorf("%d: %s", code, said)
	}
	if said, code := say(first, "w"); code != 0 || strings.Count(said, "unchanged") != 3 {
		t.Errorf("%d: %s", code, said)
	}
	said, code := say(`{"companies":[{"duns":"7"},`+strings.Replace(one, `}}`, `},"retired":true}`, 1)+`]}`, "wound up")
	if code != 1 || !strings.Contains(said, "company 7: not_found") || !strings.HasSuffix(said,
		"company 000000701: changed\n") {
		t.Errorf("%d: %s", code, said)
	}
	r, err := kept.Store.KeptRecord(t.Context(), enrolment.CompanyRecord, "000000701", true)
	if err != nil || !r.Retired || r.Version != 2 || r.History[1].By != by || r.History[1].Why != "wound up" {
		t.Errorf("%+v, %v", r, err)
	}
	if c, err := kept.Calendar(t.Context()); err != nil || len(c.Holidays) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestFaultsOfAFile(t *testing.T) {
	for _, wrong := range []string{``, `[]`, `{} {}`, `{"others":1}`, `{"companies":[{"dunsId":"1"}]}`,
		`{"calendar":{"days":[]}}`} {
		if entries, err := load(t, wrong); err == nil {
			t.Errorf("%s are records: %+v", wrong, entries)
		}
	}
	t.Setenv("TABLE_NAME", "none")
	var out strings.Builder
	if code := run(t.Context(), nil, &out); code != 2 || !strings.Contains(out.String(), "usage") {
		t.Errorf("%d: %s", code, out.String())
	}
	if code := run(t.Context(), []string{filepath.Join(t.TempDir(), "absent.json")}, &out); code != 2 {
		t.Errorf("%d", code)
	}
}

// The samples of the local stack are names and numbers that belong to nobody.
func TestTheSamples(t *testing.T) {
	entries, err := file.Load(filepath.Join("..", "local", "records.json"))
	if err != nil || len(entries) == 0 {
		t.Fatal(err)
	}
	kept := enrolment.Records{Store: &storetest.Memory{}, Now: time.Now}
	for _, e := range entries {
		if outcome, err := file.Put(t.Context(), kept, by, "sample", e); err != nil || outcome != file.Made {
			t.Errorf("%s %s: %s, %v", e.Kind, e.ID, outcome, err)
		}
		if e.Kind == enrolment.CompanyRecord && !strings.HasPrefix(e.ID, "000") {
			t.Errorf("the number %s could be somebody's", e.ID)
		}
	}
}
