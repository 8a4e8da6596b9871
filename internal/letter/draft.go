package letter

import (
	"bytes"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"concord/internal/emailaddr"
)

// MaxShort is how long [Content.Short] may be, in characters after percent-encoding: what mail programs and browsers
// still take in a mailto link (0.16).
const MaxShort = 1900

// MaxMailto is how long a mailto link may be as a whole, in characters: the same, with the subject and the address.
const MaxMailto = MaxShort

// Short gives the text for a mailto link: who, what, and the link alone on its line. However long the names are it stays
// under [MaxShort]: the domain goes first, then the end of the name.
func (c Content) Short() string {
	if s := c.short(c.name + " (" + c.domain + ")"); c.domain != "" && encoded(s) < MaxShort {
		return s
	}
	s := c.short(c.name)
	for name := []rune(c.name); encoded(s) >= MaxShort && len(name) > 0; {
		name = name[:len(name)-1]
		s = c.short(string(name) + "…")
	}
	return s
}

func (c Content) short(who string) string {
	return c.request(who) + "\n\n" + c.URL + "\n\n" + c.note + "\n"
}

// Mailto gives the letter as a mailto link with the short text, and false when it is too long without any of the name: in some
// scripts a letter is nine characters of a link.
func (c Content) Mailto(address string) (uri string, ok bool) {
	if uri, ok = Mailto(address, c.Subject, c.Short()); ok {
		return uri, true
	}
	uri, ok = Mailto(address, c.Subject, c.short(c.name))
	for name := []rune(c.name); !ok && len(name) > 0; {
		name = name[:len(name)-1]
		who := string(name) + "…"
		uri, ok = Mailto(address, c.subject(who), c.short(who))
	}
	return uri, ok
}

// Mailto gives a mail as a mailto link (RFC 6068), and false when it has [MaxMailto] characters or more: longer ones do not reach
// every mail program whole. The address may be empty.
func Mailto(address, subject, body string) (uri string, ok bool) {
	uri = "mailto:" + strings.ReplaceAll(escape(address), "%40", "@") + "?subject=" + escape(subject) + "&body=" + escape(body)
	return uri, len(uri) < MaxMailto
}

// escape writes a text in a mailto link: UTF-8 in percent-encoding, lines end with CR LF.
func escape(s string) string {
	lines := strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
	return strings.ReplaceAll(url.QueryEscape(lines), "+", "%20")
}

// encoded counts the characters of a text in a mailto link.
func encoded(s string) int { return len(escape(s)) }

// Message gives a mail as a file that mail programs open to be looked at, changed and sent (RFC 5322; X-Unsent). It names no
// sender: that is whoever sends it. The address and the name of the recipient may be empty.
func Message(address, name, subject, body string, at time.Time) []byte {
	var b bytes.Buffer
	field := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	if address != "" {
		field("To", fold(recipient(line(emailaddr.ASCII(address)), line(name))))
	}
	field("Subject", fold(mime.QEncoding.Encode("utf-8", line(subject))))
	field("Date", at.UTC().Format(time.RFC1123Z))
	field("MIME-Version", "1.0")
	field("Content-Type", "text/plain; charset=utf-8")
	field("Content-Transfer-Encoding", "quoted-printable")
	field("X-Unsent", "1")
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	// The writer takes a line feed for the second half of a line end whenever there was a lone carriage return before.
	_, _ = w.Write([]byte(lines.Replace(body))) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// recipient writes an address with a name. [mail.Address] leaves a backslash in an encoded word, which its own parser and others
// refuse.
func recipient(address, name string) string {
	if word := mime.BEncoding.Encode("utf-8", name); word != name {
		return word + " " + (&mail.Address{Address: address}).String()
	}
	return (&mail.Address{Name: name, Address: address}).String()
}

var lines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// line keeps a text within its header field, whatever was let through before.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// fold begins a new line before each further encoded word: a line of a header has at most 998 characters.
func fold(s string) string { return strings.ReplaceAll(s, "?= =?", "?=\r\n =?") }
