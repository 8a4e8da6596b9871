package compat

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// granulars is the API's path of what Graph calls delegated admin relationships.
const granulars = "/v1/delegated-admin-relationships"

// graphPage is how many items a page has when $top does not say it, and at most.
const graphPage = 100

// maxBatch is how many requests a $batch holds at most, as in Graph.
const maxBatch = 20

// graphRequest is one request in Graph's form, by itself or of a batch.
type graphRequest struct {
	exchange
	base    string // "/graph/v1.0" or "/graph/beta"
	method  string
	parts   []string
	query   url.Values
	body    object
	ifMatch string
}

// graphNames are Graph's words for statuses.
var graphNames = map[int]string{
	http.StatusBadRequest: "BadRequest", http.StatusUnauthorized: "InvalidAuthenticationToken",
	http.StatusForbidden: "Forbidden",
	http.StatusNotFound:  "ResourceNotFound", http.StatusConflict: "Conflict",
	http.StatusPreconditionFailed:   "PreconditionFailed",
	http.StatusPreconditionRequired: "PreconditionRequired", http.StatusTooManyRequests: "TooManyRequests",
	http.StatusServiceUnavailable: "ServiceUnavailable", http.StatusFailedDependency: "FailedDependency",
}

func (t Translator) graph(w http.ResponseWriter, r *http.Request, base, rest string) {
	id := t.RequestID(r.Context())
	h := w.Header()
	h.Set("request-id", id)
	key := r.Header.Get("client-request-id")
	if key != "" {
		h.Set("client-request-id", key)
	}
	status, body, err := func() (int, any, error) {
		b, err := read(r)
		if err != nil {
			return 0, nil, err
		}
		q := graphRequest{exchange: t.exchange(r, key), base: base, method: r.Method, body: plain(b),
			ifMatch: r.Header.Get("If-Match")}
		if rest == "$batch" && r.Method == http.MethodPost {
			return q.batch()
		}
		return q.at(rest, r.URL.RawQuery)
	}()
	if err != nil {
		status, body = graphError(err, id, key)
		if e, ok := errors.AsType[*refusal](err); ok && e.retryAfter != "" {
			h.Set("Retry-After", e.retryAfter)
		}
	}
	respond(w, status, body)
}

// graphError is a refusal in Graph's form. The API's own code stands in the inner error.
func graphError(err error, id, key string) (int, object) {
	e, ok := errors.AsType[*refusal](err)
	if !ok {
		e = &refusal{status: http.StatusInternalServerError, code: "internal", detail: "Something went wrong on our side."}
	}
	status := e.status
	if status == http.StatusUnprocessableEntity {
		status = http.StatusBadRequest // as Graph refuses what is wrong with a field
	}
	name := graphNames[status]
	if name == "" {
		name = "InternalServerError"
	}
	inner := object{"code": e.code, "request-id": id}
	if key != "" {
		inner["client-request-id"] = key
	}
	return status, object{"error": object{"code": name, "message": e.detail, "innerError": inner}}
}

// plain takes away what says of which type something is.
func plain(o object) object {
	for name, v := range o {
		if strings.Contains(name, "@odata.") {
			delete(o, name)
			continue
		}
		switch v := v.(type) {
		case object:
			plain(v)
		case []any:
			for _, each := range objects(v) {
				plain(each)
			}
		}
	}
	return o
}

// at answers the request of a path.
func (q graphRequest) at(path, rawQuery string) (int, any, error) {
	var ok bool
	if q.parts, ok = segments(path); !ok {
		return 0, nil, notHere()
	}
	var err error
	if q.query, err = query(&http.Request{URL: &url.URL{RawQuery: rawQuery}}, "$filter", "$top", "$select",
		"$count", "$skiptoken"); err != nil {
		return 0, nil, err
	}
	if len(q.parts) == 1 && q.parts[0] == "contracts" && q.method == http.MethodGet {
		return q.contracts()
	}
	if len(q.parts) < 2 || q.parts[0] != "tenantRelationships" {
		return 0, nil, notHere()
	}
	switch q.parts[1] {
	case "delegatedAdminRelationships":
		return q.relationships(q.parts[2:])
	case "delegatedAdminCustomers":
		return q.customers(q.parts[2:])
	}
	return 0, nil, notHere()
}

func (q graphRequest) relationships(parts []string) (int, any, error) {
	switch {
	case len(parts) == 0 && q.method == http.MethodGet:
		return q.list()
	case len(parts) == 0 && q.method == http.MethodPost:
		made, err := q.call(ask{method: http.MethodPost, path: granulars, body: terms(q.body)})
		return http.StatusCreated, graphRelationship(made), err
	case len(parts) == 1:
		return q.relationship(granulars + below(parts[0]))
	case len(parts) >= 2 && parts[1] == "requests":
		return q.requests(parts[0], parts[2:])
	case len(parts) >= 2 && parts[1] == "accessAssignments":
		return q.assignments(granulars+below(parts[0])+"/access-assignments", parts[2:])
	case len(parts) == 2 && parts[1] == "operations" && q.method == http.MethodGet:
		// Nothing runs on behind an answer.
		if _, err := q.get(granulars+below(parts[0]), nil); err != nil {
			return 0, nil, err
		}
		return http.StatusOK, q.page("delegatedAdminRelationships/operations", []object{}), nil
	}
	return 0, nil, notHere()
}

// terms takes what can be said of a relationship; what Graph computes itself may stand in a request and is left out.
func terms(body object) object {
	return pick(body, "displayName", "customer", "duration", "autoExtendDuration", "accessDetails")
}

// strong is the version that an entity tag of Graph's names.
func strong(tag string) string { return strings.TrimPrefix(tag, "W/") }

func weak(o object) string { return `W/"` + number(o["version"]) + `"` }

func (q graphRequest) relationship(path string) (int, any, error) {
	switch q.method {
	case http.MethodGet:
		r, err := q.get(path, nil)
		return http.StatusOK, q.selected(graphRelationship(r)), err
	case http.MethodPatch:
		r, err := q.call(ask{method: q.method, path: path, body: terms(q.body), version: strong(q.ifMatch)})
		return http.StatusOK, graphRelationship(r), err
	case http.MethodDelete:
		_, err := q.call(ask{method: q.method, path: path, version: strong(q.ifMatch)})
		return http.StatusNoContent, nil, err
	}
	return 0, nil, notHere()
}

func graphRelationship(r object) object {
	if r == nil {
		return nil
	}
	o := pick(r, "id", "displayName", "duration", "autoExtendDuration", "customer", "accessDetails", "status",
		"createdDateTime",
		"lastModifiedDateTime", "activatedDateTime", "endDateTime")
	if o["autoExtendDuration"] == "P0D" {
		o["autoExtendDuration"] = "PT0S" // as Graph says it
	}
	o["@odata.etag"] = weak(r)
	return o
}

// list answers with a page. A $skiptoken holds everything that the first page was asked with.
func (q graphRequest) list() (int, any, error) {
	ask, size, err := q.asked()
	if err != nil {
		return 0, nil, err
	}
	if ask == nil { // a state that is never rested in
		return http.StatusOK, q.page("delegatedAdminRelationships", []object{}), nil
	}
	ask.Set("limit", strconv.Itoa(size))
	found, err := q.get(granulars, ask)
	if err != nil {
		return 0, nil, err
	}
	items := []object{}
	for _, r := range objects(found["items"]) {
		items = append(items, q.selected(graphRelationship(r)))
	}
	answer := q.page("delegatedAdminRelationships", items)
	next := text(found["nextCursor"])
	if q.query.Get("$count") == "true" {
		if answer["@odata.count"], err = q.count(ask, len(items), next); err != nil {
			return 0, nil, err
		}
	}
	if next != "" {
		ask.Set("cursor", next)
		token := url.Values{"$skiptoken": {base64.RawURLEncoding.EncodeToString([]byte(ask.Encode()))}}
		for _, name := range []string{"$select", "$count"} {
			if v := q.query.Get(name); v != "" {
				token.Set(name, v)
			}
		}
		answer["@odata.nextLink"] = q.BaseURL(q.r.Context()) + q.base +
			"/tenantRelationships/delegatedAdminRelationships?" + token.Encode()
	}
	return http.StatusOK, answer, nil
}

// count returns how many there are in all.
func (q graphRequest) count(ask url.Values, first int, next string) (int, error) {
	if next == "" && ask.Get("cursor") == "" {
		return first, nil
	}
	all := url.Values{}
	for _, name := range []string{"status", "customerTenantId"} {
		if v := ask.Get(name); v != "" {
			all.Set(name, v)
		}
	}
	items, whole, err := q.all(granulars, all)
	if err == nil && !whole {
		err = refuse(http.StatusBadRequest, "malformed_request", "There are too many to count: leave $count out.")
	}
	return len(items), err
}

// asked returns what the API is asked for, nil for what it has none of, and how many a page holds.
func (q graphRequest) asked() (url.Values, int, error) {
	malformed := func(detail string) error { return refuse(http.StatusBadRequest, "malformed_request", detail) }
	if token := q.query.Get("$skiptoken"); token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		ask, perr := url.ParseQuery(string(raw))
		size, serr := strconv.Atoi(ask.Get("limit"))
		if err != nil || perr != nil || serr != nil {
			return nil, 0, malformed("The $skiptoken is none of ours.")
		}
		return ask, size, nil
	}
	size := graphPage
	if top := q.query.Get("$top"); top != "" {
		n, err := strconv.Atoi(top)
		if err != nil || n < 1 {
			return nil, 0, malformed("$top is a number from 1 on.")
		}
		size = min(n, graphPage)
	}
	ask := url.Values{}
	filter := q.query.Get("$filter")
	if filter == "" {
		return ask, size, nil
	}
	for _, part := range conjunction().Split(strings.NewReplacer("(", " ", ")", " ").Replace(filter), -1) {
		m := comparison().FindStringSubmatch(part)
		if m == nil {
			return nil, 0, malformed("$filter understands status eq '…', customer/tenantId eq '…', and both with and between.")
		}
		name := map[string]string{"status": "status", "customer/tenantid": "customerTenantId"}[strings.ToLower(m[1])]
		if name == "status" && slices.Contains(passing, m[2]) {
			return nil, size, nil
		}
		ask.Set(name, m[2])
	}
	return ask, size, nil
}

// passing are the states of Graph in which nothing rests here.
var passing = []string{"approved", "activating", "expiring", "terminationRequested", "terminating"}

var (
	conjunction = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?i)\s+and\s+`) })
	comparison  = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)^\s*(status|customer/tenantId)\s+eq\s+'([^']*)'\s*$`)
	})
)

// page is a collection in Graph's form.
func (q graphRequest) page(of string, items []object) object {
	return object{"@odata.context": q.BaseURL(q.r.Context()) + q.base + "/$metadata#tenantRelationships/" + of,
		"value": items}
}

// selected keeps the members that $select names.
func (q graphRequest) selected(o object) object {
	names := q.query.Get("$select")
	if names == "" || o == nil {
		return o
	}
	return pick(o, append(strings.Split(strings.ReplaceAll(names, " ", ""), ","), "@odata.etag")...)
}

// requests are what a partner has asked of a relationship. Each is carried out at once; they are read in its history.
func (q graphRequest) requests(id string, parts []string) (int, any, error) {
	path := granulars + below(id)
	if len(parts) == 0 && q.method == http.MethodPost {
		r, err := q.call(ask{method: http.MethodPost, path: path + "/requests", body: pick(q.body, "action"),
			version: strong(q.ifMatch)})
		if err != nil {
			return 0, nil, err
		}
		all := requested(r)
		for n := range all {
			if one := all[len(all)-1-n]; one["action"] == q.body["action"] {
				return http.StatusCreated, one, nil
			}
		}
		return 0, nil, notHere()
	}
	if len(parts) > 1 || q.method != http.MethodGet {
		return 0, nil, notHere()
	}
	r, err := q.get(path, nil)
	if err != nil {
		return 0, nil, err
	}
	all := requested(r)
	if len(parts) == 0 {
		return http.StatusOK, q.page("delegatedAdminRelationships/requests", all), nil
	}
	for _, one := range all {
		if one["id"] == parts[0] {
			return http.StatusOK, one, nil
		}
	}
	return 0, nil, notHere()
}

// requested reads the history of a relationship.
func requested(r object) []object {
	all := []object{}
	actions := map[string]string{"approvalPending": "lockForApproval", "terminationRequested": "terminate"}
	for _, e := range objects(r["history"]) {
		action := actions[text(e["action"])]
		if action == "" || e["actor"] != "partner" {
			continue
		}
		all = append(all, object{
			"id": stable(text(r["id"]), action, text(e["at"])), "action": action, "status": "succeeded",
			"createdDateTime":      e["at"],
			"lastModifiedDateTime": e["at"],
		})
	}
	return all
}

func (q graphRequest) assignments(path string, parts []string) (int, any, error) {
	if len(parts) > 1 {
		return 0, nil, notHere()
	}
	body := pick(q.body, "accessContainer", "accessDetails")
	if len(parts) == 0 {
		switch q.method {
		case http.MethodGet:
			found, _, err := q.all(path, nil)
			items := []object{}
			for _, a := range found {
				items = append(items, graphAssignment(a))
			}
			return http.StatusOK, q.page("delegatedAdminRelationships/accessAssignments", items), err
		case http.MethodPost:
			a, err := q.call(ask{method: http.MethodPost, path: path, body: body})
			return http.StatusCreated, graphAssignment(a), err
		}
		return 0, nil, notHere()
	}
	path += below(parts[0])
	switch q.method {
	case http.MethodGet:
		a, err := q.get(path, nil)
		return http.StatusOK, graphAssignment(a), err
	case http.MethodPatch:
		a, err := q.call(ask{method: q.method, path: path, body: pick(body, "accessDetails"), version: strong(q.ifMatch)})
		return http.StatusOK, graphAssignment(a), err
	case http.MethodDelete:
		_, err := q.call(ask{method: q.method, path: path, version: strong(q.ifMatch)})
		return http.StatusNoContent, nil, err
	}
	return 0, nil, notHere()
}

func graphAssignment(a object) object {
	if a == nil {
		return nil
	}
	o := pick(a, "id", "accessContainer", "accessDetails", "status", "createdDateTime", "lastModifiedDateTime")
	o["@odata.etag"] = weak(a)
	return o
}

// customers are those that have granted something that stands.
func (q graphRequest) customers(parts []string) (int, any, error) {
	if q.method != http.MethodGet || len(parts) > 1 {
		return 0, nil, notHere()
	}
	found, _, err := q.all(granulars, url.Values{"status": {"active"}})
	if err != nil {
		return 0, nil, err
	}
	known := map[string]bool{}
	items := []object{}
	for _, r := range found {
		c := sub(r, "customer")
		id := text(c["tenantId"])
		if id == "" || known[id] {
			continue
		}
		known[id] = true
		one := object{"id": id, "tenantId": id, "displayName": c["displayName"]}
		if len(parts) == 1 && parts[0] == id {
			return http.StatusOK, one, nil
		}
		items = append(items, one)
	}
	if len(parts) == 1 {
		return 0, nil, notHere()
	}
	return http.StatusOK, q.page("delegatedAdminCustomers", items), nil
}

// contracts are the customers with a reseller relationship.
func (q graphRequest) contracts() (int, any, error) {
	found, _, err := q.all("/v1/customers", nil)
	items := []object{}
	for _, c := range found {
		items = append(items, object{
			"id": c["id"], "customerId": c["id"], "contractType": "ResellerPartnerContract", "defaultDomainName": c["domain"],
			"displayName": c["companyName"],
		})
	}
	return http.StatusOK, object{"value": items}, err
}

// batch carries out several requests, one after another in their order.
func (q graphRequest) batch() (int, any, error) {
	all := objects(q.body["requests"])
	if len(all) == 0 || len(all) > maxBatch {
		return 0, nil, refuse(http.StatusBadRequest, "malformed_request",
			"A batch holds 1 to "+strconv.Itoa(maxBatch)+" requests.")
	}
	id, failed, responses := q.RequestID(q.r.Context()), map[string]bool{}, []object{}
	for _, one := range all {
		name := text(one["id"])
		own := q
		own.method, own.body, own.ifMatch = strings.ToUpper(text(one["method"])), sub(one, "body"), header(one, "If-Match")
		own.key = header(one, "client-request-id")
		if own.key == "" && q.key != "" {
			own.key = q.key + "#" + name
		}
		path, rawQuery, _ := strings.Cut(strings.TrimPrefix(text(one["url"]), "/"), "?")
		status, body, err := own.after(one, failed, path, rawQuery)
		if err != nil {
			status, body = graphError(err, id, own.key)
		}
		failed[name] = status >= http.StatusBadRequest
		answer := object{"id": name, "status": status, "headers": object{"Content-Type": "application/json"}}
		if body != nil {
			answer["body"] = body
		}
		responses = append(responses, answer)
	}
	return http.StatusOK, object{"responses": responses}, nil
}

// after answers one request of a batch, when what it waits for has gone well.
func (q graphRequest) after(one object, failed map[string]bool, path, rawQuery string) (int, any, error) {
	waits, _ := one["dependsOn"].([]any)
	for _, other := range waits {
		if bad, there := failed[text(other)]; bad || !there {
			return 0, nil, refuse(http.StatusFailedDependency, "failed_dependency", "What this request depends on has failed.")
		}
	}
	return q.at(path, rawQuery)
}

// header reads one of a request of a batch, in whatever case.
func header(one object, name string) string {
	for n, v := range sub(one, "headers") {
		if strings.EqualFold(n, name) {
			return text(v)
		}
	}
	return ""
}
