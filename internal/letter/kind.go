package letter

import (
	"concord/internal/invitation"
	"concord/internal/locale"
)

// kind is what differs between what is written about the kinds of request.
type kind struct {
	asks   func(*locale.Printer, invitation.Letter) Content
	grants func(*locale.Printer, invitation.Letter) []string // what an acceptance has given, for the receipt
}

// phrases are the keys of what is said of a request in one line, by the strongest right in it (0.33).
type phrases struct {
	heading  byRight
	beside   byRight // the heading that names the provider as well; empty where there is none
	question byRight
	gives    byRight // which right an acceptance would give, and given which it has given; empty for none
	given    byRight
	receipt  byRight
	// accepted and declined begin the notice of an answer to who asked.
	accepted, declined string
}

// byRight has a key for each right: for none, for roles, for administration and for everything.
type byRight [invitation.GlobalRight + 1]string

// always is a key that no right changes.
func always(key string) byRight { return byRight{key, key, key, key} }

// say gives the text of a key that names who asks; empty for no key.
func say(p *locale.Printer, key, partner, provider string) string {
	if key == "" {
		return ""
	}
	return p.T(key, "partner", partner, "name", partner, "provider", provider)
}

var (
	resellerPhrases = phrases{
		heading:  byRight{"page.review.title", "right.title.roles", "right.title.administration", "right.title.global"},
		question: byRight{"page.form.choice", "right.choice.roles", "right.choice.administration", "right.choice.global"},
		gives:    byRight{"", "right.gives.roles", "right.gives.administration", "right.gives.global"},
		given:    byRight{"", "right.given.roles", "right.given.administration", "right.given.global"},
		receipt:  byRight{"mail.receipt.accepted.subject", "mail.granular.receipt.subject", "right.receipt.administration", "right.receipt.global"},
		accepted: "mail.answer.accepted.intro", declined: "mail.answer.declined.intro",
	}
	dualPhrases = phrases{
		heading:  resellerPhrases.heading,
		beside:   byRight{"page.review.title.dual", "right.title.dual.roles", "right.title.dual.administration", "right.title.dual.global"},
		question: byRight{"page.form.choice.dual", "right.choice.dual.roles", "right.choice.dual.administration", "right.choice.dual.global"},
		gives:    resellerPhrases.gives, given: resellerPhrases.given, receipt: resellerPhrases.receipt,
		accepted: "mail.answer.accepted.intro", declined: "mail.answer.declined.intro",
	}
	partnershipPhrases = phrases{
		heading: always("right.title.partnership"), question: always("right.choice.partnership"),
		gives:    byRight{"right.gives.partnership", "right.gives.partnership", "right.gives.partnership", "right.gives.global"},
		given:    byRight{"", "right.given.roles", "right.given.partnership", "right.given.global"},
		receipt:  byRight{"mail.receipt.accepted.subject", "mail.granular.receipt.subject", "right.receipt.partnership", "right.receipt.global"},
		accepted: "mail.answer.partnership.accepted", declined: "mail.answer.partnership.declined",
	}
	// granularPhrases are those of a request for granular administration alone.
	granularPhrases = phrases{
		heading:  byRight{"", "page.granular.title", "", "right.title.granular"},
		question: byRight{"", "page.granular.choice", "", "right.choice.granular"},
		gives:    resellerPhrases.gives, given: resellerPhrases.given, receipt: resellerPhrases.receipt,
	}
)

// said and kinds have a row for each kind of invitation: what is said in one line, and what is written.
var said = map[invitation.Kind]phrases{
	invitation.Reseller: resellerPhrases, invitation.DualReseller: dualPhrases, invitation.Partnership: partnershipPhrases,
}

var kinds = map[invitation.Kind]kind{
	invitation.Reseller:     {reseller, resellerGrants},
	invitation.DualReseller: {dual, dualGrants},
	invitation.Partnership:  {partnership, partnershipGrants},
}

// Writes reports whether there are words for a kind.
func Writes(k invitation.Kind) bool { return kinds[k].asks != nil }
