package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/sosodev/duration"

	"concord/infra/local/accounts"
	"concord/infra/local/stack"
	"concord/internal/web/contracttest"
)

// local is the stack that all tests of this package share. Its clock only goes forward.
var local struct {
	*stack.Stack
	URL, MailboxURL, IDPURL string
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	s, err := stack.Start(context.Background(), stack.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer s.Close()
	local.Stack, local.URL, local.MailboxURL, local.IDPURL = s, s.URL(), s.MailboxURL(), s.Issuer()
	code := m.Run()
	if found := leaks(); len(found) > 0 {
		fmt.Fprintln(os.Stderr, "FAIL: secrets where they do not belong:\n"+strings.Join(found, "\n"))
		return 1
	}
	for _, d := range s.Guard.Denials() {
		fmt.Fprintln(os.Stderr, "FAIL: the template's role:", d)
		code = 1
	}
	if code != 0 {
		for _, l := range s.Logs() {
			if strings.Contains(l.Text, `"level":"WARN"`) || strings.Contains(l.Text, `"level":"ERROR"`) || !strings.HasPrefix(l.Text, "{") {
				fmt.Fprintln(os.Stderr, l.Function, l.Text)
			}
		}
	}
	return code
}

// secrets are the tokens that any test has seen.
var secrets struct {
	sync.Mutex
	tokens []string
}

func noteSecret(link string) {
	secrets.Lock()
	defer secrets.Unlock()
	secrets.tokens = append(secrets.tokens, link[strings.LastIndex(link, "/")+1:])
}

// leaks looks for every token of the run, and for mail addresses, in the table, in what the functions wrote and on the event bus (reliability,
// promise 7).
func leaks() []string {
	secrets.Lock()
	defer secrets.Unlock()
	var found []string
	table, err := items()
	if err != nil {
		return []string{err.Error()}
	}
	lines := local.Logs()
	for _, token := range secrets.tokens {
		if strings.Contains(table, token) {
			found = append(found, "a link in the table")
		}
	}
	for _, l := range lines {
		if strings.Contains(l.Text, "@") || slices.ContainsFunc(secrets.tokens, func(s string) bool { return strings.Contains(l.Text, s) }) {
			found = append(found, l.Function+": "+l.Text)
		}
	}
	told := local.Bus.Events()
	for _, e := range told {
		if strings.Contains(string(e.Detail), "@") || slices.ContainsFunc(secrets.tokens, func(s string) bool { return strings.Contains(string(e.Detail), s) }) {
			found = append(found, "an event: "+string(e.Detail))
		}
	}
	fmt.Printf("secrets: %d links looked for in %d bytes of items, %d log lines and %d events, %d found\n", len(secrets.tokens), len(table), len(lines), len(told), len(found))
	return found
}

// items gives every item of the table, in order. Only a test may scan.
func items() (string, error) {
	var all []string
	pages := dynamodb.NewScanPaginator(local.DynamoDB, &dynamodb.ScanInput{TableName: &local.Template.Tables[0].Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			return "", err
		}
		for _, item := range page.Items {
			all = append(all, text(&types.AttributeValueMemberM{Value: item}))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n"), nil
}

func text(v types.AttributeValue) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func dump(t testing.TB) string {
	t.Helper()
	var last string
	eventually(t, "the table is still", func() bool {
		before, err := items()
		if err != nil {
			t.Fatal(err)
		}
		read := local.CaughtUp()
		time.Sleep(300 * time.Millisecond)
		eventually(t, "the streams are read", read)
		quiet := local.InFlight() == 0
		if last, err = items(); err != nil {
			t.Fatal(err)
		}
		return quiet && last == before
	})
	return last
}

// differ gives what two dumps do not have in common, first what was.
func differ(before, after string) string {
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	var lines []string
	for _, side := range [][2][]string{{was, is}, {is, was}} {
		for _, line := range side[0] {
			if _, common := slices.BinarySearch(side[1], line); !common {
				lines = append(lines, line)
			}
		}
	}
	return strings.Join(lines, "\n")
}

var contract struct {
	sync.Once
	*contracttest.Contract
}

// document gives a transport that checks each answer against the OpenAPI document.
func document(t testing.TB) http.RoundTripper {
	t.Helper()
	contract.Do(func() { contract.Contract = contracttest.New(t) })
	return contract.Transport(t, http.DefaultTransport)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(30 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// advance moves the clock as an operator of the local stack does.
func advance(t testing.TB, by string) {
	t.Helper()
	if _, err := duration.Parse(by); err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(local.URL+"/_local/clock", "application/json", strings.NewReader(`{"advance":"`+by+`"}`))
	read(t, res, err).want(t, 200)
}

// fault makes the local SES misbehave.
func fault(t testing.TB, kind string, times int) {
	t.Helper()
	res, err := http.Post(local.MailboxURL+"/_local/ses/faults", "application/json", strings.NewReader(fmt.Sprintf(`{"kind":%q,"times":%d}`, kind, times)))
	if a := read(t, res, err); a.StatusCode >= 300 {
		t.Fatalf("fault: %d %s", a.StatusCode, a.body)
	}
}

// tenantOf gives the tenant id of a company of the local stack by its domain.
func tenantOf(t testing.TB, domain string) string {
	t.Helper()
	path, err := accounts.Path()
	if err != nil {
		t.Fatal(err)
	}
	file, err := accounts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range file.Tenants {
		if slices.Contains(tenant.Domains, domain) {
			return tenant.ID
		}
	}
	t.Fatalf("no company %s", domain)
	return ""
}
