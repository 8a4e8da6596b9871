package dynamo

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/batch"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/terms"
	"concord/internal/webhook"
)

// Every key string of the table is made in this file. A partner's partition:
//
//	pk               sk                          item
//	P#<tenant>       A                           partner account
//	P#<inviter>      I#<invitation id>           invitation
//	P#<inviter>      S#<slot>                    who holds a slot, of invitations that name a customer or of names of granular relationships
//	P#<inviter>      D#<invitation id>           the partner's words for a draft
//	P#<partner>      Q#<day of UTC>              how many mails the partner caused
//	P#<partner>      Q#<day of UTC>#<hour>       what was said against its mails in that hour
//	P#<partner>      J#<day of UTC>#<hash>       how many of the day went to one registrable domain
//	P#<partner>      C#<customer's tenant>       relationship
//	P#<partner>      W#<partnership id>          partnership, the same for each side
//	P#<inviter>      B#<batch id>                batch
//	P#<inviter>      B#<batch id>#<body>#<row>   rows of a batch, from one on
//	P#<partner>      G#<id>                      granular relationship
//	P#<partner>      H#<customer's tenant>#<id>  what a customer has given by a granular relationship
//	P#<partner>      L#<time, RFC 3339>#<id>     audit record
//	P#<partner>      F#<endpoint id>             webhook endpoint
//	P#<partner>      Y#<endpoint id>#P#<id>      delivery on its way
//	P#<partner>      Y#<endpoint id>#E#<id>      delivery that ended
//	P#<company>      E                           which is its latest enrolment
//	P#<seller>       O#<customer>#<order id>     order
//	P#<seller>       U#<customer>#<id>           subscription
//	P#<reseller>     O#<customer>#<order id>     that an order was placed on its behalf, and by whom
//	P#<partner>      U#<customer>#<id>           that it is or was on record for a subscription or supports it, and who sold it
//
//	A customer's partition:
//
//	T#<customer>     M#-#<number>                agreement that it signed itself
//	T#<customer>     M#<partner>#<number>        agreement that a partner attests
//
//	T#<customer>     C                           the record of a company that a partner created, or what a tenant has claimed
//	T#<customer>     R#                          whom a tenant is asked by to look at who holds rights
//
//	A domain's partition:
//
//	DOMAIN#<domain>  C                           whose it is, and that one below it is somebody's
//
//	A partition of what is asked at a domain, by a hash of it:
//
//	D#<hash>         S#<inviter>#<slot>          who holds a slot of invitations that go to addresses of the domain
//
//	A PartnerID's partition:
//
//	PARTNERID#<id>   A                           whose it is
//
//	An enrolment's partition; the company is no partner yet, and the operator knows it by its id:
//
//	E#<enrolment id> E#                          enrolment
//
//	A recipient's partition:
//
//	N#<hash>         M                           which mails were allowed to it, and whether it gets any
//
//	All accounts:
//
//	PARTNERS         <creation, RFC 3339>#<tenant>   that there is such an account
//	ENROLMENTS       <creation, RFC 3339>#<id>       that there is such an enrolment
//	WEBHOOKS         <tenant>#<endpoint id>          that there is such a webhook endpoint
//
//	P#<partner>      K#<hash of an Idempotency-Key>  what it created
//
//	Words that people attest and sign:
//
//	TEXTS            <type>#<version>#<language>     text of the catalogue
//
//	What the operator keeps, a partition for each kind:
//
//	RECORDS#<kind>   <D-U-N-S number, PartnerID, or "vetting">   company, PartnerID or calendar
//
//	REPORTS          <report id, which the time leads>           what a recipient has said against a request, of all partners
//	RUNS             cleanup                                     what the schedule did when it was last there
//
//	index list       listAt                      invitations, and apart from them each other kind that is listed newest first
//	P#<inviter>      I#<creation, RFC 3339>#<invitation id>
//	P#<partner>      G#<creation, RFC 3339>#<id>
//	P#<partner>      C#<establishment, RFC 3339>#<customer>, relationships
//	P#<partner>      T#<time, RFC 3339>#<customer>, slots of a customer by the creation of who took them, and what customers have given by
//	                 when they gave it
//	P#<seller>       O#<customer>#<creation, RFC 3339>#<order id>, and subscriptions with U# alike
//
//	index served     pk                          relationships, what was given by granular ones, and what is asked, by customer
//	<customer's tenant>   P#<partner>, of a record that no tenant has claimed by its id
//	D#<hash>         P#<partner>                 requests for granular administration that were mailed to addresses of a domain
//	<id>             P#<partner>                 requests for granular administration that name nobody and were not mailed
//
//	index due        dueAt                       what waits for a machine
//	0 to 3           seconds since 1970
const (
	pkAttr     = "pk"
	skAttr     = "sk"
	listAtAttr = "listAt"
	dueAttr    = "due"
	dueAtAttr  = "dueAt"
	typeAttr   = "type"
	ttlAttr    = "ttl"  // when DynamoDB may purge the item, seconds since 1970
	newsAttr   = "news" // the last update of the item added to its timeline; the stream's filter looks for it

	listIndex = "list"
	dueIndex  = "due"
	// servedIndex has the relationships of a customer, and what it has given, by its tenant.
	servedIndex = "served"
	servedAttr  = "served"

	partnerPrefix      = "P#"
	invitationPrefix   = "I#"
	slotPrefix         = "S#"
	relationshipPrefix = "C#"
	granularPrefix     = "G#"
	grantPrefix        = "H#"
	tracePrefix        = "T#" // in index list, of what speaks of a customer without a relationship
	accountSort        = "A"
	wordsPrefix        = "D#"
	countPrefix        = "Q#"
	domainCountPrefix  = "J#"
	recipientPrefix    = "N#"
	mailingsSort       = "M"
	auditPrefix        = "L#"
	partnershipPrefix  = "W#"
	batchPrefix        = "B#"
	registryPartition  = "PARTNERS"
	orderPrefix        = "O#"
	subscriptionPrefix = "U#"
	customerPrefix     = "T#"
	agreementPrefix    = "M#"
	reviewPrefix       = "R#"
	itself             = "-" // stands for the customer where else a partner attests
	holderPrefix       = "PARTNERID#"
	termsPartition     = "TEXTS"
	enrolmentPrefix    = "E#"
	latestSort         = "E"
	enrolmentList      = "ENROLMENTS"
	customerSort       = "C"
	commandPrefix      = "K#"
	domainPrefix       = "DOMAIN#"
	askedPrefix        = "D#" // as [invitation.SlotsAt] begins
	recordsPrefix      = "RECORDS#"
	reportsPartition   = "REPORTS"
	runsPartition      = "RUNS"
	endpointPrefix     = "F#"
	deliveryPrefix     = "Y#"
	subscribed         = "WEBHOOKS"
	// What stands between the endpoint and the id of a delivery; those on their way come first in a list that goes backwards.
	onItsWay, hasEnded = "P#", "E#"

	// dueShards spread the due index: everything that waits, of all partners, shares their write units.
	dueShards = 4
	// maxID bounds what is looked up as an id; longer ones cannot exist, and 1,024 bytes are the limit of a key.
	maxID = 64
)

type key = map[string]types.AttributeValue

func keyOf(pk, sk string) key { return key{pkAttr: str(pk), skAttr: str(sk)} }

func partition(p partner.TenantID) string { return partnerPrefix + string(p) }

func accountKey(p partner.TenantID) key { return keyOf(partition(p), accountSort) }

func invitationKey(k invitation.Key) key {
	return keyOf(partition(k.Inviter), invitationPrefix+k.ID)
}

// slotKey is of a slot. One of requests to a domain is in a partition of that domain, whoever asks: so its company finds what it is
// asked, at no more than the slot costs anyway (see Requests of a company, in the package documentation).
func slotKey(p partner.TenantID, slot string) key {
	if at := askedPartition(slot); at != "" {
		return keyOf(at, slotPrefix+string(p)+"#"+strings.TrimPrefix(slot, at+"#"))
	}
	return keyOf(partition(p), slotPrefix+slot)
}

// askedPartition is the partition of the slots of requests to one domain, given one of them or what all of them begin with; empty for a slot of
// another kind.
func askedPartition(slot string) string {
	rest, found := strings.CutPrefix(slot, askedPrefix)
	hash, _, cut := strings.Cut(rest, "#")
	if !found || !cut {
		return ""
	}
	return askedPrefix + hash
}

func relationshipKey(p, customer partner.TenantID) key {
	return keyOf(partition(p), relationshipPrefix+string(customer))
}

func partnershipKey(of partner.TenantID, id string) key {
	return keyOf(partition(of), partnershipPrefix+id)
}

func batchKey(k batch.Key) key { return keyOf(partition(k.Partner), batchPrefix+k.ID) }

// parseBatchKey is the reverse of batchKey.
func parseBatchKey(pk, sk string) (batch.Key, bool) {
	p, ok := partner.ParseTenantID(strings.TrimPrefix(pk, partnerPrefix))
	id, found := strings.CutPrefix(sk, batchPrefix)
	return batch.Key{Partner: p, ID: id}, ok && found && isID(id)
}

func chunkKey(k batch.Key, body string, first int) key {
	return keyOf(partition(k.Partner), chunkSort(k.ID, body, first))
}

func endpointKey(k webhook.Key) key { return keyOf(partition(k.Partner), endpointPrefix+k.ID) }

func subscriberKey(k webhook.Key) key { return keyOf(subscribed, string(k.Partner)+"#"+k.ID) }

func deliveryKey(k webhook.Key, place, id string) key {
	return keyOf(partition(k.Partner), deliveriesOf(k)+place+id)
}

// deliveriesOf is what the sort keys of the deliveries to an endpoint begin with.
func deliveriesOf(k webhook.Key) string { return deliveryPrefix + k.ID + "#" }

func granularKey(k granular.Key) key { return keyOf(partition(k.Partner), granularPrefix+k.ID) }

func grantKey(g granular.Grant) key {
	return keyOf(partition(g.Partner), grantPrefix+string(g.Customer)+"#"+g.ID)
}

// parseGrantSort is the reverse of the sort key of grantKey.
func parseGrantSort(s string) (customer partner.TenantID, id string, ok bool) {
	rest, prefixed := strings.CutPrefix(s, grantPrefix)
	tenant, id, found := strings.Cut(rest, "#")
	customer, valid := partner.ParseTenantID(tenant)
	return customer, id, prefixed && found && valid && isID(id)
}

// domainKey is of whose a domain is.
func domainKey(domain string) key { return keyOf(domainPrefix+domain, customerSort) }

// customerKey is of a record, or of what a tenant has claimed.
func customerKey(customer partner.TenantID) key {
	return keyOf(customerPrefix+string(customer), customerSort)
}

// reviewKey is of whom a tenant is asked by to look at who holds rights; there is one.
func reviewKey(tenant partner.TenantID) key {
	return keyOf(customerPrefix+string(tenant), reviewPrefix)
}

// commandKey is of an Idempotency-Key whose creation has no id that is made of it.
func commandKey(p partner.TenantID, fingerprint string) key {
	return keyOf(partition(p), commandPrefix+fingerprint)
}

// termsKey is of one text; neither a type nor a version holds a #.
func termsKey(t terms.Type, version, language string) key {
	return keyOf(termsPartition, string(t)+"#"+version+"#"+language)
}

func recordKey(k enrolment.RecordKind, id string) key { return keyOf(recordsPrefix+string(k), id) }

func reportKey(id string) key { return keyOf(reportsPartition, id) }

// runKey is of the one schedule that there is.
func runKey() key { return keyOf(runsPartition, "cleanup") }

func wordsKey(k invitation.Key) key { return keyOf(partition(k.Inviter), wordsPrefix+k.ID) }

// countKey is of a day; what goes to one domain stands apart, so that looking back over days reads none of it.
func countKey(p partner.TenantID, of recipient.Tally) key {
	if of.Domain != "" {
		return keyOf(partition(p), domainCountPrefix+of.Day+"#"+of.Domain)
	}
	return keyOf(partition(p), countPrefix+of.Day)
}

// objectionsKey follows the count of its day, so that both are found together. A day of the busiest partner does not fit into one
// item.
func objectionsKey(p partner.TenantID, at time.Time) key {
	return keyOf(partition(p), countPrefix+at.UTC().Format("2006-01-02#15"))
}

// registryKey orders accounts by creation and, within a second, by tenant.
func registryKey(created time.Time, p partner.TenantID) key {
	return keyOf(registryPartition, created.UTC().Format(time.RFC3339)+"#"+string(p))
}

// parseRegistrySort gives the tenant of the sort key of a registryKey.
func parseRegistrySort(s string) (partner.TenantID, bool) {
	moment, id, _ := strings.Cut(s, "#")
	at, err := time.Parse(time.RFC3339, moment)
	tenant, ok := partner.ParseTenantID(id)
	return tenant, ok && err == nil && at.UTC().Format(time.RFC3339)+"#"+string(tenant) == s
}

func enrolmentKey(id string) key { return keyOf(enrolmentPrefix+id, enrolmentPrefix) }

func latestKey(p partner.TenantID) key { return keyOf(partition(p), latestSort) }

// enrolmentPlace orders enrolments by creation and, within a second, by id.
func enrolmentPlace(created time.Time, id string) string {
	return created.UTC().Format(time.RFC3339) + "#" + id
}

// parseEnrolmentPlace gives the id of an enrolmentPlace.
func parseEnrolmentPlace(s string) (id string, ok bool) {
	moment, id, _ := strings.Cut(s, "#")
	at, err := time.Parse(time.RFC3339, moment)
	return id, err == nil && isID(id) && enrolmentPlace(at, id) == s
}

func mailingsKey(known string) key { return keyOf(recipientPrefix+known, mailingsSort) }

// listAt orders a partner's invitations by creation and, within a second, by id.
func listAt(created time.Time, id string) string { return listed(invitationPrefix, created, id) }

// parseListAt is the reverse of listAt.
func parseListAt(s string) (created time.Time, id string, ok bool) {
	return parseListed(invitationPrefix, s)
}

// listed orders what a partner has of one kind by creation and, within a second, by id.
func listed(kind string, created time.Time, id string) string {
	return kind + created.UTC().Format(time.RFC3339) + "#" + id
}

// parseListed is the reverse of listed.
func parseListed(kind, s string) (created time.Time, id string, ok bool) {
	rest, ok := strings.CutPrefix(s, kind)
	if !ok {
		return created, "", false
	}
	at, id, ok := strings.Cut(rest, "#")
	if !ok {
		return created, "", false
	}
	created, err := time.Parse(time.RFC3339, at)
	if err != nil || !isID(id) || listed(kind, created, id) != s {
		return created, "", false
	}
	return created, id, true
}

// listRange gives the bounds of listAt for invitations created from one moment on and before another; zero times do not
// bound. Creation is kept to the second: a bound between two seconds counts as the later one. It gives false when nothing
// can lie between.
func listRange(from, before time.Time) (low, high string, ok bool) {
	low, high = invitationPrefix, invitationPrefix+"~"
	if !from.IsZero() {
		low += ceiling(from).Format(time.RFC3339)
	}
	if !before.IsZero() {
		high = invitationPrefix + ceiling(before).Format(time.RFC3339)
	}
	return low, high, low < high
}

// placed gives the bounds of listAt for what lies behind a place of the list of customers, newest first; all of the kind without a place.
// Places end with an id, so what is at the place itself is left out by the last digit before.
func placed(kind, after string) (low, high string) {
	if after == "" {
		return kind, kind + "~"
	}
	last := len(after) - 1
	return kind, kind + after[:last] + string(after[last]-1) + "~"
}

// auditSort orders a partner's audit by time, and within a second by the ids of the records.
func auditSort(at time.Time, id string) string {
	return auditPrefix + at.UTC().Format(time.RFC3339) + "#" + id
}

// parseAuditSort is the reverse of auditSort.
func parseAuditSort(s string) (at time.Time, id string, ok bool) {
	rest, ok := strings.CutPrefix(s, auditPrefix)
	moment, id, found := strings.Cut(rest, "#")
	at, err := time.Parse(time.RFC3339, moment)
	return at, id, ok && found && err == nil && isID(id) && auditSort(at, id) == s
}

func holderKey(partnerID string) key { return keyOf(holderPrefix+partnerID, accountSort) }

func agreementKey(customer partner.TenantID, by string, number int) key {
	return keyOf(customerPrefix+string(customer), agreementsOf(by)+fmt.Sprintf("%04d", number))
}

// agreementsOf is what the sort keys of the agreements of one source begin with.
func agreementsOf(by string) string { return agreementPrefix + by + "#" }

func orderKey(seller, customer partner.TenantID, id string) key {
	return keyOf(partition(seller), tradePrefix(orderPrefix, customer)+id)
}

func subscriptionKey(p, customer partner.TenantID, id string) key {
	return keyOf(partition(p), tradePrefix(subscriptionPrefix, customer)+id)
}

// tradePrefix is what the sort keys, and the places in index list, of the orders or subscriptions of a customer begin with.
func tradePrefix(prefix string, customer partner.TenantID) string {
	return prefix + string(customer) + "#"
}

// parseTradeSort gives the parts of the sort key of an order or a subscription.
func parseTradeSort(prefix, s string) (customer partner.TenantID, id string, ok bool) {
	rest, found := strings.CutPrefix(s, prefix)
	tenant, id, cut := strings.Cut(rest, "#")
	return partner.TenantID(tenant), id, found && cut && isID(id)
}

// tradePlace orders the orders or subscriptions of a customer by creation and, within a second, by id.
func tradePlace(created time.Time, id string) string {
	return created.UTC().Format(time.RFC3339) + "#" + id
}

// parseTradePlace is the reverse of tradePlace.
func parseTradePlace(s string) (id string, ok bool) {
	moment, id, cut := strings.Cut(s, "#")
	at, err := time.Parse(time.RFC3339, moment)
	return id, cut && err == nil && isID(id) && tradePlace(at, id) == s
}

// subscriptionPlace orders the subscriptions of a partner by customer, and those of one by tradePlace.
func subscriptionPlace(customer partner.TenantID, created time.Time, id string) string {
	return string(customer) + "#" + tradePlace(created, id)
}

// parseSubscriptionPlace is the reverse of subscriptionPlace.
func parseSubscriptionPlace(s string) (customer partner.TenantID, id string, ok bool) {
	tenant, rest, cut := strings.Cut(s, "#")
	customer, known := partner.ParseTenantID(tenant)
	id, placed := parseTradePlace(rest)
	return customer, id, cut && known && placed && string(customer) == tenant
}

func ceiling(t time.Time) time.Time {
	return t.UTC().Add(time.Second - time.Nanosecond).Truncate(time.Second)
}

func isID(id string) bool {
	return id != "" && len(id) <= maxID && !strings.Contains(id, "#")
}

// dueShard gives the partition of the due index for an invitation.
func dueShard(id string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return strconv.Itoa(int(h.Sum32() % dueShards))
}
