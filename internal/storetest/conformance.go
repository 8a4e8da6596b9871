package storetest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"concord/internal/audit"
	"concord/internal/batch"
	"concord/internal/customer"
	"concord/internal/due"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/relationship"
	"concord/internal/review"
	"concord/internal/terms"
)

// Stores is what a suite looks at: the store interfaces, over the same data.
type Stores struct {
	Invitations   invitation.Store
	DueIndex      due.Index
	Ledger        recipient.Ledger
	Relationships relationship.Store
	Granular      granular.Store
	Accounts      registry.Store
	Reputation    registry.ReputationStore
	Audit         audit.Log
	Trade         Trade
	Batches       batch.Store
	Customers     customer.Store
	Support       customer.Support
	Register      customer.Register
	Directory     customer.Directory
	Texts         interface {
		terms.Catalogue
		Publish(context.Context, terms.Text) error
	}
	Tiers      Tiers
	Enrolments enrolment.Store
	Reviews    review.Store
	Slots      interface {
		invitation.SweepStore
		invitation.Slots
	}
	Kept enrolment.RecordStore
	// Oversight is what the operator sees of all partners.
	Oversight interface {
		oversight.ReportStore
		oversight.HealthStore
		Named(ctx context.Context, p partner.TenantID, prefix string) ([]string, error)
	}
	Requests customer.Requests
}

// Of gives the stores of a value that is all of them.
func Of[S interface {
	invitation.Store
	due.Index
	recipient.Ledger
	relationship.Store
	granular.Store
	registry.Store
	registry.ReputationStore
	audit.Log
	batch.Store
	Trade
	customer.Store
	customer.Support
	customer.Register
	customer.Directory
	terms.Catalogue
	Publish(context.Context, terms.Text) error
	Tiers
	enrolment.Store
	review.Store
	invitation.SweepStore
	invitation.Slots
	enrolment.RecordStore
	oversight.ReportStore
	oversight.HealthStore
	Named(ctx context.Context, p partner.TenantID, prefix string) ([]string, error)
	customer.Requests
}](s S) Stores {
	return Stores{s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s}
}

// Conformance runs every contract of the store interfaces, each as a test of its own over what open gives. Open may give
// the same stores again: each test has partners of its own.
func Conformance(t *testing.T, open func(*testing.T) Stores) {
	for _, each := range []struct {
		name string
		run  func(*suite)
	}{
		{"invitation round trip", (*suite).roundTrip},
		{"invitation unknown", (*suite).unknown},
		{"invitation id taken", (*suite).idTaken},
		{"invitation slot taken", (*suite).slotTaken},
		{"invitation without a slot", (*suite).noSlot},
		{"invitation displaces an ended one", (*suite).displacesEnded},
		{"invitation displaces a lapsed one", (*suite).displacesLapsed},
		{"invitation displaces a lapsed one that was changed", (*suite).displacesChanged},
		{"invitation displaces one that left the slot", (*suite).displacesMoved},
		{"invitation does not displace one that came back", (*suite).displacesReturned},
		{"invitation with another recipient moves to its slot", (*suite).recipientChange},
		{"invitation lost update", (*suite).lostUpdate},
		{"invitation update of nothing", (*suite).updateOfNothing},
		{"invitation attributes go away", (*suite).attributesGo},
		{"invitation of two partners", (*suite).partnersApart},
		{"words of a draft", (*suite).words},
		{"words change with the version alone", (*suite).wordsOutdated},
		{"words beside a change of the slot", (*suite).wordsAndSlot},
		{"accept makes a relationship", (*suite).accept},
		{"accept raises a relationship", (*suite).acceptAgain},
		{"accept with an outdated relationship", (*suite).acceptOutdatedRelationship},
		{"accept with an outdated invitation", (*suite).acceptOutdatedInvitation},
		{"accept 64 at once", (*suite).acceptOnce},
		{"batch round trip", (*suite).batchRoundTrip},
		{"batch list", (*suite).batchList},
		{"batch progress", (*suite).batchProgress},
		{"enrolment round trip", (*suite).enrolmentRoundTrip},
		{"enrolment, 64 start at once", (*suite).enrolmentOnce},
		{"enrolment after an ended one", (*suite).enrolmentFollows},
		{"enrolment lost update", (*suite).enrolmentOutdated},
		{"enrolment makes an account", (*suite).enrolmentAccount},
		{"enrolments newest first", (*suite).enrolmentsNewestFirst},
		{"enrolments in the due index", (*suite).enrolmentDue},
		{"review round trip", (*suite).reviewRoundTrip},
		{"review, 16 noted at once", (*suite).reviewOnce},
		{"review in the due index", (*suite).reviewDue},
		{"records round trip", (*suite).recordRoundTrip},
		{"records, 16 at once", (*suite).recordOnce},
		{"records page by page", (*suite).recordPages},
		{"report round trip", (*suite).reportRoundTrip},
		{"reports page by page", (*suite).reportPages},
		{"report, 16 settle at once", (*suite).reportSettledOnce},
		{"what begins with a reference", (*suite).namedByPrefix},
		{"backlog and the last run", (*suite).backlogAndRun},
		{"list newest first", (*suite).newestFirst},
		{"list while others are added", (*suite).pagingStable},
		{"list filters", (*suite).filters},
		{"list looks at a bounded number", (*suite).bounded},
		{"list continued from nowhere", (*suite).malformedAfter},
		{"the due index lists what is due", (*suite).due},
		{"the due index forgets what ended", (*suite).dueGone},
		{"slot and its occupant", (*suite).occupant},
		{"slots of one domain", (*suite).slotsOfDomain},
		{"texts", (*suite).texts},
		{"customer that is created", (*suite).customerCreated},
		{"customer that is created for a reseller", (*suite).customerForReseller},
		{"customer created, 32 partners at once", (*suite).customerRaced},
		{"customers of a day", (*suite).customersPerDay},
		{"record that is claimed", (*suite).recordClaimed},
		{"record, 16 speak at once", (*suite).recordClaimedOnce},
		{"record that is disowned", (*suite).recordDisowned},
		{"settlement that claims a record", (*suite).settlementTells},
		{"domains that are learned", (*suite).domainsLearned},
		{"domain of an account", (*suite).accountsDomain},
		{"customers in order", (*suite).customers},
		{"customers filters", (*suite).customerFilters},
		{"granular round trip", (*suite).granularRoundTrip},
		{"granular unknown", (*suite).granularUnknown},
		{"granular lost update", (*suite).granularOutdated},
		{"granular names", (*suite).granularNames},
		{"granular name, 64 at once", (*suite).granularNameOnce},
		{"granular answer, 64 at once", (*suite).granularOnce},
		{"granular lists", (*suite).granularLists},
		{"requests are found by whom they ask", (*suite).requestsFound},
		{"granular grants", (*suite).granularGrants},
		{"granular beside an invitation", (*suite).granularBeside},
		{"granular is kept whatever becomes of the relationship", (*suite).granularKept},
		{"accounts", (*suite).account},
		{"account lost update", (*suite).accountOutdated},
		{"account, 64 at once", (*suite).accountOnce},
		{"accounts newest first", (*suite).accountsNewestFirst},
		{"accounts filters", (*suite).accountFilters},
		{"accounts continued from nowhere", (*suite).accountsMalformedAfter},
		{"account's PartnerIDs are its own", (*suite).partnerIDs},
		{"agreements", (*suite).agreements},
		{"agreement, 64 at once", (*suite).agreementOnce},
		{"agreement signed with an answer", (*suite).agreementSigned},
		{"agreement forgets who signed", (*suite).agreementForgets},
		{"orders", (*suite).orders},
		{"order with an outdated relationship", (*suite).orderOutdated},
		{"orders newest first", (*suite).ordersNewestFirst},
		{"subscriptions", (*suite).subscriptions},
		{"subscriptions of a reseller on record", (*suite).onRecord},
		{"subscriptions of who supports", (*suite).supports},
		{"subscriptions that others sold", (*suite).salesOfOthers},
		{"subscriptions over all customers", (*suite).overAllCustomers},
		{"relationship ends with what is supported", (*suite).ends},
		{"reputation of a week", (*suite).week},
		{"reputation, 64 at once", (*suite).weekOnce},
		{"reputation pauses once", (*suite).pausedOnce},
		{"audit round trip", (*suite).auditRoundTrip},
		{"audit filters", (*suite).auditFilters},
		{"audit looks at a bounded number", (*suite).auditBounded},
		{"partnership in both directories", (*suite).partnership},
		{"settle both tiers at once", (*suite).settleTiers},
		{"settle needs what stands", (*suite).settleStands},
		{"settle a partnership with its answer", (*suite).settlePartnership},
		{"partnership lost update", (*suite).partnershipOutdated},
		{"partnership, 64 at once", (*suite).partnershipOnce},
		{"partnerships in order", (*suite).partnershipList},
		{"both tiers of customers", (*suite).tiers},
		{"ledger of a recipient", (*suite).mailings},
		{"ledger of a recipient, lost update", (*suite).mailingsOutdated},
		{"ledger of a recipient, 64 at once", (*suite).mailingsOnce},
		{"ledger of a day", (*suite).count},
		{"ledger of a day, 64 at once", (*suite).countOnce},
	} {
		t.Run(each.name, func(t *testing.T) { each.run(&suite{T: t, Stores: open(t)}) })
	}
}

type suite struct {
	*testing.T
	Stores
}

// noon is when most of what the suites make was made. It has a fraction of a second, which stores do not keep.
var noon = time.Date(2025, 3, 1, 12, 0, 0, 987654321, time.UTC)

func tenant() partner.TenantID {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return partner.TenantID(uuid.UUID(b).String())
}

func id() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return publicid.Format("inv_", b)
}

// draft is an invitation of version 1 to a recipient of its own.
func draft(p partner.TenantID, edit ...func(*invitation.Invitation)) invitation.Invitation {
	i := invitation.Invitation{
		Key: invitation.Key{Inviter: p, ID: id()}, Kind: invitation.Reseller, RecipientEmail: strings.ToLower(rand.Text()) + "@larch.example",
		Locale: "en", Cloud: "public", Reminders: true, Status: invitation.Draft, Generation: 1,
		Duration: invitation.DefaultDuration, ExpiresAt: second(noon.Add(invitation.DefaultDuration)), CreatedAt: second(noon), CreatedBy: "somebody",
		Version: 1, History: []invitation.Entry{{At: second(noon), Action: "created", By: "somebody"}},
	}
	for _, f := range edit {
		f(&i)
	}
	return i
}

// next is the version after i.
func next(i invitation.Invitation, edit func(*invitation.Invitation)) invitation.Invitation {
	n := copyInvitation(i)
	n.Version++
	edit(&n)
	return n
}

// pending is i after its mail was sent.
func pending(i invitation.Invitation) invitation.Invitation {
	return next(i, func(n *invitation.Invitation) {
		n.Status = invitation.Pending
		n.Mail = invitation.Mail{State: outbox.Sent, MessageID: "m", SentAt: second(noon)}
	})
}

func accepted(i invitation.Invitation, who string, customer partner.TenantID) invitation.Invitation {
	return next(i, func(n *invitation.Invitation) {
		n.Status, n.Customer, n.EndedAt = invitation.Accepted, customer, second(noon)
		n.Answer = &invitation.Given{Subject: who, Tenant: customer, FullName: "Ada Larch", At: second(noon)}
	})
}

func agreed(p, customer partner.TenantID, invitationID string) relationship.Relationship {
	return relationship.Relationship{
		ID: "rel_" + rand.Text(), Partner: p, Role: relationship.Direct, Status: relationship.Active, Origin: "invitation", Invitation: invitationID,
		Customer: relationship.Customer{
			Tenant: customer, CompanyName: "Larch Ltd", Domains: []string{"larch.example", "larch.test"}, Country: "US", CountrySource: "token", Cloud: "public",
		},
		DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded, RegionTable: "1",
		EstablishedAt: second(noon), UpdatedAt: second(noon), Version: 1,
	}
}

func (s *suite) write(before *invitation.Invitation, after invitation.Invitation) invitation.Invitation {
	s.Helper()
	if err := s.Invitations.Write(s.Context(), invitation.Change{Before: before, After: after}); err != nil {
		s.Fatalf("Write: %v", err)
	}
	return after
}

func (s *suite) create(p partner.TenantID, edit ...func(*invitation.Invitation)) invitation.Invitation {
	s.Helper()
	return s.write(nil, draft(p, edit...))
}

func (s *suite) stored(k invitation.Key) invitation.Invitation {
	s.Helper()
	i, err := s.Invitations.Invitation(s.Context(), k, true)
	if err != nil {
		s.Fatalf("Invitation: %v", err)
	}
	return i
}

func (s *suite) same(want, got any) {
	s.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		s.Fatalf("stored something else (-want +got):\n%s", d)
	}
}

func (s *suite) refused(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("error %v, want %v", err, want)
	}
}

func (s *suite) code(err error, want problem.Code) {
	s.Helper()
	if !problem.Is(err, want) {
		s.Fatalf("error %v, want the code %s", err, want)
	}
}

func (s *suite) heldBy(err error, holder string) {
	s.Helper()
	if taken, ok := errors.AsType[*invitation.SlotTaken](err); !ok || taken.By != holder {
		s.Fatalf("error %v, want the slot taken by %s", err, holder)
	}
}

// eventually waits for what an index needs a moment for.
func (s *suite) eventually(what string, f func() (got any, ok bool)) {
	s.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, ok := f()
		if ok {
			return
		}
		if time.Now().After(end) {
			s.Fatalf("%s: still %v", what, got)
		}
	}
}

func (s *suite) roundTrip() {
	p := tenant()
	sha := strings.Repeat("0123456789abcdef", 4)
	i := draft(p, func(i *invitation.Invitation) {
		i.Customer, i.Bound, i.Orderer = tenant(), true, tenant()
		i.RecipientEmail, i.RecipientName, i.Locale, i.LocaleAsked = "Ada.Larch@larch.example", "Ada Larch", "fr", "fr-CA"
		i.RequestDelegatedAdmin, i.Reminders, i.Source = true, false, "fair/2025"
		i.Tags = map[string]string{"team": "north", "#x": "ünï"}
		i.RegionTable, i.Edited, i.Replaces, i.ActingRole = "2025-01", true, id(), partner.IndirectReseller
		i.BatchID, i.Message, i.Sandbox = "bat_1", "We met in Lyon.", true
		i.History = []invitation.Entry{
			{At: second(noon), Action: "created", By: "somebody", CorrelationID: "6f1c9d3e-0000-4000-8000-0123456789ab", Key: "00aa11bb22cc", Body: "ff00ff00ff00"},
			{At: second(noon), Action: "mail failed", By: "mailer", Why: "throttled"},
			{At: second(noon), Action: "changed", By: "google|1|2", CorrelationID: "%not-a-uuid#", Why: "what\tever"},
		}
	})
	s.write(nil, i)
	s.same(i, s.stored(i.Key))

	for _, mail := range []invitation.Mail{
		{State: outbox.Queued, At: second(noon)},
		{State: outbox.Claimed, Attempts: 3, Owner: "o", At: second(noon)},
		{State: outbox.Waiting, Attempts: 3, At: second(noon), Reason: "throttled"},
		{State: outbox.Unknown, Attempts: 3, At: second(noon), Reason: "timeout", SentAt: second(noon)},
		{State: outbox.Failed, Attempts: 8, Reason: "attempts_used_up"},
		{State: outbox.Sent, Attempts: 1, MessageID: "0100018", SentAt: second(noon)},
	} {
		before := i
		i = s.write(&before, next(i, func(n *invitation.Invitation) {
			n.Status, n.Generation, n.Mail = invitation.Pending, n.Generation+1, mail
			n.ExpiresAt = time.Time{}
			if !mail.State.Owed() {
				n.ExpiresAt = second(noon.Add(n.Duration))
			}
		}))
		s.same(i, s.stored(i.Key))
	}

	// Every queue may be the one that is due, and neither.
	all := []outbox.Kind{
		invitation.ReminderNotice, invitation.ReceiptNotice, invitation.CopyNotice, invitation.AnswerNotice, invitation.RenewalNotice, invitation.DisputeNotice,
	}
	for n, post := range []outbox.Box{
		{State: outbox.Queued, Owed: all, At: second(noon)},
		{State: outbox.Claimed, Owed: all[1:2], Attempts: 2, Owner: "o", At: second(noon.Add(time.Hour))},
		{State: outbox.Waiting, Owed: all[2:4], Attempts: 3, At: second(noon.Add(2 * time.Hour)), Reason: "throttled"},
		{},
	} {
		for _, mail := range []invitation.Mail{
			{State: outbox.Sent, MessageID: "0100018", SentAt: second(noon)},
			{State: outbox.Waiting, Attempts: 1, At: second(noon.Add(time.Hour)), Reason: "throttled"},
		} {
			before := i
			i = s.write(&before, next(i, func(i *invitation.Invitation) {
				i.Mail, i.Post, i.Reminded, i.RemindedAt, i.Asked, i.Reported = mail, post, n%3, second(noon), n, 3-n
				i.ExpiresAt = second(noon.Add(30 * 24 * time.Hour))
				if i.Moot = nil; n%2 == 1 {
					i.Moot = &invitation.Moot{Reason: problem.RelationshipExists, Since: second(noon), Customer: tenant()}
				}
			}))
			s.same(i, s.stored(i.Key))
		}
	}
	for _, erase := range []time.Time{second(noon.Add(time.Hour)), second(noon), second(noon.Add(-time.Hour)), {}} {
		before := i
		i = s.write(&before, next(before, func(i *invitation.Invitation) {
			i.Status, i.EndedAt, i.EraseAt, i.DisputedAt = invitation.Declined, second(noon), erase, erase
			i.Mail = invitation.Mail{State: outbox.Sent, MessageID: "0100018", SentAt: second(noon)}
			if i.Post = (outbox.Box{}); !erase.IsZero() {
				i.Post = outbox.Box{State: outbox.Queued, Owed: all[1:], At: second(noon)}
			}
		}))
		s.same(i, s.stored(i.Key))
	}

	for _, given := range []invitation.Given{
		{Subject: "who", Tenant: i.Customer, Company: "Larch Ltd", FullName: "Ada Larch", JobTitle: "Head", At: second(noon),
			Email: "head@larch.example", Consent: invitation.ConsentText{Version: "1", Language: "fr", Hash: sha}, NoChange: true, Unproven: true, AgreementSigned: true, AgreementStood: true},
		{Subject: strings.Repeat("s", 200), Tenant: i.Customer, FullName: "Ada Larch", At: second(noon), Reason: "other", Comment: "Non, merci.",
			Consent: invitation.ConsentText{Hash: "not hexadecimal"}},
	} {
		before := i
		i = s.write(&before, next(i, func(n *invitation.Invitation) {
			n.Answer, n.EndedAt = &given, second(noon)
			n.History = append(n.History, invitation.Entry{At: second(noon), Action: "declined", By: given.Subject, Key: "00", Why: "x"})
		}))
		s.same(i, s.stored(i.Key))
		i.History = i.History[:3]
	}
}

func (s *suite) unknown() {
	for _, k := range []string{id(), "x", "A", strings.Repeat("x", 3000), "inv_#", ""} {
		for _, strong := range []bool{true, false} {
			_, err := s.Invitations.Invitation(s.Context(), invitation.Key{Inviter: tenant(), ID: k}, strong)
			s.code(err, problem.NotFound)
		}
	}
}

func (s *suite) idTaken() {
	first := s.create(tenant())
	second := draft(first.Inviter, func(i *invitation.Invitation) { i.ID = first.ID })
	s.refused(s.Invitations.Write(s.Context(), invitation.Change{After: second}), invitation.ErrConflict)
	// Also where the slot is taken: the replayed create.
	second.RecipientEmail = first.RecipientEmail
	s.refused(s.Invitations.Write(s.Context(), invitation.Change{After: second}), invitation.ErrConflict)
	// And without a slot.
	second.RecipientEmail = ""
	s.refused(s.Invitations.Write(s.Context(), invitation.Change{After: second}), invitation.ErrConflict)
	s.same(first, s.stored(first.Key))
}

func (s *suite) slotTaken() {
	p := tenant()
	for _, each := range []func(*invitation.Invitation){
		func(i *invitation.Invitation) { i.RecipientEmail = "ada@larch.example" },
		func(i *invitation.Invitation) {
			i.RecipientEmail, i.Customer, i.Bound = "", "00000000-0000-4000-8000-000000000001", true
		},
	} {
		first := s.create(p, each)
		second := draft(p, each)
		s.heldBy(s.Invitations.Write(s.Context(), invitation.Change{After: second}), first.ID)
		_, err := s.Invitations.Invitation(s.Context(), second.Key, true)
		s.code(err, problem.NotFound)
		// Another partner has slots of its own.
		s.create(tenant(), each)
	}
}

func (s *suite) noSlot() {
	p := tenant()
	for range 2 {
		s.create(p, func(i *invitation.Invitation) { i.RecipientEmail = "" })
	}
}

func (s *suite) displacesEnded() {
	first := s.create(tenant())
	ended := s.write(&first, next(first, func(n *invitation.Invitation) { n.Status, n.EndedAt = invitation.Cancelled, second(noon) }))
	second := draft(first.Inviter, func(i *invitation.Invitation) { i.RecipientEmail = first.RecipientEmail })
	s.heldBy(s.Invitations.Write(s.Context(), invitation.Change{After: second}), first.ID)
	if err := s.Invitations.Write(s.Context(), invitation.Change{After: second, Displaced: &ended}); err != nil {
		s.Fatal(err)
	}
	s.same(second, s.stored(second.Key))
	s.same(ended, s.stored(ended.Key))
	// The slot has passed on: who was displaced is displaced once only.
	third := draft(first.Inviter, func(i *invitation.Invitation) { i.RecipientEmail = first.RecipientEmail })
	s.heldBy(s.Invitations.Write(s.Context(), invitation.Change{After: third, Displaced: &ended}), second.ID)
}

// successor is an invitation in the slot of i, made when the time of i is over.
func successor(i invitation.Invitation) invitation.Invitation {
	return draft(i.Inviter, func(n *invitation.Invitation) {
		n.RecipientEmail = i.RecipientEmail
		n.CreatedAt, n.ExpiresAt = i.ExpiresAt, i.ExpiresAt.Add(n.Duration)
		n.History[0].At = n.CreatedAt
	})
}

func (s *suite) displacesLapsed() {
	for _, make := range []func(invitation.Invitation) invitation.Invitation{
		func(i invitation.Invitation) invitation.Invitation { return i },
		func(i invitation.Invitation) invitation.Invitation { return s.write(&i, pending(i)) },
	} {
		lapsed := make(s.create(tenant()))
		after := successor(lapsed)
		if err := s.Invitations.Write(s.Context(), invitation.Change{After: after, Displaced: &lapsed}); err != nil {
			s.Fatal(err)
		}
		got := s.stored(lapsed.Key)
		if got.Status != invitation.Expired || got.Version != lapsed.Version+1 || !got.EndedAt.Equal(after.CreatedAt) {
			s.Fatalf("the displaced one is %s at version %d, ended at %s", got.Status, got.Version, got.EndedAt)
		}
		s.notDue(lapsed.Inviter, after.CreatedAt, lapsed.ID)
	}
}

func (s *suite) displacesChanged() {
	lapsed := s.create(tenant())
	changed := s.write(&lapsed, next(lapsed, func(n *invitation.Invitation) { n.Locale = "fr" }))
	after := successor(lapsed)
	s.heldBy(s.Invitations.Write(s.Context(), invitation.Change{After: after, Displaced: &lapsed}), lapsed.ID)
	_, err := s.Invitations.Invitation(s.Context(), after.Key, true)
	s.code(err, problem.NotFound)
	s.same(changed, s.stored(changed.Key))
}

func (s *suite) displacesMoved() {
	first := s.create(tenant())
	moved := s.write(&first, next(first, func(n *invitation.Invitation) { n.RecipientEmail = "else@oak.example" }))
	second := draft(first.Inviter, func(i *invitation.Invitation) { i.RecipientEmail = first.RecipientEmail })
	if err := s.Invitations.Write(s.Context(), invitation.Change{After: second, Displaced: &moved}); err != nil {
		s.Fatal(err)
	}
	s.same(moved, s.stored(first.Key)) // open as it was
}

func (s *suite) displacesReturned() {
	first := s.create(tenant())
	moved := s.write(&first, next(first, func(n *invitation.Invitation) { n.RecipientEmail = "else@oak.example" }))
	s.write(&moved, next(moved, func(n *invitation.Invitation) { n.RecipientEmail = first.RecipientEmail }))
	second := draft(first.Inviter, func(i *invitation.Invitation) { i.RecipientEmail = first.RecipientEmail })
	s.heldBy(s.Invitations.Write(s.Context(), invitation.Change{After: second, Displaced: &moved}), first.ID)
}

func (s *suite) recipientChange() {
	p := tenant()
	first, other := s.create(p), s.create(p)
	// Into a slot that is held: nothing changes.
	after := next(first, func(n *invitation.Invitation) { n.RecipientEmail = other.RecipientEmail })
	s.heldBy(s.Invitations.Write(s.Context(), invitation.Change{Before: &first, After: after}), other.ID)
	s.same(first, s.stored(first.Key))
	// Into a free one: it is held from then on.
	after = s.write(&first, next(first, func(n *invitation.Invitation) { n.RecipientEmail = "new@oak.example" }))
	again := draft(p, func(i *invitation.Invitation) { i.RecipientEmail = "NEW@oak.example" })
	s.heldBy(s.Invitations.Write(s.Context(), invitation.Change{After: again}), first.ID)
	// Out of every slot, and into one's own again.
	none := s.write(&after, next(after, func(n *invitation.Invitation) { n.RecipientEmail = "" }))
	s.write(&none, next(none, func(n *invitation.Invitation) { n.RecipientEmail = "new@oak.example" }))
	// An outdated change takes no slot.
	outdated := next(first, func(n *invitation.Invitation) { n.RecipientEmail = "third@oak.example" })
	s.refused(s.Invitations.Write(s.Context(), invitation.Change{Before: &first, After: outdated}), invitation.ErrConflict)
	s.create(p, func(i *invitation.Invitation) { i.RecipientEmail = "third@oak.example" })
}

func (s *suite) lostUpdate() {
	before := s.create(tenant())
	won := s.write(&before, next(before, func(n *invitation.Invitation) { n.Locale = "fr" }))
	lost := next(before, func(n *invitation.Invitation) { n.Locale = "de" })
	s.refused(s.Invitations.Write(s.Context(), invitation.Change{Before: &before, After: lost}), invitation.ErrConflict)
	s.same(won, s.stored(before.Key))
	// Also when the one that came too late would have written the very same.
	s.refused(s.Invitations.Write(s.Context(), invitation.Change{Before: &before, After: won}), invitation.ErrConflict)
}

func (s *suite) updateOfNothing() {
	never := draft(tenant())
	s.refused(s.Invitations.Write(s.Context(), invitation.Change{Before: &never, After: next(never, func(*invitation.Invitation) {})}), invitation.ErrConflict)
	_, err := s.Invitations.Invitation(s.Context(), never.Key, true)
	s.code(err, problem.NotFound)
}

func (s *suite) attributesGo() {
	before := s.create(tenant(), func(i *invitation.Invitation) {
		i.RecipientName, i.Source, i.Tags, i.RequestDelegatedAdmin, i.Edited = "Ada", "fair", map[string]string{"a": "b"}, true, true
	})
	after := s.write(&before, next(before, func(n *invitation.Invitation) {
		n.RecipientName, n.Source, n.Tags, n.RequestDelegatedAdmin, n.Reminders, n.ExpiresAt, n.Edited = "", "", nil, false, false, time.Time{}, false
	}))
	s.same(after, s.stored(before.Key))
}

func (s *suite) partnersApart() {
	mine, theirs := s.create(tenant()), s.create(tenant())
	_, err := s.Invitations.Invitation(s.Context(), invitation.Key{Inviter: mine.Inviter, ID: theirs.ID}, true)
	s.code(err, problem.NotFound)
	customer := tenant()
	before := s.write(&theirs, pending(theirs))
	if err := s.accepts(invitation.Change{Before: &before, After: accepted(before, "who", customer)},
		agreed(theirs.Inviter, customer, theirs.ID)); err != nil {
		s.Fatal(err)
	}
	_, err = s.Relationships.Relationship(s.Context(), mine.Inviter, customer)
	s.code(err, problem.NotFound)
	s.same([]string{mine.ID}, s.list(mine.Inviter, invitation.Query{}, 25))
	s.same([]partner.TenantID(nil), s.listCustomers(mine.Inviter, relationship.Query{}, 25))
	// Another's place in a list gives nothing of it.
	page, err := s.Invitations.Invitations(s.Context(), theirs.Inviter, invitation.Query{Limit: 1})
	if err != nil {
		s.Fatal(err)
	}
	if page.Next != "" {
		for _, i := range s.page(mine.Inviter, invitation.Query{Limit: 5, After: page.Next}).Invitations {
			if i.Inviter != mine.Inviter {
				s.Fatal("another partner's invitation")
			}
		}
	}
}

// accepts stores an answer with the relationship that it makes, over the version before it.
func (s *suite) accepts(c invitation.Change, r relationship.Relationship) error {
	rc := relationship.Change{After: r}
	if r.Version > 1 {
		before := r
		before.Version--
		if stored, err := s.Relationships.Relationship(s.Context(), r.Partner, r.Customer.Tenant); err == nil && stored.Version == before.Version {
			before = stored
		}
		rc.Before = &before
	}
	return s.Invitations.Commit(s.Context(), []invitation.Change{c}, []relationship.Change{rc})
}

func (s *suite) accept() {
	before := s.create(tenant())
	before = s.write(&before, pending(before))
	customer := tenant()
	after, made := accepted(before, "who", customer), agreed(before.Inviter, customer, before.ID)
	if err := s.accepts(invitation.Change{Before: &before, After: after}, made); err != nil {
		s.Fatal(err)
	}
	s.same(after, s.stored(before.Key))
	got, err := s.Relationships.Relationship(s.Context(), before.Inviter, customer)
	if err != nil {
		s.Fatal(err)
	}
	s.same(made, got)
	s.lists(before.Inviter, relationship.Query{}, customer)
}

func (s *suite) acceptAgain() {
	p, customer := tenant(), tenant()
	made := agreed(p, customer, "")
	for version := 1; version <= 2; version++ {
		before := s.create(p)
		made.Invitation, made.Version = before.ID, version
		if version == 2 {
			made.DelegatedAdmin = relationship.ActiveDAP
		}
		if err := s.accepts(invitation.Change{Before: &before, After: accepted(before, "who", customer)}, made); err != nil {
			s.Fatal(err)
		}
		got, err := s.Relationships.Relationship(s.Context(), p, customer)
		if err != nil {
			s.Fatal(err)
		}
		s.same(made, got)
	}
}

func (s *suite) acceptOutdatedRelationship() {
	p, customer := tenant(), tenant()
	first := s.create(p)
	made := agreed(p, customer, first.ID)
	if err := s.accepts(invitation.Change{Before: &first, After: accepted(first, "who", customer)}, made); err != nil {
		s.Fatal(err)
	}
	before := s.create(p)
	for _, version := range []int{1, 3} {
		outdated := agreed(p, customer, before.ID)
		outdated.Version = version
		err := s.accepts(invitation.Change{Before: &before, After: accepted(before, "who", customer)}, outdated)
		s.refused(err, invitation.ErrConflict)
	}
	s.same(before, s.stored(before.Key))
	got, err := s.Relationships.Relationship(s.Context(), p, customer)
	if err != nil {
		s.Fatal(err)
	}
	s.same(made, got)
}

func (s *suite) acceptOutdatedInvitation() {
	customer := tenant()
	before := s.create(tenant())
	now := s.write(&before, next(before, func(n *invitation.Invitation) { n.Status = invitation.Cancelled }))
	err := s.accepts(invitation.Change{Before: &before, After: accepted(before, "who", customer)}, agreed(before.Inviter, customer, before.ID))
	s.refused(err, invitation.ErrConflict)
	s.same(now, s.stored(before.Key))
	_, err = s.Relationships.Relationship(s.Context(), before.Inviter, customer)
	s.code(err, problem.NotFound)
}

func (s *suite) acceptOnce() {
	const callers = 64
	before := s.create(tenant())
	before = s.write(&before, pending(before))
	var wg sync.WaitGroup
	errs := make([]error, callers)
	customers := []partner.TenantID{tenant(), tenant(), tenant()}
	for n := range callers {
		wg.Go(func() {
			customer := customers[n%len(customers)]
			errs[n] = s.accepts(invitation.Change{Before: &before, After: accepted(before, fmt.Sprint("who ", n), customer)},
				agreed(before.Inviter, customer, before.ID))
		})
	}
	wg.Wait()
	won := -1
	for n, err := range errs {
		switch {
		case err == nil && won < 0:
			won = n
		case err == nil:
			s.Fatalf("%d and %d both won", won, n)
		case !errors.Is(err, invitation.ErrConflict) && !problem.Is(err, problem.Unavailable):
			s.Fatalf("error %v", err)
		}
	}
	if won < 0 {
		s.Fatal("nobody won")
	}
	if got := s.stored(before.Key).Answer.Subject; got != fmt.Sprint("who ", won) {
		s.Fatalf("%q is stored, %d was told", got, won)
	}
	s.lists(before.Inviter, relationship.Query{}, customers[won%len(customers)])
}

func (s *suite) page(p partner.TenantID, q invitation.Query) invitation.Page {
	s.Helper()
	page, err := s.Invitations.Invitations(s.Context(), p, q)
	if err != nil {
		s.Fatal(err)
	}
	if len(page.Invitations) > q.Limit {
		s.Fatalf("%d invitations in a page of %d", len(page.Invitations), q.Limit)
	}
	return page
}

// list walks through all pages of a list.
func (s *suite) list(p partner.TenantID, q invitation.Query, limit int) (ids []string) {
	s.Helper()
	for q.Limit, q.After = limit, ""; ; {
		page := s.page(p, q)
		for _, i := range page.Invitations {
			ids = append(ids, i.ID)
		}
		if q.After = page.Next; q.After == "" {
			return ids
		}
	}
}

// several makes invitations a minute apart and gives them newest first, once the list has them.
func (s *suite) several(p partner.TenantID, n int, edit func(int, *invitation.Invitation)) (all []invitation.Invitation) {
	s.Helper()
	for k := range n {
		all = append(all, s.create(p, func(i *invitation.Invitation) {
			i.CreatedAt = second(noon.Add(time.Duration(k) * time.Minute))
			if edit != nil {
				edit(k, i)
			}
		}))
	}
	slices.Reverse(all)
	s.eventually("the list", func() (any, bool) {
		got := s.list(p, invitation.Query{}, 100)
		return len(got), len(got) == n
	})
	return all
}

func ids(all []invitation.Invitation) (list []string) {
	for _, i := range all {
		list = append(list, i.ID)
	}
	return list
}

func (s *suite) newestFirst() {
	p := tenant()
	s.several(tenant(), 3, nil)
	all := s.several(p, 7, nil)
	for _, limit := range []int{1, 2, 3, 7, 25, 100} {
		s.same(ids(all), s.list(p, invitation.Query{}, limit))
	}
	s.same(all[:2], s.page(p, invitation.Query{Limit: 2}).Invitations) // whole items
	s.same([]string(nil), s.list(tenant(), invitation.Query{}, 25))
	// In one second, in some fixed order, each once.
	p = tenant()
	same := s.several(p, 9, func(_ int, i *invitation.Invitation) { i.CreatedAt = second(noon) })
	got := s.list(p, invitation.Query{}, 2)
	s.same(s.list(p, invitation.Query{}, 25), got)
	want := ids(same)
	slices.Sort(want)
	slices.Sort(got)
	s.same(want, got)
}

func (s *suite) pagingStable() {
	p := tenant()
	all := s.several(p, 12, nil)
	var got []string
	q := invitation.Query{Limit: 5}
	for {
		page := s.page(p, q)
		got = append(got, ids(page.Invitations)...)
		if q.After = page.Next; q.After == "" {
			break
		}
		s.create(p, func(i *invitation.Invitation) { i.CreatedAt = second(noon.Add(time.Hour)) })
	}
	s.same(ids(all), got)
}

func (s *suite) filters() {
	p, customer := tenant(), tenant()
	all := s.several(p, 8, func(k int, i *invitation.Invitation) {
		if k == 1 {
			i.Customer, i.Bound = customer, true
		}
		if k == 2 {
			i.RecipientEmail = "Ada@Larch.example"
		}
		if k == 3 {
			i.ExpiresAt = second(noon.Add(time.Hour)) // expired when asked, not in the store
		}
	})
	oldest := slices.Clone(all)
	slices.Reverse(oldest)
	s.write(&oldest[4], pending(oldest[4]))
	s.write(&oldest[5], next(oldest[5], func(n *invitation.Invitation) {
		n.Status, n.Mail, n.ExpiresAt = invitation.Pending, invitation.Mail{State: outbox.Waiting, At: second(noon)}, time.Time{}
	}))
	s.write(&oldest[6], next(oldest[6], func(n *invitation.Invitation) { n.Status, n.EndedAt = invitation.Cancelled, second(noon) }))
	now := noon.Add(2 * time.Hour)
	minute := func(n int) time.Time { return second(noon.Add(time.Duration(n) * time.Minute)) }
	for name, each := range map[string]struct {
		q    invitation.Query
		want []int // oldest first
	}{
		"draft":               {invitation.Query{Status: invitation.Draft}, []int{0, 1, 2, 7}},
		"expired":             {invitation.Query{Status: invitation.Expired}, []int{3}},
		"pending":             {invitation.Query{Status: invitation.Pending}, []int{4, 5}},
		"cancelled":           {invitation.Query{Status: invitation.Cancelled}, []int{6}},
		"accepted":            {invitation.Query{Status: invitation.Accepted}, nil},
		"kind":                {invitation.Query{Kind: invitation.Reseller}, []int{0, 1, 2, 3, 4, 5, 6, 7}},
		"other kind":          {invitation.Query{Kind: "indirect"}, nil},
		"recipient":           {invitation.Query{RecipientEmail: "ada@larch.example"}, []int{2}},
		"customer":            {invitation.Query{Customer: customer}, []int{1}},
		"not sent":            {invitation.Query{DeliveryState: outbox.DeliveryNotSent}, []int{0, 1, 2, 3, 6, 7}},
		"sending":             {invitation.Query{DeliveryState: outbox.DeliverySending}, []int{5}},
		"sent":                {invitation.Query{DeliveryState: outbox.DeliverySent}, []int{4}},
		"created after":       {invitation.Query{CreatedAfter: minute(5)}, []int{5, 6, 7}},
		"just after":          {invitation.Query{CreatedAfter: minute(5).Add(time.Millisecond)}, []int{6, 7}},
		"created before":      {invitation.Query{CreatedBefore: minute(2)}, []int{0, 1}},
		"just before":         {invitation.Query{CreatedBefore: minute(2).Add(time.Millisecond)}, []int{0, 1, 2}},
		"between":             {invitation.Query{CreatedAfter: minute(2), CreatedBefore: minute(6), Status: invitation.Draft}, []int{2}},
		"nothing lies within": {invitation.Query{CreatedAfter: minute(6), CreatedBefore: minute(2)}, nil},
	} {
		var want []string
		for _, n := range slices.Backward(each.want) {
			want = append(want, oldest[n].ID)
		}
		each.q.Now = now
		for _, limit := range []int{1, 3, 25} {
			if got := s.list(p, each.q, limit); !slices.Equal(want, got) {
				s.Errorf("%s, %d to a page: %v, want %v", name, limit, got, want)
			}
		}
	}
}

func (s *suite) bounded() {
	p := tenant()
	all := s.several(p, 9, func(k int, i *invitation.Invitation) {
		if k == 0 {
			i.Locale, i.RecipientEmail = "fr", "ada@larch.example"
		}
	})
	page := s.page(p, invitation.Query{RecipientEmail: "ada@larch.example", Limit: 2})
	if len(page.Invitations) != 0 || page.Next == "" {
		s.Fatalf("%d invitations, next %q, want an empty page and the next", len(page.Invitations), page.Next)
	}
	s.same([]string{all[8].ID}, s.list(p, invitation.Query{RecipientEmail: "ada@larch.example"}, 2))
}

func (s *suite) malformedAfter() {
	for _, after := range []string{"x", "I#", "I#2025-03-01T12:00:00Z", "I#yesterday#inv_a", "\x00"} {
		_, err := s.Invitations.Invitations(s.Context(), tenant(), invitation.Query{Limit: 5, After: after})
		s.code(err, problem.MalformedRequest)
		_, err = s.Relationships.Relationships(s.Context(), tenant(), relationship.Query{Limit: 5, After: after})
		s.code(err, problem.MalformedRequest)
		_, _, err = s.Directory.Traces(s.Context(), tenant(), after, 5)
		s.code(err, problem.MalformedRequest)
	}
}

// dueOf returns what is due of one partner, in the order in which it is listed.
func (s *suite) dueOf(p partner.TenantID, now time.Time) (items []due.Item) {
	s.Helper()
	for r, err := range s.DueIndex.Due(s.Context(), now) {
		if err != nil {
			s.Fatal(err)
		}
		if r.Partner == p {
			items = append(items, r)
		}
	}
	return items
}

func (s *suite) notDue(p partner.TenantID, now time.Time, id string) {
	s.Helper()
	s.eventually("the due index", func() (any, bool) {
		items := s.dueOf(p, now)
		return items, !slices.ContainsFunc(items, func(r due.Item) bool { return r.ID == id })
	})
}

func (s *suite) due() {
	p := tenant()
	at := second(noon)
	want := map[string]time.Time{}
	for k := range 12 {
		i := s.create(p)
		when := at.Add(time.Duration((k*7)%12-8) * time.Hour) // some before, one at, some after the moment
		i = s.write(&i, next(i, func(n *invitation.Invitation) {
			n.Status = invitation.Pending
			if k%2 == 0 {
				n.Mail, n.ExpiresAt = invitation.Mail{State: outbox.Waiting, At: when}, time.Time{}
			} else {
				n.Mail, n.ExpiresAt = invitation.Mail{State: outbox.Sent, SentAt: at}, when
			}
		}))
		if !when.After(at) {
			want[i.ID] = when
		}
	}
	s.create(p, func(i *invitation.Invitation) { i.ExpiresAt = at.Add(-time.Hour) }) // a draft waits for nobody
	s.eventually("what is due", func() (any, bool) {
		items := s.dueOf(p, at)
		return len(items), len(items) == len(want)
	})
	items := s.dueOf(p, at)
	for _, r := range items {
		if !want[r.ID].Equal(r.At) {
			s.Errorf("%s is due at %s, want %s", r.ID, r.At, want[r.ID])
		}
	}
	if !slices.IsSortedFunc(items, func(a, b due.Item) int { return a.At.Compare(b.At) }) {
		s.Errorf("not earliest first: %v", items)
	}
	for _, err := range s.DueIndex.Due(s.Context(), at) {
		if err != nil {
			s.Fatal(err)
		}
		break // a run that ends early is no fault
	}
}

func (s *suite) dueGone() {
	later := noon.Add(100 * 24 * time.Hour)
	for _, end := range []func(invitation.Invitation){
		func(i invitation.Invitation) {
			s.write(&i, next(i, func(n *invitation.Invitation) { n.Status, n.EndedAt = invitation.Cancelled, second(noon) }))
		},
		func(i invitation.Invitation) {
			customer := tenant()
			if err := s.accepts(invitation.Change{Before: &i, After: accepted(i, "who", customer)}, agreed(i.Inviter, customer, i.ID)); err != nil {
				s.Fatal(err)
			}
		},
		func(i invitation.Invitation) {
			after, changed := i.Tick(later)
			if !changed || after.Status != invitation.Expired {
				s.Fatalf("%s after its time", after.Status)
			}
			s.write(&i, after)
		},
	} {
		i := s.create(tenant())
		i = s.write(&i, pending(i))
		s.eventually("the due index", func() (any, bool) {
			items := s.dueOf(i.Inviter, later)
			return items, len(items) == 1
		})
		end(i)
		s.notDue(i.Inviter, later, i.ID)
	}
}

func (s *suite) agree(p partner.TenantID, edit func(*relationship.Relationship)) relationship.Relationship {
	s.Helper()
	before := s.create(p)
	r := agreed(p, tenant(), before.ID)
	edit(&r)
	if err := s.accepts(invitation.Change{Before: &before, After: accepted(before, "who", r.Customer.Tenant)}, r); err != nil {
		s.Fatal(err)
	}
	return r
}

func (s *suite) listCustomers(p partner.TenantID, q relationship.Query, limit int) (tenants []partner.TenantID) {
	s.Helper()
	for q.Limit, q.After = limit, ""; ; {
		page, err := s.Relationships.Relationships(s.Context(), p, q)
		if err != nil {
			s.Fatal(err)
		}
		if len(page.Relationships) > limit {
			s.Fatalf("%d relationships in a page of %d", len(page.Relationships), limit)
		}
		for _, r := range page.Relationships {
			tenants = append(tenants, r.Customer.Tenant)
		}
		if q.After = page.Next; q.After == "" {
			return tenants
		}
	}
}

// lists waits until a list of customers is what it should be, on pages of every size.
func (s *suite) lists(p partner.TenantID, q relationship.Query, want ...partner.TenantID) {
	s.Helper()
	for _, limit := range []int{1, 3, 7, 25} {
		s.eventually(fmt.Sprintf("%+v, %d to a page, is %v", q, limit, want), func() (any, bool) {
			got := s.listCustomers(p, q, limit)
			return got, slices.Equal(want, got)
		})
	}
}

// newestFirst gives the customers of relationships as they are listed.
func newestFirst(all ...relationship.Relationship) (tenants []partner.TenantID) {
	slices.SortFunc(all, func(a, b relationship.Relationship) int { return strings.Compare(b.Place(), a.Place()) })
	for _, r := range all {
		tenants = append(tenants, r.Customer.Tenant)
	}
	return tenants
}

// customers: the newest is listed first, some of one second among them; what happens to one moves none, and one that comes back stands where
// it comes back.
func (s *suite) customers() {
	p := tenant()
	var all []relationship.Relationship
	for n := range 7 {
		all = append(all, s.agree(p, func(r *relationship.Relationship) {
			r.EstablishedAt = second(noon).Add(time.Duration(n/2) * time.Minute)
		}))
	}
	s.lists(p, relationship.Query{}, newestFirst(slices.Clone(all)...)...)
	write := func(n int, edit func(*relationship.Relationship)) {
		s.Helper()
		before := s.create(p)
		was, after := all[n], all[n]
		after.Version++
		edit(&after)
		c := relationship.Change{Before: &was, After: after}
		s.ok(s.Invitations.Commit(s.Context(), []invitation.Change{{Before: &before, After: accepted(before, "who", after.Customer.Tenant)}}, []relationship.Change{c}))
		all[n] = after
	}
	write(2, func(r *relationship.Relationship) { r.UpdatedAt = second(noon).Add(time.Hour) })
	write(0, func(r *relationship.Relationship) { r.Status = relationship.Removed })
	s.lists(p, relationship.Query{}, newestFirst(slices.Clone(all)...)...)
	write(0, func(r *relationship.Relationship) {
		r.Status, r.EstablishedAt = relationship.Active, second(noon).Add(24*time.Hour)
	})
	want := newestFirst(slices.Clone(all)...)
	if want[0] != all[0].Customer.Tenant {
		s.Fatalf("%v begins with another than %s", want, all[0].Customer.Tenant)
	}
	s.lists(p, relationship.Query{}, want...)
	_, err := s.Relationships.Relationship(s.Context(), p, tenant())
	s.code(err, problem.NotFound)
}

func (s *suite) customerFilters() {
	p := tenant()
	var all []relationship.Relationship
	for k := range 6 {
		all = append(all, s.agree(p, func(r *relationship.Relationship) {
			switch k {
			case 1:
				r.Status = relationship.Removed
			case 2:
				r.Customer.CompanyName = "Grand Chêne SA"
			case 3:
				r.Customer.Domains = []string{"oak.example"}
			case 4:
				r.Customer.Domains = nil
			}
		}))
	}
	for name, each := range map[string]struct {
		q    relationship.Query
		want []int
	}{
		"active":    {relationship.Query{Status: relationship.Active}, []int{0, 2, 3, 4, 5}},
		"removed":   {relationship.Query{Status: relationship.Removed}, []int{1}},
		"name":      {relationship.Query{Name: "grand CHÊNE"}, []int{2}},
		"domain":    {relationship.Query{Domain: "OAK.example"}, []int{3}},
		"no domain": {relationship.Query{Domain: "elm.example"}, nil},
		"both":      {relationship.Query{Status: relationship.Active, Domain: "larch.test"}, []int{0, 2, 5}},
	} {
		var want []relationship.Relationship
		for _, n := range each.want {
			want = append(want, all[n])
		}
		s.Log(name)
		s.lists(p, each.q, newestFirst(want...)...)
	}
}

// reword writes the next version of a draft with other words.
func (s *suite) reword(before invitation.Invitation, w invitation.Words) invitation.Invitation {
	s.Helper()
	after := next(before, func(n *invitation.Invitation) {
		n.Edited = w != invitation.Words{}
		n.History = append(n.History, invitation.Entry{At: second(noon), Action: "edited", By: "somebody"})
	})
	if err := s.Invitations.Write(s.Context(), invitation.Change{Before: &before, After: after, Words: &w}); err != nil {
		s.Fatalf("Write: %v", err)
	}
	return after
}

func (s *suite) hasWords(k invitation.Key, want invitation.Words) {
	s.Helper()
	got, err := s.Invitations.Words(s.Context(), k)
	if want == (invitation.Words{}) {
		s.code(err, problem.NotFound)
		return
	}
	if err != nil {
		s.Fatal(err)
	}
	s.same(want, got)
}

func (s *suite) words() {
	none, first := invitation.Words{}, invitation.Words{Subject: "Une demande", Body: "Bonjour,\r\n\tici: \x1a\n"}
	second := invitation.Words{Subject: "A request", Body: strings.Repeat("é", invitation.MaxWords/2)}
	i := s.create(tenant())
	s.hasWords(i.Key, none)
	i = s.reword(i, first)
	s.hasWords(i.Key, first)
	s.same(i, s.stored(i.Key))
	i = s.reword(i, second)
	s.hasWords(i.Key, second)
	// Another change leaves them.
	before := i
	i = s.write(&before, next(i, func(n *invitation.Invitation) { n.Locale = "fr" }))
	s.hasWords(i.Key, second)
	i = s.reword(i, none)
	s.hasWords(i.Key, none)
	s.same(i, s.stored(i.Key))
	i = s.reword(i, none) // there is nothing to take back
	i = s.reword(i, first)
	s.hasWords(i.Key, first)
	for _, other := range []invitation.Key{{Inviter: tenant(), ID: i.ID}, {Inviter: i.Inviter, ID: id()}, {Inviter: i.Inviter}, {Inviter: i.Inviter, ID: "A"}} {
		s.hasWords(other, none)
	}
}

func (s *suite) wordsOutdated() {
	kept, late := invitation.Words{Subject: "Kept", Body: "kept"}, invitation.Words{Subject: "Late", Body: "late"}
	before := s.create(tenant())
	after := s.reword(before, kept)
	for _, w := range []invitation.Words{late, {}} {
		s.refused(s.Invitations.Write(s.Context(), invitation.Change{
			Before: &before, After: next(before, func(n *invitation.Invitation) { n.Edited = true }), Words: &w,
		}), invitation.ErrConflict)
	}
	s.hasWords(before.Key, kept)
	s.same(after, s.stored(before.Key))
	// Nor after another change, which has no words.
	changed := s.write(&after, next(after, func(n *invitation.Invitation) { n.Status = invitation.Cancelled }))
	s.refused(s.Invitations.Write(s.Context(), invitation.Change{
		Before: &after, After: next(after, func(*invitation.Invitation) {}), Words: &late,
	}), invitation.ErrConflict)
	s.hasWords(before.Key, kept)
	s.same(changed, s.stored(before.Key))
}

func (s *suite) wordsAndSlot() {
	p, w := tenant(), invitation.Words{Subject: "A request", Body: "body"}
	first, other := s.create(p), s.create(p)
	move := func(address string) error {
		return s.Invitations.Write(s.Context(), invitation.Change{
			Before: &first, After: next(first, func(n *invitation.Invitation) { n.RecipientEmail, n.Edited = address, true }), Words: &w,
		})
	}
	s.heldBy(move(other.RecipientEmail), other.ID)
	s.hasWords(first.Key, invitation.Words{})
	if err := move("new@oak.example"); err != nil {
		s.Fatal(err)
	}
	s.hasWords(first.Key, w)
	s.refused(move("third@oak.example"), invitation.ErrConflict)
}

func (s *suite) recorded(known string) recipient.Mailings {
	s.Helper()
	m, err := s.Ledger.Mailings(s.Context(), known, true)
	if err != nil {
		s.Fatal(err)
	}
	return m
}

func mailing(n int) recipient.Mailing {
	return recipient.Mailing{Partner: tenant(), Invitation: id(), Generation: n, Reminder: n % 3, At: second(noon.Add(time.Duration(n) * time.Minute))}
}

func (s *suite) mailings() {
	known := rand.Text()
	s.same(recipient.Mailings{Recipient: known}, s.recorded(known))
	m := recipient.Mailings{Recipient: known}
	for n := range 15 {
		m.Version++
		m.List = append(m.List, mailing(n+1))
		if n == 9 {
			m.List = m.List[8:] // what is over is forgotten
		}
		if err := s.Ledger.Record(s.Context(), m); err != nil {
			s.Fatal(err)
		}
		s.same(m, s.recorded(known))
	}
	s.eventually("the mailings", func() (any, bool) {
		got, err := s.Ledger.Mailings(s.Context(), known, false)
		return got, err == nil && cmp.Equal(m, got)
	})
	s.same(recipient.Mailings{Recipient: known + "x"}, s.recorded(known+"x"))

	// What is suppressed is kept beside the mailings, and without any.
	m.Version++
	m.Suppressed = &recipient.Suppression{At: second(noon.Add(time.Hour)), Reason: "address_unknown"}
	m.Bounced = &recipient.Suppression{At: second(noon.Add(2 * time.Hour)), Reason: "bounce_permanent"}
	m.Blocked = map[partner.TenantID]recipient.Suppression{tenant(): {At: second(noon), Reason: "reported"}, tenant(): {At: second(noon), Reason: "unsubscribed"}}
	for range 2 {
		if err := s.Ledger.Record(s.Context(), m); err != nil {
			s.Fatal(err)
		}
		s.same(m, s.recorded(known))
		m.Version++
		m.List = nil
	}
	// What was removed is remembered when nothing else is.
	m.Suppressed, m.Bounced, m.Blocked = nil, nil, nil
	m.Removed = []recipient.RemovedSuppression{
		{At: second(noon), By: "operator", CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001", Why: "owner asked"},
		{At: second(noon.Add(time.Hour)), Partner: tenant(), By: "operator", Why: "a mistake\tof ours"},
	}
	if err := s.Ledger.Record(s.Context(), m); err != nil {
		s.Fatal(err)
	}
	s.same(m, s.recorded(known))
}

func (s *suite) mailingsOutdated() {
	known := rand.Text()
	won := recipient.Mailings{Recipient: known, List: []recipient.Mailing{mailing(1)}, Version: 1}
	lost := recipient.Mailings{Recipient: known, List: []recipient.Mailing{mailing(2)}, Version: 2}
	s.refused(s.Ledger.Record(s.Context(), lost), recipient.ErrConflict) // over nothing
	if err := s.Ledger.Record(s.Context(), won); err != nil {
		s.Fatal(err)
	}
	for _, version := range []int{1, 3} {
		lost.Version = version
		s.refused(s.Ledger.Record(s.Context(), lost), recipient.ErrConflict)
	}
	s.refused(s.Ledger.Record(s.Context(), won), recipient.ErrConflict) // also the very same
	s.same(won, s.recorded(known))
}

func (s *suite) mailingsOnce() {
	const callers = 64
	known := rand.Text()
	var wg sync.WaitGroup
	errs := make([]error, callers)
	all := make([]recipient.Mailing, callers)
	for n := range callers {
		all[n] = mailing(n)
		wg.Go(func() {
			errs[n] = s.Ledger.Record(s.Context(), recipient.Mailings{Recipient: known, List: all[n : n+1], Version: 1})
		})
	}
	wg.Wait()
	won := -1
	for n, err := range errs {
		switch {
		case err == nil && won < 0:
			won = n
		case err == nil:
			s.Fatalf("%d and %d both won", won, n)
		case !errors.Is(err, recipient.ErrConflict) && !problem.Is(err, problem.Unavailable):
			s.Fatalf("error %v", err)
		}
	}
	if won < 0 {
		s.Fatal("nobody won")
	}
	s.same(recipient.Mailings{Recipient: known, List: all[won : won+1], Version: 1}, s.recorded(known))
}

func (s *suite) count() {
	p, other := tenant(), tenant()
	for _, each := range []struct {
		p      partner.TenantID
		day    string
		domain string
		limit  int
		want   bool
	}{
		{p, "2025-03-01", "", 0, false},
		{p, "2025-03-01", "", 2, true},
		{p, "2025-03-01", "", 2, true},
		{p, "2025-03-01", "", 2, false},
		{p, "2025-03-01", "", 1, false},
		{p, "2025-03-01", "", 3, true}, // the operator has raised it
		{p, "2025-03-01", "", 3, false},
		{p, "2025-03-02", "", 1, true},
		{other, "2025-03-01", "", 1, true},
		{p, "2025-03-01", "larch", 1, true}, // counted apart
		{p, "2025-03-01", "larch", 1, false},
		{p, "2025-03-01", "oak", 1, true},
		{p, "2025-03-02", "larch", 1, true},
		{other, "2025-03-01", "larch", 1, true},
	} {
		of := recipient.Tally{Day: each.day, Domain: each.domain}
		if counted, err := s.Ledger.Count(s.Context(), each.p, of, each.limit); err != nil || counted != each.want {
			s.Fatalf("%+v up to %d: counted %v, %v, want %v", of, each.limit, counted, err, each.want)
		}
	}
}

func (s *suite) countOnce() {
	const callers, limit = 64, 10
	p := tenant()
	var wg sync.WaitGroup
	var mu sync.Mutex
	counted := 0
	for range callers {
		wg.Go(func() {
			ok, err := s.Ledger.Count(s.Context(), p, recipient.Tally{Day: "2025-03-01"}, limit)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				s.Errorf("error %v", err)
			}
			if ok {
				counted++
			}
		})
	}
	wg.Wait()
	if counted != limit {
		s.Fatalf("counted %d of %d, the limit is %d", counted, callers, limit)
	}
}

// slotsOfDomain: what a partner asks at one domain is found page by page, however the domain is written, and nothing else.
func (s *suite) slotsOfDomain() {
	p, other := tenant(), tenant()
	domain := "Bücher-" + strings.ToLower(rand.Text()[:8]) + ".example"
	to := func(address string) func(*invitation.Invitation) {
		return func(i *invitation.Invitation) { i.RecipientEmail = address }
	}
	var want []string
	for n := range 5 {
		want = append(want, s.create(p, to(fmt.Sprintf("n%d@%s", n, domain))).ID)
	}
	s.create(p, to("nora@mail."+domain))
	s.create(p, to("nora@larch.example"))
	s.create(p, to("sandbox@"+domain), func(i *invitation.Invitation) { i.Sandbox = true })
	s.create(p, to("named@"+domain), func(i *invitation.Invitation) { i.Customer, i.Bound = tenant(), true })
	s.create(other, to("theirs@"+domain))
	slices.Sort(want)
	for _, limit := range []int{1, 2, 5, 100} {
		s.eventually("the slots of a domain", func() (any, bool) {
			var got []string
			for after, pages := "", 0; ; pages++ {
				ids, next, err := s.Slots.SlotHolders(s.Context(), p, invitation.SlotsAt(strings.ToUpper(domain)), after, limit)
				s.ok(err)
				if got = append(got, ids...); next == "" || len(ids) > limit || pages > len(want)+1 {
					break
				}
				after = next
			}
			slices.Sort(got)
			return got, cmp.Equal(want, got)
		})
	}
	for _, id := range want {
		inv := s.stored(invitation.Key{Inviter: p, ID: id})
		for of, holder := range map[partner.TenantID]string{p: id, tenant(): ""} {
			if by, err := s.Slots.Occupant(s.Context(), of, inv.Slot()); err != nil || by != holder {
				s.Errorf("the slot of %s is held by %q, %v", id, by, err)
			}
		}
	}
	ids, next, err := s.Slots.SlotHolders(s.Context(), p, invitation.SlotsAt("nobody.example"), "", 10)
	s.ok(err)
	if len(ids) != 0 || next != "" {
		s.Errorf("%v, %q", ids, next)
	}
}

// occupant: who asked a customer last is found by its tenant, also after that has ended, until somebody else takes the slot.
func (s *suite) occupant() {
	p, other := tenant(), tenant()
	who := tenant()
	naming := func(customer partner.TenantID) func(*invitation.Invitation) {
		return func(i *invitation.Invitation) { i.Customer, i.Bound = customer, true }
	}
	is := func(customer partner.TenantID, want ...string) {
		s.Helper()
		ids, err := s.Customers.Occupants(s.Context(), p, customer)
		s.ok(err)
		s.same(want, ids)
	}
	is(who)
	first := s.create(p, naming(who))
	s.create(other, naming(who))
	s.create(p, naming(who), func(i *invitation.Invitation) { i.Sandbox = true })
	s.create(p)
	is(who, first.ID)
	ended := first.Withdraw(invitation.Entry{At: first.CreatedAt, By: "agent"})
	s.ok(s.Invitations.Commit(s.Context(), []invitation.Change{{Before: &first, After: ended}}, nil))
	s.same(ended, s.stored(first.Key))
	is(who, first.ID)
	second := draft(p, naming(who))
	s.ok(s.Invitations.Write(s.Context(), invitation.Change{After: second, Displaced: &ended}))
	is(who, second.ID)

	// Where they stand is listed page by page, the newest first, also what was given: each trace at its moment.
	want := []string{relationship.Place(second.CreatedAt, who)}
	at := func(when time.Time) func(*invitation.Invitation) {
		return func(i *invitation.Invitation) { i.CreatedAt = when }
	}
	for n := range 4 {
		customer, when := tenant(), second.CreatedAt.Add(time.Duration(n/2-1)*time.Hour)
		s.create(p, naming(customer), at(when))
		want = append(want, relationship.Place(when, customer))
	}
	given := s.grant(nil, granted(p))
	given = s.grant(&given, locked(given))
	given = s.grant(&given, active(given, "who"))
	again := second.CreatedAt.Add(-24 * time.Hour)
	s.create(p, naming(given.Customer), at(again))
	want = append(want, relationship.Place(given.ActivatedAt, given.Customer), relationship.Place(again, given.Customer))
	slices.Sort(want)
	slices.Reverse(want)
	for _, limit := range []int{1, 2, 5, 6} {
		var got []string
		s.eventually("all stand there", func() (any, bool) {
			got = nil
			for after := ""; ; {
				places, next, err := s.Directory.Traces(s.Context(), p, after, limit)
				s.ok(err)
				if len(places) > limit {
					s.Errorf("%d places on a page of %d", len(places), limit)
				}
				if got, after = append(got, places...), next; next == "" {
					return got, slices.Equal(want, got)
				}
			}
		})
	}
}

// texts: what was published is there, by its type, and never changes.
func (s *suite) texts() {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	sum := sha256.Sum256([]byte("words"))
	text := terms.Text{
		Type: terms.PartnerAgreement, Version: "v" + id()[4:20], Language: "fr", Countries: []string{"FR", "BE"}, Title: "Title", Body: "words",
		Hash: hex.EncodeToString(sum[:]), From: at,
	}
	other := text
	other.Language, other.Countries, other.Body, other.URL = "en", nil, "", "https://texts.example/1"
	for range 2 { // publishing can be repeated
		s.ok(s.Texts.Publish(s.Context(), text))
		s.ok(s.Texts.Publish(s.Context(), other))
	}
	changed := text
	changed.From = at.Add(time.Hour)
	if s.Texts.Publish(s.Context(), changed) == nil {
		s.Error("a published text was changed")
	}
	faulty := text
	faulty.Version, faulty.Body = "v2", "other words"
	if s.Texts.Publish(s.Context(), faulty) == nil {
		s.Error("a text was published with the hash of another")
	}
	var found []terms.Text
	all, err := s.Texts.Texts(s.Context(), terms.PartnerAgreement)
	s.ok(err)
	for _, x := range all {
		if x.Version == text.Version {
			found = append(found, x)
		}
	}
	slices.SortFunc(found, func(a, b terms.Text) int { return strings.Compare(a.Language, b.Language) })
	s.same([]terms.Text{other, text}, found)
	all, err = s.Texts.Texts(s.Context(), terms.PartnershipRemoval)
	s.ok(err)
	for _, x := range all {
		s.same(terms.PartnershipRemoval, x.Type)
	}
}

// domain gives a domain that nobody has.
func domain() string { return strings.ToLower(id()[4:16]) + ".example" }

func (s *suite) creation(p partner.TenantID, d, key string, at time.Time) customer.Creation {
	record := relationship.Record{ID: tenant(), Domain: d, Country: "US", Cloud: "public", By: p, Version: 1}
	r := relationship.Create(relationship.Founding{
		RelationshipID: "rel_" + id()[4:], Partner: partner.Account{Tenant: p, Role: partner.DirectBill}, At: at, By: "agent",
		Customer: relationship.Customer{Tenant: record.ID, Created: true, CompanyName: "Larch", Domains: []string{d}, Country: "US", CountrySource: "partner", Cloud: "public"},
	})
	return customer.Creation{
		Record: record, Above: emailaddr.Above(d), Relationships: []relationship.Change{{After: r}}, Key: key, Made: customer.Made{Customer: record.ID, Body: "body", At: at},
	}
}

// customerCreated: all of it or nothing, once per key within its time, once for a domain (I1, 0.29).
func (s *suite) customerCreated() {
	p, other, d := tenant(), tenant(), domain()
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	_, err := s.Register.Created(s.Context(), p, "k")
	s.code(err, problem.NotFound)
	first := s.creation(p, d, "k", at)
	s.ok(s.Register.Create(s.Context(), first))
	made, err := s.Register.Created(s.Context(), p, "k")
	s.ok(err)
	s.same(first.Made, made)
	who := first.Record.ID
	stored, err := s.Relationships.Relationship(s.Context(), p, who)
	s.ok(err)
	s.same(first.Relationships[0].After, stored)
	found, err := s.Register.Companies(s.Context(), []partner.TenantID{who, tenant()}, []string{d, domain()}, true)
	s.ok(err)
	s.same(relationship.Found{
		Records: map[partner.TenantID]relationship.Record{who: first.Record}, Claims: map[partner.TenantID]relationship.Claims{},
		Holders: map[string]relationship.Holder{d: {ID: who, Created: true}},
	}, found)

	s.refused(s.Register.Create(s.Context(), s.creation(p, domain(), "k", at.Add(customer.KeyWindow-time.Second))), invitation.ErrConflict)
	for _, taken := range []string{d, "below." + d} { // by the same partner and by another, also below what is taken
		s.refused(s.Register.Create(s.Context(), s.creation(p, taken, "k2", at)), invitation.ErrConflict)
		s.refused(s.Register.Create(s.Context(), s.creation(other, taken, "k", at)), invitation.ErrConflict)
	}
	_, err = s.Register.Created(s.Context(), other, "k")
	s.code(err, problem.NotFound)
	s.ok(s.Register.Create(s.Context(), s.creation(p, domain(), "k", at.Add(customer.KeyWindow))))
	top := domain() // and above it; what stands beside it is another company
	s.ok(s.Register.Create(s.Context(), s.creation(p, "a."+top, "k3", at)))
	s.refused(s.Register.Create(s.Context(), s.creation(other, top, "k", at)), invitation.ErrConflict)
	s.ok(s.Register.Create(s.Context(), s.creation(other, "b."+top, "k", at)))

	// Whoever has or had a relationship with it is found by the customer.
	theirs := agreed(other, who, id())
	s.ok(s.Customers.Commit(s.Context(), nil, []relationship.Change{{After: theirs}}))
	want := []partner.TenantID{p, other}
	slices.Sort(want)
	s.eventually("both partners of the customer", func() (any, bool) {
		all, err := s.Register.Partners(s.Context(), who)
		s.ok(err)
		slices.Sort(all)
		return all, slices.Equal(all, want)
	})
	all, err := s.Register.Partners(s.Context(), tenant())
	s.ok(err)
	s.same(0, len(all))
}

// customersPerDay: a partner creates as many on a day of UTC as it may (0.29).
func (s *suite) customersPerDay() {
	p, at := tenant(), time.Date(2026, 3, 1, 23, 59, 0, 0, time.UTC)
	create := func(by partner.TenantID, key string, at time.Time) error {
		c := s.creation(by, domain(), key, at)
		c.Daily = 2
		return s.Register.Create(s.Context(), c)
	}
	s.ok(create(p, "1", at))
	s.ok(create(p, "2", at))
	s.refused(create(p, "3", at), customer.ErrManyCreated)
	s.ok(create(tenant(), "3", at))
	s.ok(create(p, "3", at.Add(time.Minute)))
	counted, err := s.Ledger.Count(s.Context(), p, recipient.Tally{Day: "2026-03-01"}, 1) // mails have a count of their own
	s.ok(err)
	s.same(true, counted)
}

// recordClaimedOnce: of many that claim a record at once one does, and of a record that is claimed and set apart at once each is known.
func (s *suite) recordClaimedOnce() {
	c := s.creation(tenant(), domain(), "k", second(noon))
	s.ok(s.Register.Create(s.Context(), c))
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for n := range errs {
		after := c.Record
		after.Version++
		told := relationship.Discovery{}
		if who := tenant(); n%2 == 0 {
			after.Tenant = who
			told.Claims = &relationship.ClaimsChange{After: relationship.Claims{Tenant: who, Home: c.Record.ID, Records: []partner.TenantID{c.Record.ID}, Version: 1}}
		} else {
			after.Apart = who
		}
		told.Records = []relationship.RecordChange{{Before: c.Record, After: after}}
		wg.Go(func() { errs[n] = s.Register.Spoken(s.Context(), told, nil) })
	}
	wg.Wait()
	stored := 0
	for _, err := range errs {
		switch {
		case err == nil:
			stored++
		case !errors.Is(err, invitation.ErrConflict) && problem.CodeOf(err) != problem.Unavailable:
			s.Error(err)
		}
	}
	s.same(1, stored)
}

// recordClaimed: what a tenant claims is found by either id from then on, and is claimed by one; a domain keeps its holder (0.30).
func (s *suite) recordClaimed() {
	p, who, d := tenant(), tenant(), domain()
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	c := s.creation(p, d, "k", at)
	s.ok(s.Register.Create(s.Context(), c))
	before := c.Relationships[0].After
	company := relationship.Customer{Tenant: who, CompanyName: "Larch Inc", Domains: []string{d}, Country: "US", CountrySource: "token", Cloud: "public"}
	row := before.Claim(company, c.Record, relationship.Entry{At: at, By: "ada"})
	claimed := c.Record
	claimed.Tenant, claimed.Version = who, 2
	told := relationship.Discovery{
		Records: []relationship.RecordChange{{Before: c.Record, After: claimed}},
		Claims:  &relationship.ClaimsChange{After: relationship.Claims{Tenant: who, Home: c.Record.ID, Records: []partner.TenantID{c.Record.ID}, Version: 1}},
		Domains: []relationship.DomainChange{{Name: "mail." + d, Is: relationship.Holder{ID: who}}},
	}
	s.ok(s.Register.Spoken(s.Context(), told, []relationship.Change{{Before: &before, After: row}}))
	for _, by := range []partner.TenantID{c.Record.ID, who} {
		s.eventually("the relationship by "+string(by), func() (any, bool) {
			got, err := s.Relationships.Relationship(s.Context(), p, by)
			if problem.Is(err, problem.NotFound) {
				return err, false
			}
			s.ok(err)
			return got, cmp.Equal(row, got)
		})
	}
	s.eventually("the partner by the tenant", func() (any, bool) {
		all, err := s.Register.Partners(s.Context(), who)
		s.ok(err)
		return all, slices.Equal(all, []partner.TenantID{p})
	})
	found, err := s.Register.Companies(s.Context(), []partner.TenantID{c.Record.ID, who}, []string{d, "mail." + d}, true)
	s.ok(err)
	s.same(relationship.Found{
		Records: map[partner.TenantID]relationship.Record{claimed.ID: claimed}, Claims: map[partner.TenantID]relationship.Claims{who: told.Claims.After},
		Holders: map[string]relationship.Holder{d: {ID: c.Record.ID, Created: true}, "mail." + d: {ID: who}},
	}, found)
	// Once more is too late, whoever says it, and changes nothing else.
	other := tenant()
	told.Claims = &relationship.ClaimsChange{After: relationship.Claims{Tenant: other, Home: c.Record.ID, Version: 1}}
	told.Domains = []relationship.DomainChange{{Name: "late." + d, Is: relationship.Holder{ID: other}}}
	s.refused(s.Register.Spoken(s.Context(), told, nil), invitation.ErrConflict)
	s.refused(s.Register.Spoken(s.Context(), relationship.Discovery{Domains: []relationship.DomainChange{{Name: d, Is: relationship.Holder{ID: other}}}}, nil), invitation.ErrConflict)
	found, err = s.Register.Companies(s.Context(), []partner.TenantID{other}, []string{"late." + d}, true)
	s.ok(err)
	s.same(0, len(found.Claims)+len(found.Holders))
	// The claims grow, each over the version before.
	more := told.Claims.After
	more.Tenant, more.Records, more.Version = who, []partner.TenantID{c.Record.ID, other}, 2
	first := relationship.Claims{Tenant: who, Home: c.Record.ID, Records: []partner.TenantID{c.Record.ID}, Version: 1}
	grown := relationship.Discovery{Claims: &relationship.ClaimsChange{Before: &first, After: more}}
	s.ok(s.Register.Spoken(s.Context(), grown, nil))
	s.refused(s.Register.Spoken(s.Context(), grown, nil), invitation.ErrConflict)
}

// recordDisowned: the domain of a record that is none of the company becomes the company's (0.30).
func (s *suite) recordDisowned() {
	p, who, d := tenant(), tenant(), domain()
	c := s.creation(p, d, "k", time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
	s.ok(s.Register.Create(s.Context(), c))
	told, err := c.Record.Disown(relationship.Customer{Tenant: who, Domains: []string{d}})
	s.ok(err)
	s.ok(s.Register.Spoken(s.Context(), told, nil))
	found, err := s.Register.Companies(s.Context(), []partner.TenantID{c.Record.ID}, []string{d}, true)
	s.ok(err)
	s.same(relationship.Holder{ID: who}, found.Holders[d])
	s.same(told.Records[0].After, found.Records[c.Record.ID])
	s.refused(s.Register.Spoken(s.Context(), told, nil), invitation.ErrConflict)
}

// domainsLearned: a domain has one holder, whoever tells it; what is told twice is told once (0.29).
func (s *suite) domainsLearned() {
	learn := func(want bool, changes ...relationship.DomainChange) {
		s.Helper()
		learned, err := s.Register.Learn(s.Context(), changes)
		s.ok(err)
		s.same(want, learned)
	}
	d, who := domain(), tenant()
	learn(true, relationship.DomainChange{Name: "a." + d, Is: relationship.Holder{ID: who}}, relationship.DomainChange{Name: d, Is: relationship.Holder{Above: true}})
	learn(false, relationship.DomainChange{Name: "a." + d, Is: relationship.Holder{ID: tenant()}})
	for _, known := range []string{d, "a." + d, "b.a." + d} {
		s.refused(s.Register.Create(s.Context(), s.creation(tenant(), known, "k", second(noon))), invitation.ErrConflict)
	}
	other := tenant() // what only lies above a domain is free for the tenant that owns it
	learn(true, relationship.DomainChange{Name: d, Was: relationship.Holder{Above: true}, Is: relationship.Holder{ID: other, Above: true}})
	learn(false, relationship.DomainChange{Name: d, Is: relationship.Holder{Above: true}})
	found, err := s.Register.Companies(s.Context(), nil, []string{d, "a." + d}, true)
	s.ok(err)
	s.same(map[string]relationship.Holder{d: {ID: other, Above: true}, "a." + d: {ID: who}}, found.Holders)
	c := s.creation(tenant(), domain(), "k", second(noon))
	s.ok(s.Register.Create(s.Context(), c))
	learn(false, relationship.DomainChange{Name: c.Record.Domain, Is: relationship.Holder{ID: who}})
}

// settlementTells: what an answer claims is stored with it or not at all, also when two claim at once (0.30).
func (s *suite) settlementTells() {
	p, who := tenant(), tenant()
	c := s.creation(p, domain(), "k", second(noon))
	s.ok(s.Register.Create(s.Context(), c))
	before := c.Relationships[0].After
	row := before.Claim(relationship.Customer{Tenant: who, Cloud: "public"}, c.Record, relationship.Entry{At: second(noon), By: "ada"})
	claimed := c.Record
	claimed.Tenant, claimed.Version = who, 2
	settlement := func() (invitation.Invitation, invitation.Settlement) {
		i := s.create(p)
		return i, invitation.Settlement{
			Invitation: invitation.Change{Before: &i, After: accepted(i, "ada", c.Record.ID)}, Relationships: []relationship.Change{{Before: &before, After: row}},
			Discovery: relationship.Discovery{
				Records: []relationship.RecordChange{{Before: c.Record, After: claimed}},
				Claims:  &relationship.ClaimsChange{After: relationship.Claims{Tenant: who, Home: c.Record.ID, Records: []partner.TenantID{c.Record.ID}, Version: 1}},
			},
		}
	}
	_, one := settlement()
	late, two := settlement()
	s.ok(s.Invitations.Settle(s.Context(), one))
	two.Relationships = nil
	s.refused(s.Invitations.Settle(s.Context(), two), invitation.ErrConflict)
	s.same(late, s.stored(late.Key))
	got, err := s.Relationships.Relationship(s.Context(), p, c.Record.ID)
	s.ok(err)
	s.same(row, got)
}

// accountsDomain: the verified domain of a partner is known, unless somebody has it (0.29).
func (s *suite) accountsDomain() {
	d, free := domain(), domain()
	c := s.creation(tenant(), d, "k", time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
	s.ok(s.Register.Create(s.Context(), c))
	a := registered(func(a *partner.Account) { a.VerifiedDomain = d })
	s.ok(s.Accounts.CreateAccount(s.Context(), a))
	b := a
	b.VerifiedDomain, b.Version = free, a.Version+1
	s.ok(s.Accounts.WriteAccount(s.Context(), a, b))
	found, err := s.Register.Companies(s.Context(), nil, []string{d, free}, true)
	s.ok(err)
	s.same(map[string]relationship.Holder{d: {ID: c.Record.ID, Created: true}, free: {ID: a.Tenant}}, found.Holders)
}

// customerForReseller: what goes with a creation is stored with it, while the partnership is active (rules P5, N9).
func (s *suite) customerForReseller() {
	provider, reseller := tenant(), tenant()
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	creation := func(key string) (customer.Creation, invitation.Invitation) {
		c := s.creation(provider, domain(), key, at)
		r := s.creation(reseller, c.Record.Domain, key, at).Relationships[0].After
		r.Customer = c.Relationships[0].After.Customer
		c.Relationships = append(c.Relationships, relationship.Change{After: r})
		i := invitation.Proposed(id(), partner.Account{Tenant: reseller, Locale: "en", Cloud: "public"}, c.Record.ID, "1", invitation.Entry{At: at, By: string(provider)})
		c.Invitation, c.Stands = &i, &partnership.Pair{Provider: provider, Reseller: reseller}
		return c, i
	}
	c, i := creation("1")
	s.refused(s.Register.Create(s.Context(), c), invitation.ErrConflict) // nothing stands between the two
	_, err := s.Relationships.Relationship(s.Context(), provider, c.Record.ID)
	s.code(err, problem.NotFound)
	p, _ := partnership.Establish(nil, partnership.Authorisation{Pair: *c.Stands, Invitation: id(), At: at, By: "carla"})
	s.ok(s.Tiers.WritePartnership(s.Context(), partnership.Change{After: p}))
	s.ok(s.Register.Create(s.Context(), c))
	s.same(i, s.stored(i.Key))
	for _, each := range c.Relationships {
		r, err := s.Relationships.Relationship(s.Context(), each.After.Partner, c.Record.ID)
		s.ok(err)
		s.same(each.After, r)
	}
	ids, err := s.Customers.Occupants(s.Context(), reseller, c.Record.ID)
	s.ok(err)
	s.same([]string{i.ID}, ids)
	removed, _ := p.Remove(partnership.Entry{At: at, Side: partnership.ResellerSide, By: "carla"}, relationship.AttestedText{Version: "1"})
	s.ok(s.Tiers.WritePartnership(s.Context(), partnership.Change{Before: &p, After: removed}))
	c, i = creation("2")
	s.refused(s.Register.Create(s.Context(), c), invitation.ErrConflict)
	_, err = s.Invitations.Invitation(s.Context(), i.Key, true)
	s.code(err, problem.NotFound)
}

// customerRaced: of many partners that create the same company at once one does (0.29).
func (s *suite) customerRaced() {
	d, at := domain(), time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	errs := make([]error, 32)
	var wg sync.WaitGroup
	for n := range errs {
		c := s.creation(tenant(), d, "k", at)
		wg.Go(func() { errs[n] = s.Register.Create(s.Context(), c) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		switch {
		case err == nil:
			made++
		case !errors.Is(err, invitation.ErrConflict) && problem.CodeOf(err) != problem.Unavailable:
			s.Error(err)
		}
	}
	s.same(1, made)
}
