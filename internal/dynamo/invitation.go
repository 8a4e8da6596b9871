package dynamo

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/commerce"
	"concord/internal/granular"
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

// Conditions.
const (
	isNew       = "attribute_not_exists(pk)"
	isUnchanged = "v = :was"
)

func encodeInvitation(i invitation.Invitation) item {
	m := newItem(invitationKey(i.Key), invitationType)
	m[listAtAttr] = str(listAt(i.CreatedAt, i.ID))
	m.number(aVersion, i.Version)
	m.text(aKind, string(i.Kind))
	m.text(aStatus, string(i.Status))
	m.number(aGeneration, i.Generation)
	m.text(aCustomer, string(i.Customer))
	m.flag(aBound, i.Bound)
	m.text(aActingRole, string(i.ActingRole))
	m.text(aProvider, string(i.Provider))
	m.text(aOrderer, string(i.Orderer))
	m.text(aEmail, i.RecipientEmail)
	m.text(aName, i.RecipientName)
	m.text(aLocale, i.Locale)
	m.text(aTongue, i.LocaleAsked)
	m.text(aCloud, string(i.Cloud))
	m.flag(aDAP, i.RequestDelegatedAdmin)
	m.text(aSource, i.Source)
	tags := item{}
	for k, v := range i.Tags {
		tags[k] = str(v)
	}
	m.group(aTags, tags)
	m.text(aBatch, i.BatchID)
	m.text(aMessage, i.Message)
	m.flag(aSandbox, i.Sandbox)
	m.flag(aReminders, i.Reminders)
	m.text(aRegions, i.RegionTable)
	m.number(aDuration, int(i.Duration/time.Second))
	m.time(aExpires, i.ExpiresAt)
	m.text(aCreatedBy, i.CreatedBy)
	m.time(aEnded, i.EndedAt)
	m.flag(aEdited, i.Edited)
	m.text(aReplaces, i.Replaces)
	m.text(aGranular, i.GranularID)

	m.text(aMail, string(i.Mail.State))
	m.number(aAttempts, i.Mail.Attempts)
	m.text(aOwner, i.Mail.Owner)
	m.text(aMessageID, i.Mail.MessageID)
	m.time(aMailSent, i.Mail.SentAt)
	m.text(aReason, i.Mail.Reason)
	m.text(aPost, string(i.Post.State))
	m.text(aPostOwed, encodeNotices(i.Post.Owed))
	m.number(aPostAttempts, i.Post.Attempts)
	m.text(aPostOwner, i.Post.Owner)
	m.text(aPostReason, i.Post.Reason)
	m.number(aReminded, i.Reminded)
	m.time(aRemindedAt, i.RemindedAt)
	m.number(aAsked, i.Asked)
	m.number(aReported, i.Reported)
	m.time(aDisputed, i.DisputedAt)
	if o := i.Moot; o != nil {
		m.text(aMoot, strings.Join([]string{string(o.Reason), strconv.FormatInt(o.Since.Unix(), 36), pack(string(o.Customer))}, "\t"))
	}
	due, waits := i.Due()
	if waits {
		m[dueAttr] = str(dueShard(i.ID))
		m[dueAtAttr] = num(due.Unix())
	}
	// What it is due for says when by that alone; the decoder looks in the same order.
	untold := waits
	tell := func(name string, at time.Time, may bool) {
		if untold && may && at.Equal(due) {
			untold = false
			return
		}
		m.time(name, at)
	}
	tell(aMailAt, i.Mail.At, i.Mail.State.Owed())
	tell(aPostAt, i.Post.At, i.Post.State != outbox.None)
	tell(aErase, i.EraseAt, !i.Status.Open())
	m.time(ttlAttr, i.ForgetAt())

	answeredBy := ""
	if i.Answer != nil {
		answeredBy = i.Answer.Subject
		m[aAnswer] = encodeAnswer(*i.Answer)
	}
	history := make([]string, len(i.History))
	for n, e := range i.History {
		history[n] = encodeEntry(e, i.CreatedBy, answeredBy)
	}
	m.texts(aHistory, history)
	return m
}

// notices are kept by one letter each.
var notices = map[outbox.Kind]string{
	invitation.ReminderNotice: "m", invitation.ReceiptNotice: "r", invitation.CopyNotice: "c",
	invitation.AnswerNotice: "a", invitation.RenewalNotice: "n", invitation.DisputeNotice: "d",
}

func encodeNotices(owed []outbox.Kind) string {
	var b strings.Builder
	for _, n := range owed {
		b.WriteString(notices[n])
	}
	return b.String()
}

// decodeNotices leaves out a letter that it does not know: a newer version of us wrote it, and sends it.
func decodeNotices(s string) (owed []outbox.Kind) {
	for letter := range strings.SplitSeq(s, "") {
		for n, l := range notices {
			if l == letter {
				owed = append(owed, n)
			}
		}
	}
	return owed
}

func encodeAnswer(g invitation.Given) types.AttributeValue {
	m := item{}
	m.text(gSubject, g.Subject)
	m.text(gTenant, string(g.Tenant))
	m.text(gCompany, g.Company)
	m.text(gFullName, g.FullName)
	m.text(gJobTitle, g.JobTitle)
	m.time(gAt, g.At)
	m.text(gEmail, g.Email)
	m.text(gVersion, g.Consent.Version)
	m.text(gLanguage, g.Consent.Language)
	if hash, err := hex.DecodeString(g.Consent.Hash); err == nil && len(hash) > 0 && hex.EncodeToString(hash) == g.Consent.Hash {
		m[gHash] = &types.AttributeValueMemberB{Value: hash}
	} else {
		m.text(gHash, g.Consent.Hash)
	}
	m.text(gReason, g.Reason)
	m.text(gComment, g.Comment)
	m.flag(gNoChange, g.NoChange)
	m.flag(gSigned, g.AgreementSigned)
	m.flag(gStood, g.AgreementStood)
	m.flag(gGranular, g.Granular)
	m.flag(gUnproven, g.Unproven)
	return &types.AttributeValueMemberM{Value: m}
}

// InvitationFromImage gives the invitation of an item, also of a stream record's image. The error is [ErrOtherItem] for an
// item of another type, and names the attribute that is missing or of the wrong type.
func InvitationFromImage(image map[string]types.AttributeValue) (invitation.Invitation, error) {
	f := &fields{item: image}
	if err := f.expect(invitationType); err != nil {
		return invitation.Invitation{}, err
	}
	created, id, ok := parseListAt(f.needText(listAtAttr))
	if !ok {
		f.fault(listAtAttr, "is not what an invitation has there")
	}
	inviter, ok := partner.ParseTenantID(strings.TrimPrefix(f.needText(pkAttr), partnerPrefix))
	if !ok || f.needText(skAttr) != invitationPrefix+id {
		f.fault(pkAttr, "is not the key of the invitation")
	}
	i := invitation.Invitation{
		Key: invitation.Key{Inviter: inviter, ID: id}, CreatedAt: created,
		Version: f.needNumber(aVersion), Kind: invitation.Kind(f.needText(aKind)), Status: invitation.Status(f.needText(aStatus)),
		Generation: f.needNumber(aGeneration), Customer: partner.TenantID(f.text(aCustomer)), Bound: f.flag(aBound), Provider: partner.TenantID(f.text(aProvider)),
		Orderer:        partner.TenantID(f.text(aOrderer)),
		RecipientEmail: f.text(aEmail), RecipientName: f.text(aName), Locale: f.text(aLocale), LocaleAsked: f.text(aTongue), Cloud: partner.CloudID(f.needText(aCloud)),
		RequestDelegatedAdmin: f.flag(aDAP), Source: f.text(aSource), BatchID: f.text(aBatch), Message: f.text(aMessage), Sandbox: f.flag(aSandbox), Reminders: f.flag(aReminders), RegionTable: f.text(aRegions),
		Duration: time.Duration(f.needNumber(aDuration)) * time.Second, ExpiresAt: f.time(aExpires), CreatedBy: f.text(aCreatedBy),
		ActingRole: partner.ProgramRole(f.text(aActingRole)), EndedAt: f.time(aEnded), Edited: f.flag(aEdited), Replaces: f.text(aReplaces), GranularID: f.text(aGranular),
		Mail: invitation.Mail{
			State: outbox.State(f.text(aMail)), Attempts: f.number(aAttempts), Owner: f.text(aOwner), At: f.time(aMailAt),
			MessageID: f.text(aMessageID), SentAt: f.time(aMailSent), Reason: f.text(aReason),
		},
	}
	i.Post = outbox.Box{
		State: outbox.State(f.text(aPost)), Owed: decodeNotices(f.text(aPostOwed)), Attempts: f.number(aPostAttempts), Owner: f.text(aPostOwner),
		At: f.time(aPostAt), Reason: f.text(aPostReason),
	}
	i.Reminded, i.RemindedAt, i.Asked, i.Reported = f.number(aReminded), f.time(aRemindedAt), f.number(aAsked), f.number(aReported)
	i.DisputedAt, i.EraseAt = f.time(aDisputed), f.time(aErase)
	if moot := f.text(aMoot); moot != "" {
		o, err := decodeMoot(moot)
		if err != nil {
			return invitation.Invitation{}, err
		}
		i.Moot = &o
	}
	due := f.time(dueAtAttr)
	switch {
	case i.Mail.State.Owed() && i.Mail.At.IsZero():
		i.Mail.At = due
	case i.Post.State != outbox.None && i.Post.At.IsZero():
		i.Post.At = due
	case !i.Status.Open() && i.EraseAt.IsZero():
		i.EraseAt = due
	}
	if g := f.group(aTags); g != nil {
		i.Tags = make(map[string]string, len(g.item))
		for k := range g.item {
			i.Tags[k] = g.text(k)
		}
		f.join(aTags, g)
	}
	answeredBy := ""
	if g := f.group(aAnswer); g != nil {
		answer := decodeAnswer(g)
		i.Answer, answeredBy = &answer, answer.Subject
		f.join(aAnswer, g)
	}
	for _, s := range f.texts(aHistory) {
		e, err := decodeEntry(s, i.CreatedBy, answeredBy)
		if err != nil && f.err == nil {
			f.err = err
		}
		i.History = append(i.History, e)
	}
	if f.err != nil {
		return invitation.Invitation{}, f.err
	}
	return i, nil
}

func decodeMoot(s string) (invitation.Moot, error) {
	f := strings.Split(s, "\t")
	if len(f) != 3 {
		return invitation.Moot{}, errors.New("dynamo: why an invitation is moot is garbled")
	}
	at, err1 := strconv.ParseInt(f[1], 36, 64)
	by, err2 := unpack(f[2])
	return invitation.Moot{Reason: problem.Code(f[0]), Since: time.Unix(at, 0).UTC(), Customer: partner.TenantID(by)}, errors.Join(err1, err2)
}

func decodeAnswer(g *fields) invitation.Given {
	a := invitation.Given{
		Subject: g.text(gSubject), Email: g.text(gEmail), Tenant: partner.TenantID(g.needText(gTenant)), Company: g.text(gCompany), FullName: g.text(gFullName), JobTitle: g.text(gJobTitle),
		At: g.time(gAt), Reason: g.text(gReason), Comment: g.text(gComment), NoChange: g.flag(gNoChange), AgreementSigned: g.flag(gSigned), AgreementStood: g.flag(gStood), Granular: g.flag(gGranular), Unproven: g.flag(gUnproven),
		Consent: invitation.ConsentText{Version: g.text(gVersion), Language: g.text(gLanguage)},
	}
	if b, ok := g.item[gHash].(*types.AttributeValueMemberB); ok {
		a.Consent.Hash = hex.EncodeToString(b.Value)
	} else {
		a.Consent.Hash = g.text(gHash)
	}
	return a
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
		if err := granularRefusal(*c.Granular, refused[own:]); !errors.Is(err, granular.ErrConflict) {
			return err
		}
		return invitation.ErrConflict
	case refused[0] != nil || refused[worded-1] != nil:
		return invitation.ErrConflict
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
	refused, err := s.together(ctx, items)
	if err == nil && refused != nil {
		return invitation.ErrConflict
	}
	return err
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
		return types.TransactWriteItem{Put: &types.Put{TableName: s.table, Item: after, ConditionExpression: aws.String(isNew)}}
	}
	expression, names, values := update(encodeInvitation(*c.Before), after)
	values[":was"] = num(int64(c.Before.Version))
	return types.TransactWriteItem{Update: &types.Update{
		TableName: s.table, Key: invitationKey(c.After.Key), UpdateExpression: &expression, ConditionExpression: aws.String(isUnchanged),
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}}
}

// taken gives the write of an invitation's slot. A displaced one that is open has left the slot for another.
func (s *Store) taken(c invitation.Change, slot string) types.TransactWriteItem {
	h := holding{after: holder{c.After.ID, c.After.Version}}
	if strings.HasPrefix(slot, invitation.SlotsOf("")) {
		h.trace = relationship.Place(c.After.CreatedAt, c.After.Customer)
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
}

// takenBy gives the write of a slot, on condition that it is free or held by the item itself or by the one that it displaces. Should one that
// has left the slot have come back since it was read, it holds the slot at a later version.
func (s *Store) takenBy(slot key, h holding) types.TransactWriteItem {
	i := newItem(slot, slotType)
	i.text(aHolder, h.after.id)
	i.number(aHolderVersion, h.after.version)
	if h.trace != "" {
		i[listAtAttr] = str(tracePrefix + h.trace)
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
	in := &dynamodb.QueryInput{
		TableName: s.table, KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :sk)"), Limit: aws.Int32(int32(limit)),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": str(partition(p)), ":sk": str(slotPrefix + prefix)},
	}
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
		err = f.err
	}
	return ids, next, err
}

// single carries out a write alone: half the write units of a transaction. When an attempt that seemed to fail had been
// carried out, the next one fails its condition; what is stored then tells.
func (s *Store) single(ctx context.Context, w types.TransactWriteItem, after item) error {
	d := doubt{RetryerV2: s.retryer}
	var err error
	if p := w.Put; p != nil {
		_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: p.TableName, Item: p.Item, ConditionExpression: p.ConditionExpression,
			ExpressionAttributeNames: p.ExpressionAttributeNames, ExpressionAttributeValues: p.ExpressionAttributeValues,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}, d.apply)
	} else {
		u := w.Update
		_, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: u.TableName, Key: u.Key, UpdateExpression: u.UpdateExpression, ConditionExpression: u.ConditionExpression,
			ExpressionAttributeNames: u.ExpressionAttributeNames, ExpressionAttributeValues: u.ExpressionAttributeValues,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}, d.apply)
	}
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		if d.exists && holds(failed.Item, after) {
			return nil
		}
		return invitation.ErrConflict
	}
	return err
}

// together carries out writes in one transaction. When conditions failed it gives, for each write, the item that stood in
// the way, and nil for a write that was not to blame. The SDK gives every attempt the same token, so that one which was
// carried out although its answer was lost is not carried out twice.
func (s *Store) together(ctx context.Context, items []types.TransactWriteItem) (refused []map[string]types.AttributeValue, err error) {
	_, err = s.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
	if refused, ok := refusals(err); ok {
		return refused, nil
	}
	return nil, err
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
		in.ExclusiveStartKey = invitationKey(invitation.Key{Inviter: p, ID: id})
		in.ExclusiveStartKey[listAtAttr] = str(q.After)
	}
	if !ok {
		return page, nil
	}
	for left := bound(q.Limit); left > 0; {
		chunk := min(left, q.Limit)
		left -= chunk
		in.Limit = aws.Int32(int32(chunk))
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return page, err
		}
		found, err := s.all(ctx, out.Items)
		if err != nil {
			return page, err
		}
		for n, i := range found {
			if !q.Matches(i) {
				continue
			}
			page.Invitations = append(page.Invitations, i)
			if len(page.Invitations) == q.Limit {
				if n < len(found)-1 || out.LastEvaluatedKey != nil {
					page.Next = listAt(i.CreatedAt, i.ID)
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
	page.Next = last.needText(listAtAttr)
	return page, last.err
}

// all reads the invitations of index entries, in their order. One that the read does not find yet is left out: an
// index entry may be there a moment before every replica of the item.
func (s *Store) all(ctx context.Context, entries []map[string]types.AttributeValue) ([]invitation.Invitation, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	keys := make([]map[string]types.AttributeValue, len(entries))
	order := make([]string, len(entries))
	for n, e := range entries {
		f := &fields{item: e}
		order[n] = f.needText(skAttr)
		keys[n] = keyOf(f.needText(pkAttr), order[n])
		if f.err != nil {
			return nil, f.err
		}
	}
	stored, err := s.batch(ctx, keys, false)
	if err != nil {
		return nil, err
	}
	found := map[string]invitation.Invitation{}
	for _, each := range stored {
		i, err := InvitationFromImage(each)
		if err != nil {
			return nil, err
		}
		found[invitationPrefix+i.ID] = i
	}
	list := make([]invitation.Invitation, 0, len(order))
	for _, sk := range order {
		if i, ok := found[sk]; ok {
			list = append(list, i)
		}
	}
	return list, nil
}

// batch reads items by their keys, at most 100, in any order. What is not there is left out.
func (s *Store) batch(ctx context.Context, keys []map[string]types.AttributeValue, strong bool) (found []map[string]types.AttributeValue, err error) {
	for attempt := 0; len(keys) > 0; attempt++ {
		if attempt == attempts {
			return nil, &types.ProvisionedThroughputExceededException{Message: aws.String("keys were left unread")}
		}
		if attempt > 0 {
			if err := pause(ctx, attempt); err != nil {
				return nil, err
			}
		}
		out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{*s.table: {Keys: keys, ConsistentRead: &strong}}})
		if err != nil {
			return nil, err
		}
		found = append(found, out.Responses[*s.table]...)
		keys = out.UnprocessedKeys[*s.table].Keys
	}
	return found, nil
}

func pause(ctx context.Context, attempt int) error {
	wait, _ := backoff(attempt, nil)
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting to read on: %w", ctx.Err())
	}
}
