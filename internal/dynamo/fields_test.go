package dynamo

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/audit"
	"concord/internal/batch"
	"concord/internal/commerce"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/relationship"
	"concord/internal/review"
	"concord/internal/terms"
	"concord/internal/webhook"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// filled sets every field of a value, down to the last, to something that no other field has.
func filled(v reflect.Value, n *int) {
	*n++
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 12, 0, *n, 0, time.UTC)))
		return
	case reflect.TypeFor[time.Duration]():
		v.SetInt(int64(*n) * int64(time.Second))
		return
	case reflect.TypeFor[time.Weekday]():
		v.SetInt(int64(*n % 7))
		return
	case reflect.TypeFor[partner.TenantID]():
		v.SetString(uuid.UUID{15: byte(*n), 14: byte(*n >> 8)}.String())
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range v.Fields() {
			filled(f, n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), n)
		filled(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			filled(key, n)
			filled(value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("value %d", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n) % 256)
	default:
		panic("a field of a kind that nobody stores: " + v.Type().String())
	}
}

// example gives a value with something in every field, but for what mend sets because no other value can be stored there.
func example[T any](mend func(*T)) (v T) {
	n := 0
	filled(reflect.ValueOf(&v).Elem(), &n)
	if mend != nil {
		mend(&v)
	}
	return v
}

// kind is an entity, as the tests of this file see it.
type kind[T any] struct {
	mend   func(*T)
	encode func(T) item
	decode func(image) (T, error)
	// unkept are the fields that are not stored, each with the reason.
	unkept map[string]string
}

// The tenant of a mended example.
const tenantA, tenantB = partner.TenantID("00000000-0000-0000-0000-0000000000aa"), partner.TenantID("00000000-0000-0000-0000-0000000000bb")

var (
	invitations = kind[invitation.Invitation]{
		mend: func(i *invitation.Invitation) {
			i.Post.Owed = []outbox.Kind{invitation.AnswerNotice, invitation.ReminderNotice}
			i.History[0].By, i.History[1].By = i.CreatedBy, i.Answer.Subject
		},
		encode: encodeInvitation, decode: InvitationFromImage,
	}
	granulars = kind[granular.Relationship]{
		mend: func(r *granular.Relationship) {
			r.Roles = []string{string(tenantA), string(tenantB)}
			for n := range r.Assignments {
				r.Assignments[n].Roles = r.Roles
			}
			r.History[0].Actor, r.History[1].Actor = granular.ByOperator, granular.BySchedule
		},
		encode: encodeGranular, decode: GranularFromImage,
	}
	reviews       = kind[review.Review]{encode: encodeReview, decode: ReviewFromImage}
	enrolments    = kind[enrolment.Enrolment]{encode: encodeEnrolment, decode: EnrolmentFromImage}
	relationships = kind[relationship.Relationship]{
		mend: func(r *relationship.Relationship) {
			r.History[0].Status, r.History[1].Status = relationship.Active, relationship.Removed
			r.History[0].DelegatedAdmin, r.History[1].DelegatedAdmin = relationship.ActiveDAP, relationship.TerminatedDAP
			r.History[0].IdentityCheck, r.History[1].IdentityCheck = relationship.Unproven, relationship.Confirmed
		},
		encode: encodeRelationship, decode: RelationshipFromImage,
	}
	partnerships = kind[partnership.Partnership]{
		encode: func(p partnership.Partnership) item { return encodePartnership(p, p.Reseller) },
		decode: func(i image) (partnership.Partnership, error) {
			p, _, err := PartnershipFromImage(i)
			return p, err
		},
	}
	accounts = kind[partner.Account]{encode: encodeAccount, decode: AccountFromImage}
	batches  = kind[batch.Batch]{
		mend:   func(b *batch.Batch) { b.By.Tenant = b.Partner },
		encode: encodeBatch, decode: BatchFromImage,
	}
	chunks = kind[batch.Chunk]{
		mend: func(c *batch.Chunk) { c.Key = batch.Key{Partner: tenantA, ID: "bat_1"} },
		encode: func(c batch.Chunk) item {
			i, err := encodeChunk(c)
			if err != nil {
				panic(err)
			}
			return i
		},
		decode: func(i image) (batch.Chunk, error) { return decodeChunk(batch.Key{Partner: tenantA, ID: "bat_1"}, i) },
		unkept: map[string]string{
			"Proposal.BatchID":  "the batch says it when a row is worked off",
			"Proposal.Mailed":   "the batch's own wish, for all rows",
			"Proposal.Granular": "no column of a sheet or field of a row asks for it",
		},
	}
	endpoints = kind[webhook.Endpoint]{
		mend:   func(e *webhook.Endpoint) { e.Secrets[0].Until = time.Time{} },
		encode: encodeEndpoint, decode: EndpointFromImage,
	}
	deliveries = kind[webhook.Delivery]{
		mend:   func(d *webhook.Delivery) { d.Endpoint = webhook.Key{Partner: tenantA, ID: "end_1"} },
		encode: encodeDelivery,
		decode: func(i image) (webhook.Delivery, error) {
			return decodeDelivery(webhook.Key{Partner: tenantA, ID: "end_1"}, i)
		},
	}
	audits = kind[audit.Record]{
		mend:   func(r *audit.Record) { r.Partner = tenantA },
		encode: encodeAudit, decode: func(i image) (audit.Record, error) { return decodeAudit(tenantA, i) },
	}
	orders        = kind[commerce.Order]{encode: encodeOrder, decode: OrderFromImage}
	subscriptions = kind[commerce.Subscription]{encode: encodeSubscription, decode: SubscriptionFromImage}
	agreements    = kind[commerce.Agreement]{encode: encodeAgreement, decode: AgreementFromImage}
	catalogue     = kind[terms.Text]{encode: encodeTerms, decode: decodeTerms}
	companies     = kind[relationship.Record]{
		encode: encodeRecord,
		decode: func(i image) (relationship.Record, error) {
			f := &fields{item: i}
			return decodeRecord(f), f.err
		},
	}
	claims = kind[relationship.Claims]{
		encode: encodeClaims,
		decode: func(i image) (relationship.Claims, error) {
			f := &fields{item: i}
			return decodeClaims(f), f.err
		},
	}
)

// keptOf is an entity of which each kind has fields of its own.
func keptOf(mend func(*enrolment.Record)) kind[enrolment.Record] {
	return kind[enrolment.Record]{mend: mend, encode: encodeKept, decode: decodeKept}
}

// survives fails for a field that one of the two directions forgets, also for one that is yet to come.
func (k kind[T]) survives(t *testing.T) {
	t.Helper()
	v := example(k.mend)
	got, err := k.decode(k.encode(v))
	if err != nil {
		t.Fatalf("%T: %v", v, err)
	}
	unkept := cmp.FilterPath(func(p cmp.Path) bool {
		return slices.ContainsFunc(keys(k.unkept), func(name string) bool { return strings.HasSuffix(p.String(), name) })
	}, cmp.Ignore())
	if d := cmp.Diff(v, got, unkept); d != "" {
		t.Errorf("%T: %s", v, d)
	}
}

func keys(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}

func TestEveryFieldSurvives(t *testing.T) {
	t.Run("invitation", invitations.survives)
	t.Run("granular relationship", granulars.survives)
	t.Run("enrolment", enrolments.survives)
	t.Run("review", reviews.survives)
	t.Run("relationship", relationships.survives)
	t.Run("partnership", partnerships.survives)
	t.Run("account", accounts.survives)
	t.Run("order", orders.survives)
	t.Run("subscription", subscriptions.survives)
	t.Run("agreement", agreements.survives)
	t.Run("terms", catalogue.survives)
	t.Run("batch", batches.survives)
	t.Run("rows of a batch", chunks.survives)
	t.Run("webhook endpoint", endpoints.survives)
	t.Run("delivery", deliveries.survives)
	t.Run("audit record", audits.survives)
	t.Run("record of a company", companies.survives)
	t.Run("what a tenant has claimed", claims.survives)
	t.Run("kept company", keptOf(func(r *enrolment.Record) {
		r.Kind, r.Company.DUNS, r.Location, r.Calendar = enrolment.CompanyRecord, r.ID, enrolment.Location{}, enrolment.Calendar{}
	}).survives)
	t.Run("kept PartnerID", keptOf(func(r *enrolment.Record) {
		r.Kind, r.Location.ID, r.Company, r.Calendar = enrolment.PartnerIDRecord, r.ID, enrolment.Company{}, enrolment.Calendar{}
	}).survives)
	t.Run("kept calendar", keptOf(func(r *enrolment.Record) {
		r.Kind, r.Company, r.Location = enrolment.CalendarRecord, enrolment.Company{}, enrolment.Location{}
	}).survives)
}

// measured counts what an entity costs in each direction.
func (k kind[T]) measured(b *testing.B, name string) {
	v := example(k.mend)
	i := k.encode(v)
	b.Run(name+"/write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.encode(v)
		}
	})
	b.Run(name+"/read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := k.decode(i); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFields measures writing an entity with something in every field into an item, and reading it from there.
func BenchmarkFields(b *testing.B) {
	invitations.measured(b, "invitation")
	granulars.measured(b, "granular")
	enrolments.measured(b, "enrolment")
	relationships.measured(b, "relationship")
	partnerships.measured(b, "partnership")
	accounts.measured(b, "account")
	orders.measured(b, "order")
	subscriptions.measured(b, "subscription")
	agreements.measured(b, "agreement")
	batches.measured(b, "batch")
	endpoints.measured(b, "endpoint")
	deliveries.measured(b, "delivery")
	audits.measured(b, "audit")
}
