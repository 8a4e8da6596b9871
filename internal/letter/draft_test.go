package letter

import (
	"bytes"
	"io"
	"mime"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"concord/internal/invitation"
)

var written = time.Date(2026, 3, 1, 9, 30, 0, 0, time.FixedZone("", 3600))

// opened reads a file as a mail program does.
func opened(t interface {
	Helper()
	Fatal(...any)
}, file []byte) (*mail.Message, string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return m, string(body)
}

func TestMessageSaysWhatTheDraftSays(t *testing.T) {
	every(t, func(t *testing.T, l invitation.Letter) {
		c := Compose(l, link, operator)
		m, body := opened(t, Message("admin@larch.example", "Léna Larch", c.Subject, c.Text(), written))
		if lines := strings.ReplaceAll(body, "\r\n", "\n"); lines != c.Text() || strings.Contains(strings.ReplaceAll(body, "\r\n", ""), "\n") {
			t.Errorf("the body is %q", body)
		}
		subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
		if err != nil || subject != c.Subject {
			t.Errorf("subject %q, %v", subject, err)
		}
		to, err := m.Header.AddressList("To")
		if err != nil || len(to) != 1 || to[0].Name != "Léna Larch" || to[0].Address != "admin@larch.example" {
			t.Errorf("to %v, %v", to, err)
		}
		if at, err := m.Header.Date(); err != nil || !at.Equal(written) {
			t.Errorf("date %v, %v", at, err)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/plain; charset=utf-8", "Content-Transfer-Encoding": "quoted-printable", "X-Unsent": "1", "Mime-Version": "1.0", "From": "",
		} {
			if got := m.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	})
}

// TestNothingTypedBecomesAHeader: whatever stands in subject, name and body, the file has the fields that it has, in lines as mail allows
// them (RFC 5322, 2.1.1), in ASCII.
func TestNothingTypedBecomesAHeader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[\r\n\t a-zé:=?<>@"社]{0,300}`), rapid.Just("x\r\nBcc: everybody@larch.example\r\n\r\nx"))
		subject, name, said := text.Draw(t, "subject"), text.Draw(t, "name"), text.Draw(t, "body")
		file := Message("admin@larch.example", name, subject, said, written)
		m, body := opened(t, file)
		if len(m.Header) != 7 || m.Header.Get("Bcc") != "" {
			t.Fatalf("fields: %v", m.Header)
		}
		if to, err := m.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != "admin@larch.example" {
			t.Fatalf("to %v, %v", to, err)
		}
		for part := range strings.SplitSeq(string(file), "\r\n") {
			if len(part) > 998 || strings.ContainsAny(part, "\r\n") || strings.ContainsFunc(part, func(r rune) bool { return r > 0x7e }) {
				t.Fatalf("a line of %d: %q", len(part), part)
			}
		}
		flat := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace
		if flat(body) != flat(said) {
			t.Fatalf("the body is %q, want %q", body, said)
		}
	})
}

func TestMessageToNobodyAndToAnInternationalDomain(t *testing.T) {
	m, _ := opened(t, Message("", "", "x", "x", written))
	if _, there := m.Header["To"]; there {
		t.Error("a recipient that is not known is named")
	}
	m, _ = opened(t, Message("o'neil+x@bücher.example", "", strings.Repeat("社", 200), "x", written))
	if to := m.Header.Get("To"); to != "<o'neil+x@xn--bcher-kva.example>" {
		t.Errorf("to %s", to)
	}
	if subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil || subject != strings.Repeat("社", 200) {
		t.Errorf("subject %q, %v", subject, err)
	}
}

func TestMailtoHasALimit(t *testing.T) {
	uri, ok := Mailto("o'neil+x@larch.example", "a & b", "1\n2\r\n3")
	if want := "mailto:o%27neil%2Bx@larch.example?subject=a%20%26%20b&body=1%0D%0A2%0D%0A3"; !ok || uri != want {
		t.Errorf("%s, want %s", uri, want)
	}
	room := MaxMailto - len("mailto:?subject=x&body=")
	if _, ok := Mailto("", "x", strings.Repeat("a", room-1)); !ok {
		t.Error("a link of 1,899 characters is short enough")
	}
	if _, ok := Mailto("", "x", strings.Repeat("a", room)); ok {
		t.Error("one of 1,900 is not")
	}
}
