package console

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"time"

	"concord/internal/audit"
	"concord/internal/batch"
	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/draft"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/identity"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/relationship"
	"concord/internal/session"
	"concord/internal/webhook"
)

// Console is everything that the pages need: the use cases of the API.
type Console struct {
	Invitations   *invitation.Service
	Batches       *batch.Service
	Customers     customer.Service
	Relationships relationship.Store
	Granular      *granular.Service
	// Week says how many mails of a partner went out on a day.
	Week interface {
		Week(ctx context.Context, p partner.TenantID, from, to string) (registry.Week, error)
	}
	// Agreed says which customers have signed the customer agreement.
	Agreed commerce.Agreed
	// Commerce is agreements, orders and subscriptions.
	Commerce     *commerce.Service
	Accounts     partner.Accounts
	Partnerships partnership.Service
	// Enrolments are how a company becomes an indirect reseller, and what the operator decides of that.
	Enrolments *enrolment.Service
	// Records are what the operator keeps of companies, PartnerIDs and its own days.
	Records enrolment.Records
	// Reports, Reading and Health are what the operator sees of all partners.
	Reports oversight.Reports
	Reading oversight.Reading
	Health  oversight.Health
	// Audit has who did what, and Audiences are those of the tokens that the API takes, separated by commas.
	Audit     audit.Log
	Audiences string
	// Reputation, Suppressions and Clearing are what the operator does beside that with partners and addresses.
	Reputation   registry.Reputation
	Suppressions recipient.SuppressionRemoval
	Clearing     invitation.Clearing
	// Webhooks are what the partner's programs are told.
	Webhooks *webhook.Service
	// Registry has the own account and the directory of providers, whose countries Regions allows.
	Registry    *registry.Service
	Regions     partner.Regions
	Clouds      partner.Clouds
	Keys        session.Keys
	Operator    emailaddr.Operator // who operates the deployment; every page says so
	Authorities *identity.Authorities
	// Kit serves the page of components, which only a local stack does.
	Kit bool
	Log *slog.Logger
	Now func() time.Time
}

// Where the console is.
const (
	root          = "/console"
	signInPath    = root + "/sign-in"
	callbackPath  = signInPath + "/callback"
	signOutPath   = root + "/sign-out"
	enrolmentPath = root + "/enrolment"
)

// Roles count for fresh; a page fetches them again after half of it, so that who then fills in a form has the other
// half to send it.
const fresh = time.Hour

type site struct {
	Console
	room   *session.Room
	drafts draft.Service
	table  []route
}

// Handler gives the console as one handler. It fails when a cloud's base URL is no origin.
func (c Console) Handler() (http.Handler, error) {
	h := &site{Console: c, room: &session.Room{
		Cookie: "concord-console", Attempts: "concord-console-sign-in-", Use: "console", AttemptUse: "console sign-in", Callback: callbackPath,
		Keys: c.Keys, Clouds: c.Clouds, Authorities: c.Authorities, Log: c.Log,
	}}
	h.drafts = draft.Service{Invitations: c.Invitations, Operator: c.Operator, Sign: h.sign}
	h.table = h.routes()
	mux := http.NewServeMux()
	for _, one := range h.table {
		mux.HandleFunc(one.method+" "+root+one.path, h.serve(&one))
	}
	mux.HandleFunc("GET "+assetPath+"{file}", asset)
	mux.HandleFunc("GET "+signInPath+"/{cloud}", h.signIn)
	mux.HandleFunc("GET "+callbackPath, h.callback)
	mux.HandleFunc("GET "+signOutPath, h.signedOut)
	mux.HandleFunc("POST "+signOutPath, h.signOut)
	mux.HandleFunc("/", h.nowhere)
	guarded, err := h.room.Guard(mux, http.HandlerFunc(h.crossOrigin))
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// ServeMux would redirect to the path without dots, doubled slashes and the slash at its end.
		if p := r.URL.EscapedPath(); p != path.Clean(p) {
			h.nowhere(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	}), nil
}

// sign makes the token of a link, by the keys of links.
func (h *site) sign(ctx context.Context, p link.Purpose, l link.Link) (link.Secret, error) {
	keys, err := h.Keys.Keys(ctx, "link")
	if err != nil {
		return "", err
	}
	return link.NewSigner(keys...).Sign(p, l)
}

// route is a row of the table: what a page is called, where it is, and who may see it or do what it does.
type route struct {
	method string // GET, which answers HEAD too, or POST
	path   string // below /console
	page   string // its name in data-page; of a POST that of the form which comes back
	who    audience
	// section is the key of the menu's entry that the page begins; empty for none.
	section string
	serve   func(*visit) (*page, error)
}

// audience is who a page is for. The zero value is for everybody who is signed in and whose company has an account.
type audience struct {
	operation partner.Operation     // that a role has to allow; empty for none
	programs  []partner.ProgramRole // of which the company has to have one; empty for any
	// anybody is for companies without an account too.
	anybody bool
}

// permits gives nil to who may, and otherwise a refusal with code [problem.RoleNotPermitted].
func (a audience) permits(u partner.User, account *partner.Account) error {
	if a.operation != "" {
		if err := u.Permit(a.operation); err != nil {
			return err
		}
	}
	if len(a.programs) > 0 && (account == nil || !slices.ContainsFunc(a.programs, account.Has)) {
		return problem.New(problem.RoleNotPermitted, "This is for partners of another kind: %s.", problem.Or(a.programs))
	}
	return nil
}

// operates reports whether a page is the operator's, who needs no account.
func (a audience) operates() bool { return a.operation == partner.OperatePartners }

// routes are all of them. A section has its own in its file.
func (h *site) routes() []route {
	return slices.Concat(
		h.todayRoutes(), h.invitationRoutes(), h.newRoutes(), h.draftRoutes(), h.batchRoutes(), h.customerRoutes(), h.tradeRoutes(), h.partnerRoutes(),
		h.granularRoutes(), h.accountRoutes(), h.hookRoutes(), h.auditRoutes(), h.enrolmentRoutes(), h.operatorRoutes(), h.recordRoutes(), h.oversightRoutes(),
		h.kitRoutes(),
	)
}

// serve makes the handler of a row: who asks, whether that person may, and what comes of it.
func (h *site) serve(one *route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := h.visit(w, r, one)
		if !v.enter() {
			return
		}
		p, err := one.serve(v)
		switch {
		case err != nil:
			v.refuse(err)
		case p != nil:
			v.write(p)
		}
	}
}

// Row is a row of the table of routes, as tests and whatever draws a map of the console see it.
type Row struct {
	Method, Path, Page string
	Operation          partner.Operation
	Programs           []partner.ProgramRole
}

// Rows are all of them.
func (c Console) Rows() []Row {
	h := &site{Console: c}
	var rows []Row
	for _, r := range h.routes() {
		rows = append(rows, Row{r.method, r.path, r.page, r.who.operation, r.who.programs})
	}
	return rows
}
