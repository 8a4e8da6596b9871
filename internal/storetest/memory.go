// Package storetest holds what tests of stores and of their users share: [Memory], a store that forgets, and
// [Conformance], the contracts of the store interfaces as tests that every store has to pass. Only tests import it.
package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"concord/internal/audit"
	"concord/internal/batch"
	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/due"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/relationship"
	"concord/internal/review"
	"concord/internal/terms"
	"concord/internal/webhook"
)

// Memory keeps everything that the stores keep, in memory and with the same contracts. It gives [invitation.Store],
// [due.Index], [recipient.Ledger], [relationship.Store] and [partner.Accounts]. It panics when a caller breaks a contract, such as
// a version that is left out. The zero value is empty and ready.
type Memory struct {
	mu            sync.Mutex
	invitations   map[invitation.Key]invitation.Invitation
	slots         map[slotKey]holder
	relationships map[pair]relationship.Relationship
	granular      map[granular.Key]granular.Relationship
	grants        map[granular.Key]granular.Grant
	accounts      map[partner.TenantID]partner.Account
	partnerships  map[partnership.Pair]partnership.Partnership
	words         map[invitation.Key]invitation.Words
	audit         map[partner.TenantID]map[string]audit.Record
	mailings      map[string]recipient.Mailings
	counts        map[day]int
	objections    map[partner.TenantID]map[objectionKey]time.Time
	batches       map[batch.Key]batch.Batch
	chunks        map[chunkKey]batch.Chunk
	agreements    map[partner.TenantID][]commerce.Agreement
	orders        map[trade]commerce.Order
	subscriptions map[string]commerce.Subscription
	texts         []terms.Text
	enrolments    map[string]enrolment.Enrolment
	latest        map[partner.TenantID]string
	reviews       map[partner.TenantID]review.Review
	kept          map[keptKey]enrolment.Record
	reports       map[string]oversight.Report
	run           oversight.Run
	commands      map[slotKey]customer.Made // by partner and key
	creations     map[day]int
	companies     relationship.Found
	endpoints     map[webhook.Key]webhook.Endpoint
	deliveries    map[webhook.Key]map[string]webhook.Delivery
	inject        func(Operation) Fault
	queued        func(invitation.Invitation)
}

type slotKey struct {
	inviter partner.TenantID
	slot    string
}

// holder is who took a slot, at which of its versions.
type holder struct {
	id      string
	version int
}

type pair struct{ partner, customer partner.TenantID }

type day struct {
	partner partner.TenantID
	day     string
	domain  string // empty for all mails of the day
}

var (
	_ invitation.Store         = (*Memory)(nil)
	_ due.Index                = (*Memory)(nil)
	_ recipient.Ledger         = (*Memory)(nil)
	_ relationship.Store       = (*Memory)(nil)
	_ granular.Store           = (*Memory)(nil)
	_ registry.Store           = (*Memory)(nil)
	_ registry.ReputationStore = (*Memory)(nil)
	_ audit.Log                = (*Memory)(nil)
	_ partner.Holders          = (*Memory)(nil)

	_ commerce.AgreementStore    = (*Memory)(nil)
	_ commerce.OrderStore        = (*Memory)(nil)
	_ commerce.SubscriptionStore = (*Memory)(nil)
	_ batch.Store                = (*Memory)(nil)
	_ enrolment.Store            = (*Memory)(nil)
	_ enrolment.RecordStore      = (*Memory)(nil)
	_ webhook.Store              = (*Memory)(nil)
	_ review.Store               = (*Memory)(nil)
)

// Operation is a call that can be made to fail: the name of a store's method.
type Operation string

// The operations.
const (
	Write         Operation = "Write"
	Commit        Operation = "Commit"
	Invitation    Operation = "Invitation"
	Invitations   Operation = "Invitations"
	Words         Operation = "Words"
	Mailings      Operation = "Mailings"
	Record        Operation = "Record"
	Count         Operation = "Count"
	Due           Operation = "Due"
	Relationship  Operation = "Relationship"
	Relationships Operation = "Relationships"
	Account       Operation = "Account"
	CreateAccount Operation = "CreateAccount"
	WriteAccount  Operation = "WriteAccount"
	ListAccounts  Operation = "ListAccounts"
	Object        Operation = "Object"
	Occupants     Operation = "Occupants"
	SlotHolders   Operation = "SlotHolders"
	Occupant      Operation = "Occupant"

	Traces     Operation = "Traces"
	Create     Operation = "Create"
	Created    Operation = "Created"
	Partners   Operation = "Partners"
	Texts      Operation = "Texts"
	Week       Operation = "Week"
	AddChunk   Operation = "AddChunk"
	WriteBatch Operation = "WriteBatch"
	Batch      Operation = "Batch"
	Chunk      Operation = "Chunk"

	WriteEnrolment  Operation = "WriteEnrolment"
	Enrolment       Operation = "Enrolment"
	LatestEnrolment Operation = "LatestEnrolment"
	ListEnrolments  Operation = "ListEnrolments"
	ReadReview      Operation = "ReadReview"
	WriteReview     Operation = "WriteReview"
	KeptRecord      Operation = "KeptRecord"
	KeptRecords     Operation = "KeptRecords"
	AddReport       Operation = "AddReport"
	SettleReport    Operation = "SettleReport"
	FindNamed       Operation = "Named"
	ReadBacklog     Operation = "Backlog"
	KeepRecord      Operation = "KeepRecord"
)

// Fault is how a call fails. The zero value is no fault.
type Fault struct {
	Err error
	// Stored says that the call does its work and only its answer is lost: what a crash or a time-out after the write
	// looks like.
	Stored bool
}

// Inject has f decide about every call before it is carried out; nil ends it.
func (m *Memory) Inject(f func(Operation) Fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inject = f
}

// OnQueued has f called after every write that leaves a mail queued, as the table's stream calls the mailer; nil ends it.
// F may call the store.
func (m *Memory) OnQueued(f func(invitation.Invitation)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queued = f
}

// PutAccount stores an account over whatever was there: how a test suspends a partner.
func (m *Memory) PutAccount(a partner.Account) {
	m.mu.Lock()
	defer m.mu.Unlock()
	set(&m.accounts, a.Tenant, copyAccount(a))
}

// PutRelationship stores a relationship over whatever was there.
func (m *Memory) PutRelationship(r relationship.Relationship) {
	m.mu.Lock()
	defer m.mu.Unlock()
	set(&m.relationships, pair{r.Partner, r.Customer.Tenant}, copyRelationship(r))
}

// PutInvitation stores an invitation over whatever was there, without its slot.
func (m *Memory) PutInvitation(i invitation.Invitation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	set(&m.invitations, i.Key, copyInvitation(i))
}

func set[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// do carries out one call under the lock and with its fault.
func (m *Memory) do(op Operation, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var fault Fault
	if m.inject != nil {
		fault = m.inject(op)
	}
	if fault.Err != nil && !fault.Stored {
		return fault.Err
	}
	return cmp.Or(f(), fault.Err)
}

// Write is that of [invitation.Store].
func (m *Memory) Write(ctx context.Context, c invitation.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stored := false
	err := m.do(Write, func() error {
		err := m.change(c)
		stored = err == nil
		return err
	})
	if stored {
		m.wake(c.After)
	}
	return err
}

// Commit is that of [invitation.Store].
func (m *Memory) Commit(ctx context.Context, invitations []invitation.Change, relationships []relationship.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stored := false
	err := m.do(Commit, func() error {
		if err := m.committable(invitations, relationships); err != nil {
			return err
		}
		m.commit(invitations, relationships)
		stored = true
		return nil
	})
	if stored {
		for _, c := range invitations {
			m.wake(c.After)
		}
	}
	return err
}

// committable checks versions that are stored together, each over what is stored.
func (m *Memory) committable(invitations []invitation.Change, relationships []relationship.Change) error {
	for _, c := range invitations {
		checkChange(c)
		if c.Before == nil || c.Words != nil || c.Before.Slot() != c.After.Slot() {
			panic("storetest: a commit takes no slot and changes no words")
		}
		if m.invitations[c.After.Key].Version != c.Before.Version {
			return invitation.ErrConflict
		}
		if c.Granular != nil {
			if err := m.grantable(*c.Granular); err != nil {
				return err
			}
		}
	}
	for _, c := range relationships {
		was := 0
		if c.Before != nil {
			was = c.Before.Version
		}
		if c.After.Version != was+1 {
			panic(fmt.Sprintf("storetest: version %d of a relationship over version %d", c.After.Version, was))
		}
		if m.relationships[pair{c.After.Partner, c.After.Customer.Tenant}].Version != was {
			return invitation.ErrConflict
		}
	}
	for _, c := range relationships {
		if c.Signed != nil && !m.numbered(commerce.Signed(c.After, *c.Signed)) {
			return invitation.ErrConflict
		}
	}
	return nil
}

// commit stores what is committable.
func (m *Memory) commit(invitations []invitation.Change, relationships []relationship.Change) {
	for _, c := range invitations {
		set(&m.invitations, c.After.Key, copyInvitation(c.After))
		if c.Granular != nil {
			m.putGranular(*c.Granular)
		}
	}
	for _, c := range relationships {
		if c.Signed != nil {
			m.agree(commerce.Signed(c.After, *c.Signed))
		}
		set(&m.relationships, pair{c.After.Partner, c.After.Customer.Tenant}, copyRelationship(c.After))
	}
}

// wake tells the listener of a mail that is queued.
func (m *Memory) wake(i invitation.Invitation) {
	m.mu.Lock()
	queued := m.queued
	m.mu.Unlock()
	if queued != nil && (i.Mail.State == outbox.Queued || i.Post.State == outbox.Queued) {
		queued(copyInvitation(i))
	}
}

// change checks everything before it stores anything.
func (m *Memory) change(c invitation.Change) error {
	checkChange(c)
	stored, found := m.invitations[c.After.Key]
	if c.Before == nil && found || c.Before != nil && (!found || stored.Version != c.Before.Version) {
		return invitation.ErrConflict
	}
	slot := slotKey{c.After.Inviter, c.After.Slot()}
	takes := slot.slot != "" && (c.Before == nil || c.Before.Slot() != slot.slot)
	lapsed, lapses := c.Lapsed()
	if takes {
		if by, held := m.slots[slot]; held && by.id != c.After.ID && !m.displaces(c, by, lapses) {
			return &invitation.SlotTaken{By: by.id}
		}
	}
	if c.Granular != nil {
		if err := m.grantable(*c.Granular); err != nil {
			return err
		}
		m.putGranular(*c.Granular)
	}
	if takes {
		set(&m.slots, slot, holder{c.After.ID, c.After.Version})
		if lapses {
			set(&m.invitations, lapsed.Key, copyInvitation(lapsed))
		}
	}
	set(&m.invitations, c.After.Key, copyInvitation(c.After))
	if c.Words != nil {
		delete(m.words, c.After.Key)
		if *c.Words != (invitation.Words{}) {
			set(&m.words, c.After.Key, *c.Words)
		}
	}
	return nil
}

// displaces reports whether the holder of a slot is the one that the change displaces, as the caller has seen it.
func (m *Memory) displaces(c invitation.Change, by holder, lapses bool) bool {
	switch {
	case c.Displaced == nil || c.Displaced.ID != by.id:
		return false
	case lapses:
		return m.invitations[c.Displaced.Key].Version == c.Displaced.Version
	case c.Displaced.Status.Open():
		return by.version <= c.Displaced.Version // it has left the slot, and not come back
	default:
		return true
	}
}

func checkChange(c invitation.Change) {
	before := invitation.Invitation{Key: c.After.Key}
	if c.Before != nil {
		before = *c.Before
	}
	if c.After.Version != before.Version+1 || c.After.Key != before.Key || c.After.ID == "" || c.After.Inviter == "" {
		panic(fmt.Sprintf("storetest: version %d of %v over version %d of %v", c.After.Version, c.After.Key, before.Version, before.Key))
	}
	if c.Before != nil && !c.Before.Status.Open() && c.Before.Status != c.After.Status {
		panic(fmt.Sprintf("storetest: %s after %s", c.After.Status, c.Before.Status))
	}
}

// Invitation is that of [invitation.Store].
func (m *Memory) Invitation(ctx context.Context, k invitation.Key, _ bool) (inv invitation.Invitation, err error) {
	if err := ctx.Err(); err != nil {
		return inv, err
	}
	err = m.do(Invitation, func() error {
		stored, found := m.invitations[k]
		if !found {
			return problem.New(problem.NotFound, "There is no such invitation.")
		}
		inv = copyInvitation(stored)
		return nil
	})
	return inv, err
}

// Occupants is that of [customer.Store].
func (m *Memory) Occupants(ctx context.Context, p, tenant partner.TenantID) (ids []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(Occupants, func() error {
		for k, by := range m.slots {
			if k.inviter == p && strings.HasPrefix(k.slot, invitation.SlotsOf(tenant)) {
				ids = append(ids, by.id)
			}
		}
		slices.Sort(ids)
		return nil
	})
	return ids, err
}

// Occupant is that of [invitation.Slots].
func (m *Memory) Occupant(ctx context.Context, p partner.TenantID, slot string) (id string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	err = m.do(Occupant, func() error {
		id = m.slots[slotKey{p, slot}].id
		return nil
	})
	return id, err
}

// SlotHolders is that of [invitation.SweepStore].
func (m *Memory) SlotHolders(ctx context.Context, p partner.TenantID, prefix, after string, limit int) (ids []string, next string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	err = m.do(SlotHolders, func() error {
		var slots []string
		for k := range m.slots {
			if k.inviter == p && strings.HasPrefix(k.slot, prefix) && k.slot > after {
				slots = append(slots, k.slot)
			}
		}
		slices.Sort(slots)
		for n, slot := range slots {
			if n == limit {
				next = slots[n-1]
				break
			}
			ids = append(ids, m.slots[slotKey{p, slot}].id)
		}
		return nil
	})
	return ids, next, err
}

// Traces is that of [customer.Directory].
func (m *Memory) Traces(ctx context.Context, p partner.TenantID, after string, limit int) (places []string, next string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	err = m.do(Traces, func() error {
		if _, _, ok := relationship.ParsePlace(after); after != "" && !ok {
			return malformed()
		}
		all := map[string]bool{}
		for k, by := range m.slots {
			if k.inviter == p && strings.HasPrefix(k.slot, invitation.SlotsOf("")) {
				i := m.invitations[invitation.Key{Inviter: p, ID: by.id}]
				all[relationship.Place(i.CreatedAt, i.Customer)] = true
			}
		}
		for k, g := range m.grants {
			if k.Partner == p {
				all[relationship.Place(g.GivenAt, g.Customer)] = true
			}
		}
		places = slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(place string) bool { return after != "" && place >= after })
		slices.Reverse(places)
		if len(places) > limit {
			places, next = places[:limit], places[limit-1]
		}
		return nil
	})
	return places, next, err
}

// Create is that of [customer.Register].
func (m *Memory) Create(ctx context.Context, c customer.Creation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(Create, func() error {
		by, today := c.Record.By, day{partner: c.Record.By, day: c.Made.At.UTC().Format(time.DateOnly)}
		taken := func(d string) bool { return m.companies.Holders[d].ID != "" }
		switch used, again := m.commands[slotKey{by, c.Key}]; {
		case again && used.At.After(c.Made.At.Add(-customer.KeyWindow)):
			return invitation.ErrConflict
		case taken(c.Record.Domain) || m.companies.Holders[c.Record.Domain].Above || slices.ContainsFunc(c.Above, taken):
			return invitation.ErrConflict
		case c.Daily > 0 && m.creations[today] >= c.Daily:
			return customer.ErrManyCreated
		}
		for _, r := range c.Relationships {
			was := 0
			if r.Before != nil {
				was = r.Before.Version
			}
			if m.relationships[pair{r.After.Partner, r.After.Customer.Tenant}].Version != was {
				return invitation.ErrConflict
			}
		}
		if c.Stands != nil && !slices.ContainsFunc(slices.Collect(maps.Values(m.partnerships)), func(p partnership.Partnership) bool {
			return p.Pair == *c.Stands && p.Status == partnership.Active
		}) {
			return invitation.ErrConflict
		}
		if c.Invitation != nil {
			if err := m.change(invitation.Change{After: *c.Invitation}); err != nil {
				return invitation.ErrConflict
			}
		}
		set(&m.companies.Records, c.Record.ID, c.Record)
		set(&m.companies.Holders, c.Record.Domain, relationship.Holder{ID: c.Record.ID, Created: true})
		for _, d := range c.Above {
			set(&m.companies.Holders, d, relationship.Holder{Above: true})
		}
		if c.Daily > 0 {
			set(&m.creations, today, m.creations[today]+1)
		}
		c.Made.At = second(c.Made.At)
		set(&m.commands, slotKey{by, c.Key}, c.Made)
		for _, r := range c.Relationships {
			set(&m.relationships, pair{r.After.Partner, r.After.Customer.Tenant}, copyRelationship(r.After))
		}
		return nil
	})
}

// Created is that of [customer.Register].
func (m *Memory) Created(ctx context.Context, p partner.TenantID, key string) (made customer.Made, err error) {
	if err := ctx.Err(); err != nil {
		return made, err
	}
	err = m.do(Created, func() error {
		used, ok := m.commands[slotKey{p, key}]
		if !ok {
			return problem.New(problem.NotFound, "This key was not used.")
		}
		made = used
		return nil
	})
	return made, err
}

// Partners is that of [customer.Register].
func (m *Memory) Partners(ctx context.Context, tenant partner.TenantID) (all []partner.TenantID, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(Partners, func() error {
		for k, r := range m.relationships {
			if cmp.Or(r.Customer.Home(), k.customer) == tenant {
				all = append(all, k.partner)
			}
		}
		slices.Sort(all)
		return nil
	})
	return all, err
}

// Publish adds a text to the catalogue.
func (m *Memory) Publish(ctx context.Context, t terms.Text) error {
	if err := errors.Join(ctx.Err(), t.Check()); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.texts {
		if x.Type == t.Type && x.Version == t.Version && x.Language == t.Language {
			if x.Hash == t.Hash && x.URL == t.URL && x.From.Equal(t.From) {
				return nil
			}
			return errors.New("storetest: another text has this type, version and language")
		}
	}
	t.From, t.Countries = second(t.From), slices.Clone(t.Countries)
	m.texts = append(m.texts, t)
	return nil
}

// Texts is that of [terms.Catalogue].
func (m *Memory) Texts(ctx context.Context, t terms.Type) (all []terms.Text, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(Texts, func() error {
		for _, x := range m.texts {
			if x.Type == t {
				all = append(all, x)
			}
		}
		return nil
	})
	return all, err
}

// Words is that of [invitation.Store].
func (m *Memory) Words(ctx context.Context, k invitation.Key) (w invitation.Words, err error) {
	if err := ctx.Err(); err != nil {
		return w, err
	}
	err = m.do(Words, func() error {
		stored, found := m.words[k]
		if !found {
			return problem.New(problem.NotFound, "The draft was not edited.")
		}
		w = stored
		return nil
	})
	return w, err
}

// Mailings is that of [recipient.Ledger].
func (m *Memory) Mailings(ctx context.Context, known string, _ bool) (stored recipient.Mailings, err error) {
	if err := ctx.Err(); err != nil {
		return stored, err
	}
	err = m.do(Mailings, func() error {
		stored = copyMailings(m.mailings[known])
		stored.Recipient = known
		return nil
	})
	return stored, err
}

// Record is that of [recipient.Ledger].
func (m *Memory) Record(ctx context.Context, after recipient.Mailings) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if after.Recipient == "" || after.Version < 1 {
		panic(fmt.Sprintf("storetest: version %d of the mailings to %q", after.Version, after.Recipient))
	}
	return m.do(Record, func() error {
		if m.mailings[after.Recipient].Version != after.Version-1 {
			return recipient.ErrConflict
		}
		set(&m.mailings, after.Recipient, copyMailings(after))
		return nil
	})
}

// Count is that of [recipient.Ledger].
func (m *Memory) Count(ctx context.Context, p partner.TenantID, of recipient.Tally, limit int) (counted bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = m.do(Count, func() error {
		if k := (day{p, of.Day, of.Domain}); m.counts[k] < limit {
			set(&m.counts, k, m.counts[k]+1)
			counted = true
		}
		return nil
	})
	return counted, err
}

// Invitations is that of [invitation.Store].
func (m *Memory) Invitations(ctx context.Context, p partner.TenantID, q invitation.Query) (page invitation.Page, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(Invitations, func() error {
		all := map[string]invitation.Invitation{}
		for k, i := range m.invitations {
			if k.Inviter == p {
				all[i.CreatedAt.Format(time.RFC3339)+"#"+i.ID] = i
			}
		}
		if at, _, _ := strings.Cut(q.After, "#"); q.After != "" && !isTime(at) {
			return malformed()
		}
		keys := slices.Sorted(maps.Keys(all))
		slices.Reverse(keys)
		kept, next := walk(keys, q.Limit, func(k string) bool { return q.After == "" || k < q.After }, func(k string) bool { return q.Matches(all[k]) })
		for _, k := range kept {
			page.Invitations = append(page.Invitations, copyInvitation(all[k]))
		}
		page.Next = next
		return nil
	})
	return page, err
}

// walk gives the keys of one page, in order: those after where the last page ended that are asked for, out of a bounded
// number that is looked at.
func walk(keys []string, limit int, after, matches func(string) bool) (kept []string, next string) {
	looked, bound := 0, min(4*limit, 100)
	for i, k := range keys {
		if !after(k) {
			continue
		}
		looked++
		if matches(k) {
			kept = append(kept, k)
		}
		if len(kept) == limit || looked == bound {
			if i < len(keys)-1 {
				next = k
			}
			break
		}
	}
	return kept, next
}

func isTime(s string) bool {
	_, err := time.Parse(time.RFC3339, s)
	return err == nil
}

func malformed() error {
	return problem.New(problem.MalformedRequest, "The list cannot be continued from there.")
}

// Due is that of [due.Index].
func (m *Memory) Due(ctx context.Context, now time.Time) iter.Seq2[due.Item, error] {
	return func(yield func(due.Item, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(due.Item{}, err)
			return
		}
		var items []due.Item
		err := m.do(Due, func() error {
			for k, i := range m.invitations {
				if at, ok := i.Due(); ok && !at.After(now) {
					items = append(items, due.Item{Kind: invitation.DueKind, Partner: k.Inviter, ID: k.ID, At: at})
				}
			}
			for k, b := range m.batches {
				if at, ok := b.Due(); ok && !at.After(now) {
					items = append(items, due.Item{Kind: batch.DueKind, Partner: k.Partner, ID: k.ID, At: at})
				}
			}
			for k, r := range m.granular {
				if at, ok := r.Due(); ok && !at.After(now) {
					items = append(items, due.Item{Kind: granular.DueKind, Partner: k.Partner, ID: k.ID, At: at})
				}
			}
			for id, e := range m.enrolments {
				if at, ok := e.Due(); ok && !at.After(now) {
					items = append(items, due.Item{Kind: enrolment.DueKind, ID: id, At: at})
				}
			}
			for tenant, r := range m.reviews {
				if at, ok := r.Due(); ok && !at.After(now) {
					items = append(items, due.Item{Kind: review.DueKind, Partner: tenant, At: at})
				}
			}
			for customer, all := range m.agreements {
				for _, a := range all {
					if !a.EraseAt.IsZero() && !a.EraseAt.After(now) {
						items = append(items, due.Item{Kind: commerce.DueKind, Partner: customer, ID: agreementRef(a), At: a.EraseAt})
					}
				}
			}
			return nil
		})
		if err != nil {
			yield(due.Item{}, err)
			return
		}
		slices.SortFunc(items, func(a, b due.Item) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
		for _, r := range items {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Relationship is that of [relationship.Store].
func (m *Memory) Relationship(ctx context.Context, p, customer partner.TenantID) (r relationship.Relationship, err error) {
	if err := ctx.Err(); err != nil {
		return r, err
	}
	err = m.do(Relationship, func() error {
		stored, found := m.relationships[pair{p, customer}]
		if !found {
			stored, found = m.elsewhere(p, customer)
		}
		if !found {
			return problem.New(problem.NotFound, "There is no such customer.")
		}
		r = copyRelationship(stored)
		return nil
	})
	return r, err
}

// Relationships is that of [relationship.Store].
func (m *Memory) Relationships(ctx context.Context, p partner.TenantID, q relationship.Query) (page relationship.Page, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(Relationships, func() error {
		if _, _, ok := relationship.ParsePlace(q.After); q.After != "" && !ok {
			return malformed()
		}
		all := map[string]relationship.Relationship{}
		for k, r := range m.relationships {
			if k.partner == p {
				all[r.Place()] = r
			}
		}
		places := slices.Sorted(maps.Keys(all))
		slices.Reverse(places)
		kept, next := walk(places, q.Limit, func(k string) bool { return q.After == "" || k < q.After }, func(k string) bool { return q.Matches(all[k]) })
		for _, k := range kept {
			page.Relationships = append(page.Relationships, copyRelationship(all[k]))
		}
		page.Next = next
		return nil
	})
	return page, err
}

// Account is that of [partner.Accounts].
func (m *Memory) Account(ctx context.Context, tenant partner.TenantID, _ bool) (a partner.Account, err error) {
	if err := ctx.Err(); err != nil {
		return a, err
	}
	err = m.do(Account, func() error {
		stored, found := m.accounts[tenant]
		if !found {
			return problem.New(problem.NotFound, "There is no such partner.")
		}
		a = copyAccount(stored)
		return nil
	})
	return a, err
}

// The copies share nothing with what they were made from, and their times are as a store keeps them.

func copyInvitation(i invitation.Invitation) invitation.Invitation {
	i.Tags = maps.Clone(i.Tags)
	i.Post.Owed = slices.Clone(i.Post.Owed)
	i.History = slices.Clone(i.History)
	for n := range i.History {
		i.History[n].At = second(i.History[n].At)
	}
	if i.Answer != nil {
		a := *i.Answer
		a.At = second(a.At)
		i.Answer = &a
	}
	if i.Moot != nil {
		o := *i.Moot
		o.Since = second(o.Since)
		i.Moot = &o
	}
	for _, t := range []*time.Time{&i.ExpiresAt, &i.CreatedAt, &i.EndedAt, &i.Mail.At, &i.Mail.SentAt, &i.Post.At, &i.RemindedAt, &i.DisputedAt, &i.EraseAt} {
		*t = second(*t)
	}
	i.Duration = i.Duration.Truncate(time.Second)
	return i
}

func copyMailings(m recipient.Mailings) recipient.Mailings {
	m.List = slices.Clone(m.List)
	for n := range m.List {
		m.List[n].At = second(m.List[n].At)
	}
	if m.Suppressed != nil {
		m.Suppressed = &recipient.Suppression{At: second(m.Suppressed.At), Reason: m.Suppressed.Reason}
	}
	if m.Bounced != nil {
		m.Bounced = &recipient.Suppression{At: second(m.Bounced.At), Reason: m.Bounced.Reason}
	}
	m.Removed = slices.Clone(m.Removed)
	for n := range m.Removed {
		m.Removed[n].At = second(m.Removed[n].At)
	}
	m.Blocked = maps.Clone(m.Blocked)
	for p, s := range m.Blocked {
		m.Blocked[p] = recipient.Suppression{At: second(s.At), Reason: s.Reason}
	}
	return m
}

func copyRelationship(r relationship.Relationship) relationship.Relationship {
	r.Customer.Domains = slices.Clone(r.Customer.Domains)
	r.EstablishedAt, r.UpdatedAt = second(r.EstablishedAt), second(r.UpdatedAt)
	r.History = slices.Clone(r.History)
	for n := range r.History {
		r.History[n].At = second(r.History[n].At)
	}
	if r.Removal != nil {
		removal := *r.Removal
		removal.At = second(removal.At)
		r.Removal = &removal
	}
	return r
}

func copyAccount(a partner.Account) partner.Account {
	a.PartnerIDs, a.Also = slices.Clone(a.PartnerIDs), slices.Clone(a.Also)
	if a.MPA != nil {
		mpa := *a.MPA
		mpa.SignedAt = second(mpa.SignedAt)
		a.MPA = &mpa
	}
	if a.Paused != nil {
		a.Paused = &partner.Pause{At: second(a.Paused.At), Reason: a.Paused.Reason}
	}
	a.CreatedAt, a.CountedFrom = second(a.CreatedAt), second(a.CountedFrom)
	a.History = slices.Clone(a.History)
	for n := range a.History {
		a.History[n].At, a.History[n].Changed = second(a.History[n].At), slices.Clone(a.History[n].Changed)
	}
	return a
}

func second(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}
