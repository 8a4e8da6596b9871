package dynamo

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
)

// Attributes of the ledger.
const (
	aMailings         = "li"
	aCount            = "n"
	aSuppressed       = "su" // since when
	aSuppressedReason = "sr"
	aBounced          = "bo" // since when
	aBouncedReason    = "br"
	aBlocked          = "bl" // partners; each with since when and why
	aRemoved          = "lf" // what the operator has ended
)

// countRemembered is how long the count of a day is of use: a partner's reputation looks back a week.
const countRemembered = 7 * 24 * time.Hour

// remembered is how long an item of the ledger outlives what it counts; the rules look at times, never at whether it is there.
const remembered = 3 * 24 * time.Hour

// Mailings is that of [recipient.Ledger].
func (s *Store) Mailings(ctx context.Context, known string, strong bool) (m recipient.Mailings, err error) {
	defer func() { wrap(&err, "mailings") }()
	m.Recipient = known
	stored, err := s.read(ctx, mailingsKey(known), strong, "Nothing has been emailed.")
	if problem.Is(err, problem.NotFound) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	f := &fields{item: stored}
	if err := f.expect(mailingsType); err != nil {
		return m, err
	}
	m.Version = f.needNumber(aVersion)
	for _, text := range f.texts(aMailings) {
		each, err := decodeMailing(text)
		if err != nil {
			return m, err
		}
		m.List = append(m.List, each)
	}
	if at := f.time(aSuppressed); !at.IsZero() {
		m.Suppressed = &recipient.Suppression{At: at, Reason: f.text(aSuppressedReason)}
	}
	if at := f.time(aBounced); !at.IsZero() {
		m.Bounced = &recipient.Suppression{At: at, Reason: f.text(aBouncedReason)}
	}
	for _, text := range f.texts(aBlocked) {
		by, s, err := decodeBlocked(text)
		if err != nil {
			return m, err
		}
		if m.Blocked == nil {
			m.Blocked = map[partner.TenantID]recipient.Suppression{}
		}
		m.Blocked[by] = s
	}
	for _, text := range f.texts(aRemoved) {
		l, err := decodeRemoved(text)
		if err != nil {
			return m, err
		}
		m.Removed = append(m.Removed, l)
	}
	return m, f.err
}

// Record is that of [recipient.Ledger].
func (s *Store) Record(ctx context.Context, m recipient.Mailings) (err error) {
	defer func() { wrap(&err, "record a mailing") }()
	i := newItem(mailingsKey(m.Recipient), mailingsType)
	i.number(aVersion, m.Version)
	list := make([]string, len(m.List))
	var newest time.Time
	for n, each := range m.List {
		list[n] = encodeMailing(each)
		if each.At.After(newest) {
			newest = each.At
		}
	}
	i.texts(aMailings, list)
	if m.Suppressed != nil {
		i.time(aSuppressed, m.Suppressed.At)
		i.text(aSuppressedReason, m.Suppressed.Reason)
	}
	if m.Bounced != nil {
		i.time(aBounced, m.Bounced.At)
		i.text(aBouncedReason, m.Bounced.Reason)
	}
	blocked := make([]string, 0, len(m.Blocked))
	for _, p := range slices.Sorted(maps.Keys(m.Blocked)) {
		blocked = append(blocked, strings.Join([]string{pack(string(p)), strconv.FormatInt(m.Blocked[p].At.Unix(), 36), m.Blocked[p].Reason}, "\t"))
	}
	i.texts(aBlocked, blocked)
	removed := make([]string, len(m.Removed))
	for n, l := range m.Removed {
		removed[n] = encodeEntry(invitation.Entry{At: l.At, Key: string(l.Partner), By: l.By, CorrelationID: l.CorrelationID, Why: l.Why}, "", "")
	}
	i.texts(aRemoved, removed)
	if m.Suppressed == nil && m.Bounced == nil && len(m.Blocked) == 0 && len(m.Removed) == 0 {
		i.time(ttlAttr, newest.Add(24*time.Hour+remembered))
	}
	put := &types.Put{TableName: s.table, Item: i, ConditionExpression: aws.String(isNew)}
	if m.Version > 1 {
		put.ConditionExpression = aws.String(isUnchanged)
		put.ExpressionAttributeValues = map[string]types.AttributeValue{":was": num(int64(m.Version - 1))}
	}
	return s.single(ctx, types.TransactWriteItem{Put: put}, i)
}

// Count is that of [recipient.Ledger]. An attempt whose answer was lost may have counted, and the next one counts again: the
// day has then one mail less.
func (s *Store) Count(ctx context.Context, p partner.TenantID, of recipient.Tally, limit int) (counted bool, err error) {
	defer func() { wrap(&err, "count a mail of %s on %s", p, of.Day) }()
	began, err := time.Parse(time.DateOnly, of.Day)
	if err != nil || limit < 1 {
		return false, err
	}
	kept := countRemembered
	if of.Domain != "" {
		kept = remembered // nobody looks back at it
	}
	_, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: s.table, Key: countKey(p, of), ConditionExpression: aws.String("attribute_not_exists(#n) OR #n < :limit"),
		UpdateExpression:         aws.String("SET #type = :type, #ttl = :ttl ADD #n :one"),
		ExpressionAttributeNames: map[string]string{"#type": typeAttr, "#ttl": ttlAttr, "#n": aCount},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":type": str(countType), ":ttl": num(began.Add(24*time.Hour + kept).Unix()), ":one": num(1), ":limit": num(int64(limit)),
		},
	})
	if _, full := errors.AsType[*types.ConditionalCheckFailedException](err); full {
		return false, nil
	}
	return err == nil, err
}

func decodeBlocked(s string) (partner.TenantID, recipient.Suppression, error) {
	f := strings.Split(s, "\t")
	if len(f) != 3 {
		return "", recipient.Suppression{}, errors.New("dynamo: a partner that is blocked is garbled")
	}
	by, err1 := unpack(f[0])
	at, err2 := strconv.ParseInt(f[1], 36, 64)
	return partner.TenantID(by), recipient.Suppression{At: time.Unix(at, 0).UTC(), Reason: f[2]}, errors.Join(err1, err2)
}

func decodeRemoved(s string) (recipient.RemovedSuppression, error) {
	e, err := decodeEntry(s, "", "")
	return recipient.RemovedSuppression{At: e.At, Partner: partner.TenantID(e.Key), By: e.By, CorrelationID: e.CorrelationID, Why: e.Why}, err
}

// allIDs is what the id of every invitation begins with.
const allIDs = "inv_"

// A mailing is one text of four fields between tabs: when (seconds since 1970 in base 36), partner, invitation, generation
// (and, after a dot, which reminder it was). Those that three partners may send stay within one write unit.
func encodeMailing(m recipient.Mailing) string {
	generation := strconv.Itoa(m.Generation)
	if m.Reminder > 0 {
		generation += "." + strconv.Itoa(m.Reminder)
	}
	return strings.Join([]string{strconv.FormatInt(m.At.Unix(), 36), pack(string(m.Partner)), strings.TrimPrefix(m.Invitation, allIDs), generation}, "\t")
}

func decodeMailing(s string) (recipient.Mailing, error) {
	garbled := errors.New("dynamo: a mailing is garbled")
	f := strings.Split(s, "\t")
	if len(f) != 4 {
		return recipient.Mailing{}, garbled
	}
	at, err1 := strconv.ParseInt(f[0], 36, 64)
	by, err2 := unpack(f[1])
	first, second, reminds := strings.Cut(f[3], ".")
	generation, err3 := strconv.Atoi(first)
	reminder := 0
	var err4 error
	if reminds {
		reminder, err4 = strconv.Atoi(second)
	}
	if errors.Join(err1, err2, err3, err4) != nil {
		return recipient.Mailing{}, garbled
	}
	return recipient.Mailing{Partner: partner.TenantID(by), Invitation: allIDs + f[2], Generation: generation, Reminder: reminder, At: time.Unix(at, 0).UTC()}, nil
}
