// Preflight looks at the parameters of a deployment before it is made, and at what the deployment will find in its account:
//
//	go run ./infra/preflight [-offline] [-stack NAME] [-release FOLDER] FILE [COMMAND…]
//
// The file is a JSON object of parameters, or the list that the AWS CLI takes. Each line of the answer says what is wrong, what is worth
// a look, or what could not be looked at. With nothing wrong, a command is run with the parameters behind it, as `sam deploy
// --parameter-overrides` takes them; with what was built in a folder it says the parameter Release as well, which differs when program or
// parameters do.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"concord/infra/local/template"
	"concord/internal/identity"
	"concord/internal/partner"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, outside{discover: (*identity.Authorities).Discover, lookup: lookup, aws: awsCLI})
	stop()
	os.Exit(code)
}

// outside is what a deployment meets beyond its parameters.
type outside struct {
	discover func(*identity.Authorities, partner.CloudID) error
	lookup   func(ctx context.Context, host string) error
	aws      func(ctx context.Context, arguments ...string) ([]byte, error)
}

func lookup(ctx context.Context, host string) error {
	_, err := net.DefaultResolver.LookupHost(ctx, host)
	return err
}

// awsCLI runs the AWS CLI, with the credentials and the region that it finds; its error is what it says.
func awsCLI(ctx context.Context, arguments ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, "aws", append(arguments, "--output", "json")...).Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, errors.New(strings.Join(strings.Fields(string(failed.Stderr)), " "))
	}
	return out, err
}

// Kinds of findings.
const (
	wrong     = "wrong"
	look      = "look at"
	unchecked = "not checked"
)

// report collects what was found.
type report struct {
	out   io.Writer
	wrong int
}

func (r *report) say(kind, about, format string, arguments ...any) {
	if kind == wrong {
		r.wrong++
	}
	_, _ = fmt.Fprintf(r.out, "%-12s %s: %s\n", kind, about, fmt.Sprintf(format, arguments...))
}

// run gives the exit code: 0 when nothing is wrong, 1 when something is, 2 when it was not asked properly; that of the command when there is one.
func run(ctx context.Context, arguments []string, out io.Writer, world outside) int {
	flags := flag.NewFlagSet("preflight", flag.ContinueOnError)
	flags.SetOutput(out)
	offline := flags.Bool("offline", false, "look at the parameters alone, at no provider, name or account")
	stack := flags.String("stack", "", "name of the stack, which may be there already")
	file := flags.String("template", "template.yaml", "the template")
	built := flags.String("release", "", "the `folder` of what was built, for the parameter Release")
	if err := flags.Parse(arguments); err != nil || flags.NArg() == 0 {
		_, _ = fmt.Fprintln(out, "usage: go run ./infra/preflight [-offline] [-stack NAME] FILE [COMMAND…]; FILE is a JSON object of parameters, as in infra/parameters.json")
		return 2
	}
	parameters, err := template.ReadParameters(flags.Arg(0))
	if err != nil {
		_, _ = fmt.Fprintln(out, err)
		return 2
	}
	r := &report{out: out}
	t, err := template.Read(*file, parameters)
	switch {
	case err != nil:
		for line := range strings.Lines(err.Error()) {
			r.say(wrong, "parameters", "%s", strings.TrimPrefix(strings.TrimSpace(line), *file+": "))
		}
	default:
		authorities := r.values(t)
		r.sense(t)
		if *offline {
			r.say(unchecked, "the world", "discovery of the issuers, names in DNS, the AWS account: -offline")
		} else {
			r.providers(world, t, authorities)
			r.names(ctx, world, t)
			r.account(ctx, world, t, *stack)
		}
	}
	if r.wrong > 0 {
		_, _ = fmt.Fprintf(out, "%d wrong: nothing is deployed\n", r.wrong)
		return 1
	}
	_, _ = fmt.Fprintln(out, "nothing wrong was found")
	if flags.NArg() == 1 {
		return 0
	}
	if *built != "" {
		if parameters["Release"], err = release(*built, parameters); err != nil {
			_, _ = fmt.Fprintln(out, err)
			return 1
		}
	}
	command := exec.CommandContext(ctx, flags.Arg(1), append(flags.Args()[2:], overrides(parameters)...)...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, out, os.Stderr
	if err := command.Run(); err != nil {
		_, _ = fmt.Fprintln(out, flags.Arg(1)+":", err)
		return max(1, command.ProcessState.ExitCode())
	}
	return 0
}

// release gives what tells a deployment from others: a hash of the parameters and of every file that was built.
func release(built string, parameters map[string]string) (string, error) {
	sum := sha256.New()
	for _, each := range overrides(parameters) {
		_, _ = fmt.Fprintln(sum, each)
	}
	files := 0
	err := filepath.WalkDir(built, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(built, path)
		if err != nil {
			return err
		}
		files++
		_, _ = fmt.Fprintln(sum, name)
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(sum, file)
		return errors.Join(err, file.Close())
	})
	if err == nil && files == 0 {
		err = fmt.Errorf("%s: nothing was built there", built)
	}
	return hex.EncodeToString(sum.Sum(nil)), err
}

// overrides writes parameters as the SAM CLI reads them again, an argument each.
func overrides(parameters map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		out = append(out, fmt.Sprintf(`ParameterKey=%s,ParameterValue="%s"`, name, strings.ReplaceAll(parameters[name], `"`, `\"`)))
	}
	return out
}
