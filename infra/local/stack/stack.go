// Package stack puts the local stack together: everything that template.yaml deploys, run from the template and the real
// binaries, on loopback. infra/local's main starts it for people, the end-to-end tests start it for themselves.
package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"golang.org/x/sync/errgroup"

	"concord/infra/local/bus"
	"concord/infra/local/component"
	"concord/infra/local/engine"
	"concord/infra/local/gateway"
	"concord/infra/local/guard"
	"concord/infra/local/idp"
	"concord/infra/local/lambda"
	"concord/infra/local/meter"
	"concord/infra/local/queues"
	"concord/infra/local/schedule"
	"concord/infra/local/secrets"
	"concord/infra/local/ses"
	"concord/infra/local/streams"
	"concord/infra/local/template"
)

// The credentials that every client of the local engines uses; DynamoDB Local keeps one database per access key.
const (
	AccessKeyID     = "local"
	SecretAccessKey = "local"
)

// sweepEvery is how often items whose time to live is over are deleted, besides after each move of the clock.
const sweepEvery = 10 * time.Minute

// Options are what can be chosen about a stack.
type Options struct {
	Port        int    // of the API and the pages; 0 for a free one
	MailboxPort int    // of the mailbox; 0 for a free one
	IDPPort     int    // of the identity provider; 0 for a free one
	Engine      string // as engine.Options.Kind
	// Parameters of the template, over the local ones.
	Parameters map[string]string
	// TemplateFile is empty for the repository's template.yaml.
	TemplateFile string
	// Binaries is the directory that holds <LogicalId>/bootstrap; empty for .build, made by the Makefile when it is out of date.
	Binaries string
	// AccountsFile is the identity provider's; empty for the repository's accounts.json. The table is always seeded from that.
	AccountsFile string
	// Behind is how far the stack's clock starts in the past; it can be moved on to the present.
	Behind time.Duration
	// Meter counts what the functions ask of DynamoDB; nil for nobody counting.
	Meter *meter.Meter
	// Log gets each line that a function writes and a line per request; nil for silence.
	Log io.Writer
}

// Stack is a local stack that runs.
type Stack struct {
	Template *template.Template
	Secrets  *secrets.Store
	SES      *ses.Server
	Queues   *queues.Service
	Bus      *bus.Server
	Guard    *guard.Guard // what the roles of the template do not allow, it refuses
	DynamoDB *dynamodb.Client

	options   Options
	root      string
	log       *logger
	clock     *schedule.Clock
	engine    *engine.Engine
	idp       *idp.IDP
	logs      *lambda.Logs
	functions *lambda.Host
	scheduler *schedule.Scheduler
	sweepers  map[string]*schedule.Sweeper // by the table's logical id
	mappings  []*streams.Mapping
	url       string
	listener  net.Listener
	cancel    context.CancelFunc
	ctx       context.Context
	running   sync.WaitGroup

	mu      sync.Mutex
	closers []func()
	buckets map[string][][]byte // what was put aside in something else than a queue, by ARN
	died    chan error
}

// Start starts everything and returns when every part answers. Its error is one line that says which part is missing or
// which port is taken; nothing is left running then.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{options: o, sweepers: map[string]*schedule.Sweeper{}, buckets: map[string][][]byte{}, died: make(chan error, 1), log: &logger{w: o.Log},
		clock: schedule.NewClock(-o.Behind)}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.start(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) error {
	var err error
	if s.root, err = component.Root(); err != nil {
		return err
	}
	if s.listener, err = listen(s.options.Port, "PORT"); err != nil {
		return err
	}
	s.onClose(func() { _ = s.listener.Close() })
	s.url = "http://" + s.listener.Addr().String()
	idpPort := s.options.IDPPort
	if idpPort == 0 {
		if idpPort, err = component.FreePort(); err != nil {
			return err
		}
	}
	parameters := map[string]string{
		// Samples: nothing is there.
		"OperatorContact": "help@concord.example", "PrivacyNoticeUrl": "https://concord.example/privacy", "ImprintUrl": "https://concord.example/imprint",
		"OperatorName": "Concord (local)", "MailDomain": "concord.example", "Issuer": "http://127.0.0.1:" + strconv.Itoa(idpPort),
		"PublicPortalUrl": s.url, "UsGovPortalUrl": s.url, "MailRate": "1000",
		// Loads and demonstrations come from few partners and go to few recipients (api, "Quotas").
		"DailyQuota": "100000", "FirstMonthQuota": "100000", "PartnersPerRecipient": "0", "DomainQuota": "0", "CreationsPerDay": "0", "BatchRowsPerSecond": "5000",
		// A few complaints on purpose do not stop whoever tries things out; with so many it can be seen.
		"ComplaintPauseLeast": "10",
	}
	if s.options.Parameters["Issuer"] == "" {
		parameters["UsGovIssuer"] = parameters["Issuer"] // the shipped provider has both clouds
	}
	file := cmp.Or(s.options.TemplateFile, filepath.Join(s.root, "template.yaml"))
	if s.Template, err = template.ReadWith(file, s.options.Parameters, parameters); err != nil {
		return err
	}
	if len(s.Template.APIs) != 1 {
		return fmt.Errorf("%s has %d HTTP APIs, the local stack serves one", file, len(s.Template.APIs))
	}
	if s.Secrets, err = secrets.New(s.Template.Secrets); err != nil {
		return err
	}

	s.Bus = bus.New(s.Template.Buses, 0)
	busURL, err := s.serve(s.Bus)
	if err != nil {
		return err
	}
	if s.Queues, err = queues.New(s.Template, queues.Options{Now: s.clock.Now, Log: s.log.printf}); err != nil {
		return err
	}
	queuesURL, err := s.serve(s.Queues)
	if err != nil {
		return err
	}
	streamARNs := map[string]string{}
	var secretsURL string
	// Those that need nothing of each other start side by side.
	g, starting := errgroup.WithContext(ctx)
	if s.options.Binaries == "" {
		s.options.Binaries = filepath.Join(s.root, ".build")
		g.Go(func() error { return build(starting, s.root, s.Template.Functions) })
	}
	g.Go(func() error {
		p, err := idp.Start(starting, idp.Options{
			Port: idpPort, AccountsFile: s.options.AccountsFile, RedirectURIs: []string{s.url + "/sign-in/callback", s.url + "/console/sign-in/callback"},
		})
		if err != nil {
			return err
		}
		s.idp = p
		s.onClose(func() { _ = p.Close() })
		return nil
	})
	identities := s.Template.Identities
	if s.Template.Parameters["MailIdentityExists"] == "true" { // made by hand or by another stack
		identities = append(identities, s.Template.Parameters["MailDomain"])
	}
	g.Go(func() error {
		m, err := ses.Start(starting, ses.Options{
			MailboxPort: s.options.MailboxPort, Identities: identities, ConfigurationSets: s.Template.ConfigurationSets,
			Sandbox: s.Template.Parameters["SesSandbox"] == "true",
			Publish: s.publish,
		})
		if err != nil {
			return err
		}
		s.SES = m
		s.onClose(func() { _ = m.Close() })
		return nil
	})
	g.Go(func() error {
		var err error
		secretsURL, err = s.serve(s.Secrets)
		return err
	})
	g.Go(func() error {
		e, err := engine.Start(starting, engine.Options{Kind: s.options.Engine})
		if err != nil {
			return err
		}
		s.engine = e
		s.onClose(func() { _ = e.Close() })
		s.DynamoDB = dynamodb.New(dynamodb.Options{Region: template.Region, BaseEndpoint: aws.String(e.Endpoint()), Credentials: credentials})
		for _, t := range s.Template.Tables {
			get := createTable
			if t.Adopted {
				get = adoptTable
			}
			if streamARNs[t.LogicalID], err = get(starting, s.DynamoDB, t); err != nil {
				return err
			}
			if t.TTLAttribute != "" {
				s.sweepers[t.LogicalID] = schedule.NewSweeper(s.DynamoDB, t, s.clock)
			}
		}
		if slices.ContainsFunc(s.Template.Tables, func(t template.Table) bool { return t.Adopted }) {
			return nil // its accounts are there
		}
		return s.seed(starting)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	s.watch("the DynamoDB engine", s.engine.Done(), s.engine.Err)
	s.watch("the identity provider", s.idp.Done(), s.idp.Err)

	if err := s.startFunctions(secretsURL, busURL, queuesURL); err != nil {
		return err
	}
	if err := s.startSchedules(); err != nil {
		return err
	}
	if err := s.startStreams(ctx, streamARNs); err != nil {
		return err
	}
	for _, f := range s.Template.Functions {
		for _, source := range f.Queues {
			s.Queues.Map(source, s.functions)
		}
	}
	s.onClose(s.Queues.Close)
	s.startHTTP()
	return s.answers(ctx)
}

// publish takes an event of SES to the topics that its configuration set's destinations name.
func (s *Stack) publish(e ses.Event) {
	for _, d := range s.Template.EventDestinations {
		if d.ConfigurationSet == e.ConfigurationSet && slices.Contains(d.Types, e.Destined()) {
			s.Queues.Publish(d.Topic, ses.Subject, string(e.JSON()))
		}
	}
}

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey}, nil
})

func listen(port int, variable string) (net.Listener, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return nil, fmt.Errorf("port %d cannot be had (%s changes it): %w", port, variable, err)
	}
	return l, nil
}

// serve serves a handler on a free loopback port until the stack closes, and returns its URL.
func (s *Stack) serve(h http.Handler) (string, error) {
	l, err := listen(0, "")
	if err != nil {
		return "", err
	}
	s.serveOn(l, h)
	return "http://" + l.Addr().String(), nil
}

func (s *Stack) serveOn(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.running.Go(func() { _ = server.Serve(l) })
	s.onClose(func() { _ = server.Close() })
}

func (s *Stack) startFunctions(secretsURL, busURL, queuesURL string) error {
	s.logs = lambda.NewLogs(0, s.options.Log)
	environment := map[string]string{
		"AWS_REGION": template.Region, "AWS_DEFAULT_REGION": template.Region,
		"AWS_SECRET_ACCESS_KEY": SecretAccessKey, "AWS_SESSION_TOKEN": "", "ALLOW_RESERVED_DOMAINS": "true",
		"ALLOW_LOCAL_WEBHOOKS": "true",
	}
	if offset := s.clock.Offset(); offset != 0 {
		environment["CLOCK_OFFSET"] = offset.String()
	}
	s.Guard = guard.New(s.Template)
	for variable, service := range map[string]struct {
		name guard.Service
		url  string
	}{
		"DYNAMODB": {guard.DynamoDB, s.engine.Endpoint()}, "SECRETS_MANAGER": {guard.SecretsManager, secretsURL}, "SESV2": {guard.SES, s.SES.Endpoint()},
		"EVENTBRIDGE": {guard.EventBridge, busURL}, "SQS": {guard.SQS, queuesURL},
	} {
		before, err := s.Guard.Before(service.name, service.url, AccessKeyID)
		if err != nil {
			return err
		}
		if service.name == guard.DynamoDB {
			before = s.wakes(before)
		}
		if service.name == guard.DynamoDB && s.options.Meter != nil {
			before = s.options.Meter.Before(before)
		}
		if environment["AWS_ENDPOINT_URL_"+variable], err = s.serve(before); err != nil {
			return err
		}
	}
	s.functions = lambda.New(lambda.Options{Environment: environment, Logs: s.logs})
	for _, f := range s.Template.Functions {
		own := maps.Clone(f.Environment)
		own["AWS_ACCESS_KEY_ID"] = f.LogicalID // by which the guard knows whose role counts
		s.functions.Add(f.LogicalID, lambda.Function{
			Name: f.Name, ARN: f.ARN, Root: filepath.Join(s.options.Binaries, f.LogicalID), Environment: own, Timeout: f.Timeout,
			Memory: f.Memory, Concurrency: f.ReservedConcurrency, LogFormat: f.LogFormat, LogLevel: f.LogLevel,
		})
	}
	s.onClose(s.functions.Close)
	return nil
}

// wakes has the streams read after each write of a function: while nobody writes, nobody reads them often.
func (s *Stack) wakes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		switch operation {
		case "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem":
			for _, m := range s.following() {
				m.Wake()
			}
		}
	})
}

func (s *Stack) following() []*streams.Mapping {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mappings
}

func (s *Stack) startSchedules() error {
	var all []template.Schedule
	invocations := map[string]template.Asynchronous{}
	for _, f := range s.Template.Functions {
		all = append(all, f.Schedules...)
		invocations[f.LogicalID] = f.Asynchronous
	}
	var err error
	s.scheduler, err = schedule.New(all, schedule.Options{
		Clock: s.clock, Functions: s.functions, Invocations: invocations, DeadLetters: s.enqueue, Log: s.log.printf,
		Moved: func(offset time.Duration) {
			// A function reads the offset once, when it starts.
			s.functions.Setenv("CLOCK_OFFSET", offset.String())
			s.functions.Retire()
			s.Queues.Moved()
			s.SES.Moved()
		},
	})
	if err != nil {
		return err
	}
	s.scheduler.Start()
	s.onClose(s.scheduler.Close)
	s.running.Go(func() {
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			select {
			case <-s.ctx.Done():
				return
			case <-tick.C:
				if err := s.sweep(s.ctx); err != nil {
					s.log.printf("%v", err)
				}
			}
		}
	})
	return nil
}

func (s *Stack) startStreams(ctx context.Context, arns map[string]string) error {
	client := dynamodbstreams.New(dynamodbstreams.Options{Region: template.Region, BaseEndpoint: aws.String(s.engine.StreamsEndpoint()), Credentials: credentials})
	for _, f := range s.Template.Functions {
		for _, source := range f.Streams {
			m, err := streams.Start(ctx, source, streams.Options{
				Client: client, Functions: s.functions, StreamARN: arns[source.Table], OnFailure: s.enqueue, Log: s.log.printf,
				DeletedByTTL: func(table string, key map[string]any) bool {
					sweeper := s.sweepers[table]
					return sweeper != nil && sweeper.Deleted(key)
				},
			})
			if err != nil {
				return err
			}
			s.mu.Lock()
			s.mappings = append(slices.Clip(s.mappings), m)
			s.mu.Unlock()
			s.onClose(m.Close)
		}
	}
	return nil
}

func (s *Stack) startHTTP() {
	api := gateway.New(s.Template.APIs[0], s.functions, gateway.Options{Now: s.clock.Now, Access: func(a gateway.Access) {
		if a.Err != nil {
			s.log.printf("api %q %d %s %v", a.RouteKey, a.Status, a.Latency.Round(100*time.Microsecond), a.Err)
		} else {
			s.log.printf("api %q %d %s", a.RouteKey, a.Status, a.Latency.Round(100*time.Microsecond))
		}
	}})
	control := s.control()
	s.serveOn(s.listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_local/") {
			control.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	}))
}

// answers asks the health route, if the template has one: with it the gateway and a function have answered, too.
func (s *Stack) answers(ctx context.Context) error {
	const path = "/healthz"
	if !slices.ContainsFunc(s.Template.APIs[0].Routes, func(r template.Route) bool { return r.Key() == "GET "+path }) {
		return nil
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	why := ""
	if lines := s.logs.Lines(); len(lines) > 0 {
		why = ": " + lines[len(lines)-1].Text
	}
	return fmt.Errorf("GET %s answers %d%s", path, response.StatusCode, why)
}

// watch reports a child process that ends by itself.
func (s *Stack) watch(name string, done <-chan struct{}, why func() error) {
	if done == nil {
		return
	}
	s.running.Go(func() {
		select {
		case <-s.ctx.Done():
		case <-done:
			if err := why(); err != nil {
				select {
				case s.died <- fmt.Errorf("%s: %w", name, err):
				default:
				}
			}
		}
	})
}

func (s *Stack) onClose(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, f)
}

// Close ends everything, what was started last first, and returns when it is gone.
func (s *Stack) Close() {
	s.mu.Lock()
	closers := s.closers
	s.closers = nil
	s.mu.Unlock()
	s.cancel()
	for _, f := range slices.Backward(closers) {
		f()
	}
	s.running.Wait()
}

// Died gives the reason when a part ended by itself; the stack is of no use then.
func (s *Stack) Died() <-chan error { return s.died }

// URL is the base URL of the API and the pages.
func (s *Stack) URL() string { return s.url }

// MailboxURL is where mail can be read.
func (s *Stack) MailboxURL() string { return s.SES.MailboxURL() }

// Issuer is the base URL of the identity provider.
func (s *Stack) Issuer() string { return s.idp.Issuer() }

// Endpoint is the URL of the DynamoDB engine.
func (s *Stack) Endpoint() string { return s.engine.Endpoint() }

// Logs are the last lines that the functions wrote.
func (s *Stack) Logs() []lambda.Line { return s.logs.Lines() }

// Now is the stack's time.
func (s *Stack) Now() time.Time { return s.clock.Now() }

// Functions runs the functions; tests invoke them with events of their own.
func (s *Stack) Functions() *lambda.Host { return s.functions }

// Advance moves the clock: every function sees the new time, each schedule that came due is fired once, items whose time
// to live is over are deleted; it returns when all of that has ended.
func (s *Stack) Advance(ctx context.Context, d time.Duration) error {
	return errors.Join(s.scheduler.Advance(ctx, d), s.sweep(ctx))
}

// RunSchedules fires the schedules of a function (logical id) now and returns when they have ended.
// Errors: schedule.ErrNoSchedule, or what a schedule failed with.
func (s *Stack) RunSchedules(ctx context.Context, function string) error {
	_, err := s.scheduler.Run(ctx, function)
	return err
}

func (s *Stack) sweep(ctx context.Context) error {
	var failures []error
	for _, sweeper := range s.sweepers {
		_, err := sweeper.Sweep(ctx)
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// Messages are what is in a queue (logical id) of the template, oldest first.
func (s *Stack) Messages(queue string) [][]byte {
	for _, q := range s.Template.Queues {
		if q.LogicalID == queue {
			return s.Queues.Messages(q.ARN)
		}
	}
	return nil
}

// enqueue takes what could not be handled to where the template says: a queue, or else a bucket.
func (s *Stack) enqueue(arn string, message []byte) {
	if s.Queues.Send(arn, message) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[arn] = append(s.buckets[arn], message)
}

// CaughtUp gives a function that reports whether everything that was written before this call has been read from the streams.
func (s *Stack) CaughtUp() func() bool {
	var since []int64
	for _, m := range s.mappings {
		since = append(since, m.Reads())
	}
	return func() bool {
		for n, m := range s.following() {
			if m.Reads() < since[n]+2 {
				m.Wake()
				return false
			}
		}
		return true
	}
}

// InFlight counts the stream records that were read for a function and are neither handled nor discarded yet, and the messages of queues that a
// function has or could have now.
func (s *Stack) InFlight() int {
	n := 0
	for _, m := range s.mappings {
		n += m.InFlight()
	}
	return n + s.Queues.InFlight()
}

// logger writes the stack's own lines.
type logger struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *logger) printf(format string, arguments ...any) {
	if l.w == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.w, format+"\n", arguments...)
}
