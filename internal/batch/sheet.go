package batch

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	utf16 "golang.org/x/text/encoding/unicode"

	"concord/internal/invitation"
	"concord/internal/iso8601"
	"concord/internal/partner"
	"concord/internal/problem"
)

// A sheet is a list as people make it: what a spreadsheet writes as CSV, in whatever country. What can be understood
// is; what cannot is one answer at once, which says where.

// Columns are the fields of an invitation that a sheet can have; a tag is one column of its own, tags.<name>.
var Columns = columns()

func columns() []string {
	names := []string{"kind", "actingRole", "expiresIn"}
	for _, said := range new(invitation.Proposal).Said() {
		names = append(names, said.Name)
	}
	return names
}

// switches are what spreadsheets write for yes and no, in the languages of this service.
var (
	switches = map[string]string{
		"true": "true", "false": "false", "yes": "true", "no": "false", "1": "true", "0": "false", "wahr": "true", "falsch": "false", "ja": "true", "nein": "false",
		"vrai": "true", "faux": "false", "oui": "true", "non": "false", "verdadero": "true", "falso": "false", "sí": "true", "si": "true",
	}
)

// Sheet reads a batch out of a file. Charset is what its sender says of it, empty for nothing. A row's number is that
// of its line, from 1 for the first of the file; rows without any value are none. Its error is
// [problem.MalformedRequest], or [problem.UnknownField] for a column that is none.
func Sheet(file []byte, charset string) ([]Row, error) {
	text, err := Text(file, charset)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, "\r", "\n") // as older machines end a line
	}
	text, comma := separator(text)
	lines := csv.NewReader(strings.NewReader(text))
	lines.FieldsPerRecord, lines.Comma = -1, comma
	var header []string
	var rows []Row
	for {
		record, err := lines.Read()
		switch {
		case errors.Is(err, io.EOF), len(rows) > MaxRows: // too many: the service says so
			return rows, nil
		case err != nil:
			return nil, malformedCSV(err)
		}
		for n := range record {
			record[n] = strings.TrimSpace(record[n])
		}
		line, _ := lines.FieldPos(0)
		switch {
		case !slices.ContainsFunc(record, func(s string) bool { return s != "" }):
		case header == nil:
			if header, err = heading(record, line); err != nil {
				return nil, err
			}
		default:
			rows = append(rows, csvRow(line, header, record))
		}
	}
}

// heading gives the fields that the first line names, empty for a column without a name.
func heading(record []string, line int) ([]string, error) {
	fields := make([]string, len(record))
	known := 0
	for n, name := range record {
		fields[n] = fieldOf(name)
		if fields[n] != "" {
			known++
		}
	}
	if known == 0 {
		return nil, problem.New(
			problem.MalformedRequest,
			"The first line names the fields: one or more of %s, and tags.<name>, with a comma, a semicolon or a tab between them.",
			problem.And(Columns),
		)
	}
	for n, name := range record {
		switch {
		case fields[n] == "" && name != "":
			return nil, problem.New(
				problem.UnknownField,
				"Line %d, column %d: there is no such field; the first line names %s, and tags.<name>. Leave the column out, or make a tag of it.",
				line,
				n+1,
				problem.And(Columns),
			)
		case fields[n] != "" && slices.Contains(fields[:n], fields[n]):
			return nil, problem.New(
				problem.MalformedRequest,
				"Line %d, column %d: the first line names a field twice.",
				line,
				n+1,
			)
		}
	}
	return fields, nil
}

// fieldOf gives the field that a column's name stands for, however it is spaced and in whatever case; empty for none.
func fieldOf(name string) string {
	const tags = "tags."
	if len(name) > len(tags) && strings.EqualFold(name[:len(tags)], tags) {
		return tags + strings.TrimSpace(name[len(tags):])
	}
	bare := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '_' || r == '-' || r == '*' || r == ':' {
			return -1
		}
		return r
	}, name)
	if n := slices.IndexFunc(Columns, func(c string) bool { return strings.EqualFold(c, bare) }); n >= 0 {
		return Columns[n]
	}
	return ""
}

// csvRow gives a line as the proposal that JSON would have had.
func csvRow(line int, header, record []string) Row {
	r := Row{Number: line}
	for n, value := range record {
		if value == "" {
			continue // it is not said
		}
		if n >= len(header) || header[n] == "" {
			return Unreadable(
				line,
				"Line %d, column %d has a value, and the first line names no field there.",
				line,
				n+1,
			)
		}
		r.take(header[n], value)
	}
	return r
}

// Unreadable is a row of which nothing can be read: nothing else is looked at.
func Unreadable(number int, format string, args ...any) Row {
	return Row{Number: number, Outcome: &Outcome{Code: problem.MalformedRequest, Detail: fmt.Sprintf(format, args...)}}
}

// take puts a value into a proposal, or notes what is wrong with it, as the API does.
func (r *Row) take(name, value string) {
	p := &r.Proposal
	if tag, ok := strings.CutPrefix(name, "tags."); ok {
		if p.Tags == nil {
			p.Tags = map[string]string{}
		}
		p.Tags[tag] = value
		return
	}
	for _, said := range p.Said() {
		switch {
		case said.Name != name:
			continue
		case said.Text != nil:
			*said.Text = &value
		default:
			yes, known := switches[strings.ToLower(value)]
			if !known {
				r.Findings.Add("/"+name, problem.ValidationFailed, "This is true or false.")
				return
			}
			*said.Flag = new(yes == "true")
		}
		return
	}
	switch name {
	case "kind":
		p.Kind = invitation.Kind(value)
		for _, k := range invitation.Kinds {
			if strings.EqualFold(string(k), strings.ReplaceAll(value, " ", "")) {
				p.Kind = k
			}
		}
	case "actingRole":
		p.ActingRole = new(partner.ProgramRole(value))
	case "expiresIn":
		d, ok := iso8601.Parse(value)
		fixed, whole := d.Fixed()
		if !ok || !whole {
			r.Findings.Add("/expiresIn", problem.ValidationFailed,
				"This must be a duration of ISO 8601 in whole weeks, days, hours, minutes or seconds, such as P30D.")
			return
		}
		p.Duration = &fixed
	}
}

func malformedCSV(err error) error {
	if p, ok := errors.AsType[*csv.ParseError](err); ok {
		return problem.New(
			problem.MalformedRequest,
			"Line %d, at byte %d: a quotation mark within a field is written twice, and the field stands between two others (RFC 4180).",
			p.Line,
			p.Column,
		)
	}
	return problem.New(problem.MalformedRequest, "The body is not CSV as in RFC 4180.")
}

// separator finds what stands between fields: what a line "sep=;" says, which Excel writes and reads, or else that of
// which the first line makes most fields. The line is emptied, so that the others keep their numbers.
func separator(text string) (string, rune) {
	first, rest, _ := strings.Cut(text, "\n")
	if said := strings.Trim(strings.TrimRight(first, "\r ,;"), `"`); len(said) >= len("sep=") &&
		strings.EqualFold(said[:len("sep=")], "sep=") {
		mark, _ := utf8.DecodeRuneInString(strings.TrimLeft(first, `"`)[len("sep="):])
		if strings.ContainsRune(",;\t|", mark) {
			return "\n" + rest, mark
		}
		return "\n" + rest, ','
	}
	heading := text
	for strings.TrimSpace(first) == "" && rest != "" { // blank lines before it
		heading = rest
		first, rest, _ = strings.Cut(rest, "\n")
	}
	best, most := ',', 0
	for _, mark := range []rune{',', ';', '\t', '|'} {
		r := csv.NewReader(strings.NewReader(heading))
		r.Comma, r.FieldsPerRecord = mark, -1
		record, err := r.Read()
		if err != nil {
			continue
		}
		known := 0
		for _, name := range record {
			if fieldOf(strings.TrimSpace(name)) != "" {
				known++
			}
		}
		if known > most {
			best, most = mark, known
		}
	}
	return text, best
}

// Text gives the text of a file: in UTF-8 or UTF-16, by its mark of byte order or by what stands between Latin letters,
// or as Windows of western countries writes it, where that is what it can only be.
func Text(file []byte, charset string) (string, error) {
	switch {
	case bytes.HasPrefix(file, []byte("PK\x03\x04")), bytes.HasPrefix(file, []byte("\xd0\xcf\x11\xe0")):
		return "", problem.New(
			problem.MalformedRequest,
			"This is a workbook and no CSV: save it as CSV UTF-8 and send that.",
		)
	}
	western := false
	switch strings.ToLower(charset) {
	case "windows-1252", "cp1252", "iso-8859-1", "latin1", "iso-8859-15":
		western = true
	case "", "utf-8", "utf8", "us-ascii", "utf-16", "utf-16le", "utf-16be":
	default:
		return "", problem.New(
			problem.MalformedRequest,
			"The charset of a list is utf-8, utf-16, windows-1252 or iso-8859-1: save the file as CSV UTF-8.",
		)
	}
	// A first line of Latin letters has a zero in every other place.
	zero := bytes.IndexByte(file, 0)
	switch {
	case bytes.HasPrefix(file, []byte("\xff\xfe")), zero > 0 && zero%2 == 1:
		return wide(file, utf16.LittleEndian)
	case bytes.HasPrefix(file, []byte("\xfe\xff")), zero == 0:
		return wide(file, utf16.BigEndian)
	case utf8.Valid(file):
		return lossless(string(file))
	}
	text, _ := charmap.Windows1252.NewDecoder().String(string(file)) // it takes every byte
	if at := foreign(text); at >= 0 && !western {
		return "", problem.New(
			problem.MalformedRequest,
			"Line %d: a character is neither UTF-8 nor one of western Europe. Save the file as CSV UTF-8.",
			1+strings.Count(text[:at], "\n"),
		)
	}
	return lossless(text)
}

func wide(file []byte, order utf16.Endianness) (string, error) {
	text, _ := utf16.UTF16(
		order,
		utf16.UseBOM,
	).NewDecoder().String(
		string(file),
	) // what it cannot read is a lost character
	return lossless(text)
}

// lossless gives a text without its mark of byte order, and refuses one in which something was replaced on its way.
func lossless(text string) (string, error) {
	text = strings.TrimPrefix(text, "\ufeff")
	if at := strings.IndexRune(text, utf8.RuneError); at >= 0 {
		return "", problem.New(
			problem.MalformedRequest,
			"Line %d: a character was lost in writing the file. Save it as CSV UTF-8.",
			1+strings.Count(text[:at], "\n"),
		)
	}
	return text, nil
}

// foreign gives where a text of western Windows has what nobody writes there, and -1 for nowhere: it is in another
// encoding then, as Japanese and Chinese programs write.
func foreign(text string) int {
	var before rune
	run := 0
	for at, r := range text {
		if r < utf8.RuneSelf {
			run, before = 0, r
			continue
		}
		next, _ := utf8.DecodeRuneInString(text[at+utf8.RuneLen(r):])
		letter := unicode.Is(unicode.Latin, r)
		if run++; run > 2 ||
			!letter &&
				(!strings.ContainsRune("’‘“”„«»–—…€£§©®\u00a0", r) || r != '’' && unicode.IsLetter(before) && unicode.IsLetter(next)) {
			return at
		}
		before = r
	}
	return -1
}
