// Package engine starts the DynamoDB engine of the local stack and of the store's tests. infra/engines.md says what each engine
// gets wrong and why the default is what it is.
package engine

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"concord/infra/local/component"
)

// The engines that Start knows by name.
const (
	Dynoxide      = "dynoxide"       // the default: a native server from npm
	DynamoDBLocal = "dynamodb-local" // AWS's own, in Java: the referee
	External      = "external"       // whatever AWS_ENDPOINT_URL_DYNAMODB points at
)

// Options chooses the engine. The zero value does what the environment says.
type Options struct {
	// Kind is Dynoxide, DynamoDBLocal or External. Empty means the variable ENGINE; without it, External when
	// AWS_ENDPOINT_URL_DYNAMODB is set, else Dynoxide.
	Kind string
}

// Engine is a DynamoDB that answers.
type Engine struct {
	kind              string
	endpoint, streams string
	child             *component.Child // nil for External
}

// usual is the engine of this platform: the native one is built for Linux on x86-64 alone.
var usual = map[bool]string{true: Dynoxide, false: DynamoDBLocal}[runtime.GOOS == "linux" && runtime.GOARCH == "amd64"]

// Start starts the engine on a free loopback port, empty and in memory, and returns when it answers. It never replaces an engine
// that is missing by another one: the error says in one line which is missing and how to get it.
func Start(ctx context.Context, o Options) (*Engine, error) {
	external := os.Getenv("AWS_ENDPOINT_URL_DYNAMODB")
	kind := o.Kind
	if kind == "" {
		kind = os.Getenv("ENGINE")
	}
	if kind != "" && kind != External && external != "" {
		return nil, fmt.Errorf("ENGINE=%s and AWS_ENDPOINT_URL_DYNAMODB are both set: unset one of them", kind)
	}
	if kind == "" && external != "" {
		kind = External
	}
	if kind == "" {
		kind = usual
	}
	switch kind {
	case Dynoxide:
		return startChild(ctx, Dynoxide, dynoxide)
	case DynamoDBLocal:
		return startChild(ctx, DynamoDBLocal, dynamodbLocal)
	case External:
		return useExternal(ctx, external)
	}
	return nil, fmt.Errorf("ENGINE=%s is not an engine: it is %s, %s or %s", kind, Dynoxide, DynamoDBLocal, External)
}

func startChild(ctx context.Context, kind string, program func(root string, port int) (component.Program, error)) (*Engine, error) {
	root, err := component.Root()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	// Another process may take the free port before the engine does; then the engine ends, and another port serves.
	for attempt := 1; ; attempt++ {
		port, err := component.FreePort()
		if err != nil {
			return nil, err
		}
		p, err := program(root, port)
		if err != nil {
			return nil, err
		}
		child, err := component.Start(p)
		if err != nil {
			return nil, err
		}
		endpoint := "http://127.0.0.1:" + strconv.Itoa(port)
		if err = child.AwaitHTTP(ctx, endpoint); err == nil {
			return &Engine{kind: kind, endpoint: endpoint, streams: endpoint, child: child}, nil
		}
		_ = child.Close()
		if attempt == 3 || ctx.Err() != nil {
			return nil, err
		}
	}
}

func dynoxide(root string, port int) (component.Program, error) {
	path := filepath.Join(root, "infra", "tools", "node_modules", "@dynoxide", "linux-x64", "dynoxide")
	p := component.Program{Name: "the DynamoDB engine dynoxide", Path: path,
		Args: []string{"serve", "--host", "127.0.0.1", "--port", strconv.Itoa(port)}}
	return p, component.Require(p.Name, path, "make -C infra/tools npm")
}

func dynamodbLocal(root string, port int) (component.Program, error) {
	folder := filepath.Join(root, "infra", "tools", "dynamodb-local")
	p := component.Program{Name: "the DynamoDB engine DynamoDB Local", Path: "java"}
	if _, err := exec.LookPath("java"); err != nil {
		return p, errors.New("java is missing for the DynamoDB engine DynamoDB Local (install a Java runtime, 17 or later)")
	}
	p.Args = []string{"-XX:-UsePerfData", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Djava.library.path=" + folder,
		"-cp", folder + string(filepath.ListSeparator) + filepath.Join(folder, "*"), "LoopbackServer",
		"-inMemory", "-sharedDb", "-disableTelemetry", "-port", strconv.Itoa(port)}
	return p, component.Require(p.Name, filepath.Join(folder, "LoopbackServer.class"), "make -C infra/tools dynamodb-local")
}

func useExternal(ctx context.Context, endpoint string) (*Engine, error) {
	if endpoint == "" {
		return nil, errors.New("ENGINE=external needs AWS_ENDPOINT_URL_DYNAMODB (and AWS_ENDPOINT_URL_DYNAMODB_STREAMS when streams are elsewhere)")
	}
	streams := os.Getenv("AWS_ENDPOINT_URL_DYNAMODB_STREAMS")
	if streams == "" {
		streams = endpoint
	}
	for _, each := range []struct{ variable, endpoint string }{
		{"AWS_ENDPOINT_URL_DYNAMODB", endpoint}, {"AWS_ENDPOINT_URL_DYNAMODB_STREAMS", streams},
	} {
		u, err := url.Parse(each.endpoint)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("%s is not a URL", each.variable)
		}
		if !component.Answers(ctx, each.endpoint) {
			return nil, fmt.Errorf("%s: nothing answers at %s://%s", each.variable, u.Scheme, u.Host)
		}
	}
	return &Engine{kind: External, endpoint: endpoint, streams: streams}, nil
}

// Kind is Dynoxide, DynamoDBLocal or External.
func (e *Engine) Kind() string { return e.kind }

// Endpoint is the URL of the DynamoDB API, for the SDK's BaseEndpoint.
func (e *Engine) Endpoint() string { return e.endpoint }

// StreamsEndpoint is the URL of the DynamoDB Streams API; it differs from Endpoint only for an External engine.
func (e *Engine) StreamsEndpoint() string { return e.streams }

// Done is closed when the engine has ended, by Close or by itself; nil, which never fires, for an External engine.
func (e *Engine) Done() <-chan struct{} {
	if e.child == nil {
		return nil
	}
	return e.child.Done()
}

// Err says, once Done is closed, why the engine ended by itself; nil after Close.
func (e *Engine) Err() error {
	if e.child == nil {
		return nil
	}
	return e.child.Err()
}

// Close ends the engine and everything in it; an External engine is left alone.
func (e *Engine) Close() error {
	if e.child == nil {
		return nil
	}
	return e.child.Close()
}

var forTests = sync.OnceValues(func() (*Engine, error) { return Start(context.Background(), Options{}) })

// StartForTest returns the endpoint of the engine that all tests of one test binary share; tests keep apart by the names of
// their tables. The first call starts it, and it ends with the binary. A missing engine fails the test: nothing is skipped.
func StartForTest(t testing.TB) (endpoint string) {
	t.Helper()
	e, err := forTests()
	if err != nil {
		t.Fatal(err)
	}
	return e.Endpoint()
}
