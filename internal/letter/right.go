package letter

import (
	"cmp"
	"slices"
	"strings"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/locale"
)

// Heading says in one line what is asked for, with the strongest right in it (0.33). Who is how the partner is called, which a subject may
// have to shorten; a subject names no provider beside it.
func Heading(p *locale.Printer, l invitation.Letter, r invitation.Right, who string, provider bool) string {
	k := said[l.Invitation.Kind]
	if provider && k.beside[r] != "" {
		return say(p, k.beside[r], who, l.Provider.DisplayName)
	}
	return say(p, k.heading[r], who, l.Provider.DisplayName)
}

// Question is what a person is asked on the answer page.
func Question(p *locale.Printer, l invitation.Letter, r invitation.Right) string {
	return say(p, said[l.Invitation.Kind].question[r], l.Inviter.DisplayName, l.Provider.DisplayName)
}

// Gives says which right an acceptance would give; empty for none.
func Gives(p *locale.Printer, l invitation.Letter, r invitation.Right) string {
	return say(p, said[l.Invitation.Kind].gives[r], l.Inviter.DisplayName, "")
}

// Given says which right the partner has by the acceptance; empty for none.
func Given(p *locale.Printer, l invitation.Letter, r invitation.Right) string {
	return say(p, said[l.Invitation.Kind].given[r], l.Inviter.DisplayName, "")
}

// GranularHeading is [Heading] for a request of granular administration alone.
func GranularHeading(p *locale.Printer, partner string, r invitation.Right) string {
	return say(p, granularPhrases.heading[r], partner, "")
}

// GranularQuestion is [Question] for it.
func GranularQuestion(p *locale.Printer, partner string, r invitation.Right) string {
	return say(p, granularPhrases.question[r], partner, "")
}

// GranularGives is [Gives] for it.
func GranularGives(p *locale.Printer, partner string, r invitation.Right) string {
	return say(p, granularPhrases.gives[r], partner, "")
}

// GranularGiven is [Given] for it.
func GranularGiven(p *locale.Printer, partner string, r invitation.Right) string {
	return say(p, granularPhrases.given[r], partner, "")
}

// right gives the strongest right of a request.
func right(l invitation.Letter) invitation.Right { return l.Right(granular.ShippedRoles()) }

// Roles are the names of roles, in English as the directory has them, the strongest first.
func Roles(t granular.Table, ids []string) string {
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		name, _ := t.Name(id)
		name = cmp.Or(name, id)
		if id == t.GlobalAdministrator {
			names = slices.Insert(names, 0, name)
		} else {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
