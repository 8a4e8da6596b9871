package dynamo

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
)

// AddReport is that of [oversight.ReportStore]: one conditional write of one item.
func (s *Store) AddReport(ctx context.Context, r oversight.Report) (err error) {
	defer func() { wrap(&err, "report %s", r.ID) }()
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: s.table, Item: encodeReport(r), ConditionExpression: aws.String(isNew),
	})
	if _, there := errors.AsType[*types.ConditionalCheckFailedException](err); there {
		return nil
	}
	return err
}

// Report is that of [oversight.ReportStore].
func (s *Store) Report(ctx context.Context, id string) (r oversight.Report, err error) {
	defer func() { wrap(&err, "report %s", id) }()
	stored, err := s.read(ctx, reportKey(id), true, "There is no such report.")
	if err != nil {
		return r, err
	}
	return decodeReport(stored)
}

// Reports is that of [oversight.ReportStore]: the time leads in the key, and what the filters leave out is read.
func (s *Store) Reports(ctx context.Context, q oversight.ReportQuery) (page oversight.ReportPage, err error) {
	defer func() { wrap(&err, "reports") }()
	in := s.all(reportsPartition)
	in.ScanIndexForward = aws.Bool(false)
	if q.After != "" {
		if !isID(q.After) {
			return page, errAfter()
		}
		in.ExclusiveStartKey = reportKey(q.After)
	}
	page.Reports, page.Next, err = paged(ctx, s, in, listing[oversight.Report]{
		limit: q.Limit, fits: q.Matches, attr: skAttr, read: ofItems(decodeReport), place: func(r oversight.Report) string { return r.ID },
	})
	return page, err
}

// SettleReport is that of [oversight.ReportStore].
func (s *Store) SettleReport(ctx context.Context, before, after oversight.Report) (err error) {
	defer func() { wrap(&err, "settle report %s", after.ID) }()
	is := encodeReport(after)
	err = s.single(ctx, s.over(encodeReport(before), is, reportKey(after.ID), before.Version), is)
	if errors.Is(err, invitation.ErrConflict) {
		err = command.ErrConflict
	}
	return err
}

func encodeReport(r oversight.Report) item {
	return written(newItem(reportKey(r.ID), reportType), reportFields, &r)
}

func decodeReport(stored image) (r oversight.Report, err error) {
	c, err := reading(stored, reportType)
	if err != nil {
		return r, err
	}
	r.ID = c.needText(skAttr)
	reportFields(&c, &r)
	return r, c.err
}

// reportFields are those of a report: what the audit has, and what came of it.
func reportFields(c *coder, r *oversight.Report) {
	auditFields(c, &r.Record)
	moment(c, "at", &r.At)
	need(c, "partner", &r.Partner)
	if g, there := part(c, "settled", &r.Settlement); there {
		moment(&g, "at", &r.Settlement.At)
		need(&g, "by", &r.Settlement.By)
		need(&g, "note", &r.Settlement.Note)
		c.leave("settled", &g)
	}
	needNumber(c, aVersion, &r.Version)
}

// Named is that of [oversight.ReadingStore]: the id is the end of the sort key, so one query finds it.
func (s *Store) Named(ctx context.Context, p partner.TenantID, prefix string) (ids []string, err error) {
	defer func() { wrap(&err, "what is named of %s", p) }()
	kind := invitationPrefix
	if strings.HasPrefix(prefix, publicid.Granular) {
		kind = granularPrefix
	}
	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName: s.table, KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :sk)"), Limit: aws.Int32(10),
		ExpressionAttributeValues: key{":pk": str(partition(p)), ":sk": str(kind + prefix)},
	})
	if err != nil {
		return nil, err
	}
	for _, stored := range out.Items {
		f := &fields{item: stored}
		ids = append(ids, strings.TrimPrefix(f.needText(skAttr), kind))
		if f.err != nil {
			return nil, f.err
		}
	}
	return ids, nil
}

// How many entries of each shard of the due index are looked at, and how far ahead: a mail waits for an hour at most.
const (
	backlogEntries = 250
	backlogAhead   = time.Hour
)

// Backlog is that of [oversight.HealthStore]: one query of each shard of the due index, and the items of the first
// thousand entries.
func (s *Store) Backlog(ctx context.Context, now time.Time) (b oversight.Backlog, err error) {
	defer func() { wrap(&err, "backlog") }()
	b.Kinds = map[due.Kind]oversight.Waiting{}
	var keys []key
	for n := range dueShards {
		out, err := s.client.Query(ctx, &dynamodb.QueryInput{
			TableName: s.table, IndexName: aws.String(dueIndex), KeyConditionExpression: aws.String("due = :due AND dueAt <= :until"),
			ExpressionAttributeValues: key{":due": str(strconv.Itoa(n)), ":until": num(now.Add(backlogAhead).Unix())},
			Limit:                     aws.Int32(backlogEntries),
		})
		if err != nil {
			return b, err
		}
		b.More = b.More || out.LastEvaluatedKey != nil
		for _, entry := range out.Items {
			a, err := appointment(entry)
			if err != nil {
				return b, err
			}
			keys = append(keys, key{pkAttr: entry[pkAttr], skAttr: entry[skAttr]})
			if w := b.Kinds[a.Kind]; !a.At.After(now) {
				if w.Due++; w.Oldest.IsZero() || a.At.Before(w.Oldest) {
					w.Oldest = a.At
				}
				b.Kinds[a.Kind] = w
			}
		}
	}
	for some := range slices.Chunk(keys, 100) {
		found, err := s.batch(ctx, some, false)
		if err != nil {
			return b, err
		}
		for _, stored := range found {
			countMails(&b, &fields{item: stored})
		}
	}
	return b, nil
}

// countMails adds what an item owes.
func countMails(b *oversight.Backlog, f *fields) {
	if !slices.Contains([]string{invitationType, granularType, enrolmentType}, f.text(typeAttr)) {
		return
	}
	for _, of := range []string{aMail, aPost} {
		state := outbox.State(f.text(of))
		if !state.Owed() {
			continue
		}
		if b.Mails++; state == outbox.Waiting {
			b.Retried++
		}
	}
}

// NoteRun is that of [oversight.HealthStore].
func (s *Store) NoteRun(ctx context.Context, r oversight.Run) (err error) {
	defer func() { wrap(&err, "run of a schedule") }()
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: s.table, Item: written(newItem(runKey(), runType), runFields, &r),
		ConditionExpression:      aws.String("attribute_not_exists(pk) OR #at <= :at"),
		ExpressionAttributeNames: map[string]string{"#at": "at"}, ExpressionAttributeValues: key{":at": num(r.At.Unix())},
	})
	if _, newer := errors.AsType[*types.ConditionalCheckFailedException](err); newer {
		return nil
	}
	return err
}

// LastRun is that of [oversight.HealthStore].
func (s *Store) LastRun(ctx context.Context) (r oversight.Run, err error) {
	defer func() { wrap(&err, "run of a schedule") }()
	stored, err := s.read(ctx, runKey(), true, "No schedule has run.")
	if problem.Is(err, problem.NotFound) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	c, err := reading(stored, runType)
	if err != nil {
		return r, err
	}
	runFields(&c, &r)
	return r, c.err
}

func runFields(c *coder, r *oversight.Run) {
	moment(c, "at", &r.At)
	counted(c, "done", &r.Done)
	number(c, "left", &r.Left)
	oldest := int(r.Oldest / time.Second)
	number(c, "oldest", &oldest)
	r.Oldest = time.Duration(oldest) * time.Second
	flag(c, "complete", &r.Complete)
}

// counted is a number for each of some names.
func counted(c *coder, name string, of *map[string]int) {
	g, there := c.group(name)
	if !there {
		return
	}
	if c.writes {
		for each, n := range *of {
			number(&g, each, &n)
		}
	} else {
		*of = make(map[string]int, len(g.item))
		for each := range g.item {
			(*of)[each] = g.number(each)
		}
	}
	c.leave(name, &g)
}
