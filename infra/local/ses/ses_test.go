package ses

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	"golang.org/x/net/html"
)

func start(t *testing.T, o Options) (*Server, *sesv2.Client) {
	t.Helper()
	o.Identities = append(o.Identities, "no-reply@concord.example", "mail.example")
	o.ConfigurationSets = append(o.ConfigurationSets, "concord")
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, sesv2.New(sesv2.Options{Region: "us-east-1", BaseEndpoint: aws.String(s.Endpoint()), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		})})
}

func text(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }

func message(to ...string) *sesv2.SendEmailInput {
	return &sesv2.SendEmailInput{
		FromEmailAddress: aws.String(`"Concord" <no-reply@concord.example>`),
		Destination:      &types.Destination{ToAddresses: to},
		ReplyToAddresses: []string{"partners@alder.example"},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: text("Alder Cloud Services vous écrit"),
			Body:    &types.Body{Text: text("Bonjour\nhttp://127.0.0.1:8080/i/x\n"), Html: text(`<!DOCTYPE html><html lang="fr"><head><title>é</title></head><body><a href="http://127.0.0.1:8080/i/x">"Répondre" & 'lire'</a></body></html>`)},
			Headers: []types.MessageHeader{{Name: aws.String("List-Unsubscribe"), Value: aws.String("<http://127.0.0.1:8080/u/x>")},
				{Name: aws.String("List-Unsubscribe-Post"), Value: aws.String("List-Unsubscribe=One-Click")}},
		}},
		EmailTags:            []types.MessageTag{{Name: aws.String("invitation"), Value: aws.String("inv_1-2")}},
		ConfigurationSetName: aws.String("concord"),
	}
}

func TestSentMailIsInTheStore(t *testing.T) {
	s, client := start(t, Options{})
	var ids []string
	for _, to := range []string{`"J. Larch" <j@larch.example>`, "admin@oak.example"} {
		out, err := client.SendEmail(t.Context(), message(to))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *out.MessageId)
	}
	var store struct{ Emails []map[string]any }
	getJSON(t, s.MailboxURL()+"/store", &store)
	if len(store.Emails) != 2 || store.Emails[0]["messageId"] != ids[0] || store.Emails[1]["messageId"] != ids[1] {
		t.Fatalf("the store holds %v, want %v", store.Emails, ids)
	}
	in := message()
	for member, want := range map[string]string{
		"from":             `"\"Concord\" <no-reply@concord.example>"`,
		"destination":      `{"to":["j@larch.example"]}`,
		"subject":          `"Alder Cloud Services vous écrit"`,
		"replyTo":          `["partners@alder.example"]`,
		"tags":             `{"invitation":"inv_1-2"}`,
		"configurationSet": `"concord"`,
		"headers":          `[{"name":"List-Unsubscribe","value":"<http://127.0.0.1:8080/u/x>"},{"name":"List-Unsubscribe-Post","value":"List-Unsubscribe=One-Click"}]`,
	} {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(store.Emails[0][member]); err != nil || strings.TrimSpace(b.String()) != want {
			t.Errorf("%s is %s, want %s", member, b.String(), want)
		}
	}
	body, _ := store.Emails[0]["body"].(map[string]any)
	if body["text"] != *in.Content.Simple.Body.Text.Data || body["html"] != *in.Content.Simple.Body.Html.Data {
		t.Errorf("body %v", body)
	}
	getJSON(t, s.MailboxURL()+"/store?to=ADMIN@oak.example", &store)
	if len(store.Emails) != 1 || store.Emails[0]["messageId"] != ids[1] {
		t.Errorf("?to= gives %v", store.Emails)
	}
}

// TestSandbox: a new account mails to verified identities and the simulator alone.
func TestSandbox(t *testing.T) {
	s, client := start(t, Options{Sandbox: true})
	_, err := client.SendEmail(t.Context(), message("a@larch.example"))
	wantCode(t, err, "MessageRejected")
	if err == nil || !strings.Contains(err.Error(), "not verified") || !strings.Contains(err.Error(), "a@larch.example") {
		t.Errorf("refused with %v", err)
	}
	for _, to := range []string{"Somebody@mail.example", "no-reply@concord.example", "success@simulator.amazonses.com"} {
		if _, err := client.SendEmail(t.Context(), message(to)); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	if n := len(s.Mails()); n < 2 {
		t.Errorf("%d mails arrived", n)
	}
}

func TestRefusals(t *testing.T) {
	s, client := start(t, Options{})
	header := func(name, value string) func(*sesv2.SendEmailInput) {
		return func(in *sesv2.SendEmailInput) {
			in.Content.Simple.Headers = []types.MessageHeader{{Name: &name, Value: &value}}
		}
	}
	to := func(addresses ...string) func(*sesv2.SendEmailInput) {
		return func(in *sesv2.SendEmailInput) { in.Destination.ToAddresses = addresses }
	}
	for name, c := range map[string]struct {
		change func(*sesv2.SendEmailInput)
		code   string
	}{
		"sender not verified":         {func(in *sesv2.SendEmailInput) { in.FromEmailAddress = aws.String("other@concord.example") }, "MessageRejected"},
		"sender of a lookalike":       {func(in *sesv2.SendEmailInput) { in.FromEmailAddress = aws.String("a@evilmail.example") }, "MessageRejected"},
		"sender missing":              {func(in *sesv2.SendEmailInput) { in.FromEmailAddress = nil }, "BadRequestException"},
		"display name not encoded":    {func(in *sesv2.SendEmailInput) { in.FromEmailAddress = aws.String("Café <no-reply@concord.example>") }, "BadRequestException"},
		"no recipient":                {to(), "BadRequestException"},
		"51 recipients":               {to(slices.Repeat([]string{"a@larch.example"}, 51)...), "MessageRejected"},
		"recipient without domain":    {to("larch"), "BadRequestException"},
		"recipient without a dot":     {to("a@larch"), "BadRequestException"},
		"recipient at an IP literal":  {to("a@[127.0.0.1]"), "BadRequestException"},
		"recipient domain in Unicode": {to("a@érable.example"), "BadRequestException"},
		"local part of 65":            {to(strings.Repeat("a", 65) + "@larch.example"), "BadRequestException"},
		"injected header":             {to("a@larch.example\r\nBcc: b@larch.example"), "BadRequestException"},
		"bad reply-to":                {func(in *sesv2.SendEmailInput) { in.ReplyToAddresses = []string{"alder"} }, "BadRequestException"},
		"unknown configuration set":   {func(in *sesv2.SendEmailInput) { in.ConfigurationSetName = aws.String("other") }, "NotFoundException"},
		"raw content": {func(in *sesv2.SendEmailInput) {
			in.Content = &types.EmailContent{Raw: &types.RawMessage{Data: []byte("x")}}
		}, "SerializationException"},
		"no body":                   {func(in *sesv2.SendEmailInput) { in.Content.Simple.Body = &types.Body{} }, "BadRequestException"},
		"charset missing":           {func(in *sesv2.SendEmailInput) { in.Content.Simple.Subject.Charset = nil }, "BadRequestException"},
		"line break in the subject": {func(in *sesv2.SendEmailInput) { in.Content.Simple.Subject = text("a\nb") }, "BadRequestException"},
		"reserved header":           {header("Reply-To", "a@larch.example"), "BadRequestException"},
		"header with a line break":  {header("X-A", "a\r\nb"), "BadRequestException"},
		"header name with a colon":  {header("X:A", "a"), "BadRequestException"},
		"header too long":           {header("X-A", strings.Repeat("a", 871)), "BadRequestException"},
		"header name too long":      {header(strings.Repeat("X", 127), "a"), "BadRequestException"},
		"header of the service":     {header("X-SES-CONFIGURATION-SET", "a"), "BadRequestException"},
		"header twice": {func(in *sesv2.SendEmailInput) {
			in.Content.Simple.Headers = append(in.Content.Simple.Headers, types.MessageHeader{Name: aws.String("list-unsubscribe"), Value: aws.String("<https://a.example>")})
		}, "BadRequestException"},
		"tag with an address": {func(in *sesv2.SendEmailInput) { in.EmailTags[0].Value = aws.String("a@larch.example") }, "BadRequestException"},
		"tag twice":           {func(in *sesv2.SendEmailInput) { in.EmailTags = append(in.EmailTags, in.EmailTags[0]) }, "BadRequestException"},
		"more than 40 MB":     {func(in *sesv2.SendEmailInput) { in.Content.Simple.Body.Text = text(strings.Repeat("a", maxSize)) }, "MessageRejected"},
	} {
		t.Run(name, func(t *testing.T) {
			in := message("a@larch.example")
			c.change(in)
			_, err := client.SendEmail(t.Context(), in)
			wantCode(t, err, c.code)
		})
	}
	for _, change := range []func(*sesv2.SendEmailInput){
		func(in *sesv2.SendEmailInput) { in.FromEmailAddress = aws.String("Any@sub.MAIL.example") },
		to(slices.Repeat([]string{"a@larch.example"}, 50)...),
		to("a@xn--rable-9ra.example"),
		header("Auto-Submitted", "auto-generated"),
		header("X-A", strings.Repeat("a", 870)),
		func(in *sesv2.SendEmailInput) {
			in.FromEmailAddress = aws.String("=?utf-8?q?Caf=C3=A9?= <no-reply@concord.example>")
		},
	} {
		in := message("a@larch.example")
		change(in)
		if _, err := client.SendEmail(t.Context(), in); err != nil {
			t.Error(err)
		}
	}
	if n := len(s.Mails()); n != 6 {
		t.Errorf("%d mails in the mailbox, want the 6 that were accepted", n)
	}
	response, err := http.Post(s.Endpoint()+"/v2/email/outbound-emails", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden || response.Header.Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" {
		t.Errorf("an unsigned request got %s %s", response.Status, response.Header.Get("X-Amzn-Errortype"))
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code || api.ErrorMessage() == "" {
		t.Errorf("got %v, want %s", err, code)
	}
}

func TestSimulatorAddresses(t *testing.T) {
	for address, want := range map[string]struct {
		events  []string
		mailbox int
	}{
		"success@simulator.amazonses.com":         {[]string{"Send", "Delivery"}, 1},
		"bounce@simulator.amazonses.com":          {[]string{"Send", "Bounce Permanent/General"}, 0},
		"bounce+a@simulator.amazonses.com":        {[]string{"Send", "Bounce Permanent/General"}, 0},
		"suppressionlist@simulator.amazonses.com": {[]string{"Send", "Bounce Permanent/OnAccountSuppressionList"}, 0},
		"complaint@simulator.amazonses.com":       {[]string{"Send", "Delivery", "Complaint abuse"}, 0},
		"ooto@simulator.amazonses.com":            {[]string{"Send", "Delivery"}, 0},
		"j@larch.example":                         {[]string{"Send", "Delivery"}, 1},
	} {
		t.Run(address, func(t *testing.T) {
			s, client := start(t, Options{})
			out, err := client.SendEmail(t.Context(), message(address))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range s.Events() {
				got = append(got, strings.TrimSpace(e.Type+" "+e.Reason))
				if e.MessageID != *out.MessageId || e.Recipient != address || e.ConfigurationSet != "concord" || !maps.Equal(e.Tags, map[string]string{"invitation": "inv_1-2"}) {
					t.Errorf("event %+v", e)
				}
			}
			if !slices.Equal(got, want.events) || len(s.Mails()) != want.mailbox {
				t.Errorf("events %v, %d in the mailbox; want %+v", got, len(s.Mails()), want)
			}
		})
	}
	s, client := start(t, Options{})
	in := message("j@larch.example")
	in.ConfigurationSetName = nil
	if _, err := client.SendEmail(t.Context(), in); err != nil || len(s.Events()) != 0 {
		t.Errorf("without a configuration set: %v, events %v", err, s.Events())
	}
}

func TestFaults(t *testing.T) {
	for kind, want := range map[string]struct {
		code     string // empty: no answer of SES at all
		accepted int
	}{
		"throttle": {"TooManyRequestsException", 0},
		"error4xx:MailFromDomainNotVerifiedException": {"MailFromDomainNotVerifiedException", 0},
		"error4xx:LimitExceededException":             {"LimitExceededException", 0},
		"error4xx:SendingPausedException":             {"SendingPausedException", 0},
		"error4xx:AccountSuspendedException":          {"AccountSuspendedException", 0},
		"error4xx:MessageRejected":                    {"MessageRejected", 0},
		"error5xx":                                    {"InternalFailure", 0},
		"error5xxAfterAccept":                         {"InternalFailure", 1},
		"timeout":                                     {"", 0},
		"timeoutAfterAccept":                          {"", 1},
		"closeAfterAccept":                            {"", 1},
	} {
		t.Run(kind, func(t *testing.T) {
			s, client := start(t, Options{})
			response, err := http.Post(s.MailboxURL()+"/_local/ses/faults", "application/json", strings.NewReader(fmt.Sprintf(`{"kind":%q,"times":2}`, kind)))
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusNoContent {
				t.Fatal(response.Status)
			}
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				_, err := client.SendEmail(ctx, message("j@larch.example"))
				cancel()
				if want.code != "" {
					wantCode(t, err, want.code)
				} else if _, answered := errors.AsType[smithy.APIError](err); err == nil || answered {
					t.Errorf("got %v, want no answer", err)
				}
			}
			if n := len(s.Mails()); n != 2*want.accepted {
				t.Errorf("%d accepted, want %d", n, 2*want.accepted)
			}
			if _, err := client.SendEmail(t.Context(), message("j@larch.example")); err != nil {
				t.Errorf("after the fault: %v", err)
			}
		})
	}
	s, client := start(t, Options{})
	for _, f := range []Fault{
		{Kind: "flood", Times: 1}, {Kind: Throttle}, {Kind: "error4xx:Nothing", Times: 1}, {Kind: "error5xx:MessageRejected", Times: 1}, {Kind: "error4xx", Times: 1},
		{Kind: Bounces, Times: 1}, {Kind: "rejects:it", Times: 1}, {Kind: EventsLost}, {Kind: Throttle, Times: 1, To: "j@larch.example"},
	} {
		if s.Inject(f) == nil {
			t.Errorf("the fault %+v was taken", f)
		}
	}
	if err := s.Inject(Fault{Kind: Error5xx, Times: 9}); err != nil {
		t.Fatal(err)
	}
	s.ClearFaults()
	if _, err := client.SendEmail(t.Context(), message("j@larch.example")); err != nil {
		t.Errorf("after ClearFaults: %v", err)
	}
}

// What a fault makes of the events of a mail, at once and when the clock moves; every event is JSON in which SES's own parts stand.
func TestFates(t *testing.T) {
	const to = "j@larch.example"
	for name, c := range map[string]struct {
		kinds      []string
		now, later string
		mailbox    int // at once; one more later when there is something later
	}{
		"none":                      {nil, "Send Delivery", "", 1},
		"bounces":                   {[]string{"bounces:Permanent/NoEmail"}, "Send Bounce:Permanent/NoEmail", "", 0},
		"bounces later":             {[]string{"bouncesLater:Transient/General"}, "Send Delivery Bounce:Transient/General", "", 1},
		"complains":                 {[]string{"complains:abuse"}, "Send Delivery Complaint:abuse", "", 1},
		"rejects":                   {[]string{"rejects"}, "Send Reject", "", 0},
		"delays":                    {[]string{"delays:MailboxFull"}, "Send DeliveryDelay:MailboxFull", "Delivery", 0},
		"events lost":               {[]string{"eventsLost"}, "", "", 1},
		"events doubled":            {[]string{"eventsDoubled"}, "Send Delivery Send Delivery", "", 1},
		"events reordered":          {[]string{"eventsReordered"}, "Delivery Send", "", 1},
		"events early":              {[]string{"eventsEarly"}, "Send Delivery", "", 1},
		"events late":               {[]string{"eventsLate"}, "", "Send Delivery", 1},
		"an event of each sort":     {[]string{"eventsLate", "error5xxAfterAccept", "bounces:Transient/MailboxFull"}, "", "Send Bounce:Transient/MailboxFull", 0},
		"for somebody else's mails": {[]string{"rejects@oak", "eventsLost@oak"}, "Send Delivery", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var said []Event
			s, client := start(t, Options{Publish: func(e Event) {
				mu.Lock()
				defer mu.Unlock()
				said = append(said, e)
			}})
			for _, kind := range c.kinds {
				f := Fault{Kind: kind, Times: 1}
				if of, other := strings.CutSuffix(kind, "@oak"); other {
					f = Fault{Kind: of, Times: 1, To: "j@oak.example"}
				}
				if err := s.Inject(f); err != nil {
					t.Fatal(err)
				}
			}
			_, _ = client.SendEmail(t.Context(), message(to))
			publishes := func(want string) {
				t.Helper()
				got := func() string {
					mu.Lock()
					defer mu.Unlock()
					var all []string
					for _, e := range said {
						all = append(all, strings.TrimSuffix(e.Type+":"+e.Reason, ":"))
					}
					return strings.Join(all, " ")
				}
				deadline := time.Now().Add(5 * time.Second)
				for got() != want && time.Now().Before(deadline) {
					time.Sleep(5 * time.Millisecond)
				}
				time.Sleep(2 * usualDelay)
				if got() != want {
					t.Fatalf("published %q, want %q", got(), want)
				}
			}
			publishes(c.now)
			if n := len(s.Mails()); n != c.mailbox {
				t.Errorf("%d in the mailbox", n)
			}
			s.Moved()
			publishes(strings.TrimSpace(c.now + " " + c.later))
			if n := len(s.Mails()); name == "delays" && n != 1 {
				t.Errorf("%d in the mailbox when it is delivered", n)
			}
			for _, e := range said {
				var got struct {
					EventType string
					Mail      struct {
						MessageID string
						Tags      map[string][]string
					}
				}
				raw := e.JSON()
				var parts map[string]json.RawMessage
				if err := errors.Join(json.Unmarshal(raw, &got), json.Unmarshal(raw, &parts)); err != nil {
					t.Fatal(err)
				}
				if got.EventType != e.Type || got.Mail.MessageID != e.MessageID || !slices.Equal(got.Mail.Tags["invitation"], []string{"inv_1-2"}) ||
					!slices.Equal(got.Mail.Tags["ses:configuration-set"], []string{"concord"}) || parts[e.Destined()] == nil || !strings.HasSuffix(string(raw), "\n") {
					t.Errorf("%s", raw)
				}
			}
		})
	}
}

func TestMailboxPages(t *testing.T) {
	s, client := start(t, Options{})
	var ids []string
	for i := range mailsPerPage + 1 {
		in := message(fmt.Sprintf("p%d@larch.example", i))
		in.Content.Simple.Subject = text(fmt.Sprintf("<Mail> %d", i))
		out, err := client.SendEmail(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, *out.MessageId)
	}
	links := func(page *html.Node) (hrefs []string) {
		for n := range page.Descendants() {
			if href := attribute(n, "href"); n.Data == "a" && strings.HasPrefix(href, "/mail/") {
				hrefs = append(hrefs, strings.TrimPrefix(href, "/mail/"))
			}
		}
		return hrefs
	}
	newestFirst := slices.Clone(ids)
	slices.Reverse(newestFirst)
	if got := links(getPage(t, s.MailboxURL()+"/")); !slices.Equal(got, newestFirst[:mailsPerPage]) {
		t.Errorf("the first page lists %d mails from %v", len(got), got[:1])
	}
	if got := links(getPage(t, s.MailboxURL()+"/?skip=100")); !slices.Equal(got, ids[:1]) {
		t.Errorf("the second page lists %v", got)
	}
	var frame *html.Node
	var all strings.Builder
	for n := range getPage(t, s.MailboxURL()+"/mail/"+ids[7]).Descendants() {
		if n.Data == "iframe" {
			frame = n
		}
		if n.Type == html.TextNode {
			all.WriteString(n.Data)
		}
	}
	for _, want := range []string{"<Mail> 7", "p7@larch.example", `"Concord" <no-reply@concord.example>`, "Bonjour\nhttp://127.0.0.1:8080/i/x\n"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the mail's page lacks %q", want)
		}
	}
	if frame == nil {
		t.Fatal("no frame")
	}
	want := strings.Replace(*message().Content.Simple.Body.Html.Data, "<head>", `<head><base target="_blank">`, 1)
	if attribute(frame, "srcdoc") != want || attribute(frame, "sandbox") != "allow-popups allow-popups-to-escape-sandbox" {
		t.Errorf("the frame holds %q", attribute(frame, "srcdoc"))
	}
}

func TestPaceAndBound(t *testing.T) {
	const mails, kept = 2000, 1500
	s, client := start(t, Options{Keep: kept})
	began := time.Now()
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for range mails / 8 {
				if _, err := client.SendEmail(t.Context(), message("j@larch.example")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	senders.Wait()
	rate := mails / time.Since(began).Seconds()
	t.Logf("%.0f mails a second", rate)
	if rate < 200 {
		t.Errorf("%.0f mails a second, want 200", rate)
	}
	if len(s.Mails()) != kept || len(s.byID) != kept || len(s.Events()) != kept {
		t.Errorf("kept %d mails, %d by id, %d events; want %d", len(s.Mails()), len(s.byID), len(s.Events()), kept)
	}
}

func TestTakenPortIsNamed(t *testing.T) {
	s, _ := start(t, Options{})
	var port int
	if _, err := fmt.Sscanf(s.MailboxURL(), "http://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{MailboxPort: port}); err == nil || !strings.Contains(err.Error(), "MAILBOX_PORT") {
		t.Errorf("got %v", err)
	}
}

func getJSON(t *testing.T, url string, into any) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

func getPage(t *testing.T, url string) *html.Node {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		t.Fatalf("%s: %s %s", url, response.Status, body)
	}
	root, err := html.Parse(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
