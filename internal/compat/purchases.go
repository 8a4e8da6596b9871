package compat

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

func (q pcRequest) offers() (int, any, error) {
	found, err := q.get("/v1/offers", nil)
	return http.StatusOK, pcCollection(each(objects(found["items"]), q.pcOffer)), err
}

func (q pcRequest) offer() (int, any, error) {
	found, err := q.get("/v1/offers", nil)
	if err != nil {
		return 0, nil, err
	}
	for _, o := range objects(found["items"]) {
		if o["id"] == q.parts[1] {
			return http.StatusOK, q.pcOffer(o), nil
		}
	}
	return 0, nil, notHere()
}

func (q pcRequest) pcOffer(o object) object {
	return object{
		"id": o["id"], "name": o["name"], "minimumQuantity": o["minQuantity"], "maximumQuantity": o["maxQuantity"],
		"isAvailableForPurchase": true,
		"country":                q.query.Get("country"), "supportedBillingCycles": []any{}, "attributes": object{"objectType": "Offer"},
	}
}

// place makes one order of line items. The partner of record is said of each item there, and of the whole order here.
func (q pcRequest) place() (int, any, error) {
	lines, record := []object{}, ""
	for n, item := range objects(q.body["lineItems"]) {
		own := text(item["partnerIdOnRecord"])
		if n > 0 && own != record {
			return 0, nil, refuse(http.StatusBadRequest, "malformed_request",
				"One order has one partner of record: place an order for each.")
		}
		record = own
		line := pick(item, "offerId", "quantity")
		if term := text(item["termDuration"]); term != "" {
			line["term"] = term
		}
		lines = append(lines, line)
	}
	order := object{"lines": lines}
	if record != "" {
		order["partnerIdOnRecord"] = record
	}
	o, err := q.call(ask{method: q.method, path: q.path("orders"), body: order})
	return http.StatusCreated, pcOrder(o), err
}

func (q pcRequest) orders() (int, any, error) {
	found, _, err := q.all(q.path("orders"), nil)
	return http.StatusOK, pcCollection(each(found, pcOrder)), err
}

func (q pcRequest) order() (int, any, error) {
	o, err := q.get(q.path("orders", q.parts[3]), nil)
	return http.StatusOK, pcOrder(o), err
}

func pcOrder(o object) object {
	items := []object{}
	for n, l := range objects(o["lines"]) {
		items = append(items, object{
			"lineItemNumber": n, "offerId": l["offerId"], "quantity": l["quantity"], "termDuration": l["term"],
			"subscriptionId":    l["subscriptionId"],
			"partnerIdOnRecord": o["partnerIdOnRecord"], "attributes": object{"objectType": "OrderLineItem"},
		})
	}
	return object{
		"id": o["id"], "referenceCustomerId": o["customerTenantId"], "creationDate": o["createdAt"],
		"status": o["status"], "lineItems": items,
		"attributes": pcAttributes("Order", o),
	}
}

// subscriptions are all of a customer, or those of an order.
func (q pcRequest) subscriptions() (int, any, error) {
	found, _, err := q.all(q.path("subscriptions"), url.Values{})
	items := []object{}
	for _, s := range found {
		if order := q.query.Get("order_id"); order == "" || s["orderId"] == order {
			items = append(items, pcSubscription(s))
		}
	}
	return http.StatusOK, pcCollection(items), err
}

func (q pcRequest) subscription() (int, any, error) {
	s, err := q.get(q.path("subscriptions", q.parts[3]), nil)
	return http.StatusOK, pcSubscription(s), err
}

func pcSubscription(s object) object {
	return object{
		"id": s["id"], "offerId": s["offerId"], "offerName": s["offerName"], "friendlyName": s["offerName"],
		"quantity": s["quantity"],
		"status":   s["status"], "creationDate": s["createdAt"], "effectiveStartDate": s["createdAt"],
		"termDuration": s["term"],
		"partnerId":    s["partnerIdOfRecord"], "orderId": s["orderId"], "attributes": pcAttributes("Subscription", s),
	}
}

// changeSubscription takes the whole resource back, as programs of Partner Center send it: what differs is what is
// changed.
func (q pcRequest) changeSubscription() (int, any, error) {
	path := q.path("subscriptions", q.parts[3])
	now, err := q.get(path, nil)
	if err != nil {
		return 0, nil, err
	}
	change := object{}
	for theirs, ours := range map[string]string{"status": "status", "quantity": "quantity",
		"partnerId": "partnerIdOfRecord"} {
		if v := q.body[theirs]; v != nil && v != now[ours] {
			change[ours] = v
		}
	}
	if len(change) == 0 {
		return http.StatusOK, pcSubscription(now), nil
	}
	s, err := q.call(ask{method: q.method, path: path, body: change, version: q.version()})
	return http.StatusOK, pcSubscription(s), err
}

func (q pcRequest) supportContact() (int, any, error) {
	c, err := q.get(q.path("subscriptions", q.parts[3], "supportcontact"), nil)
	return http.StatusOK, pcSupport(c), err
}

func (q pcRequest) setSupportContact() (int, any, error) {
	c, err := q.call(ask{
		method: q.method, path: q.path("subscriptions", q.parts[3], "supportcontact"), body: pick(q.body,
			"supportTenantId"), version: q.version(),
	})
	return http.StatusOK, pcSupport(c), err
}

func pcSupport(c object) object {
	return object{
		"supportTenantId": c["supportTenantId"], "supportMpnId": c["partnerId"], "name": c["name"],
		"attributes": object{"objectType": "SupportContact"},
	}
}

// pcOperations are Partner Center's names of what happened, where it has one.
var pcOperations = map[string]string{
	"relationship.removed": "remove_partner_customer_relationship", "customer.created": "add_customer",
	"order.completed":            "create_order",
	"subscription.statusChanged": "update_subscription", "subscription.quantityChanged": "update_subscription",
	"partnership.established": "create_partner_relationship", "customerAgreement.attested": "create_agreement",
	"customerAgreement.signed": "create_agreement",
}

// pcResources are Partner Center's names of what it happened to.
var pcResources = map[string]string{
	"relationship": "partner_relationship", "partnership": "partner_relationship",
	"customerAgreement": "agreement", "customer": "customer",
	"order": "order", "subscription": "subscription",
}

func (q pcRequest) auditRecords() (int, any, error) {
	asked := url.Values{}
	for _, name := range []string{"startDate", "endDate"} {
		if v := q.query.Get(name); v != "" {
			asked.Set(name, v)
		}
	}
	token := q.r.Header.Get("MS-ContinuationToken")
	if token != "" {
		asked.Set("cursor", token)
	}
	found, err := q.get("/v1/auditrecords", asked)
	answer := pcCollection(each(objects(found["items"]), pcAudit))
	if next := text(found["nextCursor"]); next != "" {
		answer["continuationToken"] = next
	}
	return http.StatusOK, answer, err
}

func pcAudit(a object) object {
	named := func(names map[string]string, v any) string {
		if name := names[text(v)]; name != "" {
			return name
		}
		return "undefined"
	}
	who := text(sub(a, "actor")["sub"])
	if who == "" {
		who = text(sub(a, "actor")["kind"])
	}
	return object{
		"id": a["id"], "customerId": a["customerTenantId"], "userPrincipalName": who,
		"operationType":   named(pcOperations, a["operationType"]),
		"operationStatus": "succeeded", "operationDate": a["occurredAt"], "resourceType": named(pcResources,
			a["resourceType"]),
		"resourceOldValue": values(a["oldValue"]), "resourceNewValue": values(a["newValue"]),
		"customizedData": []object{{"key": "operation", "value": a["operationType"]}, {"key": "resource",
			"value": a["resourceId"]}},
		"attributes": object{"objectType": "AuditRecord"},
	}
}

// values are those of a record in one text.
func values(v any) string {
	o, _ := v.(object)
	var all []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		all = append(all, name+"="+text(o[name]))
	}
	return strings.Join(all, " ")
}
