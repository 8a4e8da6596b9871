package dynamo

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/command"
	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
)

// aLatest is which enrolment is a company's latest one.
const aLatest = "id"

// WriteEnrolment is that of [enrolment.Store].
func (s *Store) WriteEnrolment(ctx context.Context, c enrolment.Change) (err error) {
	defer func() { wrap(&err, "write %s", c.After.ID) }()
	writes := s.enrolled(c)
	if len(writes) == 1 && c.Account == nil {
		return s.single(ctx, writes[0], encodeEnrolment(c.After))
	}
	if a := c.Account; a != nil {
		var before []partner.PartnerID
		was := ""
		if a.Before != nil {
			before, was = a.Before.PartnerIDs, a.Before.VerifiedDomain
		}
		domain, err := s.verifiedBy(ctx, a.After.Tenant, was, a.After.VerifiedDomain)
		if err != nil {
			return err
		}
		writes = append(append(writes, s.accounted(a.Before, a.After)...), domain...)
		held := len(writes)
		writes = append(writes, s.held(a.After.Tenant, before, a.After.PartnerIDs)...)
		refused, err := s.together(ctx, writes)
		switch {
		case refused == nil:
			return err
		case slices.ContainsFunc(refused[:held], stood):
			return command.ErrConflict
		}
		return errInUse()
	}
	return s.allOrNone(ctx, writes)
}

// enrolled gives the writes of an enrolment, on condition that it is unchanged, or new and follows the one that it says.
func (s *Store) enrolled(c enrolment.Change) []types.TransactWriteItem {
	after := encodeEnrolment(c.After)
	if c.Before != nil {
		return []types.TransactWriteItem{s.over(encodeEnrolment(*c.Before), after, enrolmentKey(c.After.ID), c.Before.Version)}
	}
	latest := newItem(latestKey(c.After.Tenant), latestType)
	latest.text(aLatest, c.After.ID)
	follows := &types.Put{TableName: s.table, Item: latest, ConditionExpression: aws.String(isNew)}
	if c.After.Previous != "" {
		follows.ConditionExpression = aws.String("#id = :follows")
		follows.ExpressionAttributeNames = map[string]string{"#id": aLatest}
		follows.ExpressionAttributeValues = map[string]types.AttributeValue{":follows": str(c.After.Previous)}
	}
	line := newItem(keyOf(enrolmentList, enrolmentPlace(c.After.CreatedAt, c.After.ID)), listedType)
	return []types.TransactWriteItem{
		s.fresh(after),
		{Put: follows},
		s.fresh(line),
	}
}

// accounted gives the writes of an account, without those of its PartnerIDs.
func (s *Store) accounted(before *partner.Account, after partner.Account) []types.TransactWriteItem {
	if before == nil {
		return []types.TransactWriteItem{
			s.fresh(encodeAccount(after)),
			s.fresh(newItem(registryKey(after.CreatedAt, after.Tenant), registeredType)),
		}
	}
	return []types.TransactWriteItem{s.over(encodeAccount(*before), encodeAccount(after), accountKey(after.Tenant), before.Version)}
}

// Enrolment is that of [enrolment.Store].
func (s *Store) Enrolment(ctx context.Context, id string) (e enrolment.Enrolment, err error) {
	defer func() { wrap(&err, "enrolment %.64q", id) }()
	const missing = "There is no such enrolment."
	if !isID(id) {
		return e, problem.New(problem.NotFound, missing)
	}
	stored, err := s.read(ctx, enrolmentKey(id), true, missing)
	if err != nil {
		return e, err
	}
	return EnrolmentFromImage(stored)
}

// LatestEnrolment is that of [enrolment.Store]. Which one it is changes only when a new one is started.
func (s *Store) LatestEnrolment(ctx context.Context, tenant partner.TenantID) (e enrolment.Enrolment, err error) {
	defer func() { wrap(&err, "latest enrolment of %s", tenant) }()
	stored, err := s.read(ctx, latestKey(tenant), true, "The company has no enrolment.")
	if err != nil {
		return e, err
	}
	f := &fields{item: stored}
	if err := f.expect(latestType); err != nil {
		return e, err
	}
	id := f.needText(aLatest)
	if f.err != nil {
		return e, f.err
	}
	stored, err = s.read(ctx, enrolmentKey(id), true, "The company has no enrolment.")
	if err != nil {
		return e, err
	}
	return EnrolmentFromImage(stored)
}

// ListEnrolments is that of [enrolment.Store]. The list gives the order; the enrolments are read from where everybody reads them.
func (s *Store) ListEnrolments(ctx context.Context, q enrolment.Query) (page enrolment.Page, err error) {
	defer func() { wrap(&err, "list enrolments") }()
	in := s.all(enrolmentList)
	in.ScanIndexForward = aws.Bool(false)
	if q.After != "" {
		if _, ok := parseEnrolmentPlace(q.After); !ok {
			return page, errAfter()
		}
		in.ExclusiveStartKey = keyOf(enrolmentList, q.After)
	}
	page.Enrolments, page.Next, err = paged(ctx, s, in, listing[enrolment.Enrolment]{
		limit: q.Limit, read: s.enrolments, fits: q.Matches, attr: skAttr,
		place: func(e enrolment.Enrolment) string { return enrolmentPlace(e.CreatedAt, e.ID) },
	})
	return page, err
}

// enrolments reads the enrolments of lines of the list, in their order.
func (s *Store) enrolments(ctx context.Context, lines []image) ([]enrolment.Enrolment, error) {
	keys := make([]key, len(lines))
	for n, line := range lines {
		id, ok := parseEnrolmentPlace((&fields{item: line}).text(skAttr))
		if !ok {
			return nil, errors.New("dynamo: a line of the enrolments names none")
		}
		keys[n] = enrolmentKey(id)
	}
	return decoded(ctx, s, keys, true, EnrolmentFromImage)
}

var enrolmentWaits = newWaiting(enrolment.DueKind, enrolmentPrefix)

func encodeEnrolment(e enrolment.Enrolment) item {
	i := newItem(enrolmentKey(e.ID), enrolmentType)
	at, waits := e.Due()
	enrolmentWaits.enter(i, e.ID, at, waits)
	return written(i, enrolmentFields, &e)
}

// EnrolmentFromImage gives the enrolment of an item, also of a stream record's image. The error is that of [InvitationFromImage].
func EnrolmentFromImage(image map[string]types.AttributeValue) (e enrolment.Enrolment, err error) {
	c, err := reading(image, enrolmentType)
	if err != nil {
		return e, err
	}
	e.ID = c.owner(enrolmentPrefix)
	if enrolmentFields(&c, &e); c.err != nil {
		return enrolment.Enrolment{}, c.err
	}
	return e, nil
}

// enrolmentFields are those of an enrolment, apart from its id.
func enrolmentFields(c *coder, e *enrolment.Enrolment) {
	need(c, "tenant", &e.Tenant)
	text(c, "previous", &e.Previous)
	text(c, aCloud, &e.Cloud)
	need(c, "path", &e.Path)
	need(c, aStatus, &e.Status)
	text(c, aLocale, &e.Locale)
	text(c, aTongue, &e.LocaleAsked)
	text(c, "country", &e.Country)
	legalFields(c, "legal", &e.Legal)
	checkFields(c, "check", &e.Address)
	personFields(c, "contact", &e.Contact)
	supportFields(c, "support", &e.Support)
	if g, there := part(c, "location", &e.Location); there {
		text(&g, "id", &e.Location.ID)
		text(&g, "name", &e.Location.Name)
		text(&g, "kind", &e.Location.Type)
		text(&g, "country", &e.Location.Country)
		text(&g, "tenant", &e.Location.Tenant)
		c.leave("location", &g)
	}
	verificationFields(c, "verification", &e.Verification)
	if g, there := c.group("vetting"); there {
		text(&g, "email", &e.Vetting.EmailOwnership)
		text(&g, "employment", &e.Vetting.Employment)
		text(&g, "business", &e.Vetting.Business)
		c.leave("vetting", &g)
	}
	moment(c, "submitted", &e.SubmittedAt)
	moment(c, "review", &e.ReviewDueAt)
	flag(c, "overdue", &e.Overdue)
	text(c, "reason", &e.Reason)
	groups(c, "questions", &e.Questions, questionFields)
	stepFields(c, "steps", &e.Steps)
	if g, there := part(c, "mpa", &e.MPA); there {
		mpaFields(&g, e.MPA)
		text(&g, "language", &e.MPALanguage)
		c.leave("mpa", &g)
	}
	boxFields(c, aPost, &e.Post)
	moment(c, "created", &e.CreatedAt)
	text(c, aCreatedBy, &e.CreatedBy)
	timeline(c, aHistory, &e.History, e.CreatedBy, "", writeEnrolmentEntry, readEnrolmentEntry)
	needNumber(c, aVersion, &e.Version)
}

func writeEnrolmentEntry(h enrolment.HistoryEntry) invitation.Entry {
	return invitation.Entry{
		At: h.At, Action: string(h.Action), By: h.By, CorrelationID: h.CorrelationID, Key: h.Key, Body: h.Body, Why: h.Why,
	}
}

func readEnrolmentEntry(h invitation.Entry) (enrolment.HistoryEntry, error) {
	return enrolment.HistoryEntry{
		At: h.At, Action: enrolment.Action(h.Action), By: h.By, CorrelationID: h.CorrelationID, Key: h.Key, Body: h.Body, Why: h.Why,
	}, nil
}

// legalFields are what a company says of itself.
func legalFields(c *coder, name string, l *enrolment.Legal) {
	if g, there := c.group(name); there {
		text(&g, "entry", &l.Entry)
		text(&g, "name", &l.Name)
		text(&g, "duns", &l.DUNS)
		addressFields(&g, "address", &l.Address)
		c.leave(name, &g)
	}
}

// checkFields are what was found about the address.
func checkFields(c *coder, name string, a *enrolment.AddressCheck) {
	if g, there := c.group(name); there {
		text(&g, "status", &a.Status)
		text(&g, "choice", &a.Choice)
		texts(&g, "doubtful", &a.Doubtful)
		groups(&g, "suggested", &a.Suggested, addressParts)
		c.leave(name, &g)
	}
}

// verificationFields say how far the contact is.
func verificationFields(c *coder, name string, v *enrolment.Verification) {
	if g, there := c.group(name); there {
		number(&g, "generation", &v.Generation)
		asked(&g, "asked", &v.Asked)
		moment(&g, "expires", &v.ExpiresAt)
		flag(&g, "lapsed", &v.Lapsed)
		moment(&g, "at", &v.VerifiedAt)
		text(&g, "by", &v.VerifiedBy)
		text(&g, "domain", &v.Domain)
		text(&g, "delivery", &v.Delivery)
		text(&g, "reason", &v.DeliveryReason)
		c.leave(name, &g)
	}
}

// asked is a list of moments, each with whom the mail was for where that is known.
func asked(c *coder, name string, list *[]enrolment.Asking) {
	if c.writes {
		all := make([]types.AttributeValue, len(*list))
		for n, a := range *list {
			all[n] = num(a.At.Unix())
			if a.To != "" {
				all[n] = str(strconv.FormatInt(a.At.Unix(), 10) + " " + a.To)
			}
		}
		if len(all) > 0 {
			c.item[name] = &types.AttributeValueMemberL{Value: all}
		}
		return
	}
	l, _ := get[*types.AttributeValueMemberL](&c.fields, name, false)
	if l == nil {
		return
	}
	for _, each := range l.Value {
		var at, to string
		switch v := each.(type) {
		case *types.AttributeValueMemberN:
			at = v.Value
		case *types.AttributeValueMemberS:
			at, to, _ = strings.Cut(v.Value, " ")
		}
		unix, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			c.fault(name, "holds what is no time")
		}
		*list = append(*list, enrolment.Asking{At: time.Unix(unix, 0).UTC(), To: to})
	}
}

func questionFields(c *coder, q *enrolment.Question) {
	moment(c, "at", &q.At)
	text(c, "text", &q.Text)
	text(c, "answer", &q.Answer)
	moment(c, "answered", &q.AnsweredAt)
}

// stepFields are what the mails that are owed speak of, by their kinds.
func stepFields(c *coder, name string, steps *map[outbox.Kind]enrolment.Step) {
	all, there := c.group(name)
	if !there {
		return
	}
	one := func(k string, s enrolment.Step) enrolment.Step {
		if g, there := all.group(k); there {
			g.whole = true
			text(&g, "reason", &s.Reason)
			flag(&g, "located", &s.Located)
			all.leave(k, &g)
		}
		return s
	}
	if c.writes {
		for k, s := range *steps {
			one(string(k), s)
		}
	} else {
		*steps = make(map[outbox.Kind]enrolment.Step, len(all.item))
		for k := range all.item {
			(*steps)[outbox.Kind(k)] = one(k, enrolment.Step{})
		}
	}
	c.leave(name, &all)
}

func addressFields(c *coder, name string, a *enrolment.Address) {
	if g, there := c.group(name); there {
		addressParts(&g, a)
		c.leave(name, &g)
	}
}

func addressParts(c *coder, a *enrolment.Address) {
	text(c, "line1", &a.Line1)
	text(c, "line2", &a.Line2)
	text(c, "city", &a.City)
	text(c, "state", &a.State)
	text(c, "code", &a.PostalCode)
	text(c, "country", &a.Country)
}

func personFields(c *coder, name string, p *enrolment.Person) {
	if g, there := c.group(name); there {
		text(&g, "first", &p.FirstName)
		text(&g, "last", &p.LastName)
		text(&g, "email", &p.Email)
		text(&g, "phone", &p.Phone)
		c.leave(name, &g)
	}
}

// supportFields are whom customers ask for help, of an account or of who wants to have one. What enrolments had of a person's name before
// becomes the name.
func supportFields(c *coder, name string, p *partner.SupportProfile) {
	if g, there := c.group(name); there {
		text(&g, "email", &p.Email)
		text(&g, "phone", &p.Phone)
		if text(&g, "name", &p.Name); p.Name == "" && !c.writes {
			p.Name = strings.TrimSpace(g.text("first") + " " + g.text("last"))
		}
		c.leave(name, &g)
	}
}

// mpaFields are those of a partner agreement that was signed.
func mpaFields(c *coder, a *partner.Agreement) {
	moment(c, "at", &a.SignedAt)
	text(c, "by", &a.SignedBy)
	text(c, "version", &a.Version)
	text(c, "hash", &a.Hash)
}
