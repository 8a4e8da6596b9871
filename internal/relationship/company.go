package relationship

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Record is a company as a partner created it, before its tenant was known (domain, 0.29, 0.30). There is one for a domain.
type Record struct {
	ID       partner.TenantID // a UUID that was made for it and resolves for ever
	Domain   string           // ASCII, lower case
	Country  string           // as the partner said
	Cloud    partner.CloudID
	By       partner.TenantID // who created it
	Reseller partner.TenantID // for whom; empty for nobody else
	// Tenant has claimed it; empty before. What was claimed stays claimed.
	Tenant partner.TenantID
	// Apart is a tenant of this domain that another partner's request made known. Until its Global admin has said whether the record is
	// of the company, nobody learns of the other and nobody orders.
	Apart    partner.TenantID
	Disowned bool // the domain's Global admin has said that it is not of the company
	Version  int  // 1 for a new one, raised by each write
}

// Partners are those who got a relationship when the record was made.
func (r Record) Partners() []partner.TenantID {
	if r.Reseller == "" || r.Reseller == r.By {
		return []partner.TenantID{r.By}
	}
	return []partner.TenantID{r.By, r.Reseller}
}

// Claimable reports whether a company may claim the record: it owns the domain, as its identity provider says, and nobody has spoken
// before it.
func (r Record) Claimable(c Customer) bool {
	return r.Tenant == "" && !r.Disowned && slices.Contains(verified(c.Domains), r.Domain)
}

// Claims are the records that a tenant has claimed, in that order.
type Claims struct {
	Tenant  partner.TenantID
	Records []partner.TenantID
	// Home is the id for relationships of partners that have none with the company: that of the first record or, where the tenant was known
	// before, its own.
	Home    partner.TenantID
	Version int
}

// Holder says whose a domain is.
type Holder struct {
	ID      partner.TenantID // of a tenant or a record; empty for nobody
	Created bool             // of a record
	Above   bool             // a domain below it has a holder
}

// Found is what is known of some ids and domains; what nobody knows is in none of the maps.
type Found struct {
	Records map[partner.TenantID]Record
	Claims  map[partner.TenantID]Claims
	Holders map[string]Holder
}

// Companies finds companies by their ids and domains. With strong set the answer includes every write that was acknowledged before the
// call; otherwise it may be a second behind.
//
// Learn stores whose domains are, each while it is as Was says, and gives false when one no longer is; others may be stored then.
type Companies interface {
	// Companies gives what is found, with strong set strongly consistent; what is not there is no error.
	Companies(ctx context.Context, ids []partner.TenantID, domains []string, strong bool) (Found, error)
	// Learn stores domains one by one, each while it is as Was says, and ends with false at one that is not.
	Learn(ctx context.Context, domains []DomainChange) (learned bool, err error)
}

// Discovery is what an answer tells of companies. It is stored with the answer, or with a conflict neither is: each record and the claims
// over the version before, each domain while it is as Was says.
type Discovery struct {
	Domains []DomainChange
	Records []RecordChange
	Claims  *ClaimsChange
}

// Empty reports whether there is nothing to store.
func (d Discovery) Empty() bool { return len(d.Domains) == 0 && len(d.Records) == 0 && d.Claims == nil }

// DomainChange gives a domain to a holder, or notes that one below it has one.
type DomainChange struct {
	Name    string
	Was, Is Holder
}

// RecordChange is one version of a record over another.
type RecordChange struct{ Before, After Record }

// ClaimsChange is one version of claims over another; Before is nil for the first.
type ClaimsChange struct {
	Before *Claims
	After  Claims
}

// MaxDomains bounds how many of a company's domains are looked at, so that an answer stays one transaction.
const MaxDomains = 25

// Verified gives the domains of a company as they are looked at: those that its identity provider says, ASCII and in lower case, at most
// [MaxDomains].
func (c Customer) Verified() []string {
	list := verified(c.Domains)
	return list[:min(len(list), MaxDomains)]
}

// verified gives the domains of a company in the form under which they are kept.
func verified(domains []string) (list []string) {
	for _, d := range domains {
		if ascii := emailaddr.Normalise("@" + d); len(ascii) > 1 && !slices.Contains(list, ascii[1:]) {
			list = append(list, ascii[1:])
		}
	}
	return list
}

// Inquiry is who answers a request, or speaks for the own company on its page.
type Inquiry struct {
	// Company is as the identity provider says it (domain, 0.27), with the country that was declared where it does not say.
	Company Customer
	Bound   partner.TenantID // whom the request names; empty for nobody
	// Partners get something from the answer.
	Partners []partner.TenantID
	// Meant is a record that the company says is its own; empty for none.
	Meant partner.TenantID
	// Refuses says that the answer grants nothing: it claims nothing then.
	Refuses bool
	Entry   Entry // when, who, under which request
	Strong  bool  // read strongly
}

// Identity is which company answers, among those that are known, and what its answer tells.
type Identity struct {
	// Foreign says that the request names another company.
	Foreign bool
	// Barred is why the company may not claim what it is asked for: [problem.RegionNotAllowed] or [problem.CloudMismatch]; nil when it may.
	Barred error
	// ID is under which new relationships with the company are kept; empty where it was not asked for.
	ID partner.TenantID
	// Learnt are the domains that nobody had. They are told before the answer is stored, and not with it: a domain is its tenant's whether or
	// not the answer comes to stand, and a transaction would cost twice as much.
	Learnt []DomainChange
	// Known says that a partner may have a relationship with the company already.
	Known bool
	// Claimed is what the answer claims.
	Claimed []partner.TenantID
	Discovery
	// Rows are the relationships that change with it, at most one of a partner and a record.
	Rows []Change
}

// Row gives the change of a partner's relationship, and false for none.
func (i Identity) Row(p partner.TenantID) (Change, bool) {
	n := slices.IndexFunc(i.Rows, func(c Change) bool { return c.After.Partner == p })
	if n < 0 {
		return Change{}, false
	}
	return i.Rows[n], true
}

// Recognition tells companies apart (domain, 0.30).
type Recognition struct {
	Companies     Companies
	Relationships interface {
		Relationship(ctx context.Context, p, customer partner.TenantID) (Relationship, error)
	}
	Accounts partner.Accounts
	Regions  partner.Regions
	// Reviews notes who of the company is asked, in half a year, to look at who holds rights over it (domain, 0.49),
	// before an answer that gives some is stored; nil where nobody is.
	Reviews interface {
		Note(ctx context.Context, who Person, language string) error
	}
	// Register knows who has or had a relationship with a customer; it may be a second behind.
	Register interface {
		Partners(ctx context.Context, customer partner.TenantID) ([]partner.TenantID, error)
	}
}

// Reviewed has somebody noted who gives rights, by an answer in a language; it is called before the answer is stored.
func (g Recognition) Reviewed(ctx context.Context, who Person, language string) error {
	if g.Reviews == nil {
		return nil
	}
	return g.Reviews.Note(ctx, who, language)
}

// Recognise says which company answers a request, and what becomes known by it. A record is claimed when a request of one of its partners is
// answered, or when it is meant; a record of another partner is set apart.
func (g Recognition) Recognise(ctx context.Context, q Inquiry) (Identity, error) {
	tenant := q.Company.Tenant
	id := Identity{ID: tenant}
	if g.Companies == nil { // nobody creates companies
		id.Foreign = q.Bound != "" && q.Bound != tenant
		return id, nil
	}
	domains := q.Company.Verified()
	// Who answers with domains that are nobody's, or its own, has claimed nothing under them.
	var ids []partner.TenantID
	for _, other := range []partner.TenantID{q.Bound, q.Meant} {
		if other != "" && other != tenant && !slices.Contains(ids, other) {
			ids = append(ids, other)
		}
	}
	if len(ids) > 0 || len(domains) == 0 {
		ids = append(ids, tenant)
	}
	found, err := g.Companies.Companies(ctx, ids, Around(domains...), q.Strong)
	if err != nil {
		return id, err
	}
	if err := g.complete(ctx, q, found, ids); err != nil {
		return id, err
	}
	claims, claimed := found.Claims[tenant]
	if claimed {
		id.ID, id.Known = claims.Home, true
	}
	records := claimable(q, found)
	if q.Bound != "" && q.Bound != tenant {
		own := slices.Contains(claims.Records, q.Bound)
		if id.Foreign = !own && !slices.ContainsFunc(records, func(r Record) bool { return r.ID == q.Bound }); id.Foreign {
			return id, nil
		}
		if own {
			id.ID = q.Bound
		}
	}
	id.Learnt = Known(found, tenant, domains...)
	if q.Refuses {
		return id, nil
	}
	for _, r := range records {
		if err := g.meet(ctx, &id, q, r); err != nil {
			return id, err
		}
	}
	return id, g.own(ctx, &id, q, claims, claimed, found)
}

// complete reads the records that have domains of the company, and what it has claimed.
func (g Recognition) complete(ctx context.Context, q Inquiry, found Found, read []partner.TenantID) error {
	var unread []partner.TenantID
	for _, h := range found.Holders {
		if h.Created && !slices.Contains(read, h.ID) && !slices.Contains(unread, h.ID) {
			unread = append(unread, h.ID)
		}
	}
	if len(unread) == 0 {
		return nil
	}
	if !slices.Contains(read, q.Company.Tenant) {
		unread = append(unread, q.Company.Tenant)
	}
	more, err := g.Companies.Companies(ctx, unread, nil, q.Strong)
	if err == nil {
		maps.Copy(found.Records, more.Records)
		maps.Copy(found.Claims, more.Claims)
	}
	return err
}

// claimable gives the records that the company may claim, in the order of their ids.
func claimable(q Inquiry, found Found) (list []Record) {
	for _, r := range found.Records {
		if r.Claimable(q.Company) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Around gives some domains with those above them, each once: what [Known] has to know of.
func Around(domains ...string) []string {
	var all []string
	for _, d := range verified(domains) {
		all = append(append(all, d), emailaddr.Above(d)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Known gives what makes domains known as those of a tenant. A domain that has a holder keeps it.
func Known(found Found, tenant partner.TenantID, domains ...string) (list []DomainChange) {
	domains = verified(domains)
	var above []string
	for _, d := range domains {
		above = append(above, emailaddr.Above(d)...)
	}
	slices.Sort(above)
	above = slices.Compact(above)
	for _, d := range Around(domains...) {
		was := found.Holders[d]
		is := was
		if was.ID == "" && slices.Contains(domains, d) {
			is.ID = tenant
		}
		is.Above = is.Above || slices.Contains(above, d)
		if is.ID != was.ID && is.Above != was.Above {
			// One write says one thing; what is below needs no note where the domain itself has a holder.
			is.Above = was.Above
		}
		if is != was && !(is.ID == was.ID && was.ID != "") {
			list = append(list, DomainChange{d, was, is})
		}
	}
	return list
}

// meet claims a record, or sets it apart.
func (g Recognition) meet(ctx context.Context, id *Identity, q Inquiry, r Record) error {
	tenant := q.Company.Tenant
	mine := r.ID == q.Bound || r.ID == q.Meant || slices.ContainsFunc(q.Partners, func(p partner.TenantID) bool { return slices.Contains(r.Partners(), p) })
	if !mine && (r.Apart != "" || len(q.Partners) == 0) {
		return nil // it stays as it is
	}
	after := r
	after.Version++
	if mine {
		after.Tenant, after.Apart = tenant, ""
		if id.bar(clouds(r, q.Company)) {
			return nil
		}
	} else {
		after.Apart = tenant
	}
	for _, p := range r.Partners() {
		before, err := g.Relationships.Relationship(ctx, p, r.ID)
		if problem.Is(err, problem.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !mine {
			if row, changed := before.SetApart(q.Entry); changed {
				id.Rows = append(id.Rows, Change{Before: &before, After: row})
			}
			continue
		}
		if before.Status == Active && q.Company.Country != "" {
			account, err := g.Accounts.Account(ctx, p, q.Strong)
			if err != nil {
				return err
			}
			if id.bar(g.Regions.Check(account.Country, q.Company.Country)) {
				return nil
			}
		}
		row := before.Claim(q.Company, r, q.Entry)
		if row.Twin, err = g.twin(ctx, id, p, tenant); err != nil {
			return err
		}
		id.Rows = append(id.Rows, Change{Before: &before, After: row})
	}
	if mine {
		id.Claimed = append(id.Claimed, r.ID)
	}
	id.Records = append(id.Records, RecordChange{r, after})
	return nil
}

// twin gives the id under which a partner has an active relationship with a tenant already; empty for none.
func (g Recognition) twin(ctx context.Context, id *Identity, p, tenant partner.TenantID) (partner.TenantID, error) {
	if c, ok := id.Row(p); ok {
		return c.After.Customer.Tenant, nil
	}
	other, err := g.Relationships.Relationship(ctx, p, tenant)
	if problem.Is(err, problem.NotFound) || err == nil && other.Status != Active {
		return "", nil
	}
	return other.Customer.Tenant, err
}

// bar keeps the first reason why nothing may be claimed, and reports whether there is one.
func (i *Identity) bar(why error) bool {
	i.Barred = cmp.Or(i.Barred, why)
	return i.Barred != nil
}

func clouds(r Record, c Customer) error {
	if r.Cloud == c.Cloud {
		return nil
	}
	return problem.New(problem.CloudMismatch, "The company is in another cloud than its record says.")
}

// own notes what the tenant has claimed, and says under which id it is known from then on.
func (g Recognition) own(ctx context.Context, id *Identity, q Inquiry, claims Claims, claimed bool, found Found) error {
	if id.bar(nil) {
		id.Discovery, id.Rows, id.Claimed, id.Learnt = Discovery{}, nil, nil, nil
		return nil
	}
	id.Known = id.Known || len(id.Claimed) > 0
	if len(id.Claimed) == 0 {
		return nil
	}
	after := claims
	after.Tenant, after.Version = q.Company.Tenant, claims.Version+1
	after.Records = append(slices.Clone(claims.Records), id.Claimed...)
	change := ClaimsChange{After: after}
	if claimed {
		change.Before = &claims
	} else {
		served, err := g.Register.Partners(ctx, q.Company.Tenant)
		if err != nil {
			return err
		}
		change.After.Home = id.Claimed[0]
		if len(served) > 0 || slices.ContainsFunc(id.Records, func(c RecordChange) bool { return c.Before.Apart == q.Company.Tenant }) {
			change.After.Home = q.Company.Tenant
		}
	}
	id.ID, id.Claims = change.After.Home, &change
	return nil
}

// ClaimsOf gives the claims of a company by one of its ids, and false for one that has claimed nothing.
func ClaimsOf(ctx context.Context, c Companies, id partner.TenantID) (claims Claims, ok bool, err error) {
	found, err := c.Companies(ctx, []partner.TenantID{id}, nil, false)
	if err != nil {
		return Claims{}, false, err
	}
	claims, ok = found.Claims[id]
	if r := found.Records[id]; !ok && r.Tenant != "" {
		if found, err = c.Companies(ctx, []partner.TenantID{r.Tenant}, nil, false); err != nil {
			return Claims{}, false, err
		}
		claims, ok = found.Claims[r.Tenant]
	}
	return claims, ok, nil
}

// IDs gives all ids of a company by one of them, that one first.
func IDs(ctx context.Context, c Companies, id partner.TenantID) ([]partner.TenantID, error) {
	claims, ok, err := ClaimsOf(ctx, c, id)
	if err != nil {
		return nil, err
	}
	all := []partner.TenantID{id}
	if ok && claims.Tenant != id {
		all = append(all, claims.Tenant)
	}
	for _, other := range claims.Records {
		if other != id {
			all = append(all, other)
		}
	}
	return all, nil
}

// errNotOwn means that a record is none that a company can speak for.
var errNotOwn = errors.New("relationship: not the company's record")

// Disown has the company of a record's domain say that the record is none of it. The domain is then that of the tenant. The error is one
// with [problem.NotFound] when the company cannot say that.
func (r Record) Disown(c Customer) (Discovery, error) {
	if !r.Claimable(c) {
		return Discovery{}, errors.Join(problem.New(problem.NotFound, "There is no such record of this company."), errNotOwn)
	}
	after := r
	after.Disowned, after.Apart = true, ""
	after.Version++
	return Discovery{
		Domains: []DomainChange{{r.Domain, Holder{ID: r.ID, Created: true}, Holder{ID: c.Tenant}}},
		Records: []RecordChange{{r, after}},
	}, nil
}
