package pages

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	lang "golang.org/x/text/language"

	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// rights are how a language calls each right.
var rights = map[lang.Tag]map[invitation.Right]string{
	lang.English:           {invitation.RoleRight: "administrator roles", invitation.AdministrationRight: "administrator (rights|access)"},
	lang.French:            {invitation.RoleRight: "rôles d’administrateur", invitation.AdministrationRight: "droits d’administrateur|accès administrateur"},
	lang.German:            {invitation.RoleRight: "Administratorrollen", invitation.AdministrationRight: "Administratorrechte|Administratorzugriff"},
	lang.Spanish:           {invitation.RoleRight: "roles de administrador", invitation.AdministrationRight: "permisos de administrador|acceso de administrador"},
	lang.Japanese:          {invitation.RoleRight: "管理者ロール", invitation.AdministrationRight: "管理者権限|管理者アクセス"},
	lang.SimplifiedChinese: {invitation.RoleRight: "管理员角色", invitation.AdministrationRight: "管理员权限|管理员访问权限"},
	lang.Hindi:             {invitation.RoleRight: "एडमिन भूमिका", invitation.AdministrationRight: "एडमिन अधिकार|एडमिन ऐक्सेस"},
}

// says reports whether a text names a right in a language.
func says(tag lang.Tag, r invitation.Right, text string) bool {
	if r == invitation.GlobalRight {
		return strings.Contains(text, "Global Administrator") // as the directory calls it, in every language
	}
	return regexp.MustCompile(rights[tag][r]).MatchString(text)
}

var (
	headings = regexp.MustCompile(`(?s)<h1>(.*?)</h1>`)
	legends  = regexp.MustCompile(`(?s)<legend>(.*?)</legend>`)
	hints    = regexp.MustCompile(`(?s)value="accept">(.*?)</label>`)
	cares    = regexp.MustCompile(`(?s)class=care>(.*?)</`)
)

func all(r *regexp.Regexp, page string) string {
	var found []string
	for _, m := range r.FindAllStringSubmatch(page, -1) {
		found = append(found, tags.ReplaceAllString(m[1], ""))
	}
	return strings.Join(found, "\n")
}

// TestStrongestRight: decision 0.33. The strongest right that is asked for stands in subject, heading, question, hint and result, of every program
// role, kind and administration in every language: named roles, administrator rights, and before all Global Administrator by its name. It is in
// amber, the mail names the roles, and nothing of it is said where nothing is asked for.
func TestStrongestRight(t *testing.T) {
	links := letter.Links{Answer: "https://portal.example/i/AQID", Report: "https://portal.example/i/AQID/report", Unsubscribe: "https://portal.example/u/AQID", Dispute: "https://portal.example/r/AQID"}
	for _, tag := range locale.Tags {
		every(func(a asking) {
			asked, given := a.letter(tag), a.answered(tag, false)
			r := asked.Right(granular.ShippedRoles())
			if want := a.strongest(); r != want || given.Right(granular.ShippedRoles()) != want {
				t.Fatalf("%v: %v and %v, want %v", a, r, given.Right(granular.ShippedRoles()), want)
			}
			draft, mail, reminder := letter.Compose(asked, links.Answer, emailaddr.Operator{Name: "O"}), letter.Mail(asked, links, emailaddr.Operator{Name: "O"}), letter.Remind(asked, links, emailaddr.Operator{Name: "O"})
			receipt := letter.Receipt(given, links, emailaddr.Operator{Name: "O"})
			review, form, result := a.show(t, asked, outcomes[invitation.Review], nil), a.show(t, asked, outcomes[invitation.Form], nil), a.show(t, given, outcomes[invitation.AcceptedBy], nil)
			places := map[string]string{
				"subject of the draft": draft.Subject, "subject of the mail": mail.Subject, "subject of the reminder": reminder.Subject, "subject of the receipt": receipt.Subject,
				"short draft": draft.Short(), "heading of the mail": mail.Intro, "heading of the first page": all(headings, review), "heading of the form": all(headings, form),
				"question": all(legends, form), "hint": all(hints, form), "result": all(cares, result), "first page, in amber": all(cares, review), "form, in amber": all(cares, form),
				"mail, in amber": mail.Care, "receipt, in amber": receipt.Care,
			}
			for place, text := range places {
				where := fmt.Sprintf("%v, %v, %s", tag, a, place)
				if r != invitation.NoRight && !says(tag, r, text) {
					t.Errorf("%s does not name the strongest right: %q", where, text)
				}
				denies := place == "short draft" // says that it is not asked for
				if r == invitation.NoRight && !denies && (says(tag, invitation.RoleRight, text) || says(tag, invitation.AdministrationRight, text) || says(tag, invitation.GlobalRight, text)) {
					t.Errorf("%s names a right that nobody asks for: %q", where, text)
				}
			}
			// What the receipt quotes as agreed to stands on the page that was answered (0.39).
			for _, line := range unread(receipt.Quote, form, a.roles) {
				t.Errorf("%v, %v: the receipt quotes what is not on the form: %q", tag, a, line)
			}
			for _, id := range a.roles {
				name, _ := granular.ShippedRoles().Name(id)
				for mail, text := range map[string]string{"draft": draft.Text(), "mail": mail.Text(), "reminder": reminder.Text(), "receipt": receipt.Text(), "notice": letter.Tell(invitation.AnswerNotice, given, emailaddr.Operator{Name: "O"}).Text()} {
					if !strings.Contains(text, name) {
						t.Errorf("%v, %v: the %s does not name the role %s", tag, a, mail, name)
					}
				}
			}
		})
	}
}

// unread gives the lines of a quote that do not stand on a page. The roles, which the page lists one by one, are looked for alone.
func unread(q *letter.Quote, page string, roles []string) (lines []string) {
	read := html.UnescapeString(tags.ReplaceAllString(page, ""))
	for _, line := range q.Lines {
		parts := []string{line}
		if len(roles) > 0 && line == letter.Roles(granular.ShippedRoles(), roles) {
			parts = strings.Split(line, ", ")
		}
		for _, part := range parts {
			if !strings.Contains(read, part) {
				lines = append(lines, part)
			}
		}
	}
	return lines
}

// A request for granular administration alone names it in the same places, and what accepting means is said in words of its own page.
func TestStrongestRightOfGranularAdministration(t *testing.T) {
	for _, tag := range locale.Tags {
		for want, roles := range map[invitation.Right][]string{invitation.RoleRight: {helpdesk}, invitation.GlobalRight: {helpdesk, globalAdministrator}} {
			l := asking{role: partner.DirectBill, kind: invitation.Reseller, roles: roles}.letter(tag)
			q := granular.Request{Relationship: *l.Granular, Partner: l.Inviter, Portal: l.Cloud}
			q.Mail.Locale = tag.String()
			show := func(o outcome) string {
				v := &visit{person: &relationship.Person{Subject: "lara", Company: relationship.Customer{Tenant: "larch", CompanyName: "Larch Ltd"}}}
				v.granted(q)
				p := &page{Printer: locale.For(tag), visit: v, Name: o.name, Now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), roles: granular.ShippedRoles()}
				p.Content = o.view(p)
				var out bytes.Buffer
				if err := design().templates.ExecuteTemplate(&out, o.template+".html", p); err != nil {
					t.Fatal(err)
				}
				return out.String()
			}
			mail := func(n outbox.Kind) letter.Content {
				c, _ := letter.Granular(n, q, granular.ShippedRoles(), letter.Links{Answer: "https://portal.example/g/AQID"}, emailaddr.Operator{Name: "O"})
				return c
			}
			review, form, request := show(grants[granular.Review]), show(grants[granular.Form]), mail(granular.RequestNotice)
			hint := all(hints, form)
			q.CustomerName, q.Status, q.EndAt, q.Answer = "Larch Ltd", granular.Active, time.Date(2027, 3, 2, 12, 0, 0, 0, time.UTC), &granular.Given{FullName: "Lara Larch", At: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
			receipt := mail(granular.ReceiptNotice)
			for _, line := range unread(receipt.Quote, form, roles) {
				t.Errorf("%v: the receipt of granular administration quotes what is not on the form: %q", tag, line)
			}
			for place, text := range map[string]string{
				"first page": all(headings, review), "form": all(headings, form), "question": all(legends, form), "hint": hint, "amber": all(cares, form), "result": all(cares, show(grants[granular.ApprovedBy])),
				"subject": request.Subject, "heading of the mail": request.Intro, "subject of the receipt": receipt.Subject, "receipt, in amber": receipt.Care,
			} {
				if place == "question" && want == invitation.RoleRight {
					continue // asks for "these roles", which stand above it
				}
				if !says(tag, want, text) {
					t.Errorf("%v, %s: the strongest right is not named: %q", tag, place, text)
				}
			}
			above, _, _ := strings.Cut(locale.For(tag).T("page.form.accept.hint", "partner", "Cedar Solutions"), ".")
			if strings.Contains(hint, above) {
				t.Errorf("%v: the hint speaks of a table that is on another page: %q", tag, hint)
			}
		}
	}
}

func (a asking) strongest() invitation.Right {
	switch {
	case slices.Contains(a.roles, globalAdministrator):
		return invitation.GlobalRight
	case a.administration, a.kind == invitation.Partnership:
		return invitation.AdministrationRight
	case a.roles != nil:
		return invitation.RoleRight
	default:
		return invitation.NoRight
	}
}
