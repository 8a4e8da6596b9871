package dynamo

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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
		err = s.single(ctx, writes[0], encodeEnrolment(c.After))
		if errors.Is(err, invitation.ErrConflict) {
			return enrolment.ErrConflict
		}
		return err
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
		if err == nil && refused != nil && !slices.ContainsFunc(refused[:held], func(i map[string]types.AttributeValue) bool { return i != nil }) {
			return errInUse()
		}
		return conflict(refused, err)
	}
	return conflict(s.together(ctx, writes))
}

func conflict(refused []map[string]types.AttributeValue, err error) error {
	if err == nil && refused != nil {
		return enrolment.ErrConflict
	}
	return err
}

// enrolled gives the writes of an enrolment, on condition that it is unchanged, or new and follows the one that it says.
func (s *Store) enrolled(c enrolment.Change) []types.TransactWriteItem {
	after := encodeEnrolment(c.After)
	if c.Before != nil {
		expression, names, values := update(encodeEnrolment(*c.Before), after)
		values[":was"] = num(int64(c.Before.Version))
		return []types.TransactWriteItem{{Update: &types.Update{
			TableName: s.table, Key: enrolmentKey(c.After.ID), UpdateExpression: &expression, ConditionExpression: aws.String(isUnchanged),
			ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		}}}
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
		{Put: &types.Put{TableName: s.table, Item: after, ConditionExpression: aws.String(isNew)}},
		{Put: follows},
		{Put: &types.Put{TableName: s.table, Item: line, ConditionExpression: aws.String(isNew)}},
	}
}

// accounted gives the writes of an account, without those of its PartnerIDs.
func (s *Store) accounted(before *partner.Account, after partner.Account) []types.TransactWriteItem {
	if before == nil {
		return []types.TransactWriteItem{
			{Put: &types.Put{TableName: s.table, Item: encodeAccount(after), ConditionExpression: aws.String(isNew)}},
			{Put: &types.Put{TableName: s.table, Item: newItem(registryKey(after.CreatedAt, after.Tenant), registeredType), ConditionExpression: aws.String(isNew)}},
		}
	}
	expression, names, values := update(encodeAccount(*before), encodeAccount(after))
	values[":was"] = num(int64(before.Version))
	return []types.TransactWriteItem{{Update: &types.Update{
		TableName: s.table, Key: accountKey(after.Tenant), UpdateExpression: &expression, ConditionExpression: aws.String(isUnchanged),
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}}}
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
	in := &dynamodb.QueryInput{
		TableName: s.table, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(false), KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": str(enrolmentList)},
	}
	if q.After != "" {
		if _, ok := parseEnrolmentPlace(q.After); !ok {
			return page, errAfter()
		}
		in.ExclusiveStartKey = keyOf(enrolmentList, q.After)
	}
	for left := bound(q.Limit); left > 0; {
		chunk := min(left, q.Limit)
		left -= chunk
		in.Limit = aws.Int32(int32(chunk))
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return page, err
		}
		found, err := s.enrolments(ctx, out.Items)
		if err != nil {
			return page, err
		}
		for n, e := range found {
			if !q.Matches(e) {
				continue
			}
			page.Enrolments = append(page.Enrolments, e)
			if len(page.Enrolments) == q.Limit {
				if n < len(found)-1 || out.LastEvaluatedKey != nil {
					page.Next = enrolmentPlace(e.CreatedAt, e.ID)
				}
				return page, nil
			}
		}
		if out.LastEvaluatedKey == nil {
			return page, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	last := &fields{item: in.ExclusiveStartKey}
	page.Next = last.needText(skAttr)
	return page, last.err
}

// enrolments reads the enrolments of lines of the list, in their order.
func (s *Store) enrolments(ctx context.Context, lines []map[string]types.AttributeValue) ([]enrolment.Enrolment, error) {
	keys := make([]map[string]types.AttributeValue, len(lines))
	order := make([]string, len(lines))
	for n, line := range lines {
		id, ok := parseEnrolmentPlace((&fields{item: line}).text(skAttr))
		if !ok {
			return nil, errors.New("dynamo: a line of the enrolments names none")
		}
		order[n], keys[n] = id, enrolmentKey(id)
	}
	stored, err := s.batch(ctx, keys, true)
	if err != nil {
		return nil, err
	}
	found := map[string]enrolment.Enrolment{}
	for _, i := range stored {
		e, err := EnrolmentFromImage(i)
		if err != nil {
			return nil, err
		}
		found[e.ID] = e
	}
	list := make([]enrolment.Enrolment, 0, len(order))
	for _, id := range order {
		if e, ok := found[id]; ok {
			list = append(list, e)
		}
	}
	return list, nil
}

func encodeEnrolment(e enrolment.Enrolment) item {
	i := newItem(enrolmentKey(e.ID), enrolmentType)
	i.text("tenant", string(e.Tenant))
	i.text("previous", e.Previous)
	i.text(aCloud, string(e.Cloud))
	i.text("path", string(e.Path))
	i.text(aStatus, string(e.Status))
	i.text(aLocale, e.Locale)
	i.text(aTongue, e.LocaleAsked)
	i.text("country", e.Country)
	legal := item{}
	legal.text("entry", string(e.Legal.Entry))
	legal.text("name", e.Legal.Name)
	legal.text("duns", e.Legal.DUNS)
	legal.group("address", encodeAddress(e.Legal.Address))
	i.group("legal", legal)
	check := item{}
	check.text("status", string(e.Address.Status))
	check.text("choice", string(e.Address.Choice))
	check.texts("doubtful", e.Address.Doubtful)
	var suggested []types.AttributeValue
	for _, a := range e.Address.Suggested {
		suggested = append(suggested, &types.AttributeValueMemberM{Value: encodeAddress(a)})
	}
	if suggested != nil {
		check["suggested"] = &types.AttributeValueMemberL{Value: suggested}
	}
	i.group("check", check)
	i.group("contact", encodePerson(e.Contact))
	i.group("support", encodeSupport(e.Support))
	if l := e.Location; l != nil {
		g := item{}
		g.text("id", l.ID)
		g.text("name", l.Name)
		g.text("kind", l.Type)
		g.text("country", l.Country)
		g.text("tenant", string(l.Tenant))
		i.group("location", g)
	}
	verification := item{}
	verification.number("generation", e.Verification.Generation)
	asked := make([]types.AttributeValue, len(e.Verification.Asked))
	for n, a := range e.Verification.Asked {
		asked[n] = num(a.At.Unix())
		if a.To != "" {
			asked[n] = str(strconv.FormatInt(a.At.Unix(), 10) + " " + a.To)
		}
	}
	if len(asked) > 0 {
		verification["asked"] = &types.AttributeValueMemberL{Value: asked}
	}
	verification.time("expires", e.Verification.ExpiresAt)
	verification.flag("lapsed", e.Verification.Lapsed)
	verification.time("at", e.Verification.VerifiedAt)
	verification.text("by", e.Verification.VerifiedBy)
	verification.text("domain", e.Verification.Domain)
	verification.text("delivery", string(e.Verification.Delivery))
	verification.text("reason", e.Verification.DeliveryReason)
	i.group("verification", verification)
	vetting := item{}
	vetting.text("email", string(e.Vetting.EmailOwnership))
	vetting.text("employment", string(e.Vetting.Employment))
	vetting.text("business", string(e.Vetting.Business))
	i.group("vetting", vetting)
	i.time("submitted", e.SubmittedAt)
	i.time("review", e.ReviewDueAt)
	i.flag("overdue", e.Overdue)
	i.text("reason", e.Reason)
	var questions []types.AttributeValue
	for _, q := range e.Questions {
		g := item{}
		g.time("at", q.At)
		g.text("text", q.Text)
		g.text("answer", q.Answer)
		g.time("answered", q.AnsweredAt)
		questions = append(questions, &types.AttributeValueMemberM{Value: g})
	}
	if questions != nil {
		i["questions"] = &types.AttributeValueMemberL{Value: questions}
	}
	steps := item{}
	for n, s := range e.Steps {
		g := item{}
		g.text("reason", s.Reason)
		g.flag("located", s.Located)
		steps[string(n)] = &types.AttributeValueMemberM{Value: g}
	}
	i.group("steps", steps)
	if e.MPA != nil {
		g := item{}
		g.time("at", e.MPA.SignedAt)
		g.text("by", e.MPA.SignedBy)
		g.text("version", e.MPA.Version)
		g.text("hash", e.MPA.Hash)
		g.text("language", e.MPALanguage)
		i["mpa"] = &types.AttributeValueMemberM{Value: g}
	}
	i.box(e.Post)
	i.time("created", e.CreatedAt)
	i.text(aCreatedBy, e.CreatedBy)
	history := make([]string, len(e.History))
	for n, h := range e.History {
		history[n] = encodeEntry(invitation.Entry{
			At: h.At, Action: string(h.Action), By: h.By, CorrelationID: h.CorrelationID, Key: h.Key, Body: h.Body, Why: h.Why,
		}, e.CreatedBy, "")
	}
	i.texts(aHistory, history)
	i.number(aVersion, e.Version)
	if at, waits := e.Due(); waits {
		i[dueAttr] = str(dueShard(e.ID))
		i[dueAtAttr] = num(at.Unix())
	}
	return i
}

func encodeAddress(a enrolment.Address) item {
	g := item{}
	g.text("line1", a.Line1)
	g.text("line2", a.Line2)
	g.text("city", a.City)
	g.text("state", a.State)
	g.text("code", a.PostalCode)
	g.text("country", a.Country)
	return g
}

func encodePerson(p enrolment.Person) item {
	g := item{}
	g.text("first", p.FirstName)
	g.text("last", p.LastName)
	g.text("email", p.Email)
	g.text("phone", p.Phone)
	return g
}

// encodeSupport keeps whom customers ask for help, of an account or of who wants to have one.
func encodeSupport(p partner.SupportProfile) item {
	g := item{}
	g.text("email", p.Email)
	g.text("phone", p.Phone)
	g.text("name", p.Name)
	return g
}

// support reads it; what enrolments had of a person's name before becomes the name.
func (f *fields) support(name string) (p partner.SupportProfile) {
	if g := f.group(name); g != nil {
		p = partner.SupportProfile{Email: g.text("email"), Phone: g.text("phone"), Name: cmp.Or(g.text("name"), strings.TrimSpace(g.text("first")+" "+g.text("last")))}
		f.join(name, g)
	}
	return p
}

// EnrolmentFromImage gives the enrolment of an item, also of a stream record's image. The error is that of [InvitationFromImage].
func EnrolmentFromImage(image map[string]types.AttributeValue) (enrolment.Enrolment, error) {
	f := &fields{item: image}
	if err := f.expect(enrolmentType); err != nil {
		return enrolment.Enrolment{}, err
	}
	e := enrolment.Enrolment{
		ID: strings.TrimPrefix(f.needText(pkAttr), enrolmentPrefix), Tenant: partner.TenantID(f.needText("tenant")), Previous: f.text("previous"), Cloud: partner.CloudID(f.text(aCloud)),
		Path: enrolment.Path(f.needText("path")), Status: enrolment.Status(f.needText(aStatus)), Locale: f.text(aLocale), LocaleAsked: f.text(aTongue), Country: f.text("country"),
		Contact: f.person("contact"), Support: f.support("support"), SubmittedAt: f.time("submitted"), ReviewDueAt: f.time("review"),
		Overdue: f.flag("overdue"), Reason: f.text("reason"), CreatedAt: f.time("created"), CreatedBy: f.text(aCreatedBy), Version: f.needNumber(aVersion),
		Post: f.box(),
	}
	if g := f.group("legal"); g != nil {
		e.Legal = enrolment.Legal{Entry: enrolment.Entry(g.text("entry")), Name: g.text("name"), DUNS: g.text("duns"), Address: g.address("address")}
		f.join("legal", g)
	}
	if g := f.group("location"); g != nil {
		e.Location = &enrolment.Location{ID: g.text("id"), Name: g.text("name"), Type: g.text("kind"), Country: g.text("country"), Tenant: partner.TenantID(g.text("tenant"))}
		f.join("location", g)
	}
	if g := f.group("vetting"); g != nil {
		e.Vetting = enrolment.Vetting{
			EmailOwnership: enrolment.Result(g.text("email")), Employment: enrolment.Result(g.text("employment")), Business: enrolment.Result(g.text("business")),
		}
		f.join("vetting", g)
	}
	if g := f.group("mpa"); g != nil {
		e.MPA = &partner.Agreement{SignedAt: g.time("at"), SignedBy: g.text("by"), Version: g.text("version"), Hash: g.text("hash")}
		e.MPALanguage = g.text("language")
		f.join("mpa", g)
	}
	f.check(&e)
	f.verification(&e)
	f.questions(&e)
	for _, text := range f.texts(aHistory) {
		h, err := decodeEntry(text, e.CreatedBy, "")
		if err != nil && f.err == nil {
			f.err = err
		}
		e.History = append(e.History, enrolment.HistoryEntry{
			At: h.At, Action: enrolment.Action(h.Action), By: h.By, CorrelationID: h.CorrelationID, Key: h.Key, Body: h.Body, Why: h.Why,
		})
	}
	if f.err != nil {
		return enrolment.Enrolment{}, f.err
	}
	return e, nil
}

// questions reads what was asked and answered, and what the mails that are owed speak of.
func (f *fields) questions(e *enrolment.Enrolment) {
	if l, ok := get[*types.AttributeValueMemberL](f, "questions", false); ok {
		for _, each := range l.Value {
			one := &fields{item: map[string]types.AttributeValue{"q": each}}
			if g := one.group("q"); g != nil {
				e.Questions = append(e.Questions, enrolment.Question{At: g.time("at"), Text: g.text("text"), Answer: g.text("answer"), AnsweredAt: g.time("answered")})
				one.join("q", g)
			}
			f.join("questions", one)
		}
	}
	if steps := f.group("steps"); steps != nil {
		e.Steps = map[outbox.Kind]enrolment.Step{}
		for n := range steps.item {
			if g := steps.group(n); g != nil {
				e.Steps[outbox.Kind(n)] = enrolment.Step{Reason: g.text("reason"), Located: g.flag("located")}
				steps.join(n, g)
			}
		}
		f.join("steps", steps)
	}
}

// check reads what was found about the address.
func (f *fields) check(e *enrolment.Enrolment) {
	g := f.group("check")
	if g == nil {
		return
	}
	e.Address.Status, e.Address.Choice = enrolment.AddressStatus(g.text("status")), enrolment.Choice(g.text("choice"))
	e.Address.Doubtful = g.texts("doubtful")
	if l, ok := get[*types.AttributeValueMemberL](g, "suggested", false); ok {
		for _, each := range l.Value {
			one := &fields{item: map[string]types.AttributeValue{"a": each}}
			e.Address.Suggested = append(e.Address.Suggested, one.address("a"))
			g.join("suggested", one)
		}
	}
	f.join("check", g)
}

// verification reads how far the contact is.
func (f *fields) verification(e *enrolment.Enrolment) {
	g := f.group("verification")
	if g == nil {
		return
	}
	e.Verification = enrolment.Verification{
		Generation: g.number("generation"), ExpiresAt: g.time("expires"), Lapsed: g.flag("lapsed"), VerifiedAt: g.time("at"), VerifiedBy: g.text("by"),
		Domain: g.text("domain"), Delivery: outbox.State(g.text("delivery")), DeliveryReason: g.text("reason"),
	}
	if l, ok := get[*types.AttributeValueMemberL](g, "asked", false); ok {
		for _, each := range l.Value {
			one := &fields{item: map[string]types.AttributeValue{"at": each}}
			var a enrolment.Asking
			if _, ok := each.(*types.AttributeValueMemberS); ok { // together with whom it was for
				at, to, _ := strings.Cut(one.text("at"), " ")
				each, a.To = num(0), to
				if seconds, err := strconv.ParseInt(at, 10, 64); err == nil {
					each = num(seconds)
				}
				one = &fields{item: map[string]types.AttributeValue{"at": each}}
			}
			seconds, _ := one.integer("at", true)
			a.At = time.Unix(seconds, 0).UTC()
			e.Verification.Asked = append(e.Verification.Asked, a)
			g.join("asked", one)
		}
	}
	f.join("verification", g)
}

func (f *fields) address(name string) (a enrolment.Address) {
	if g := f.group(name); g != nil {
		a = enrolment.Address{
			Line1: g.text("line1"), Line2: g.text("line2"), City: g.text("city"), State: g.text("state"), PostalCode: g.text("code"), Country: g.text("country"),
		}
		f.join(name, g)
	}
	return a
}

func (f *fields) person(name string) (p enrolment.Person) {
	if g := f.group(name); g != nil {
		p = enrolment.Person{FirstName: g.text("first"), LastName: g.text("last"), Email: g.text("email"), Phone: g.text("phone")}
		f.join(name, g)
	}
	return p
}
