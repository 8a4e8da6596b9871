package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"concord/internal/partner"
)

var (
	// ErrRefused means that a token proves nothing here: forged, over, for somebody else, of another issuer. Any other error of this
	// package, but for [ErrNoCompany], means that a provider could not be reached, and says nothing about the token.
	ErrRefused = errors.New("identity: not proven")
	// ErrNoCompany means that the holder is in no company's directory.
	ErrNoCompany = errors.New("identity: no company")
)

// algorithms are the signatures that are taken.
var algorithms = []string{oidc.RS256, oidc.ES256}

// Call is who calls with an access token, and until when the token says so.
type Call struct {
	Holder
	Expires time.Time
}

// Call verifies the access token of a program or a person (RFC 9068 where the provider follows it): signature, issuer, time and
// audience. A token without an audience, as Amazon Cognito issues, is for the client that its client_id names.
func (a *Authorities) Call(ctx context.Context, token string, audiences []string) (Call, error) {
	claimed, err := unverified(token)
	if err != nil {
		return Call{}, err
	}
	for _, one := range a.all {
		p := a.providers[one.Issuer]
		found, err := p.discover()
		if err != nil {
			return Call{}, err
		}
		if found.issuerOf(claimed.text("tid")) != claimed.text("iss") {
			continue
		}
		verified, err := p.verify(ctx, found, token)
		if err != nil {
			return Call{}, err
		}
		d, err := body(verified)
		if err != nil {
			return Call{}, err
		}
		meant := verified.Audience
		if len(meant) == 0 {
			meant = []string{d.text("client_id")}
		}
		if !slices.ContainsFunc(meant, func(s string) bool { return s != "" && slices.Contains(audiences, s) }) {
			return Call{}, fmt.Errorf("%w: the token is for another audience", ErrRefused)
		}
		who, err := a.holder(one, found, d)
		return Call{Holder: who, Expires: verified.Expiry}, err
	}
	return Call{}, fmt.Errorf("%w: the issuer is none of ours", ErrRefused)
}

func (a *Authorities) holder(one Authority, found *discovered, d document) (Holder, error) {
	who, err := one.Claims.holder(d)
	if err != nil {
		return who, err
	}
	if err := a.place(one, &who); err != nil {
		return Holder{}, err
	}
	if found.multiple() {
		// The directory that the issuer was judged by is the one that counts.
		if tid, ok := partner.ParseTenantID(d.text("tid")); !ok || tid != who.Tenant {
			return Holder{}, fmt.Errorf("%w: the token names another directory than its issuer", ErrRefused)
		}
	}
	a.privileged(one, found.multiple(), &who)
	return who, nil
}

func body(t *oidc.IDToken) (document, error) {
	var d document
	if err := t.Claims(&d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return d, nil
}

// unverified reads the body of a token before anything is known of it: only to find out whose keys to try.
func unverified(token string) (document, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: not a signed token", ErrRefused)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var d document
	if err != nil || json.Unmarshal(raw, &d) != nil {
		return nil, fmt.Errorf("%w: not a signed token", ErrRefused)
	}
	return d, nil
}
