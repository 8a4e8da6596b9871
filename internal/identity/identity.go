// Package identity says who signs in and who calls, from what an OpenID Connect provider has signed, and from nothing else (domain, 0.27).
//
// Each cloud has an [Authority]: the provider in which its companies have their directories. The cloud of a person or a program is
// the cloud whose provider signed. Where clouds share a provider, a claim says which of them it is.
//
// A provider may serve the directories of many companies and sign for each under an issuer of its own, as Microsoft Entra ID does: its
// discovery document then names the issuer with {tenantid} in the place of the directory. A token of such a provider is taken when
// its issuer is that text with the directory that the token itself names, and no other.
package identity

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"concord/internal/partner"
)

// Authority is the provider of a cloud and how its tokens are read.
type Authority struct {
	Cloud  partner.CloudID
	Issuer string // the URL below which discovery is, without a slash at the end
	// ClientID is our public client there, by which people sign in.
	ClientID string
	// Scopes are asked for at sign-in beside openid, profile and email.
	Scopes []string
	// Graph is where a sign-in reads what the company's directory says of it, with the access token of who signs in,
	// such as https://graph.microsoft.com/v1.0: the name, the verified domains, the country. Empty where tokens say all
	// that there is to know.
	Graph  string
	Claims Claims
	// Operators are the directories whose people and programs may be operators. With none, every directory of a provider that has
	// one issuer for all may have them, and no directory of one that signs for many companies: there each of these decides about roles.
	Operators []partner.TenantID
}

// Authorities are those of a deployment.
type Authorities struct {
	all       []Authority
	providers map[string]*provider // by issuer
}

// Parse reads a list of authorities:
// [{"cloud","issuer","clientId","scopes":[…],"graph","claims":{…},"operators":"id,id"}]. One without an issuer is left
// out: nobody signs in for its cloud. A client id or claims that it does not give are those of the first.
func Parse(text string) (*Authorities, error) {
	var written []struct {
		Cloud            partner.CloudID
		Issuer, ClientID string
		Scopes           []string
		Graph            string
		Claims           Claims
		Operators        string
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&written); err != nil {
		return nil, fmt.Errorf("authorities: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("authorities: something follows the list")
	}
	var list []Authority
	for _, w := range written {
		one := Authority{Cloud: w.Cloud, Issuer: w.Issuer, ClientID: w.ClientID, Scopes: w.Scopes, Graph: w.Graph, Claims: w.Claims}
		for id := range strings.FieldsFuncSeq(w.Operators, func(r rune) bool { return r == ',' || r == ' ' }) {
			one.Operators = append(one.Operators, partner.TenantID(id))
		}
		list = append(list, one)
	}
	return New(list)
}

// New checks a list of authorities as [Parse] does.
func New(list []Authority) (*Authorities, error) {
	a := &Authorities{providers: map[string]*provider{}}
	for _, one := range list {
		if one.Issuer == "" {
			continue
		}
		if !isBase(one.Issuer) {
			return nil, fmt.Errorf("authorities: the issuer of cloud %q is no URL of a provider", one.Cloud)
		}
		if one.Graph != "" && !isBase(one.Graph) {
			return nil, fmt.Errorf("authorities: the graph of cloud %q is no URL of a directory", one.Cloud)
		}
		if one.ClientID == "" && len(a.all) > 0 {
			one.ClientID = a.all[0].ClientID
		}
		if one.Claims == (Claims{}) && len(a.all) > 0 {
			one.Claims = a.all[0].Claims
		}
		switch {
		case one.Cloud == "":
			return nil, errors.New("authorities: one has no cloud")
		case one.ClientID == "":
			return nil, fmt.Errorf("authorities: cloud %q has no clientId", one.Cloud)
		case slices.ContainsFunc(a.all, func(x Authority) bool { return x.Cloud == one.Cloud }):
			return nil, fmt.Errorf("authorities: cloud %q is there twice", one.Cloud)
		}
		for n, tenant := range one.Operators {
			id, ok := partner.ParseTenantID(string(tenant))
			if !ok {
				return nil, fmt.Errorf("authorities: %q is no id of a directory of operators", tenant)
			}
			one.Operators[n] = id
		}
		one.Claims = one.Claims.complete()
		a.all = append(a.all, one)
		if a.providers[one.Issuer] == nil {
			a.providers[one.Issuer] = newProvider(one.Issuer)
		}
	}
	if len(a.all) == 0 {
		return nil, errors.New("authorities: no cloud has an issuer")
	}
	return a, nil
}

// isBase reports whether a text is a URL that paths can be put behind.
func isBase(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") && u.RawQuery == "" && u.Fragment == "" && u.User == nil
}

// Serves reports whether anybody can sign in for a cloud.
func (a *Authorities) Serves(c partner.CloudID) bool {
	_, ok := a.of(c)
	return ok
}

// Discover reads what the provider of a cloud says of itself, as the first sign-in does: an error says that it does not answer, or that it
// answers as another issuer than the one that is configured.
func (a *Authorities) Discover(c partner.CloudID) error {
	_, _, err := a.found(c)
	return err
}

func (a *Authorities) of(c partner.CloudID) (Authority, bool) {
	i := slices.IndexFunc(a.all, func(x Authority) bool { return x.Cloud == c })
	if i < 0 {
		return Authority{}, false
	}
	return a.all[i], true
}

// shared reports whether several clouds have the authority's provider.
func (a *Authorities) shared(one Authority) bool {
	n := 0
	for _, other := range a.all {
		if other.Issuer == one.Issuer {
			n++
		}
	}
	return n > 1
}

// place decides the cloud of who holds a token of an authority. Where the provider is one cloud's own, a claim may only agree.
func (a *Authorities) place(one Authority, who *Holder) error {
	if a.shared(one) {
		return nil // as the claim says; what is no cloud of ours matches none
	}
	if who.Cloud != "" && who.Cloud != one.Cloud {
		return fmt.Errorf("%w: the token names another cloud than that of its issuer", ErrRefused)
	}
	who.Cloud = one.Cloud
	return nil
}

// privileged takes the operator's role from who may not have it.
func (a *Authorities) privileged(one Authority, multiple bool, who *Holder) {
	if len(one.Operators) == 0 && !multiple || slices.Contains(one.Operators, who.Tenant) {
		return
	}
	who.Roles = slices.DeleteFunc(who.Roles, func(r partner.Role) bool { return r == partner.Operator })
}
