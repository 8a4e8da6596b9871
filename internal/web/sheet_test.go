package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
	utf16 "golang.org/x/text/encoding/unicode"

	"concord/internal/batch"
	"concord/internal/invitation"
	"concord/internal/problem"
)

// readSheet gives what was read, a row as "line kind address name".
func readSheet(t *testing.T, file, charset string) []string {
	t.Helper()
	rows, err := batch.Sheet([]byte(file), charset)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range rows {
		line := fmt.Sprint(r.Number)
		if r.Outcome != nil {
			line += " " + r.Outcome.Detail
		}
		if r.Proposal.Kind != "" {
			line += " " + string(r.Proposal.Kind)
		}
		for _, s := range []*string{r.Proposal.RecipientEmail, r.Proposal.RecipientName} {
			if s != nil {
				line += " " + *s
			}
		}
		for _, f := range r.Findings {
			line += fmt.Sprintf(" %s=%s", f.Pointer, f.Code)
		}
		all = append(all, line)
	}
	return all
}

func encoded(t *testing.T, s string, e interface{ String(string) (string, error) }) string {
	t.Helper()
	out, err := e.String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Lists as people make them: what spreadsheets of several countries write is understood.
func TestSheetsThatAreUnderstood(t *testing.T) {
	const plain = "kind,recipientEmail,recipientName\r\nreseller,a@larch.example,Léna Größe\r\n"
	want := []string{"2 reseller a@larch.example Léna Größe"}
	semicolons := strings.ReplaceAll(plain, ",", ";")
	for _, c := range []struct {
		name, file, charset string
		want                []string
	}{
		{"plain", plain, "", want},
		{"semicolons", semicolons, "", want},
		{"tabs", strings.ReplaceAll(plain, ",", "\t"), "", want},
		{"bars", strings.ReplaceAll(plain, ",", "|"), "", want},
		{"semicolons with commas within", "kind;recipientEmail;recipientName\nreseller;a@larch.example;Berg, Nora\n", "", []string{"2 reseller a@larch.example Berg, Nora"}},
		{"what sep says", "sep=;\r\n" + semicolons, "", []string{"3 reseller a@larch.example Léna Größe"}},
		{"what sep says in marks", "\"sep=;\"\r\n" + semicolons, "", []string{"3 reseller a@larch.example Léna Größe"}},
		{"sep of a tab", "SEP=\t\r\n" + strings.ReplaceAll(plain, ",", "\t"), "", []string{"3 reseller a@larch.example Léna Größe"}},
		{"sep with the commas of the other lines", "sep=,,\r\n" + plain, "", []string{"3 reseller a@larch.example Léna Größe"}},
		{"a mark of byte order", "\ufeff" + plain, "", want},
		{"a mark and what sep says", "\ufeffsep=;\n" + semicolons, "utf-8", []string{"3 reseller a@larch.example Léna Größe"}},
		{"UTF-16, little end first", encoded(t, plain, utf16.UTF16(utf16.LittleEndian, utf16.UseBOM).NewEncoder()), "", want},
		{"UTF-16, big end first", encoded(t, plain, utf16.UTF16(utf16.BigEndian, utf16.UseBOM).NewEncoder()), "utf-16", want},
		{"UTF-16 without a mark", encoded(t, plain, utf16.UTF16(utf16.LittleEndian, utf16.IgnoreBOM).NewEncoder()), "", want},
		{"UTF-16 without a mark, big end first", encoded(t, plain, utf16.UTF16(utf16.BigEndian, utf16.IgnoreBOM).NewEncoder()), "", want},
		{"UTF-16 with tabs", encoded(t, strings.ReplaceAll(plain, ",", "\t"), utf16.UTF16(utf16.LittleEndian, utf16.UseBOM).NewEncoder()), "", want},
		{"Latin-1", encoded(t, plain, charmap.ISO8859_1.NewEncoder()), "", want},
		{"western Windows", encoded(t, strings.Replace(plain, "Größe", "d’Été – “x”", 1), charmap.Windows1252.NewEncoder()), "", []string{"2 reseller a@larch.example Léna d’Été – “x”"}},
		{"what the sender says", encoded(t, strings.Replace(plain, "Größe", "½", 1), charmap.ISO8859_1.NewEncoder()), "ISO-8859-1", []string{"2 reseller a@larch.example Léna ½"}},
		{"capitals and spaces", " Kind , Recipient Email ,RECIPIENT_NAME\nReseller,a@larch.example,Léna Größe\n", "", want},
		{"marks around names", "\"kind\",\"recipientEmail\",\"recipientName\"\n\"reseller\",\"a@larch.example\",\"Léna Größe\"\n", "", want},
		{"spaces around values", "kind,recipientEmail,recipientName\n reseller , a@larch.example,\u00a0Léna Größe \n", "", want},
		{"empty rows", "kind,recipientEmail,recipientName\n,,\n\nreseller,a@larch.example,Léna Größe\n , ,\n\n", "", []string{"4 reseller a@larch.example Léna Größe"}},
		{"empty columns", "kind,,recipientEmail,recipientName,,\nreseller,,a@larch.example,Léna Größe,,\n", "", want},
		{"a row without its last fields", "kind,recipientEmail,recipientName,locale\nreseller,a@larch.example,Léna Größe\n", "", want},
		{"a row with empty fields behind", "kind,recipientEmail,recipientName\nreseller,a@larch.example,Léna Größe,,,\n", "", want},
		{"a value behind the last field", "kind,recipientEmail\nreseller,a@larch.example,x\n", "", []string{"2 Line 2, column 3 has a value, and the first line names no field there."}},
		{"line ends of older machines", "kind,recipientEmail,recipientName\rreseller,a@larch.example,Léna Größe\r", "", want},
		{"a field of two lines", "kind,source,recipientEmail\nreseller,\"one\ntwo\",a@larch.example\nreseller,x,b@larch.example\n", "", []string{"2 reseller a@larch.example", "4 reseller b@larch.example"}},
		{"one column", "recipientEmail\na@larch.example\n", "", []string{"2 a@larch.example"}},
		{"a kind in words", "kind,recipientEmail\nDual Reseller,a@larch.example\nPARTNERSHIP,b@larch.example\n", "", []string{"2 dualReseller a@larch.example", "3 partnership b@larch.example"}},
		{"nothing", "", "", nil},
		{"a first line alone", "kind,recipientEmail", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := readSheet(t, c.file, c.charset); !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestSwitchesOfASheet(t *testing.T) {
	for text, want := range map[string]string{
		"true": "true", "TRUE": "true", "True": "true", "FALSE": "false", "1": "true", "0": "false", "yes": "true", "WAHR": "true", "FALSCH": "false", "VRAI": "true",
		"FAUX": "false", "VERDADERO": "true", "FALSO": "false", "": "", "maybe": "/reminders",
	} {
		rows, err := batch.Sheet([]byte("kind,reminders\nreseller,"+text+"\n"), "")
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		got := ""
		if rows[0].Proposal.Reminders != nil {
			got = fmt.Sprint(*rows[0].Proposal.Reminders)
		}
		for _, f := range rows[0].Findings {
			got += f.Pointer
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// What is not understood is one answer at once, with its place.
func TestSheetsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, file, charset string
		code                problem.Code
		says                string
	}{
		{"no names", "reseller,a@larch.example\n", "", problem.MalformedRequest, "The first line names"},
		{"a column that is none", "kind,recipientEmail,Colour\nreseller,a@larch.example,red\n", "", problem.UnknownField, "Line 1, column 3"},
		{"a column that is none behind sep", "sep=;\nkind;Colour;recipientEmail\n", "", problem.UnknownField, "Line 2, column 2"},
		{"a name twice", "kind,recipientEmail,Recipient Email\n", "", problem.MalformedRequest, "Line 1, column 3"},
		{"a mark within", "kind,source\nreseller,a\nreseller,the \"fair\"\n", "", problem.MalformedRequest, "Line 3"},
		{"a mark without an end", "kind,source\nreseller,\"fair\n", "", problem.MalformedRequest, "Line"},
		{"Shift-JIS", encoded(t, "kind,recipientEmail,recipientName\nreseller,a@larch.example,山田\n", japanese.ShiftJIS.NewEncoder()), "", problem.MalformedRequest, "Line 2"},
		{"Shift-JIS of two names", encoded(t, "kind,recipientEmail,recipientName\nreseller,a@larch.example,高橋太郎\n", japanese.ShiftJIS.NewEncoder()), "", problem.MalformedRequest, "Line 2"},
		{"GBK", encoded(t, "kind,recipientEmail,recipientName\nreseller,a@larch.example,王小明\n", simplifiedchinese.GBK.NewEncoder()), "", problem.MalformedRequest, "Line 2"},
		{"another charset", "kind\nreseller\n", "shift_jis", problem.MalformedRequest, "CSV UTF-8"},
		{"what was lost on the way", "kind,recipientName\nreseller,L\ufffdna\n", "", problem.MalformedRequest, "Line 2"},
		{"a workbook", "PK\x03\x04xxxx", "", problem.MalformedRequest, "workbook"},
		{"an old workbook", "\xd0\xcf\x11\xe0xxxx", "", problem.MalformedRequest, "workbook"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, err := batch.Sheet([]byte(c.file), c.charset)
			if !problem.Is(err, c.code) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, %v; want %s: %q", rows, err, c.code, c.says)
			}
		})
	}
}

// A sheet has a column for every field of an invitation that is one value, and the kinds are those of JSON.
func TestColumnsAreTheFields(t *testing.T) {
	var document struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(openapiJSON, &document); err != nil {
		t.Fatal(err)
	}
	var want []string
	for name := range document.Components.Schemas["NewInvitation"].Properties {
		if name != "tags" && name != "granularAdmin" {
			want = append(want, name)
		}
	}
	if got := slices.Sorted(slices.Values(batch.Columns)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("columns %v, fields %v", got, slices.Sorted(slices.Values(want)))
	}
	for _, k := range invitation.Kinds {
		if rows, err := batch.Sheet([]byte("kind\n"+strings.ToUpper(string(k))), ""); err != nil || rows[0].Proposal.Kind != k {
			t.Errorf("%s: %v, %v", k, rows, err)
		}
	}
}

func FuzzSheet(f *testing.F) {
	for _, s := range []string{"kind,recipientEmail\nreseller,a@b.example\n", "sep=;\nkind;source\n\"a\"\"b\";c", "\xff\xfek\x00", "kind\r\r\n", "\x00", "sep="} {
		f.Add([]byte(s), "")
	}
	f.Fuzz(func(t *testing.T, file []byte, charset string) {
		rows, err := batch.Sheet(file, charset)
		if code := problem.CodeOf(err); err != nil && code != problem.MalformedRequest && code != problem.UnknownField {
			t.Fatalf("%v", err)
		}
		for n, r := range rows {
			if r.Number < 2 || n > 0 && r.Number <= rows[n-1].Number {
				t.Fatalf("row %d is %d", n, r.Number)
			}
		}
	})
}
