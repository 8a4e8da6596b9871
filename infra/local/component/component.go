// Package component runs the programs that stand beside the Lambda functions in the local stack: the DynamoDB engine and the
// identity provider. A component is a child process on a loopback port. It is quiet until it dies, and it never outlives the
// program that started it.
package component

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Program says what to start.
type Program struct {
	Name  string   // as people call it, for messages
	Path  string   // the executable; a name without a slash is looked up on the PATH
	Args  []string // without the program's own name
	Env   []string // added to this process's environment
	Stdin []byte   // what the program reads on its standard input; may be empty
}

// Child is a program that was started.
type Child struct {
	name   string
	cmd    *exec.Cmd
	output tail
	done   chan struct{}

	mu     sync.Mutex
	ready  bool
	closed bool
	err    error
}

// Start starts the program and returns at once; AwaitHTTP tells when it serves.
func Start(p Program) (*Child, error) {
	c := &Child{name: p.Name, done: make(chan struct{})}
	c.cmd = exec.Command(p.Path, p.Args...)
	c.cmd.Env = append(os.Environ(), p.Env...)
	c.cmd.Stdin = bytes.NewReader(p.Stdin)
	c.cmd.Stdout = &c.output
	c.cmd.Stderr = &c.output
	DieWithParent(c.cmd)

	started := make(chan error)
	go func() {
		// The kernel ties the child's life to the thread that forked it, so this thread must live as long as the child.
		runtime.LockOSThread()
		if err := c.cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		c.end(c.cmd.Wait())
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s does not start: %w", p.Name, err)
	}
	return c, nil
}

func (c *Child) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		if err == nil {
			err = errors.New("exit status 0")
		}
		c.err = fmt.Errorf("%s ended: %w: %s", c.name, err, c.output.line())
		if c.ready {
			fmt.Fprintf(os.Stderr, "%s ended: %v\n%s\n", c.name, err, c.output.text())
		}
	}
	close(c.done)
}

// Done is closed when the program has ended, by Close or by itself.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err says, once Done is closed, why the program ended by itself, with what it printed last; nil after Close.
func (c *Child) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Kill ends the program as a crash would: Done is closed and Err says that it was killed.
func (c *Child) Kill() error { return c.cmd.Process.Kill() }

// Close kills the program and waits until it is gone. Components keep everything in memory, so there is nothing to save.
func (c *Child) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	err := c.cmd.Process.Kill()
	<-c.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// AwaitHTTP returns when the child answers an HTTP request to url, with whatever status. It fails when the child ends or ctx does.
func (c *Child) AwaitHTTP(ctx context.Context, url string) error {
	for {
		if Answers(ctx, url) {
			select {
			case <-c.done: // somebody else answered, on the port that the child could not have
				return c.Err()
			default:
			}
			c.mu.Lock()
			c.ready = true
			c.mu.Unlock()
			return nil
		}
		select {
		case <-c.done:
			return c.Err()
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: %w", c.name, url, ctx.Err())
		case <-time.After(3 * time.Millisecond):
		}
	}
}

// Answers reports whether an HTTP server answers at url, with whatever status, within five seconds.
func Answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return true
}

// FreePort returns a loopback port that nothing listens on at this moment.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Root returns the folder of the repository: the nearest one at or above the working directory whose go.mod is this module's.
func Root() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(folder, "go.mod"))
		if err == nil {
			first, _, _ := strings.Cut(string(text), "\n")
			if strings.TrimSpace(first) == "module concord" {
				return folder, nil
			}
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no go.mod of module concord at or above the working directory: run it inside the repository")
		}
		folder = parent
	}
}

// Require returns an error of one line when path does not exist, which names the missing part and the command that gets it.
func Require(name, path, command string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%s is missing (run: %s)", name, command)
	}
	return nil
}

// tail keeps the last few kilobytes of what a child printed.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept))
}

// line is the text on one line, for errors.
func (t *tail) line() string { return strings.Join(strings.Fields(t.text()), " ") }
