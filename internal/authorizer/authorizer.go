// Package authorizer answers API Gateway's question who calls: it is the Lambda authorizer of the HTTP API, with payload format 2.0 and
// simple responses. It says who, never whether: what somebody may do is decided by the function that is called, from the account's
// status at that moment, so that an answer which the gateway keeps for minutes outlives no suspension.
package authorizer

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"concord/internal/identity"
)

// The names of what the functions find in requestContext.authorizer.lambda.
const (
	Subject = "sub"
	Tenant  = "tenantId"
	Roles   = "roles" // words with spaces between
	Cloud   = "cloud"
	Expires = "exp" // seconds since 1970, when the token ends
)

// Request is what API Gateway asks with.
type Request = events.APIGatewayV2CustomAuthorizerV2Request

// Response is what it is answered: whether somebody calls, and who.
type Response = events.APIGatewayV2CustomAuthorizerSimpleResponse

// Authorizer knows whose tokens the API takes.
type Authorizer struct {
	Authorities *identity.Authorities
	Audiences   []string // one of them has to be the token's
	Log         *slog.Logger
}

// Handle answers for one token. A token that proves nothing is refused, which the gateway answers with 403. When a provider cannot be
// reached it is an error, which the gateway answers with 500 and does not keep: a refusal would be kept.
func (a Authorizer) Handle(ctx context.Context, r Request) (Response, error) {
	var header string
	if len(r.IdentitySource) > 0 {
		header = r.IdentitySource[0]
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return Response{}, nil
	}
	call, err := a.Authorities.Call(ctx, strings.TrimSpace(token), a.Audiences)
	switch {
	case errors.Is(err, identity.ErrRefused), errors.Is(err, identity.ErrNoCompany):
		a.Log.WarnContext(ctx, "token refused", "route", r.RouteKey, "error", err.Error())
		return Response{}, nil
	case err != nil:
		a.Log.ErrorContext(ctx, "the provider does not answer", "error", err.Error())
		return Response{}, errors.New("the identity provider does not answer")
	}
	roles := make([]string, len(call.Roles))
	for n, role := range call.Roles {
		roles[n] = string(role)
	}
	return Response{IsAuthorized: true, Context: map[string]any{
		Subject: call.Subject, Tenant: string(call.Tenant), Roles: strings.Join(roles, " "), Cloud: string(call.Cloud),
		Expires: strconv.FormatInt(call.Expires.Unix(), 10),
	}}, nil
}
