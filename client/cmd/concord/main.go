// Command concord is Concord's API on the command line.
//
// Exit codes: 0 for done, 1 for what was refused or failed, 2 for a wrong command line, 3 for an invitation that ended
// without being accepted (invitations watch).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v3"
)

// errUsage is a wrong command line.
var errUsage = errors.New("usage")

// errNotAccepted is how a watched invitation ended.
var errNotAccepted = errors.New("not accepted")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := app(os.Stdin, os.Stdout, os.Stderr).Run(ctx, os.Args)
	stop()
	if err != nil && !errors.Is(err, errNotAccepted) && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "concord:", err)
	}
	os.Exit(code(err))
}

func code(err error) int {
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return 0
	case errors.Is(err, errNotAccepted):
		return 3
	case errors.Is(err, errUsage):
		return 2
	default:
		return 1
	}
}

// app is the whole command.
func app(in io.Reader, out, errs io.Writer) *cli.Command {
	root := &cli.Command{
		Name: "concord", Usage: "reseller relationships agreed by email", Reader: in, Writer: out, ErrWriter: errs,
		Description: "Begin with `concord login`. Each command says more with --help; `concord completion bash` (zsh, fish, pwsh) prints completions.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "table", Usage: "table, json or csv", Validator: oneOf("table", "json", "csv")},
			&cli.StringFlag{Name: "profile", Value: "default", Usage: "which login to use", Sources: cli.EnvVars("CONCORD_PROFILE")},
		},
		EnableShellCompletion: true, Suggest: true,
		// What is wrong with a command line is told by main, like everything else.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Commands: []*cli.Command{
			login(), invitations(), customers(), batches(), gdap(), audit(), local(),
		},
	}
	return strict(root)
}

// strict has a command and those below it say what is wrong with a command line in one sentence, and take no command that
// there is not.
func strict(c *cli.Command) *cli.Command {
	c.OnUsageError = func(_ context.Context, _ *cli.Command, err error, _ bool) error {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	if len(c.Commands) > 0 {
		c.Action = func(_ context.Context, c *cli.Command) error {
			if name := c.Args().First(); name != "" {
				return fmt.Errorf("%w: %s has no command %q; see %s --help", errUsage, c.FullName(), name, c.FullName())
			}
			return cli.ShowSubcommandHelp(c)
		}
	}
	for _, below := range c.Commands {
		strict(below)
	}
	return c
}

// oneOf takes one of some values.
func oneOf(values ...string) func(string) error {
	return func(got string) error {
		for _, v := range values {
			if got == v {
				return nil
			}
		}
		return fmt.Errorf("%q is none of %q", got, values)
	}
}

// arguments gives the arguments of a command; there must be as many, or at least one where more is set.
func arguments(c *cli.Command, what string, more bool) ([]string, error) {
	all := c.Args().Slice()
	if len(all) == 0 || !more && len(all) > 1 {
		return nil, fmt.Errorf("%w: %s takes %s", errUsage, c.FullName(), what)
	}
	return all, nil
}

// some gives a pointer to a flag's value, and nil where it was not given.
func some[T ~string](c *cli.Command, name string) *T {
	if !c.IsSet(name) {
		return nil
	}
	v := T(c.String(name))
	return &v
}
