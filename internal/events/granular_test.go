package events

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/audit"
	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

func (s spied) WriteGranular(ctx context.Context, c granular.Change) error {
	err := s.Memory.WriteGranular(ctx, c)
	if err == nil {
		s.o.wrote(func(real *dynamo.Store) error { return real.WriteGranular(ctx, granular.Change{After: c.After}) })
	}
	return err
}

const (
	helpdesk     = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	globalReader = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
)

// grantor is granular administration over the store of an office.
type grantor struct {
	*office
	*granular.Service
	key granular.Key
}

func (o *office) proposes(extend string) *grantor {
	o.t.Helper()
	store := spied{o.store, o}
	g := &grantor{office: o, Service: &granular.Service{
		Store: store, Accounts: o.store, Clouds: o.Clouds, Addresses: emailaddr.Addresses{AllowReserved: true}, Roles: granular.ShippedRoles(),
		Quota: recipient.Quota{Ledger: o.store, Limits: o.Limits}, Locales: o.Locales, Now: func() time.Time { return o.clock },
	}}
	r := must[granular.Relationship](o.t)(g.Service.Create(o.t.Context(), g.agent(), granular.Proposal{
		DisplayName: new("Larch support of Nora"), Duration: new("P90D"), AutoExtendDuration: &extend, Customer: new(string(larch)), CustomerName: new("Larch Dairy"),
		Roles: &[]string{helpdesk, globalReader},
	}))
	g.key = r.Key
	return g
}

func (g *grantor) agent() command.Command {
	c := g.office.command()
	return command.Command{User: c.User, CorrelationID: c.CorrelationID, Key: "key of " + g.clock.String(), Body: "00ff", IfVersion: command.AnyVersion}
}

func (g *grantor) lock() *grantor {
	g.t.Helper()
	must[granular.Relationship](g.t)(g.Lock(g.t.Context(), g.agent(), g.key.ID))
	return g
}

func (g *grantor) answers(answer string) *grantor {
	g.t.Helper()
	g.clock = g.clock.Add(time.Hour)
	_, c, err := g.Service.Respond(g.t.Context(), g.link(), g.who(), granular.Response{
		Answer: answer, Authorized: true, FullName: "Nora Berg", JobTitle: "Head of IT", CorrelationID: "0b6c4a3e-9f5d-4c6e-8a51-2f7f6f0d9e12",
	})
	if err != nil || c != granular.ApprovedBy && c != granular.RejectedBy {
		g.t.Fatal(c, err)
	}
	return g
}

func (g *grantor) link() link.Link {
	return link.Link{Tenant: string(alder), ID: g.key.ID, Generation: g.stored().Generation}
}

func (g *grantor) who() relationship.Person {
	return relationship.Person{Subject: "nora", Email: "nora.berg@larch.example", Company: relationship.Customer{Tenant: larch, CompanyName: "Larch Dairy", Cloud: "public"}, Roles: []partner.Role{partner.GlobalAdmin}}
}

func (g *grantor) stored() granular.Relationship {
	g.t.Helper()
	r, err := g.store.GranularRelationship(g.t.Context(), g.key, true)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// after lets days go by, with the job at the end of them.
func (g *grantor) after(days int) *grantor {
	g.t.Helper()
	g.clock = g.clock.AddDate(0, 0, days)
	err := granular.Cleanup{Store: g.Service.Store}.Do(g.t.Context(), due.Item{Partner: g.key.Partner, ID: g.key.ID}, g.clock, func(string) {})
	if err != nil {
		g.t.Fatal(err)
	}
	return g
}

// step writes what the mailer, or a report, makes of it.
func (g *grantor) step(do func(granular.Relationship) (granular.Relationship, bool)) *grantor {
	g.t.Helper()
	before := g.stored()
	after, changed := do(before)
	if !changed {
		g.t.Fatal("nothing has changed")
	}
	if err := g.Service.Store.WriteGranular(g.t.Context(), granular.Change{Before: &before, After: after}); err != nil {
		g.t.Fatal(err)
	}
	return g
}

// mails has the mailer try what is owed.
func (g *grantor) mails(outcome outbox.Outcome) *grantor {
	g.t.Helper()
	g.step(func(r granular.Relationship) (granular.Relationship, bool) {
		n, did := r.ClaimPost(g.clock, "sandbox")
		return n, did.Changed
	})
	return g.step(func(r granular.Relationship) (granular.Relationship, bool) {
		all := map[outbox.Kind]outbox.Outcome{}
		for _, n := range r.Post.Owed {
			all[n] = outcome
		}
		return r.SettlePost(g.clock, "sandbox", all)
	})
}

func (g *grantor) sends() *grantor {
	g.t.Helper()
	must[granular.Relationship](g.t)(g.Service.Send(g.t.Context(), g.agent(), g.key.ID, granular.Addressee{RecipientEmail: new("nora.berg@larch.example")}))
	return g
}

var granularTaken = outbox.Outcome{State: outbox.Sent, MessageID: "ses-1"}

// granularCases are the ways of granular administration, with the events and the transitions of its audit that they come to.
var granularCases = []struct {
	name   string
	do     func(*office) *grantor
	events []string
	audit  []string
}{
	{"approved, reminded and over", func(o *office) *grantor {
		return o.proposes("P0D").lock().sends().mails(granularTaken).answers("accept").after(60).mails(granularTaken).after(30)
	}, []string{
		"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-sent approvalPending", "granular-admin-activated active",
		"granular-admin-ending active 30d", "granular-admin-expired expired",
	}, []string{
		"user created created", "user approvalPending approvalPending", "user sent queued", "system mailed sent", "customer approved approved", "customer activating activating",
		"customer active active", "system reminded ", "schedule expiring expiring", "schedule expired expired",
	}},
	{"rejected", func(o *office) *grantor { return o.proposes("P0D").lock().answers("decline") },
		[]string{"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-rejected terminated"},
		[]string{"user created created", "user approvalPending approvalPending", "customer terminating terminating", "customer terminated terminated"}},
	{"not approved in time", func(o *office) *grantor { return o.proposes("P0D").lock().after(90) },
		[]string{"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-expired expired notApproved"},
		[]string{"user created created", "user approvalPending approvalPending", "schedule expiring expiring", "schedule expired expired"}},
	{"changed and deleted", func(o *office) *grantor {
		g := o.proposes("P0D")
		must[granular.Relationship](o.t)(g.Service.Revise(o.t.Context(), g.agent(), g.key.ID, granular.Proposal{Duration: new("P1Y")}))
		if _, err := g.Delete(o.t.Context(), g.agent(), g.key.ID); err != nil {
			o.t.Fatal(err)
		}
		return g
	}, []string{"granular-admin-created created", "granular-admin-deleted deleted"}, []string{"user created created", "user changed ", "user deleted deleted"}},
	{"assigned, narrowed and assigned otherwise", func(o *office) *grantor {
		g := o.proposes("P0D").lock().answers("accept")
		a := must[granular.Assignment](o.t)(g.Assign(o.t.Context(), g.agent(), g.key.ID, granular.AssignmentTerms{Group: new("desk"), Roles: &[]string{helpdesk, globalReader}}))
		must[granular.Relationship](o.t)(g.Revise(o.t.Context(), g.agent(), g.key.ID, granular.Proposal{Roles: &[]string{helpdesk}}))
		must[granular.Assignment](o.t)(g.Reassign(o.t.Context(), g.agent(), g.key.ID, a.ID, granular.AssignmentTerms{Roles: &[]string{helpdesk}}))
		if _, err := g.Unassign(o.t.Context(), g.agent(), g.key.ID, a.ID); err != nil {
			o.t.Fatal(err)
		}
		return g
	}, []string{
		"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-activated active", "granular-admin-narrowed active",
	}, []string{
		"user created created", "user approvalPending approvalPending", "customer approved approved", "customer activating activating", "customer active active",
		"user assigned ", "user narrowed ", "user assignmentChanged ", "user assignmentDeleted ",
	}},
	{"extended twice before anybody noticed, and ended by the partner", func(o *office) *grantor {
		g := o.proposes("P180D").lock().answers("accept").after(90 + 180)
		must[granular.Relationship](o.t)(g.Terminate(o.t.Context(), g.agent(), g.key.ID))
		return g
	}, []string{
		"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-activated active", "granular-admin-extended active", "granular-admin-terminated terminated partner",
	}, []string{
		"user created created", "user approvalPending approvalPending", "customer approved approved", "customer activating activating", "customer active active",
		"schedule extended ", "schedule extended ", "user terminationRequested terminationRequested", "user terminating terminating", "user terminated terminated",
	}},
	{"withdrawn by the partner", func(o *office) *grantor {
		g := o.proposes("P0D").lock().sends().mails(granularTaken)
		g.clock = g.clock.Add(time.Hour)
		must[granular.Relationship](o.t)(g.Terminate(o.t.Context(), g.agent(), g.key.ID))
		return g
	}, []string{
		"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-sent approvalPending", "granular-admin-withdrawn terminated partner",
	}, []string{
		"user created created", "user approvalPending approvalPending", "user sent queued", "system mailed sent",
		"user terminationRequested terminationRequested", "user terminating terminating", "user terminated terminated",
	}},
	{"withdrawn by the operator", func(o *office) *grantor {
		return o.proposes("P0D").lock().step(func(r granular.Relationship) (granular.Relationship, bool) {
			return r.Cancelled(granular.Entry{At: o.clock, By: "olga", CorrelationID: "0b6c4a3e-9f5d-4c6e-8a51-2f7f6f0d9e16", Why: "the account of Nora was suspended"})
		})
	}, []string{"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-withdrawn terminated operator"}, []string{
		"user created created", "user approvalPending approvalPending",
		"operator terminationRequested terminationRequested", "operator terminating terminating", "operator terminated terminated",
	}},
	{"ended by the customer", func(o *office) *grantor {
		g := o.proposes("P0D").lock().answers("accept")
		g.clock = g.clock.Add(time.Hour)
		if _, c, err := g.End(o.t.Context(), g.link(), g.who(), "0b6c4a3e-9f5d-4c6e-8a51-2f7f6f0d9e13"); c != granular.Over || err != nil {
			o.t.Fatal(c, err)
		}
		return g
	}, []string{"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-activated active", "granular-admin-terminated terminated customer"}, []string{
		"user created created", "user approvalPending approvalPending", "customer approved approved", "customer activating activating", "customer active active",
		"customer terminationRequested terminationRequested", "customer terminating terminating", "customer terminated terminated",
	}},
	{"the mail failed, and another bounced", func(o *office) *grantor {
		g := o.proposes("P0D").lock().sends().mails(outbox.Outcome{State: outbox.Failed, Reason: "message_rejected"})
		g.sends().mails(granularTaken)
		for _, state := range []outbox.State{outbox.Delayed, outbox.Delivered, outbox.Rejected, outbox.Suppressed, outbox.Bounced, outbox.Complained} {
			g.clock = g.clock.Add(time.Minute)
			g.step(func(r granular.Relationship) (granular.Relationship, bool) {
				n, verdict := r.Feedback(g.clock, outbox.Report{Kind: granular.RequestNotice, Generation: 2, State: state, Reason: "a_word", MessageID: "ses-1"})
				return n, verdict == outbox.Recorded
			})
		}
		return g
	}, []string{
		"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-delivery-failed approvalPending message_rejected",
		"granular-admin-sent approvalPending", "granular-admin-delivery-failed approvalPending a_word", "granular-admin-delivery-failed approvalPending a_word",
		"granular-admin-delivery-failed approvalPending a_word",
	}, []string{
		"user created created", "user approvalPending approvalPending", "user sent queued", "system mailFailed failed", "user sent queued", "system mailed sent",
		"system delayed delayed", "system delivered delivered", "system rejected rejected", "system suppressed suppressed", "system bounced bounced", "system complained complained",
	}},
	{"reported", func(o *office) *grantor {
		g := o.proposes("P0D").lock().sends().mails(granularTaken)
		return g.step(func(r granular.Relationship) (granular.Relationship, bool) {
			return r.ReportedBy(1, granular.Entry{At: g.clock, CorrelationID: "0b6c4a3e-9f5d-4c6e-8a51-2f7f6f0d9e14", Why: "impersonation"}), true
		}).step(func(r granular.Relationship) (granular.Relationship, bool) {
			return r.MailAllowed(granular.Entry{At: g.clock, CorrelationID: "0b6c4a3e-9f5d-4c6e-8a51-2f7f6f0d9e15"}), true
		})
	}, []string{"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-sent approvalPending", "granular-admin-reported approvalPending impersonation"},
		[]string{"user created created", "user approvalPending approvalPending", "user sent queued", "system mailed sent", "customer reported ", "customer mailAllowed "}},
	{"a reminder that nobody knows of", func(o *office) *grantor {
		return o.proposes("P0D").lock().answers("accept").after(60).mails(outbox.Outcome{State: outbox.Unknown, Reason: "sender_silent"})
	}, []string{"granular-admin-created created", "granular-admin-locked approvalPending", "granular-admin-activated active"}, []string{
		"user created created", "user approvalPending approvalPending", "customer approved approved", "customer activating activating", "customer active active",
		"system noticeFailed ", "system noticeFailed ",
	}},
}

// TestGranularAudit: the transitions of granular administration are in the partner's audit, those that are never rested in too (invariant 18),
// and reading the history again gives the same records.
func TestGranularAudit(t *testing.T) {
	operations := map[string]bool{}
	for _, c := range granularCases {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			g := c.do(o)
			rebuilt := audit.OfGranular(nil, g.stored())
			var got []string
			for n, r := range rebuilt {
				rebuilt[n] = r.Kept(0) // as this desk keeps them
				harmless(t, r)
				operations[r.Operation] = true
				name := strings.TrimPrefix(r.Operation, "granularAdmin.")
				got = append(got, fmt.Sprintf("%s %s %s", r.Actor.Kind, name, r.New["status"]+r.New["delivery"]))
				if r.ResourceType != audit.Granular || r.ResourceID != g.key.ID || r.Partner != alder || r.Customer != larch {
					t.Errorf("%+v", r)
				}
			}
			if d := cmp.Diff(c.audit, got); d != "" {
				t.Error(d)
			}
			byID := func(a, b audit.Record) int { return strings.Compare(a.ID, b.ID) }
			told := slices.SortedFunc(slices.Values(o.audited), byID)
			slices.SortFunc(rebuilt, byID)
			if d := cmp.Diff(told, rebuilt); d != "" {
				t.Errorf("told and rebuilt: %s", d)
			}
		})
	}
	for _, operation := range audit.Operations() {
		if strings.HasPrefix(operation, "granularAdmin.") && !operations[operation] && operation != audit.GranularRead { // no timeline has it
			t.Errorf("%s is never told", operation)
		}
		delete(operations, operation)
	}
	if len(operations) > 0 {
		t.Errorf("not among the operations: %v", operations)
	}
}
