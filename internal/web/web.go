// Package web is the JSON API. Its contract is openapi.json; this package holds what the document cannot say.
//
// Every operation goes the same way: what is malformed is refused first, then who calls is looked at, and the use case decides the
// rest in the order of checks (domain, 2.5). Whatever goes wrong becomes a problem document by one table. Nothing here decides a
// rule of the business: that is done by package invitation, or stands as it was stored.
package web

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Gate is what every operation of the API passes: who calls, under which id, where the log is.
type Gate struct {
	Accounts partner.Accounts
	// Claims returns what the verified token of a request says: sub, tenantId, roles, cloud, and exp, when it ends; nil on a public route.
	Claims func(context.Context) map[string]string
	// RequestID gives the id under which a request stands in the log.
	RequestID func(context.Context) string
	// Keys gives the keys of a use, the one to sign with first; lists sign their cursors with those of "cursor". Named are the ids
	// of keys that something to check names: that such a key is not among those given means that there is none.
	Keys func(ctx context.Context, use string, named ...uint16) ([]link.Key, error)
	// Customers knows a customer by each of its ids; nil where each has one alone.
	Customers Known
	Log       *slog.Logger
}

// Known is what is needed of stores, whose contracts it is, to find a company that a partner created and a tenant has claimed by either id
// (domain, 0.30).
type Known interface {
	relationship.Companies
	Relationship(ctx context.Context, p, customer partner.TenantID) (relationship.Relationship, error)
}

// call is one request on its way.
type call struct {
	gate          *Gate
	w             http.ResponseWriter
	r             *http.Request
	correlationID string
}

// routes makes the handler of a function from its operations, by pattern. Whatever is no route is the same 404 as a resource that
// does not exist; API Gateway answers for it before it comes here.
func (g Gate) routes(operations map[string]func(*call) error) http.Handler {
	mux := http.NewServeMux()
	for pattern, operation := range operations {
		if strings.Contains(pattern, ofCustomer) {
			operation = byOwnID(operation)
		}
		mux.Handle(pattern, g.serve(operation))
	}
	unknown := g.serve(func(*call) error { return problem.New(problem.NotFound, "") })
	mux.Handle("/", unknown)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// ServeMux would redirect to the path without dots and doubled slashes.
		if p := r.URL.EscapedPath(); p != path.Clean(p) {
			unknown(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ofCustomer is in the pattern of every operation about something of one customer.
const ofCustomer = "/v1/customers/{tenantId}/"

// byOwnID has an operation find the id under which the caller has a customer, whichever of its ids the path names.
func byOwnID(operation func(*call) error) func(*call) error {
	return func(c *call) error {
		named, ok := partner.ParseTenantID(c.r.PathValue("tenantId"))
		if !ok || c.gate.Customers == nil {
			return operation(c)
		}
		all, err := relationship.IDs(c.r.Context(), c.gate.Customers, named)
		if err != nil {
			return err
		}
		if len(all) > 1 {
			r, err := c.gate.Customers.Relationship(c.r.Context(), c.user().Tenant, named)
			switch {
			case err == nil:
				c.r.SetPathValue("tenantId", string(r.Customer.Tenant))
			case !problem.Is(err, problem.NotFound):
				return err
			}
		}
		return operation(c)
	}
}

// other gives the other ids of a customer that a filter names; none for no customer.
func (c *call) other(customer partner.TenantID) ([]partner.TenantID, error) {
	if customer == "" || c.gate.Customers == nil {
		return nil, nil
	}
	all, err := relationship.IDs(c.r.Context(), c.gate.Customers, customer)
	if err != nil {
		return nil, err
	}
	return all[1:], nil
}

func (g Gate) serve(operation func(*call) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := call{&g, w, r, correlationID(r)}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		// A document is data to whoever it reaches: a browser that is led to one shows, frames and runs nothing of it.
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.Header.Get("X-Forwarded-Proto") == "https" {
			h.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
		}
		if c.late() {
			// As API Gateway answers for a token that is over: it may have kept what its authorizer said of this one.
			h.Set("WWW-Authenticate", "Bearer")
			c.write(http.StatusUnauthorized, "application/json", map[string]string{"message": http.StatusText(http.StatusUnauthorized)})
			return
		}
		h.Set("MS-CorrelationId", c.correlationID)
		h.Set("MS-RequestId", g.RequestID(r.Context()))
		if err := operation(&c); err != nil {
			c.refuse(err)
		}
	}
}

// correlationID takes the caller's when it is a UUID and otherwise makes one.
func correlationID(r *http.Request) string {
	given := r.Header.Get("MS-CorrelationId")
	if _, ok := partner.ParseTenantID(given); ok { // a UUID too
		return given
	}
	return uuid.NewString()
}

// late reports whether the token of who calls is over, in real time. A caller without one is on a public route.
func (c *call) late() bool {
	claims := c.gate.Claims(c.r.Context())
	if claims == nil {
		return false
	}
	at, err := strconv.ParseInt(claims["exp"], 10, 64)
	return err != nil || time.Now().Unix() >= at
}

// user gives who calls, as the token says. Who has no tenant has no role either, so that every permission is refused.
func (c *call) user() partner.User {
	claims := c.gate.Claims(c.r.Context())
	tenant, ok := partner.ParseTenantID(claims["tenantId"])
	if !ok {
		return partner.User{}
	}
	u := partner.User{Subject: claims["sub"], Tenant: tenant, Cloud: partner.CloudID(claims["cloud"])}
	for role := range strings.FieldsSeq(claims["roles"]) {
		u.Roles = append(u.Roles, partner.Role(role))
	}
	return u
}

// reader gives a user who may read, of a company that has an account.
func (c *call) reader() (partner.User, error) { return c.permitted(partner.ReadCustomers) }

// permitted gives a user whose role allows an operation, of a company that has an account.
func (c *call) permitted(op partner.Operation) (partner.User, error) {
	u := c.user()
	if err := u.Permit(op); err != nil {
		return u, err
	}
	_, err := c.gate.Accounts.Account(c.r.Context(), u.Tenant, false)
	if problem.Is(err, problem.NotFound) {
		err = partner.NoAccount()
	}
	return u, err
}

// tagged answers about one version of a resource.
func (c *call) tagged(status, version int, v any) error {
	c.w.Header().Set("ETag", strconv.Quote(strconv.Itoa(version)))
	return c.give(status, v)
}

// give answers with a JSON document.
func (c *call) give(status int, v any) error {
	c.write(status, "application/json", v)
	return nil
}

func (c *call) write(status int, contentType string, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // the documents of this package can all be encoded
		panic("web: " + err.Error())
	}
	h := c.w.Header()
	if status == http.StatusOK && c.has(h.Get("ETag")) {
		c.w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", contentType)
	if p, ok := v.(interface{ next() string }); ok && p.next() != "" {
		h.Set("Link", "<"+c.at(p.next())+`>; rel="next"`)
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(b.Bytes())
}

// has reports whether who reads says, by If-None-Match, that it has this version (RFC 9110, 13.1.2: by weak comparison).
func (c *call) has(tag string) bool {
	if c.r.Method != http.MethodGet && c.r.Method != http.MethodHead || tag == "" {
		return false
	}
	for given := range strings.SplitSeq(c.r.Header.Get("If-None-Match"), ",") {
		if given = strings.TrimSpace(given); given == "*" || strings.TrimPrefix(given, "W/") == tag {
			return true
		}
	}
	return false
}

// at gives the path of this list, with its filters, from a cursor on.
func (c *call) at(cursor string) string {
	query := c.r.URL.Query()
	query.Set("cursor", cursor)
	return c.r.URL.EscapedPath() + "?" + query.Encode()
}
