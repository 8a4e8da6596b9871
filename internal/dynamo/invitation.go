package dynamo

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Attributes of an invitation. Names are short because every item pays for them: an invitation stays within one write
// unit until it is answered.
const (
	aVersion    = "v"
	aKind       = "ki"
	aStatus     = "st"
	aGeneration = "ge"
	aCustomer   = "cu"
	aBound      = "bo" // the inviter named the customer
	aActingRole = "ar"
	aProvider   = "pv"
	aOrderer    = "oy" // the provider that orders, of a request that names none
	aEmail      = "em"
	aName       = "na"
	aLocale     = "lo"
	aTongue     = "la" // the tag that was asked for
	aCloud      = "cl"
	aDAP        = "da" // asks for delegated administration
	aSource     = "so"
	aTags       = "ta"
	aBatch      = "ba"
	aMessage    = "mg"
	aSandbox    = "sb"
	aReminders  = "re"
	aRegions    = "rt"
	aDuration   = "du" // seconds
	aExpires    = "ex"
	aCreatedBy  = "by"
	aEnded      = "en"
	aEdited     = "ed"
	aReplaces   = "rp"
	aGranular   = "ga" // the id of the granular administration that it asks for
	aHistory    = "hi"
	aAnswer     = "an"

	aPost         = "post" // the state of the notices; the stream's filter looks for "queued"
	aPostOwed     = "po"
	aPostAttempts = "pn"
	aPostOwner    = "pw"
	aPostAt       = "pt" // only when it is not what the invitation is due for
	aPostReason   = "pr"
	aReminded     = "rd"
	aRemindedAt   = "ra"
	aAsked        = "as"
	aReported     = "rr"
	aDisputed     = "dp"
	aMoot         = "mx" // why, since when and by whom, between tabs
	aErase        = "er" // only when it is not what the invitation is due for

	aMail      = "mail" // the state of the mail; the stream's filter looks for "queued"
	aAttempts  = "mn"
	aOwner     = "mo"
	aMailAt    = "mt" // only when it is not what the invitation is due for
	aMessageID = "mi"
	aMailSent  = "ms"
	aReason    = "mr"

	// Within the answer.
	gSubject  = "su"
	gTenant   = "te"
	gFullName = "fn"
	gJobTitle = "jt"
	gAt       = "at"
	gVersion  = "cv" // of the consent's words
	gLanguage = "cl"
	gHash     = "ch" // bytes
	gEmail    = "em"
	gReason   = "re"
	gComment  = "co"
	gNoChange = "nc"
	gSigned   = "as"
	gStood    = "ab"
	gUnproven = "iu"
	gCompany  = "cy"
	gGranular = "gr"

	// Of a slot: who took it, at which of its versions.
	aHolder        = "id"
	aHolderVersion = "v"
)

var invitationWaits = newWaiting(invitation.DueKind, invitationPrefix)

func encodeInvitation(i invitation.Invitation) item {
	m := newItem(invitationKey(i.Key), invitationType)
	m[listAtAttr] = str(listAt(i.CreatedAt, i.ID))
	at, waits := i.Due()
	invitationWaits.enter(m, i.ID, at, waits)
	m.time(ttlAttr, i.ForgetAt())
	return written(m, invitationFields, &i)
}

// InvitationFromImage gives the invitation of an item, also of a stream record's image. The error is [ErrOtherItem] for an
// item of another type, and names the attribute that is missing or of the wrong type.
func InvitationFromImage(image map[string]types.AttributeValue) (i invitation.Invitation, err error) {
	c, err := reading(image, invitationType)
	if err != nil {
		return i, err
	}
	var ok bool
	if i.CreatedAt, i.ID, ok = parseListAt(c.needText(listAtAttr)); !ok {
		c.fault(listAtAttr, "is not what an invitation has there")
	}
	if i.Inviter, ok = partner.ParseTenantID(c.owner(partnerPrefix)); !ok || c.needText(skAttr) != invitationPrefix+i.ID {
		c.fault(pkAttr, "is not the key of the invitation")
	}
	if invitationFields(&c, &i); c.err != nil {
		return invitation.Invitation{}, c.err
	}
	return i, nil
}

// invitationFields are those of an invitation, apart from what its key and its place in index list say.
func invitationFields(c *coder, i *invitation.Invitation) {
	needNumber(c, aVersion, &i.Version)
	need(c, aKind, &i.Kind)
	need(c, aStatus, &i.Status)
	needNumber(c, aGeneration, &i.Generation)
	text(c, aCustomer, &i.Customer)
	flag(c, aBound, &i.Bound)
	text(c, aActingRole, &i.ActingRole)
	text(c, aProvider, &i.Provider)
	text(c, aOrderer, &i.Orderer)
	text(c, aEmail, &i.RecipientEmail)
	text(c, aName, &i.RecipientName)
	text(c, aLocale, &i.Locale)
	text(c, aTongue, &i.LocaleAsked)
	need(c, aCloud, &i.Cloud)
	flag(c, aDAP, &i.RequestDelegatedAdmin)
	text(c, aSource, &i.Source)
	labels(c, aTags, &i.Tags)
	text(c, aBatch, &i.BatchID)
	text(c, aMessage, &i.Message)
	flag(c, aSandbox, &i.Sandbox)
	flag(c, aReminders, &i.Reminders)
	text(c, aRegions, &i.RegionTable)
	seconds(c, aDuration, &i.Duration)
	moment(c, aExpires, &i.ExpiresAt)
	text(c, aCreatedBy, &i.CreatedBy)
	moment(c, aEnded, &i.EndedAt)
	flag(c, aEdited, &i.Edited)
	text(c, aReplaces, &i.Replaces)
	text(c, aGranular, &i.GranularID)
	number(c, aReminded, &i.Reminded)
	moment(c, aRemindedAt, &i.RemindedAt)
	number(c, aAsked, &i.Asked)
	number(c, aReported, &i.Reported)
	moment(c, aDisputed, &i.DisputedAt)
	mooted(c, aMoot, &i.Moot)

	text(c, aMail, &i.Mail.State)
	number(c, aAttempts, &i.Mail.Attempts)
	text(c, aOwner, &i.Mail.Owner)
	text(c, aMessageID, &i.Mail.MessageID)
	moment(c, aMailSent, &i.Mail.SentAt)
	text(c, aReason, &i.Mail.Reason)
	text(c, aPost, &i.Post.State)
	letters(c, aPostOwed, &i.Post.Owed)
	number(c, aPostAttempts, &i.Post.Attempts)
	text(c, aPostOwner, &i.Post.Owner)
	text(c, aPostReason, &i.Post.Reason)
	dueFields(c, i)

	answeredBy := ""
	if g, there := part(c, aAnswer, &i.Answer); there {
		answerFields(&g, i.Answer)
		answeredBy = i.Answer.Subject
		c.leave(aAnswer, &g)
	}
	timeline(c, aHistory, &i.History, i.CreatedBy, answeredBy, sameEntry, readEntry)
}

// dueFields are the moments for one of which the invitation may be due. That one, the first in this order, is not told again.
func dueFields(c *coder, i *invitation.Invitation) {
	due := c.time(dueAtAttr)
	told := due.IsZero()
	tell := func(name string, at *time.Time, may bool) {
		if c.writes && !told && may && at.Unix() == due.Unix() {
			told = true
			return
		}
		moment(c, name, at)
		if !c.writes && !told && may && at.IsZero() {
			*at, told = due, true
		}
	}
	tell(aMailAt, &i.Mail.At, i.Mail.State.Owed())
	tell(aPostAt, &i.Post.At, i.Post.State != outbox.None)
	tell(aErase, &i.EraseAt, !i.Status.Open())
}

// answerFields are those of a customer's answer.
func answerFields(c *coder, g *invitation.Given) {
	text(c, gSubject, &g.Subject)
	need(c, gTenant, &g.Tenant)
	text(c, gCompany, &g.Company)
	text(c, gFullName, &g.FullName)
	text(c, gJobTitle, &g.JobTitle)
	moment(c, gAt, &g.At)
	text(c, gEmail, &g.Email)
	text(c, gVersion, &g.Consent.Version)
	text(c, gLanguage, &g.Consent.Language)
	hash(c, gHash, &g.Consent.Hash)
	text(c, gReason, &g.Reason)
	text(c, gComment, &g.Comment)
	flag(c, gNoChange, &g.NoChange)
	flag(c, gSigned, &g.AgreementSigned)
	flag(c, gStood, &g.AgreementStood)
	flag(c, gGranular, &g.Granular)
	flag(c, gUnproven, &g.Unproven)
}

func sameEntry(e invitation.Entry) invitation.Entry          { return e }
func readEntry(e invitation.Entry) (invitation.Entry, error) { return e, nil }

// labels are names that somebody chose, and their values.
func labels(c *coder, name string, m *map[string]string) {
	if c.writes && len(*m) == 0 {
		return
	}
	g, there := c.group(name)
	if !there {
		return
	}
	if c.writes {
		for k, v := range *m {
			g.item[k] = str(v)
		}
	} else {
		*m = make(map[string]string, len(g.item))
		for k := range g.item {
			(*m)[k] = g.text(k)
		}
	}
	c.leave(name, &g)
}

// hash is hexadecimal digits as the bytes that they are, and any other text as it is.
func hash(c *coder, name string, s *string) {
	if c.writes {
		if b, err := hex.DecodeString(*s); err == nil && len(b) > 0 && hex.EncodeToString(b) == *s {
			c.item[name] = &types.AttributeValueMemberB{Value: b}
			return
		}
	} else if b, ok := c.item[name].(*types.AttributeValueMemberB); ok {
		*s = hex.EncodeToString(b.Value)
		return
	}
	text(c, name, s)
}

// mooted is why an invitation is moot, since when and by whom, in one text.
func mooted(c *coder, name string, m **invitation.Moot) {
	if c.writes {
		if o := *m; o != nil {
			item(c.item).text(name, strings.Join([]string{string(o.Reason), strconv.FormatInt(o.Since.Unix(), 36), pack(string(o.Customer))}, "\t"))
		}
		return
	}
	s := c.text(name)
	if s == "" {
		return
	}
	f := strings.Split(s, "\t")
	if len(f) != 3 {
		c.fault(name, "is garbled")
		return
	}
	at, err := strconv.ParseInt(f[1], 36, 64)
	if err != nil {
		c.fault(name, "has no time")
	}
	by, err := unpack(f[2])
	if err != nil && c.err == nil {
		c.err = err
	}
	*m = &invitation.Moot{Reason: problem.Code(f[0]), Since: time.Unix(at, 0).UTC(), Customer: partner.TenantID(by)}
}

// notices are kept by one letter each.
var notices = map[outbox.Kind]string{
	invitation.ReminderNotice: "m", invitation.ReceiptNotice: "r", invitation.CopyNotice: "c",
	invitation.AnswerNotice: "a", invitation.RenewalNotice: "n", invitation.DisputeNotice: "d",
}

// letters are the notices that are owed. A letter that is not known is left out: a newer version of us wrote it, and sends it.
func letters(c *coder, name string, owed *[]outbox.Kind) {
	if c.writes {
		var b strings.Builder
		for _, n := range *owed {
			b.WriteString(notices[n])
		}
		item(c.item).text(name, b.String())
		return
	}
	for letter := range strings.SplitSeq(c.text(name), "") {
		for n, l := range notices {
			if l == letter {
				*owed = append(*owed, n)
			}
		}
	}
}

// Invitation is that of [invitation.Store].
func (s *Store) Invitation(ctx context.Context, k invitation.Key, strong bool) (i invitation.Invitation, err error) {
	defer func() { wrap(&err, "invitation %.64q", k.ID) }()
	const missing = "There is no such invitation."
	if !isID(k.ID) {
		return i, problem.New(problem.NotFound, missing)
	}
	stored, err := s.read(ctx, invitationKey(k), strong, missing)
	if err != nil {
		return i, err
	}
	return InvitationFromImage(stored)
}

// Write is that of [invitation.Store]. A change that takes no slot and has no words is one conditional write of one item.
func (s *Store) Write(ctx context.Context, c invitation.Change) (err error) {
	defer func() { wrap(&err, "write %s", c.After.ID) }()
	items := []types.TransactWriteItem{s.changed(c)}
	if c.Words != nil {
		items = append(items, s.reworded(c))
	}
	worded := len(items)
	if slot := c.After.Slot(); slot != "" && (c.Before == nil || c.Before.Slot() != slot) {
		items = append(items, s.taken(c, slot))
		if lapsed, lapses := c.Lapsed(); lapses {
			items = append(items, s.changed(invitation.Change{Before: c.Displaced, After: lapsed}))
		}
	}
	if len(items) == 1 && c.Granular == nil {
		return s.single(ctx, items[0], encodeInvitation(c.After))
	}
	own := len(items)
	if c.Granular != nil {
		items = append(items, s.granularItems(*c.Granular)...)
	}
	refused, err := s.together(ctx, items)
	switch {
	case err != nil || refused == nil:
		return err
	case !slices.ContainsFunc(refused[:own], stood):
		if err := granularRefusal(*c.Granular, refused[own:]); !errors.Is(err, command.ErrConflict) {
			return err
		}
		return command.ErrConflict
	case refused[0] != nil || refused[worded-1] != nil:
		return command.ErrConflict
	case refused[worded] != nil:
		f := &fields{item: refused[worded]}
		by := f.needText(aHolder)
		if f.err != nil {
			return f.err
		}
		return &invitation.SlotTaken{By: by}
	default: // the displaced one was changed since it was read
		return &invitation.SlotTaken{By: c.Displaced.ID}
	}
}

// Commit is that of [invitation.Store].
func (s *Store) Commit(ctx context.Context, invitations []invitation.Change, relationships []relationship.Change) (err error) {
	defer func() { wrap(&err, "commit") }()
	items := s.committed(invitations, relationships)
	if len(items) == 1 && len(relationships) == 1 {
		return s.single(ctx, items[0], encodeRelationship(relationships[0].After))
	}
	return s.allOrNone(ctx, items)
}

// committed gives the writes of versions that belong together.
func (s *Store) committed(invitations []invitation.Change, relationships []relationship.Change) (items []types.TransactWriteItem) {
	for _, c := range invitations {
		items = append(items, s.changed(c))
		if c.Granular != nil {
			items = append(items, s.granularItems(*c.Granular)...)
		}
	}
	for _, c := range relationships {
		items = append(items, s.related(c))
		if c.Signed != nil {
			items = append(items, s.agreed(commerce.Signed(c.After, *c.Signed)))
		}
	}
	return items
}

// changed gives the write of an invitation, on condition that it is new or unchanged.
func (s *Store) changed(c invitation.Change) types.TransactWriteItem {
	after := encodeInvitation(c.After)
	if c.Before == nil {
		return s.fresh(after)
	}
	return s.over(encodeInvitation(*c.Before), after, invitationKey(c.After.Key), c.Before.Version)
}

// taken gives the write of an invitation's slot. A displaced one that is open has left the slot for another.
func (s *Store) taken(c invitation.Change, slot string) types.TransactWriteItem {
	h := holding{after: holder{c.After.ID, c.After.Version}}
	if strings.HasPrefix(slot, invitation.SlotsOf("")) {
		h.trace, h.customer = relationship.Place(c.After.CreatedAt, c.After.Customer), c.After.Customer
	}
	if c.Displaced != nil {
		_, lapses := c.Lapsed()
		h.displaced, h.left = &holder{c.Displaced.ID, c.Displaced.Version}, c.Displaced.Status.Open() && !lapses
	}
	return s.takenBy(slotKey(c.After.Inviter, slot), h)
}

// holder is who takes a slot, at which of its versions.
type holder struct {
	id      string
	version int
}

// holding is a change of who holds a slot.
type holding struct {
	after     holder
	displaced *holder // nil for nobody
	left      bool    // the displaced one may come back to the slot
	trace     string  // where a customer that it names stands in the list of those who are known; empty for none
	customer  partner.TenantID
}

// takenBy gives the write of a slot, on condition that it is free or held by the item itself or by the one that it displaces. Should one that
// has left the slot have come back since it was read, it holds the slot at a later version.
func (s *Store) takenBy(slot key, h holding) types.TransactWriteItem {
	i := newItem(slot, slotType)
	i.text(aHolder, h.after.id)
	i.number(aHolderVersion, h.after.version)
	if h.trace != "" {
		i[listAtAttr] = str(tracePrefix + h.trace)
		i[servedAttr] = str(pack(string(h.customer))) // so that the customer finds it
	}
	condition := isNew + " OR id = :own"
	values := map[string]types.AttributeValue{":own": str(h.after.id)}
	if h.displaced != nil {
		values[":displaced"] = str(h.displaced.id)
		if h.left {
			condition += " OR (id = :displaced AND v <= :seen)"
			values[":seen"] = num(int64(h.displaced.version))
		} else {
			condition += " OR id = :displaced"
		}
	}
	return types.TransactWriteItem{Put: &types.Put{
		TableName: s.table, Item: i, ConditionExpression: &condition, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}

// Occupant is that of [invitation.Slots].
func (s *Store) Occupant(ctx context.Context, p partner.TenantID, slot string) (id string, err error) {
	defer func() { wrap(&err, "occupant of a slot of %s", p) }()
	stored, err := s.read(ctx, slotKey(p, slot), true, "")
	if problem.Is(err, problem.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	f := &fields{item: stored}
	return f.needText(aHolder), f.err
}

// SlotHolders is that of [invitation.SweepStore].
func (s *Store) SlotHolders(ctx context.Context, p partner.TenantID, prefix, after string, limit int) (ids []string, next string, err error) {
	defer func() { wrap(&err, "holders of slots of %s", p) }()
	in := s.begins(partition(p), slotPrefix+prefix, false)
	if at := askedPartition(prefix); at != "" {
		in = s.begins(at, slotPrefix+string(p)+"#", false)
	}
	in.Limit = aws.Int32(int32(limit))
	if after != "" {
		in.ExclusiveStartKey = slotKey(p, after)
	}
	out, err := s.client.Query(ctx, in)
	if err != nil {
		return nil, "", err
	}
	for _, stored := range out.Items {
		f := &fields{item: stored}
		ids = append(ids, f.needText(aHolder))
		if f.err != nil {
			return nil, "", f.err
		}
	}
	if last := out.LastEvaluatedKey; last != nil {
		f := &fields{item: last}
		next = strings.TrimPrefix(f.needText(skAttr), slotPrefix)
		if at := askedPartition(prefix); at != "" {
			next = at + "#" + strings.TrimPrefix(next, string(p)+"#")
		}
		err = f.err
	}
	return ids, next, err
}

// Invitations is that of [invitation.Store]. The index gives the order; the items are read from the table, because an index
// that held them would double the price of every write.
func (s *Store) Invitations(ctx context.Context, p partner.TenantID, q invitation.Query) (page invitation.Page, err error) {
	defer func() { wrap(&err, "invitations of %s", p) }()
	low, high, ok := listRange(q.CreatedAfter, q.CreatedBefore)
	in := &dynamodb.QueryInput{
		TableName: s.table, IndexName: aws.String(listIndex), ScanIndexForward: aws.Bool(false),
		KeyConditionExpression: aws.String("pk = :pk AND listAt BETWEEN :low AND :high"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":pk": str(partition(p)), ":low": str(low), ":high": str(high),
		},
	}
	if q.After != "" {
		_, id, parsed := parseListAt(q.After)
		if !parsed || ok && (q.After < low || q.After > high) {
			return page, errAfter()
		}
		in.ExclusiveStartKey = startAt(invitationKey(invitation.Key{Inviter: p, ID: id}), q.After)
	}
	if !ok {
		return page, nil
	}
	page.Invitations, page.Next, err = paged(ctx, s, in, listing[invitation.Invitation]{
		limit: q.Limit, read: ofEntries(s, false, InvitationFromImage), fits: q.Matches, attr: listAtAttr,
		place: func(i invitation.Invitation) string { return listAt(i.CreatedAt, i.ID) },
	})
	return page, err
}
