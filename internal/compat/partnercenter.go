package compat

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pcRequest is one request in Partner Center's form.
type pcRequest struct {
	exchange
	method string
	parts  []string
	query  url.Values
	body   object
}

// pcRoute is what a path leads to: "*" stands for any part.
type pcRoute struct {
	method, path string
	answer       func(pcRequest) (int, any, error)
}

// pcRoutes are everything that there is of Partner Center.
func pcRoutes() []pcRoute {
	return []pcRoute{
		{http.MethodGet, "customers", pcRequest.customers},
		{http.MethodPost, "customers", pcRequest.createCustomer},
		{http.MethodGet, "customers/*", pcRequest.customer},
		{http.MethodPatch, "customers/*", pcRequest.changeCustomer},
		{http.MethodGet, "customers/*/relationships", pcRequest.resellers},
		{http.MethodGet, "relationships", pcRequest.relations},
		{http.MethodGet, "agreements", pcRequest.texts},
		{http.MethodGet, "customers/*/agreements", pcRequest.agreements},
		{http.MethodPost, "customers/*/agreements", pcRequest.attest},
		{http.MethodGet, "customers/*/directSignedCustomerAgreementStatus", pcRequest.same},
		{http.MethodGet, "compliance/csp/agreementstatus", pcRequest.compliance},
		{http.MethodGet, "profiles/*", pcRequest.profile},
		{http.MethodPost, "validations/address", pcRequest.validate},
		{http.MethodGet, "offers", pcRequest.offers},
		{http.MethodGet, "offers/*", pcRequest.offer},
		{http.MethodPost, "customers/*/orders", pcRequest.place},
		{http.MethodGet, "customers/*/orders", pcRequest.orders},
		{http.MethodGet, "customers/*/orders/*", pcRequest.order},
		{http.MethodGet, "customers/*/subscriptions", pcRequest.subscriptions},
		{http.MethodGet, "customers/*/subscriptions/*", pcRequest.subscription},
		{http.MethodPatch, "customers/*/subscriptions/*", pcRequest.changeSubscription},
		{http.MethodGet, "customers/*/subscriptions/*/supportcontact", pcRequest.supportContact},
		{http.MethodPut, "customers/*/subscriptions/*/supportcontact", pcRequest.setSupportContact},
		{http.MethodGet, "auditrecords", pcRequest.auditRecords},
	}
}

// absent are names below customers that Partner Center has and that are no customer here.
var absent = []string{"relationshiprequests"}

func (t Translator) partnerCenter(w http.ResponseWriter, r *http.Request, rest string) {
	h := w.Header()
	key := r.Header.Get("MS-RequestId")
	for _, name := range []string{"MS-RequestId", "MS-CorrelationId"} {
		if v := r.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	if key == "" {
		h.Set("MS-RequestId", t.RequestID(r.Context()))
	}
	status, body, err := t.pcAnswer(r, rest, key)
	if err != nil {
		var e *refusal
		if e, _ = errors.AsType[*refusal](err); e == nil {
			e = &refusal{status: http.StatusInternalServerError, code: "internal", detail: "Something went wrong on our side."}
		}
		if e.retryAfter != "" {
			h.Set("Retry-After", e.retryAfter)
		}
		status, body = pcStatus(e.status), object{"code": e.code, "description": e.detail, "data": []any{},
			"source": "Concord"}
	}
	respond(w, status, body)
}

// pcStatus turns what Partner Center's clients repeat without end into what they give up at.
func pcStatus(status int) int {
	switch status {
	case http.StatusUnprocessableEntity:
		return http.StatusBadRequest
	case http.StatusPreconditionFailed, http.StatusPreconditionRequired:
		return http.StatusConflict
	}
	return status
}

func (t Translator) pcAnswer(r *http.Request, rest, key string) (int, any, error) {
	parts, ok := segments(rest)
	if !ok || len(parts) > 1 && parts[0] == "customers" && slices.Contains(absent, strings.ToLower(parts[1])) {
		return 0, nil, notHere()
	}
	i := slices.IndexFunc(pcRoutes(),
		func(route pcRoute) bool { return route.method == r.Method && matches(route.path, parts) })
	if i < 0 {
		return 0, nil, notHere()
	}
	b, err := read(r)
	if err != nil {
		return 0, nil, err
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return 0, nil, refuse(http.StatusBadRequest, "malformed_request", "The query cannot be read.")
	}
	lower, _ := lowered(b).(object)
	return pcRoutes()[i].answer(pcRequest{t.exchange(r, key), r.Method, parts, q, lower})
}

func matches(pattern string, parts []string) bool {
	want := strings.Split(pattern, "/")
	return slices.EqualFunc(want, parts, func(w, p string) bool { return w == "*" || strings.EqualFold(w, p) })
}

// lowered has the names of members begin in lower case, as .NET reads them.
func lowered(v any) any {
	switch v := v.(type) {
	case object:
		o := object{}
		for name, each := range v {
			first, size := utf8.DecodeRuneInString(name)
			o[string(unicode.ToLower(first))+name[size:]] = lowered(each)
		}
		return o
	case []any:
		for n := range v {
			v[n] = lowered(v[n])
		}
		return v
	}
	return v
}

func pcAttributes(kind string, r object) object {
	o := object{"objectType": kind}
	if v, there := r["version"]; there {
		o["etag"] = base64.StdEncoding.EncodeToString([]byte(`"` + number(v) + `"`))
	}
	return o
}

func pcCollection(items []object) object {
	if items == nil {
		items = []object{}
	}
	return object{"totalCount": len(items), "items": items, "attributes": object{"objectType": "Collection"}}
}

func each(list []object, translate func(object) object) (all []object) {
	for _, o := range list {
		all = append(all, translate(o))
	}
	return all
}

func (q pcRequest) path(parts ...string) string {
	return "/v1/customers" + below(append([]string{q.parts[1]}, parts...)...)
}

// customers is a page. A continuation token holds everything that the first page was asked with.
func (q pcRequest) customers() (int, any, error) {
	malformed := func(detail string) error { return refuse(http.StatusBadRequest, "malformed_request", detail) }
	ask := url.Values{}
	seek := strings.ToLower(q.query.Get("seekOperation"))
	token := q.r.Header.Get("MS-ContinuationToken")
	switch {
	case seek != "" && seek != "next" && seek != "first":
		return 0, nil, malformed("Lists go forward: seekOperation is Next or First.")
	case seek == "next" && token != "":
		raw, err := base64.URLEncoding.DecodeString(token)
		kept, perr := url.ParseQuery(string(raw))
		if err != nil || perr != nil || kept.Get("cursor") == "" {
			return 0, nil, malformed("The continuation token is none of ours.")
		}
		ask = kept
	default:
		if size, err := strconv.Atoi(q.query.Get("size")); err == nil && size > 0 {
			ask.Set("limit", strconv.Itoa(min(size, 100)))
		}
		if text := q.query.Get("filter"); text != "" {
			name, value, err := pcFilter(text)
			if err != nil {
				return 0, nil, err
			}
			ask.Set(name, value)
		}
	}
	found, err := q.get("/v1/customers", ask)
	if err != nil {
		return 0, nil, err
	}
	answer := pcCollection(each(objects(found["items"]), pcCustomer))
	if next := text(found["nextCursor"]); next != "" {
		ask.Set("cursor", next)
		token := base64.URLEncoding.EncodeToString([]byte(ask.Encode()))
		answer["continuationToken"] = token
		answer["links"] = object{
			"self": object{"uri": "/customers", "method": "GET", "headers": []any{}},
			"next": object{"uri": "/customers?seekOperation=Next", "method": "GET",
				"headers": []any{object{"key": "MS-ContinuationToken", "value": token}}},
		}
	}
	return http.StatusOK, answer, nil
}

// pcFilter reads {"Field": …, "Value": …}.
func pcFilter(filter string) (name, value string, err error) {
	var given any
	_ = json.Unmarshal([]byte(filter), &given)
	f, _ := lowered(given).(object)
	name = map[string]string{"companyname": "name", "domain": "domain",
		"indirectreseller": "indirectResellerId"}[strings.ToLower(text(f["field"]))]
	if name == "" {
		return "", "", refuse(http.StatusBadRequest, "malformed_request",
			"Customers are filtered by CompanyName, Domain or IndirectReseller.")
	}
	return name, text(f["value"]), nil
}

func pcCustomer(c object) object {
	return object{
		"id": c["id"], "commerceId": c["id"], "relationshipToPartner": c["relationshipToPartner"],
		"allowDelegatedAccess": c["allowDelegatedAccess"],
		"companyProfile": object{
			"tenantId": c["id"], "domain": c["domain"], "companyName": c["companyName"],
			"attributes": object{"objectType": "CustomerCompanyProfile"},
		},
		"attributes": pcAttributes("Customer", c),
	}
}

func pcWholeCustomer(c object) object {
	o := pcCustomer(c)
	o["billingProfile"] = object{
		"companyName": c["companyName"], "defaultAddress": object{"country": c["country"]},
		"attributes": pcAttributes("CustomerBillingProfile", c),
	}
	return o
}

func (q pcRequest) customer() (int, any, error) {
	c, err := q.get(q.path(), nil)
	return http.StatusOK, pcWholeCustomer(c), err
}

func (q pcRequest) createCustomer() (int, any, error) {
	billing := sub(q.body, "billingProfile")
	made, err := q.call(ask{method: q.method, path: "/v1/customers", body: object{
		"companyName": billing["companyName"], "domain": sub(q.body, "companyProfile")["domain"],
		"country": sub(billing, "defaultAddress")["country"],
	}})
	if err != nil {
		return 0, nil, err
	}
	c, err := q.get("/v1/customers"+below(text(made["id"])), nil)
	return http.StatusCreated, pcWholeCustomer(c), err
}

func (q pcRequest) changeCustomer() (int, any, error) {
	switch {
	case strings.EqualFold(text(q.body["relationshipToPartner"]), "none"):
		return 0, nil, refuse(http.StatusBadRequest, "attestation_required",
			"Ending a relationship needs your attestation: read GET /v1/attestations/relationshipRemoval and use PATCH /v1/customers/{id}.")
	case q.body["allowDelegatedAccess"] != false:
		return 0, nil, refuse(http.StatusBadRequest, "malformed_request",
			"Of a customer only allowDelegatedAccess: false changes something.")
	}
	c, err := q.call(ask{method: q.method, path: q.path(), body: object{"allowDelegatedAccess": false},
		version: q.version()})
	return http.StatusOK, pcWholeCustomer(c), err
}

// version is that of the whole resource that a request sends back, or any.
func (q pcRequest) version() string {
	tag, err := base64.StdEncoding.DecodeString(text(sub(q.body, "attributes")["etag"]))
	if err != nil || len(tag) == 0 {
		return "*"
	}
	return string(tag)
}

// pcKinds are the types of relations, in both forms that programs write.
var pcKinds = map[string]string{
	"is_indirect_reseller_of":                "IsIndirectResellerOf",
	"is_indirect_cloud_solution_provider_of": "IsIndirectCloudSolutionProviderOf",
	"isindirectresellerof":                   "IsIndirectResellerOf",
	"isindirectcloudsolutionproviderof":      "IsIndirectCloudSolutionProviderOf",
}

func (q pcRequest) resellers() (int, any, error) {
	found, err := q.get(q.path("relationships"), nil)
	return http.StatusOK, pcCollection(each(objects(found["items"]), pcRelation)), err
}

func (q pcRequest) relations() (int, any, error) {
	kind := q.query.Get("relationship_type")
	if known := pcKinds[strings.ToLower(kind)]; known != "" {
		kind = known
	}
	found, _, err := q.all("/v1/relationships", url.Values{"relationship_type": {kind}})
	return http.StatusOK, pcCollection(each(found, pcRelation)), err
}

func pcRelation(r object) object {
	kind := "is_indirect_cloud_solution_provider_of"
	if r["relationshipType"] == "IsIndirectResellerOf" {
		kind = "is_indirect_reseller_of"
	}
	state := text(r["state"])
	return object{
		"id": r["id"], "name": r["name"], "relationshipType": kind, "state": strings.ToUpper(state[:min(1,
			len(state))]) + state[min(1, len(state)):], "mpnId": r["partnerId"], "location": r["location"],
		"attributes": object{"objectType": "PartnerRelationship"},
	}
}

// texts lists the current agreements. Each has an id of its type, version and text.
func (q pcRequest) texts() (int, any, error) {
	filter := url.Values{}
	if kind := q.query.Get("agreementType"); kind != "" && kind != "*" {
		filter.Set("type", kind)
	}
	found, err := q.get("/v1/agreements", filter)
	if err != nil {
		return 0, nil, err
	}
	items := []object{}
	for _, a := range objects(found["items"]) {
		if a["language"] != "en" || !strings.HasSuffix(text(a["type"]), "Agreement") {
			continue
		}
		link := text(a["url"])
		if link == "" {
			link = "data:text/plain;charset=utf-8," + url.PathEscape(text(a["text"]))
		}
		items = append(items, object{
			"templateId": stable(text(a["type"]), text(a["version"]), text(a["sha256"])), "agreementType": a["type"],
			"agreementLink": link,
			"versionRank":   len(items), "attributes": object{"objectType": "AgreementMetaData"},
		})
	}
	return http.StatusOK, pcCollection(items), nil
}

func (q pcRequest) agreements() (int, any, error) {
	found, err := q.get(q.path("agreements"), nil)
	return http.StatusOK, pcCollection(each(objects(found["items"]), pcAgreement)), err
}

func (q pcRequest) attest() (int, any, error) {
	agreed, _, _ := strings.Cut(text(q.body["dateAgreed"]), "T")
	a, err := q.call(ask{method: q.method, path: q.path("agreements"), body: object{
		"type": q.body["type"], "dateAgreed": agreed,
		"primaryContact": pick(sub(q.body, "primaryContact"), "firstName", "lastName", "email", "phoneNumber"),
	}})
	return http.StatusCreated, pcAgreement(a), err
}

func pcAgreement(a object) object {
	return object{
		"userId": a["partnerTenantId"], "primaryContact": a["primaryContact"], "dateAgreed": a["dateAgreed"],
		"type":       a["type"],
		"templateId": stable(text(a["type"]), text(a["textVersion"]), text(a["sha256"])),
		"attributes": object{"objectType": "Agreement"},
	}
}

// same is what both sides say alike.
func (q pcRequest) same() (int, any, error) {
	o, err := q.get(q.path(q.parts[2]), nil)
	return http.StatusOK, o, err
}

func (q pcRequest) compliance() (int, any, error) {
	ask := url.Values{}
	for theirs, ours := range map[string]string{"mpnId": "partnerId", "tenantId": "tenantId"} {
		if v := q.query.Get(theirs); v != "" {
			ask.Set(ours, v)
		}
	}
	o, err := q.get("/v1/compliance/csp/agreementstatus", ask)
	return http.StatusOK, o, err
}

// profile is one of what is known of the own account, or of a PartnerID.
func (q pcRequest) profile() (int, any, error) {
	kind := strings.ToLower(q.parts[1])
	if id := q.query.Get("mpnId"); id != "" && kind == "mpn" {
		p, err := q.get("/v1/profiles/partnerids"+below(id), nil)
		return http.StatusOK, pcProfile("PartnerMpnProfile", "mpn_profile", object{"mpnId": p["partnerId"],
			"partnerName": p["name"]}), err
	}
	if !slices.Contains([]string{"mpn", "legalbusiness", "support", "organization"}, kind) {
		return 0, nil, notHere()
	}
	a, err := q.get("/v1/account", nil)
	if err != nil {
		return 0, nil, err
	}
	contact, address := sub(a, "contact"), object{"country": a["country"]}
	switch kind {
	case "mpn":
		return http.StatusOK, pcProfile("PartnerMpnProfile", "mpn_profile", object{"mpnId": a["associatedPartnerId"],
			"partnerName": a["displayName"]}), nil
	case "legalbusiness":
		return http.StatusOK, pcProfile("PartnerLegalBusinessProfile", "legal_business_profile", object{
			"companyName": a["displayName"], "address": address,
		}), nil
	case "support":
		if own := sub(a, "supportProfile"); own != nil {
			contact = own
		}
		return http.StatusOK, pcProfile("PartnerSupportProfile", "support_profile", object{
			"email": contact["email"], "telephone": contact["phone"], "website": contact["website"],
		}), nil
	default:
		return http.StatusOK, pcProfile("PartnerOrganizationProfile", "organization_profile", object{
			"id": a["tenantId"], "tenantId": a["tenantId"], "companyName": a["displayName"],
			"domain": a["verifiedDomain"], "language": a["locale"],
			"defaultAddress": address,
		}), nil
	}
}

func pcProfile(kind, of string, o object) object {
	o["profileType"], o["attributes"] = of, object{"objectType": kind}
	return o
}

// pcAddress are Partner Center's names of the parts of an address.
var pcAddress = map[string]string{
	"addressLine1": "line1", "addressLine2": "line2", "city": "city", "state": "state", "postalCode": "postalCode",
	"country": "country",
}

func (q pcRequest) validate() (int, any, error) {
	given := object{}
	for theirs, ours := range pcAddress {
		if v := text(q.body[theirs]); v != "" {
			given[ours] = v
		}
	}
	back := func(a object) object {
		o := object{}
		for theirs, ours := range pcAddress {
			if v, there := a[ours]; there {
				o[theirs] = v
			}
		}
		return o
	}
	r, err := q.call(ask{method: q.method, path: "/v1/validations/address", body: given})
	if err != nil {
		return 0, nil, err
	}
	status := "None"
	if r["status"] == "valid" {
		status = "VerifiedShippable"
	}
	return http.StatusOK, object{
		"originalAddress":    back(sub(r, "originalAddress")),
		"suggestedAddresses": each(objects(r["suggestedAddresses"]), back), "status": status,
	}, nil
}
