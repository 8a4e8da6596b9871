// Command local runs everything that template.yaml deploys on this machine, on loopback: see the package stack.
//
// It reads PORT (8080), MAILBOX_PORT (8025), IDP_PORT (8081), SEED (demo adds demonstration data), ENGINE (dynoxide, dynamodb-local, external), PARAMETERS (a
// file of template parameters) and LOG (1 repeats what the functions write on standard error). It prints one line when every part answers and ends on ctrl-C or SIGTERM,
// with everything that it started.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"concord/infra/local/demo"
	"concord/infra/local/stack"
	"concord/infra/local/template"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	o := stack.Options{Engine: os.Getenv("ENGINE")}
	for name, port := range map[string]struct {
		into  *int
		usual int
	}{"PORT": {&o.Port, 8080}, "MAILBOX_PORT": {&o.MailboxPort, 8025}, "IDP_PORT": {&o.IDPPort, 8081}} {
		*port.into = port.usual
		if text := os.Getenv(name); text != "" {
			n, err := strconv.ParseUint(text, 10, 16)
			if err != nil {
				return fmt.Errorf("%s=%s is no port", name, text)
			}
			*port.into = int(n)
		}
	}
	if file := os.Getenv("PARAMETERS"); file != "" {
		var err error
		if o.Parameters, err = template.ReadParameters(file); err != nil {
			return fmt.Errorf("PARAMETERS: %w", err)
		}
	}
	switch text := os.Getenv("LOG"); text {
	case "", "0":
	case "1":
		o.Log = os.Stderr
	default:
		return fmt.Errorf("LOG=%s is neither 0 nor 1", text)
	}
	seed := os.Getenv("SEED")
	if seed != "" && seed != "demo" {
		return fmt.Errorf("SEED=%s: the demonstration data are called demo", seed)
	}
	if seed != "" {
		o.Behind = demo.Before
	}
	s, err := stack.Start(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil // ended while it started
		}
		return err
	}
	defer s.Close()
	if seed != "" {
		if err := demo.Fill(ctx, s); err != nil {
			return err
		}
	}
	fmt.Println("ready", s.URL())
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.Died():
		return err
	}
}
