package dynamo

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/batch"
	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Attributes of a batch and of its chunks. The filter of the events' stream looks at aJob.
const (
	aSend      = "send"
	aStarts    = "starts"
	aTotal     = "total"
	aMade      = "created"
	aFailed    = "failed"
	aDelayed   = "delayed"
	aExpected  = "expected"
	aFrom      = "from"
	aBy        = "by"
	aRoles     = "roles"
	aCorrelate = "correlation"
	aRequest   = "body"
	aSubmitted = "submitted"
	aCompleted = "completed"
	aJob       = "job"
	aTries     = "tries"
	aNext      = "next"
	aRows      = "rows"
)

// AddChunk is that of [batch.Store].
func (s *Store) AddChunk(ctx context.Context, c batch.Chunk) (err error) {
	defer func() { wrap(&err, "rows of %s from %d on", c.ID, c.First()) }()
	i, err := encodeChunk(c)
	if err != nil {
		return err
	}
	err = s.single(ctx, s.fresh(i), i)
	if errors.Is(err, command.ErrConflict) {
		return nil // the same rows, stored before
	}
	return err
}

// WriteBatch is that of [batch.Store].
func (s *Store) WriteBatch(ctx context.Context, c batch.Change, done *batch.Chunk) (err error) {
	defer func() { wrap(&err, "write %s", c.After.ID) }()
	head := s.headed(c)
	if done == nil {
		return s.single(ctx, head, encodeBatch(c.After))
	}
	i, err := encodeChunk(*done)
	if err != nil {
		return err
	}
	// Rows are worked off once: what is replaced is there.
	rows := types.TransactWriteItem{Put: &types.Put{TableName: s.table, Item: i, ConditionExpression: aws.String("attribute_exists(pk)")}}
	return s.allOrNone(ctx, []types.TransactWriteItem{head, rows})
}

// headed gives the write of a head, on condition that it is new or unchanged.
func (s *Store) headed(c batch.Change) types.TransactWriteItem {
	after := encodeBatch(c.After)
	if c.Before == nil {
		return s.fresh(after)
	}
	return s.over(encodeBatch(*c.Before), after, batchKey(c.After.Key), c.Before.Version)
}

// Batch is that of [batch.Store].
func (s *Store) Batch(ctx context.Context, k batch.Key) (b batch.Batch, err error) {
	defer func() { wrap(&err, "batch %.64q", k.ID) }()
	const missing = "There is no such batch."
	if !isID(k.ID) {
		return b, problem.New(problem.NotFound, missing)
	}
	stored, err := s.read(ctx, batchKey(k), true, missing)
	if err != nil {
		return b, err
	}
	return BatchFromImage(stored)
}

// Batches is that of [batch.Store]. Heads from before there was a list are not in it.
func (s *Store) Batches(ctx context.Context, p partner.TenantID, after string, limit int) (page batch.Page, err error) {
	defer func() { wrap(&err, "batches of %s", p) }()
	in := s.newestFirst(partition(p), batchPrefix)
	if after != "" {
		_, id, ok := parseListed(batchPrefix, after)
		if !ok {
			return page, errAfter()
		}
		in.ExclusiveStartKey = startAt(batchKey(batch.Key{Partner: p, ID: id}), after)
	}
	page.Batches, page.Next, err = paged(ctx, s, in, listing[batch.Batch]{
		limit: limit, read: ofEntries(s, false, BatchFromImage), attr: listAtAttr,
		place: func(b batch.Batch) string { return listed(batchPrefix, b.CreatedAt, b.ID) },
	})
	return page, err
}

// Chunk is that of [batch.Store].
func (s *Store) Chunk(ctx context.Context, b batch.Batch, n int) (c batch.Chunk, err error) {
	defer func() { wrap(&err, "chunk %d of %s", n, b.ID) }()
	stored, err := s.read(ctx, chunkKey(b.Key, b.Body, b.Starts[n]), true, "The rows are no longer kept.")
	if err != nil {
		return c, err
	}
	return decodeChunk(b.Key, stored)
}

var batchWaits = newWaiting(batch.DueKind, batchPrefix)

func encodeBatch(b batch.Batch) item {
	i := newItem(batchKey(b.Key), batchType)
	i[listAtAttr] = str(listed(batchPrefix, b.CreatedAt, b.ID))
	at, waits := b.Due()
	if batchWaits.enter(i, b.ID, at, waits); !waits {
		i.time(ttlAttr, b.CompletedAt.Add(batch.Kept))
	}
	return written(i, batchFields, &b)
}

// BatchFromImage gives the batch of an item, also of a stream record's image. The error is that of [InvitationFromImage].
func BatchFromImage(image map[string]types.AttributeValue) (b batch.Batch, err error) {
	c, err := reading(image, batchType)
	if err != nil {
		return b, err
	}
	var ok bool
	if b.Key, ok = parseBatchKey(c.needText(pkAttr), c.needText(skAttr)); !ok {
		c.fault(pkAttr, "is not the key of a batch")
	}
	b.By.Tenant, b.At = b.Partner, c.time(dueAtAttr)
	if batchFields(&c, &b); c.err != nil {
		return batch.Batch{}, c.err
	}
	return b, nil
}

// batchFields are those of a batch, apart from what its key and the due index say.
func batchFields(c *coder, b *batch.Batch) {
	flag(c, aSend, &b.Send)
	rowNumbers(c, aStarts, &b.Starts)
	needNumber(c, aTotal, &b.Total)
	number(c, aMade, &b.Created)
	number(c, aFailed, &b.Failed)
	number(c, aDelayed, &b.Delayed)
	moment(c, aExpected, &b.ExpectedAt)
	moment(c, aFrom, &b.From)
	need(c, aBy, &b.By.Subject)
	text(c, aCloud, &b.By.Cloud)
	texts(c, aRoles, &b.By.Roles)
	text(c, aCorrelate, &b.CorrelationID)
	need(c, aRequest, &b.Body)
	moment(c, aSubmitted, &b.CreatedAt)
	moment(c, aCompleted, &b.CompletedAt)
	text(c, aJob, &b.Job)
	text(c, aOwner, &b.Owner)
	number(c, aNext, &b.Next)
	number(c, aTries, &b.Attempts)
	needNumber(c, aVersion, &b.Version)
}

// rowNumbers are a list, which has to be there.
func rowNumbers(c *coder, name string, list *[]int) {
	if c.writes {
		l := make([]types.AttributeValue, len(*list))
		for n, each := range *list {
			l[n] = num(int64(each))
		}
		c.item[name] = &types.AttributeValueMemberL{Value: l}
		return
	}
	l, ok := get[*types.AttributeValueMemberL](&c.fields, name, true)
	if !ok {
		return
	}
	for _, each := range l.Value {
		f := fields{item: item{name: each}}
		*list = append(*list, f.needNumber(name))
		c.join(name, &f)
	}
}

// row is a row as it is kept: short names, for there are a hundred in an item.
type row struct {
	Number   int            `json:"n"`
	Kind     string         `json:"k,omitempty"`
	Email    *string        `json:"e,omitempty"`
	Name     *string        `json:"m,omitempty"`
	Customer *string        `json:"c,omitempty"`
	Provider *string        `json:"v,omitempty"`
	As       *string        `json:"a,omitempty"` // the acting role
	DAP      *bool          `json:"d,omitempty"`
	Locale   *string        `json:"l,omitempty"`
	Duration *time.Duration `json:"x,omitempty"`
	Source   *string        `json:"s,omitempty"`
	Message  *string        `json:"w,omitempty"`
	Sandbox  *bool          `json:"b,omitempty"`
	Reminder *bool          `json:"r,omitempty"`
	// More is what a proposal says beside, by its name.
	More     map[string]any    `json:"+,omitempty"`
	Tags     map[string]string `json:"t,omitempty"`
	Findings []finding         `json:"f,omitempty"`
	Outcome  *outcome          `json:"o,omitempty"`
}

// short are what a proposal says that rows have a short name for.
var short = []string{
	"recipientEmail", "recipientName", "customerTenantId", "providerTenantId", "requestDelegatedAdmin", "locale", "source", "message", "sandbox", "reminders",
}

// more keeps what a proposal says under no short name.
func (r *row) more(said []invitation.Said) {
	for _, s := range said {
		var v any
		switch {
		case slices.Contains(short, s.Name):
			continue
		case s.Text != nil && *s.Text != nil:
			v = **s.Text
		case s.Flag != nil && *s.Flag != nil:
			v = **s.Flag
		default:
			continue
		}
		if r.More == nil {
			r.More = map[string]any{}
		}
		r.More[s.Name] = v
	}
}

// into gives it back. A name that is not known is left out: a newer version of us wrote it.
func (r *row) into(said []invitation.Said) {
	for _, s := range said {
		switch v := r.More[s.Name].(type) {
		case string:
			if s.Text != nil {
				*s.Text = &v
			}
		case bool:
			if s.Flag != nil {
				*s.Flag = &v
			}
		}
	}
}

type finding struct {
	Pointer string       `json:"p,omitempty"`
	Code    problem.Code `json:"c"`
	Detail  string       `json:"d,omitempty"`
}

type outcome struct {
	Invitation string       `json:"i,omitempty"`
	Code       problem.Code `json:"c,omitempty"`
	Detail     string       `json:"d,omitempty"`
	Findings   []finding    `json:"f,omitempty"`
	Resource   string       `json:"r,omitempty"`
}

// encodeChunk keeps the rows compressed: a tenth of their size, and of the write units.
func encodeChunk(c batch.Chunk) (item, error) {
	rows := make([]row, len(c.Rows))
	for n, r := range c.Rows {
		p := r.Proposal
		rows[n] = row{
			Number: r.Number, Kind: string(p.Kind), Email: p.RecipientEmail, Name: p.RecipientName, Customer: p.CustomerTenantID, Provider: p.ProviderTenantID, DAP: p.RequestDelegatedAdmin,
			Locale: p.Locale, Duration: p.Duration, Source: p.Source, Message: p.Message, Sandbox: p.Sandbox, Reminder: p.Reminders, Tags: p.Tags,
			Findings: kept(r.Findings), As: (*string)(p.ActingRole),
		}
		rows[n].more(p.Said())
		if o := r.Outcome; o != nil {
			rows[n].Outcome = &outcome{Invitation: o.InvitationID, Code: o.Code, Detail: o.Detail, Findings: kept(o.Findings), Resource: o.Resource}
		}
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(rows), z.Close()); err != nil {
		return nil, fmt.Errorf("dynamo: rows: %w", err)
	}
	i := newItem(chunkKey(c.Key, c.Body, c.First()), chunkType)
	i.text(aRequest, c.Body)
	i[aRows] = &types.AttributeValueMemberB{Value: b.Bytes()}
	i.time(ttlAttr, c.ForgetAt)
	return i, nil
}

func kept(list problem.Findings) (out []finding) {
	for _, f := range list {
		out = append(out, finding(f))
	}
	return out
}

func found(list []finding) (out problem.Findings) {
	for _, f := range list {
		out = append(out, problem.Finding(f))
	}
	return out
}

func decodeChunk(k batch.Key, stored map[string]types.AttributeValue) (batch.Chunk, error) {
	f := &fields{item: stored}
	if err := f.expect(chunkType); err != nil {
		return batch.Chunk{}, err
	}
	c := batch.Chunk{Key: k, Body: f.needText(aRequest), ForgetAt: f.time(ttlAttr)}
	packed, _ := get[*types.AttributeValueMemberB](f, aRows, true)
	if f.err != nil {
		return c, f.err
	}
	z, err := gzip.NewReader(bytes.NewReader(packed.Value))
	if err != nil {
		return c, fmt.Errorf("dynamo: rows: %w", err)
	}
	var rows []row
	if err := json.NewDecoder(io.LimitReader(z, 16*batch.ChunkSize)).Decode(&rows); err != nil {
		return c, fmt.Errorf("dynamo: rows: %w", err)
	}
	for _, r := range rows {
		one := batch.Row{Number: r.Number, Findings: found(r.Findings), Proposal: invitation.Proposal{
			Kind: invitation.Kind(r.Kind), ActingRole: (*partner.ProgramRole)(r.As), RecipientEmail: r.Email, RecipientName: r.Name, CustomerTenantID: r.Customer, ProviderTenantID: r.Provider, RequestDelegatedAdmin: r.DAP,
			Locale: r.Locale, Duration: r.Duration, Source: r.Source, Message: r.Message, Sandbox: r.Sandbox, Reminders: r.Reminder, Tags: r.Tags,
		}}
		if r.More != nil {
			r.into(one.Proposal.Said())
		}
		if o := r.Outcome; o != nil {
			one.Outcome = &batch.Outcome{InvitationID: o.Invitation, Code: o.Code, Detail: o.Detail, Findings: found(o.Findings), Resource: o.Resource}
		}
		c.Rows = append(c.Rows, one)
	}
	if len(c.Rows) == 0 {
		return c, errors.New("dynamo: a chunk without rows")
	}
	return c, nil
}

func chunkSort(id, body string, first int) string {
	return batchPrefix + id + "#" + body + "#" + strconv.Itoa(first)
}
