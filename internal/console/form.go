package console

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"concord/internal/command"
	"concord/internal/problem"
	"concord/internal/session"
)

// maxBody bounds a form, in bytes.
const maxBody = 1 << 20

// The hidden fields of every form that changes something.
const (
	fieldVersion = "ifMatch"  // the version that was seen
	fieldKey     = "key"      // the Idempotency-Key: the same form that is sent twice does it once
	fieldFiller  = "filledBy" // who began to fill it in, as [session.Room.Filler] says it
	fieldDo      = "do"       // what to do, on the button
)

// binding are the choices that bind: they come back empty, so that they are made again by who sees what they mean. What
// is called answer here is words to the operator, which bind nobody.
var binding = []string{"authorized", "authorizeProvider", "signAgreement", "accepted", "confirm"}

// form is what was sent, and what came of it. The zero value is a form that nobody has sent.
type form struct {
	values   url.Values
	refusal  *problem.Error // nil for none
	obstacle obstacle
}

// obstacle is what stands in the way of a form that was sent.
type obstacle string

const (
	sessionIsOver obstacle = "session"
	anotherPerson obstacle = "person"
)

// read takes the form of a request. A field that is sent twice is kept twice, as check boxes of a list are.
func (v *visit) read() error {
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, maxBody)
	kind, _, err := mime.ParseMediaType(v.r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/x-www-form-urlencoded":
		err = v.r.ParseForm()
	case err == nil && kind == "multipart/form-data":
		err = v.r.ParseMultipartForm(maxBody)
	default:
		err = errors.New("console: not a form")
	}
	if err != nil {
		return problem.New(problem.MalformedRequest, "This is no form of this service.")
	}
	v.form.values = v.r.PostForm
	return nil
}

// value gives a field as it was sent, and what it is before anybody has sent it.
func (v *visit) value(name, before string) string {
	if !v.form.values.Has(name) {
		if v.form.values == nil {
			return before
		}
		return ""
	}
	return strings.ReplaceAll(v.form.values.Get(name), "\r\n", "\n")
}

// said gives a field as use cases take it: nil for one that is not in the form.
func (f form) said(name string) *string {
	if !f.values.Has(name) {
		return nil
	}
	return new(strings.TrimSpace(strings.ReplaceAll(f.values.Get(name), "\r\n", "\n")))
}

// on reports whether a box is ticked.
func (f form) on(name string) bool { return f.values.Get(name) == "on" }

// do is the verb of the button that sent the form.
func (f form) do() string { return f.values.Get(fieldDo) }

// version gives the version that the form was made for; zero for none.
func (f form) version() int {
	n, _ := strconv.Atoi(f.values.Get(fieldVersion))
	return n
}

// body is a fingerprint of what the form says, so that a key is good for one content.
func (f form) body(path string) string {
	h := sha256.New()
	h.Write([]byte(path + "\n"))
	said := url.Values{}
	for name, values := range f.values {
		if name != fieldKey && name != fieldFiller && name != fieldVersion {
			said[name] = values
		}
	}
	h.Write([]byte(said.Encode()))
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// command is who asks for what a form says.
func (v *visit) command() command.Command {
	key := v.form.values.Get(fieldKey)
	if len(key) > 128 {
		key = ""
	}
	return command.Command{
		User: v.user, CorrelationID: correlationID(), Key: key, Body: v.form.body(v.r.URL.Path), IfVersion: v.form.version(),
	}
}

// mayFill looks at who has filled a form in. When it gives false, the request has been answered: 401 with the form
// still filled but for what binds where the session has ended, and 401 with an empty form where somebody else is
// signed in by now.
func (v *visit) mayFill() bool {
	who, err := v.h.room.FilledBy(v.r.Context(), v.form.values.Get(fieldFiller))
	if err != nil {
		v.refuse(err)
		return false
	}
	switch {
	case v.person == nil && who == nil:
		v.notice(http.StatusUnauthorized, "session-over", "session.over.title", v.T("session.over.text"), v.T("session.over.sign-in"))
		return false
	case v.person == nil:
		v.be(*who, who.Company.Cloud)
		v.form.obstacle = sessionIsOver
		for _, name := range binding {
			v.form.values.Del(name)
		}
	case who != nil && !session.Same(*who, *v.person):
		v.form = form{obstacle: anotherPerson}
	default:
		return true
	}
	v.form.values.Del(fieldDo)
	if v.admitted() {
		v.show()
	}
	return false
}

// show answers with the page that a form is on.
func (v *visit) show() {
	p, err := v.route.serve(v)
	switch {
	case err != nil:
		v.refuse(err)
	case p != nil:
		v.write(p)
	}
}

// act makes the handler of a form. Shown gives its page, with what was typed; do carries out what it says, and gives
// where to go and the key of what to say there. A refusal brings the form back: its sentence above, its findings at
// their fields.
func (h *site) act(shown func(*visit) (*page, error), do func(*visit) (to, said string, err error)) func(*visit) (*page, error) {
	return func(v *visit) (*page, error) {
		if v.form.obstacle != "" {
			p, err := shown(v)
			if p != nil {
				p.Status = http.StatusUnauthorized
			}
			return p, err
		}
		to, said, err := do(v)
		if err == nil {
			v.done(to, said)
			return nil, nil
		}
		refusal, ok := errors.AsType[*problem.Error](err)
		if !ok || refusal.Code == problem.NotFound || refusal.Code == problem.RoleNotPermitted || statusOf(refusal.Code) >= http.StatusInternalServerError {
			return nil, err
		}
		v.form.refusal = refusal
		p, err := shown(v)
		if p != nil {
			p.Status = statusOf(refusal.Code)
		}
		return p, err
	}
}

// conflicts reports whether somebody else was quicker.
func (f form) conflicts() bool {
	return f.refusal != nil && f.refusal.Code == problem.PreconditionFailed
}

// fault says what is wrong with a field; empty for nothing.
func (v *visit) fault(name string) string {
	if v.form.refusal == nil {
		return ""
	}
	i := slices.IndexFunc(v.form.refusal.Findings, func(f problem.Finding) bool { return f.Pointer == "/"+name })
	if i < 0 {
		return ""
	}
	f := v.form.refusal.Findings[i]
	return v.sentence(f.Code, f.Detail)
}

// summary is the list of what is wrong with a form, each with where it leads.
func (v *visit) summary() []fault {
	r := v.form.refusal
	if r == nil || v.form.conflicts() {
		return nil
	}
	var list []fault
	for _, f := range r.Findings {
		list = append(list, fault{
			Anchor: "f-" + strings.ReplaceAll(strings.TrimPrefix(f.Pointer, "/"), "/", "-"), Text: v.sentence(f.Code, f.Detail),
		})
	}
	if len(list) == 0 {
		list = append(list, fault{Text: v.refused(r), Next: v.openOne(r)})
	}
	return list
}

// refused is the sentence of a refusal, with when it is over where that is known.
func (v *visit) refused(r *problem.Error) string {
	if r.RetryAfter > 0 {
		return v.sentence(r.Code, r.Detail) + " " + v.T("console.problem.again", "date", v.DateTime(v.now.Add(r.RetryAfter)))
	}
	return v.sentence(r.Code, r.Detail)
}

// openOne leads to the open request that a refusal is about (invariant 1); nil for another refusal.
func (v *visit) openOne(r *problem.Error) *action {
	if r.Code != problem.DuplicateOpenInvitation || r.Resource == "" {
		return nil
	}
	return &action{Label: v.T("console-invite.check.open-one"), Href: invitationPath(r.Resource)}
}
