// Package oversight is what the operator sees of all partners at once: what recipients have said against requests, what
// a reference leads to, and whether the machines do their work.
package oversight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"concord/internal/audit"
	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/registry"
)

// concerns are the operations of the audit that the operator is told of: a recipient disputes an answer or reports a
// request (domain, 0.36 and 0.42).
var concerns = []string{"invitation.disputed", "invitation.reported", "granularAdmin.reported"}

// Report is something that a recipient has said against what a partner did.
type Report struct {
	audit.Record // its ID is that of the report

	Settlement *Settlement // nil for as long as the operator has not settled it
	Version    int
}

// Settlement says that the operator has looked at a report, and what came of it.
type Settlement struct {
	At       time.Time
	By, Note string
}

// ReportOf gives the report that an audit record is; false for a record that does not concern the operator.
func ReportOf(r audit.Record) (Report, bool) {
	if !slices.Contains(concerns, r.Operation) {
		return Report{}, false
	}
	_, rest, _ := strings.Cut(r.ID, "_")
	// The time leads, so that the newest is found first, and the id is all that a report is found by.
	r.ID = fmt.Sprintf("rep_%010x%s", r.At.Unix(), rest)
	return Report{Record: r, Version: 1}, true
}

// isReport reports whether a report could have an id.
func isReport(id string) bool {
	rest, found := strings.CutPrefix(id, "rep_")
	return found && len(rest) == 36 && !strings.ContainsFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'v') })
}

// ReportQuery asks for a page of reports, newest first.
type ReportQuery struct {
	Open    bool             // only those that are not settled
	Partner partner.TenantID // empty for all
	Limit   int
	After   string // where the page before ended; empty for the first
}

// Matches reports whether a report is among those asked for.
func (q ReportQuery) Matches(r Report) bool {
	return (!q.Open || r.Settlement == nil) && (q.Partner == "" || q.Partner == r.Partner)
}

// ReportPage is an answer to a [ReportQuery]. It may hold fewer than the limit, even none, while Next is set.
type ReportPage struct {
	Reports []Report
	Next    string
}

// ReportStore keeps reports.
//
// AddReport adds one of version 1; one that is there stays as it is. Report gives one with every write that was
// acknowledged before the call, or [problem.NotFound]. Reports gives a page, which includes every report whose
// addition was acknowledged before the call and looks at a bounded number of them; its code for a place where no page
// ended is [problem.MalformedRequest]. SettleReport stores after over before, one version on, or nothing and
// [command.ErrConflict].
type ReportStore interface {
	AddReport(ctx context.Context, r Report) error
	Report(ctx context.Context, id string) (Report, error)
	Reports(ctx context.Context, q ReportQuery) (ReportPage, error)
	SettleReport(ctx context.Context, before, after Report) error
}

// Reports are what the operator does with them.
type Reports struct {
	Store ReportStore
	Now   func() time.Time
}

// List gives a page. Code: [problem.RoleNotPermitted].
func (r Reports) List(ctx context.Context, u partner.User, q ReportQuery) (ReportPage, error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return ReportPage{}, err
	}
	return r.Store.Reports(ctx, q)
}

// Report gives one. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (r Reports) Report(ctx context.Context, u partner.User, id string) (Report, error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return Report{}, err
	}
	if !isReport(id) {
		return Report{}, problem.New(problem.NotFound, "There is no such report.")
	}
	return r.Store.Report(ctx, id)
}

// Settle notes that somebody has looked at a report, and what came of it; one that is settled stays as it was settled.
// The note has at most [registry.MaxWhy] characters. Codes: [problem.RoleNotPermitted], [problem.NotFound], those of
// the field, [problem.PreconditionFailed].
func (r Reports) Settle(ctx context.Context, c command.Command, id string, note *string) (Report, error) {
	before, err := r.Report(ctx, c.User, id)
	if err != nil {
		return before, err
	}
	f := slices.Clone(c.Findings)
	switch {
	case note == nil || *note == "":
		f.Require("/note")
	case !emailaddr.Line(*note, registry.MaxWhy):
		f.Add("/note", problem.ValidationFailed, emailaddr.LineRule, registry.MaxWhy)
	}
	if err := f.Err(); err != nil {
		return before, err
	}
	for range 5 {
		if before.Settlement != nil {
			return before, nil
		}
		if c.IfVersion != 0 && c.IfVersion != command.AnyVersion && c.IfVersion != before.Version {
			return before, problem.New(problem.PreconditionFailed, "The report was changed since you read it.")
		}
		after := before
		after.Settlement = &Settlement{At: r.Now().UTC().Truncate(time.Second), By: c.User.Subject, Note: *note}
		after.Version++
		err := r.Store.SettleReport(ctx, before, after)
		if !errors.Is(err, command.ErrConflict) {
			return after, err
		}
		if before, err = r.Store.Report(ctx, id); err != nil {
			return before, err
		}
	}
	return before, command.ErrConflict
}
