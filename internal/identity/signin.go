package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"concord/internal/partner"
	"concord/internal/problem"
)

// outside is what codes are redeemed with.
var outside = &http.Client{Timeout: patience}

// Attempt is what ties a sign-in that comes back to the one that began: none of it is in the browser's address.
type Attempt struct{ State, Nonce, Verifier string }

// Prompt is what a provider is to ask of who has signed in there before (OpenID Connect Core 3.1.2.1).
type Prompt string

// What is asked: what the provider thinks fit, to sign in anew, or nothing, so that it answers with an error where it would have to ask.
const (
	AsUsual Prompt = ""
	Anew    Prompt = "login"
	Nothing Prompt = "none"
)

// Begin returns where somebody signs in for a cloud. Code: [problem.CloudMismatch] for a cloud that nobody signs in for.
func (a *Authorities) Begin(c partner.CloudID, redirect string, t Attempt, prompt Prompt) (string, error) {
	one, found, err := a.found(c)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(t.Nonce), oauth2.S256ChallengeOption(t.Verifier)}
	if prompt != AsUsual {
		options = append(options, oauth2.SetAuthURLParam("prompt", string(prompt)))
	}
	config := one.config(found, redirect)
	return config.AuthCodeURL(t.State, options...), nil
}

func (a *Authorities) found(c partner.CloudID) (Authority, *discovered, error) {
	one, ok := a.of(c)
	if !ok {
		return one, nil, problem.New(problem.CloudMismatch, "Nobody signs in for this cloud here.")
	}
	found, err := a.providers[one.Issuer].discover()
	return one, found, err
}

// TokenURL gives where programs get their access tokens for a cloud. Code: [problem.CloudMismatch]; or what kept the
// provider from saying so.
func (a *Authorities) TokenURL(c partner.CloudID) (string, error) {
	_, found, err := a.found(c)
	if err != nil {
		return "", err
	}
	return found.Endpoint().TokenURL, nil
}

func (one Authority) config(found *discovered, redirect string) oauth2.Config {
	endpoint := found.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client names itself and proves nothing: PKCE does
	scopes := append([]string{oidc.ScopeOpenID, "profile", "email"}, one.Scopes...)
	if one.Graph != "" {
		scopes = append(scopes, one.graphScope())
	}
	return oauth2.Config{ClientID: one.ClientID, Endpoint: endpoint, RedirectURL: redirect, Scopes: scopes}
}

// Complete redeems the code that a sign-in came back with, and verifies the ID token: signature, issuer, client, time
// and nonce. Issuer is what came back as iss (RFC 9207); empty where the provider says none. What the token leaves out
// is read from the company's directory where the authority has a [Authority.Graph]; when that fails, [Holder.Unread]
// says why and the sign-in stands.
func (a *Authorities) Complete(ctx context.Context, c partner.CloudID, redirect string, t Attempt, code, issuer string) (Holder, error) {
	var none Holder
	if code == "" {
		return none, fmt.Errorf("%w: no code", ErrRefused)
	}
	one, found, err := a.found(c)
	if err != nil {
		return none, err
	}
	if !found.could(issuer) { // the code must not go to whom it is not from
		return none, fmt.Errorf("%w: the answer came from another issuer", ErrRefused)
	}
	config := one.config(found, redirect)
	tokens, err := config.Exchange(oidc.ClientContext(ctx, outside), code, oauth2.VerifierOption(t.Verifier))
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refusal.Response.StatusCode < http.StatusInternalServerError {
		return none, fmt.Errorf("%w: the code is not taken", ErrRefused)
	}
	if err != nil {
		return none, err
	}
	raw, _ := tokens.Extra("id_token").(string)
	verified, err := a.providers[one.Issuer].verify(ctx, found, raw)
	if err != nil {
		return none, err
	}
	switch {
	case !slices.Contains(verified.Audience, one.ClientID):
		return none, fmt.Errorf("%w: the token is for another client", ErrRefused)
	case issuer != "" && issuer != verified.Issuer:
		return none, fmt.Errorf("%w: the answer came from another issuer", ErrRefused)
	case subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(t.Nonce)) != 1:
		return none, fmt.Errorf("%w: the token is of another attempt", ErrRefused)
	}
	d, err := body(verified)
	if err != nil {
		return none, err
	}
	who, err := a.holder(one, found, d)
	if err == nil && one.Graph != "" && (who.Company == "" || who.Domains == nil) {
		who.Unread = one.directory(ctx, tokens.AccessToken, &who)
	}
	return who, err
}
