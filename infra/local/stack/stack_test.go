package stack_test

import (
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/infra/local/stack"
)

var binaries string

func TestMain(m *testing.M) {
	var err error
	if binaries, err = os.MkdirTemp("", "stack"); err != nil {
		log.Fatal(err)
	}
	for _, f := range []string{"Who", "Web", "Follower", "Timer", "Failing"} {
		c := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", filepath.Join(binaries, f, "bootstrap"), "./testdata/bootstrap")
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			log.Fatalf("build: %v\n%s", err, out)
		}
	}
	code := m.Run()
	_ = os.RemoveAll(binaries)
	os.Exit(code)
}

func start(t *testing.T) *stack.Stack {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{TemplateFile: "testdata/template.yaml", Binaries: binaries})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func send(t *testing.T, method, target, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	out, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.TrimSpace(string(out))
}

// items are the texts of a partition, by sort key.
func items(t *testing.T, s *stack.Stack, pk string) map[string]string {
	t.Helper()
	out, err := s.DynamoDB.Query(t.Context(), &dynamodb.QueryInput{
		TableName: aws.String("Table"), KeyConditionExpression: aws.String("pk = :pk"), ConsistentRead: aws.Bool(true),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: pk}},
	})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, i := range out.Items {
		found[i["sk"].(*types.AttributeValueMemberS).Value] = i["text"].(*types.AttributeValueMemberS).Value
	}
	return found
}

func eventually(t *testing.T, what string, test func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !test(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func TestStack(t *testing.T) {
	s := start(t)

	t.Run("token of the identity provider passes the authorizer", func(t *testing.T) {
		if status, body := send(t, "GET", s.URL()+"/claims", ""); status != 401 || body != `{"message":"Unauthorized"}` {
			t.Errorf("without a token: %d %s", status, body)
		}
		status, body := send(t, "POST", s.Issuer()+"/oauth2/token", "grant_type=client_credentials", "Content-Type", "application/x-www-form-urlencoded",
			"Authorization", "Basic YWxkZXI6bG9jYWw=") // alder:local
		var token struct {
			AccessToken string `json:"access_token"`
		}
		if err := json.Unmarshal([]byte(body), &token); err != nil || status != 200 {
			t.Fatalf("token: %d %s", status, body)
		}
		status, body = send(t, "GET", s.URL()+"/claims", "", "Authorization", "Bearer "+token.AccessToken)
		var claims map[string]string
		if err := json.Unmarshal([]byte(body), &claims); err != nil || status != 200 {
			t.Fatalf("claims: %d %s", status, body)
		}
		if claims["roles"] != "adminAgent" || claims["tenantId"] == "" || claims["cloud"] != "public" || claims["exp"] == "" {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("accounts are there", func(t *testing.T) {
		out, err := s.DynamoDB.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("Table"), Select: types.SelectCount})
		if err != nil || out.Count < 6 {
			t.Errorf("%d items, %v", out.Count, err)
		}
	})
	t.Run("environment", func(t *testing.T) {
		_, body := send(t, "POST", s.URL()+"/open/environment", "")
		for _, want := range []string{
			`"ALLOW_RESERVED_DOMAINS=true"`, `"TABLE=Table"`, `"AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:`, `"AWS_ENDPOINT_URL_SESV2=http://127.0.0.1:`,
			`"AWS_ENDPOINT_URL_SECRETS_MANAGER=http://127.0.0.1:`, `"KEY=arn:aws:secretsmanager:`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s is missing in %s", want, body)
			}
		}
		if strings.Contains(body, "CLOCK_OFFSET") {
			t.Error("CLOCK_OFFSET is set though nobody moved the clock")
		}
	})
	t.Run("secret", func(t *testing.T) {
		_, first := send(t, "POST", s.URL()+"/open/secret", "")
		if len(first) != 42 {
			t.Fatalf("got %s", first)
		}
		if err := s.Secrets.Rotate("Key"); err != nil {
			t.Fatal(err)
		}
		if _, second := send(t, "POST", s.URL()+"/open/secret", ""); second == first || len(second) != 42 {
			t.Errorf("after the rotation: %s", second)
		}
	})
	t.Run("crash and time-out answer 500 and the next request is served", func(t *testing.T) {
		for _, do := range []string{"crash", "slow"} {
			if status, body := send(t, "POST", s.URL()+"/open/"+do, ""); status != 500 || body != `{"message":"Internal Server Error"}` {
				t.Errorf("%s: %d %s", do, status, body)
			}
			if status, _ := send(t, "POST", s.URL()+"/open/x", ""); status != 200 {
				t.Errorf("after %s: %d", do, status)
			}
		}
	})
	t.Run("answer over 6 MB", func(t *testing.T) {
		form := strings.Repeat("x", 7<<20)
		if status, body := send(t, "POST", s.URL()+"/open/x", form, "Content-Type", "text/plain"); status != 413 {
			t.Errorf("%d %.100s", status, body)
		}
	})
	t.Run("form body", func(t *testing.T) {
		_, body := send(t, "POST", s.URL()+"/open/x?a=1&a=2", url.Values{"answer": {"accept"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Cookie", "a=1; b=2")
		for _, want := range []string{`"body":"YW5zd2VyPWFjY2VwdA=="`, `"isBase64Encoded":true`, `"cookies":["a=1","b=2"]`, `"routeKey":"POST /open/{do}"`, `"a":"1,2"`} {
			if !strings.Contains(body, want) {
				t.Errorf("%s is missing in %s", want, body)
			}
		}
	})
	t.Run("stream", func(t *testing.T) {
		began := time.Now()
		send(t, "POST", s.URL()+"/open/put", "")
		eventually(t, "the follower saw it", func() bool { return items(t, s, "seen")["INSERT a"] == "somebody" })
		t.Logf("write to stream to function to table: %s", time.Since(began))
	})
	t.Run("schedule runs now", func(t *testing.T) {
		status, body := send(t, "POST", s.URL()+"/_local/schedules/Timer", "")
		if status != 200 || !strings.Contains(body, `"TimerDue"`) || len(items(t, s, "ticks")) != 1 {
			t.Errorf("%d %s, %v", status, body, items(t, s, "ticks"))
		}
		for _, unknown := range []string{"Web", "Nobody"} {
			if status, body := send(t, "POST", s.URL()+"/_local/schedules/"+unknown, ""); status != 404 {
				t.Errorf("%s: %d %s", unknown, status, body)
			}
		}
		if status, _ := send(t, "GET", s.URL()+"/_local/schedules/Timer", ""); status != 405 {
			t.Errorf("GET: %d", status)
		}
	})
	t.Run("what a function fails on goes to its queue, not to the schedule's", func(t *testing.T) {
		status, body := send(t, "POST", s.URL()+"/_local/schedules/Failing", "")
		if status != 500 || !strings.Contains(body, "as always") {
			t.Errorf("%d %s", status, body)
		}
		failures, letters := s.Messages("Failures"), s.Messages("Letters")
		var r struct {
			RequestContext  struct{ ApproximateInvokeCount int }
			ResponsePayload struct{ ErrorMessage string }
		}
		if len(failures) != 1 || len(letters) != 0 {
			t.Fatalf("failures %s, dead letters %s", failures, letters)
		}
		if err := json.Unmarshal(failures[0], &r); err != nil || r.RequestContext.ApproximateInvokeCount != 2 || r.ResponsePayload.ErrorMessage != "as always" {
			t.Errorf("%s, %v", failures[0], err)
		}
	})
	t.Run("malformed moves of the clock", func(t *testing.T) {
		for _, body := range []string{``, `{`, `{"advance":""}`, `{"advance":"31 days"}`, `{"advance":"-P1D"}`, `{"advance":31}`, `{"forward":"P1D"}`, `{"advance":"P1D"} {}`} {
			if status, answer := send(t, "POST", s.URL()+"/_local/clock", body); status != 400 {
				t.Errorf("%s: %d %s", body, status, answer)
			}
		}
	})
	t.Run("clock moved by 31 days", func(t *testing.T) {
		ttl := strconv.FormatInt(time.Now().AddDate(0, 0, 30).Unix(), 10)
		if _, err := s.DynamoDB.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("Table"), Item: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: "watched"}, "sk": &types.AttributeValueMemberS{Value: "old"}, "ttl": &types.AttributeValueMemberN{Value: ttl},
			"text": &types.AttributeValueMemberS{Value: ""},
		}}); err != nil {
			t.Fatal(err)
		}
		before := items(t, s, "ticks")
		status, body := send(t, "POST", s.URL()+"/_local/clock", `{"advance":"P31D"}`)
		var answer struct{ Now time.Time }
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		if d := time.Until(answer.Now) - 31*24*time.Hour; d.Abs() > 5*time.Second {
			t.Errorf("the clock says %s", answer.Now)
		}
		after := items(t, s, "ticks")
		if len(after) != len(before)+1 {
			t.Errorf("the hourly schedule fired %d times", len(after)-len(before))
		}
		for at, offset := range after {
			if _, old := before[at]; !old && offset != "744h0m0s" {
				t.Errorf("the function's offset is %s", offset)
			}
		}
		if _, body := send(t, "GET", s.URL()+"/open/clock", ""); body != `"744h0m0s"` {
			t.Errorf("the web function's offset is %s", body)
		}
		if _, left := items(t, s, "watched")["old"]; left {
			t.Error("the item whose time to live is over is there")
		}
		eventually(t, "the deletion is the service's", func() bool { return items(t, s, "seen")["REMOVE old"] == "dynamodb.amazonaws.com" })
		if status, body := send(t, "GET", s.URL()+"/_local/clock", ""); status != 200 || !strings.Contains(body, answer.Now.Format("2006-01-02")) {
			t.Errorf("%d %s", status, body)
		}
	})
	t.Run("everything listens on loopback only", func(t *testing.T) {
		for _, u := range []string{s.URL(), s.Issuer(), s.MailboxURL(), s.SES.Endpoint(), s.Endpoint()} {
			parsed, err := url.Parse(u)
			if err != nil || parsed.Hostname() != "127.0.0.1" {
				t.Errorf("%s, %v", u, err)
			}
			for _, address := range otherAddresses(t) {
				if c, err := net.DialTimeout("tcp", net.JoinHostPort(address, parsed.Port()), 300*time.Millisecond); err == nil {
					_ = c.Close()
					t.Errorf("%s answers at %s", u, address)
				}
			}
		}
	})
	t.Run("close leaves nothing", func(t *testing.T) {
		s.Close()
		if left := children(t); len(left) > 0 {
			t.Errorf("processes are left: %q", left)
		}
		for _, u := range []string{s.URL(), s.Issuer(), s.MailboxURL(), s.Endpoint()} {
			if response, err := http.Get(u); err == nil {
				_ = response.Body.Close()
				t.Errorf("%s answers", u)
			}
		}
	})
}

// otherAddresses are this machine's IPv4 addresses besides loopback.
func otherAddresses(t *testing.T) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range all {
		if ip, _, err := net.ParseCIDR(a.String()); err == nil && ip.To4() != nil && !ip.IsLoopback() {
			out = append(out, ip.String())
		}
	}
	return out
}

// children are the command lines of the processes that this one started and that live.
func children(t *testing.T) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(raw), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(os.Getpid()) && f[0] != "Z" {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			out = append(out, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	slices.Sort(out)
	return out
}

func TestPortInUseIsOneLineThatNamesIt(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for variable, o := range map[string]stack.Options{
		"PORT": {Port: port}, "MAILBOX_PORT": {MailboxPort: port}, "IDP_PORT": {IDPPort: port},
	} {
		o.TemplateFile, o.Binaries = "testdata/template.yaml", binaries
		s, err := stack.Start(t.Context(), o)
		if err == nil {
			s.Close()
			t.Errorf("%s: it started", variable)
			continue
		}
		if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, variable+" changes it") || !strings.Contains(text, strconv.Itoa(port)) {
			t.Errorf("%s: %s", variable, text)
		}
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes are left: %q", left)
	}
}

func TestUnknownEngineIsNamed(t *testing.T) {
	if _, err := stack.Start(t.Context(), stack.Options{TemplateFile: "testdata/template.yaml", Binaries: binaries, Engine: "moto"}); err == nil || !strings.Contains(err.Error(), "moto") {
		t.Errorf("got %v", err)
	}
}

func TestOutsideTheRepositoryIsSaid(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := stack.Start(t.Context(), stack.Options{}); err == nil || !strings.Contains(err.Error(), "go.mod") {
		t.Errorf("outside the repository: %v", err)
	}
}
