// Package idp starts the local stack's identity provider: a certified OpenID Connect server, oidc-provider, as a child process with
// the clients and people of infra/local/accounts.json. Tokens and sign-ins are on real time, whatever the stack's clock says.
package idp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"concord/infra/local/component"
)

// Options says where the provider listens and whom it knows.
type Options struct {
	// Port on 127.0.0.1; 0 picks a free one.
	Port int
	// AccountsFile is the path of accounts.json; empty means the repository's.
	AccountsFile string
	// RedirectURIs are what the public client "concord" may return to, such as http://127.0.0.1:8080/sign-in/callback.
	RedirectURIs []string
}

// IDP is an identity provider that answers.
type IDP struct {
	issuer string
	child  *component.Child
}

// Start starts the provider and returns when it answers. The error for a missing part says in one line which and how to get it.
func Start(ctx context.Context, o Options) (*IDP, error) {
	root, err := component.Root()
	if err != nil {
		return nil, err
	}
	library := filepath.Join(root, "infra", "tools", "node_modules", "oidc-provider", "package.json")
	if err := component.Require("the identity provider's library oidc-provider", library, "make -C infra/tools npm"); err != nil {
		return nil, err
	}
	if _, err := exec.LookPath("node"); err != nil {
		return nil, errors.New("node is missing for the identity provider (install Node.js 20 or later)")
	}
	if o.AccountsFile == "" {
		o.AccountsFile = filepath.Join(root, "infra", "local", "accounts.json")
	}
	// A server that already answers on the port would pass for ours.
	listener, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(o.Port))
	if err != nil {
		return nil, fmt.Errorf("the identity provider cannot have port %d (IDP_PORT changes it): %w", o.Port, err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	listener.Close()

	args := []string{filepath.Join(root, "infra", "local", "idp", "server.mjs"), "--port", port, "--accounts", o.AccountsFile}
	for _, uri := range o.RedirectURIs {
		args = append(args, "--redirect-uri", uri)
	}
	child, err := component.Start(component.Program{Name: "the identity provider", Path: "node", Args: args})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	p := &IDP{issuer: "http://127.0.0.1:" + port, child: child}
	if err := child.AwaitHTTP(ctx, p.issuer+"/.well-known/openid-configuration"); err != nil {
		_ = child.Close()
		return nil, err
	}
	return p, nil
}

// Issuer is the provider's base URL, the iss of its tokens; discovery is below it.
func (p *IDP) Issuer() string { return p.issuer }

// Done is closed when the provider has ended, by Close or by itself.
func (p *IDP) Done() <-chan struct{} { return p.child.Done() }

// Err says, once Done is closed, why the provider ended by itself; nil after Close.
func (p *IDP) Err() error { return p.child.Err() }

// Close ends the provider.
func (p *IDP) Close() error { return p.child.Close() }
