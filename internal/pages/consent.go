package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"

	"concord/internal/invitation"
	"concord/internal/locale"
)

// ConsentVersion names the words of the answer page. Raise it whenever what they mean changes.
const ConsentVersion = "2026-12.2"

// consentWords begin the keys of all that who answers reads of what is agreed to: what is asked for and by whom, what
// it means, what is decided, and what stands beside each field of the form. What frames every page, who is signed in,
// and what is wrong with a form are not among them.
var consentWords = []string{
	"order.", "page.agreement.", "page.already.answer", "page.answer.", "page.company", "page.consent.", "page.fact.", "page.form.",
	"page.granular.choice", "page.granular.days.", "page.granular.fact.", "page.granular.heading", "page.granular.months.",
	"page.granular.title", "page.reason.", "page.review.title", "right.choice.", "right.gives.", "right.title.",
}

// consent says which words stand on the answer page in a language: the hash is that of every text of [consentWords],
// each group in the order of its keys, as "key=text" lines.
func consent(p *locale.Printer) invitation.ConsentText {
	made, _ := consents.LoadOrStore(p.Language(), sync.OnceValue(func() invitation.ConsentText { return hashed(p) }))
	return made.(func() invitation.ConsentText)()
}

// consents are those of the languages that were asked for: the words do not change while a function runs.
var consents sync.Map // language → func() invitation.ConsentText

func hashed(p *locale.Printer) invitation.ConsentText {
	h := sha256.New()
	for _, group := range consentWords {
		for key, text := range p.Texts(group) {
			_, _ = fmt.Fprintf(h, "%s=%s\n", key, text)
		}
	}
	return invitation.ConsentText{Version: ConsentVersion, Language: p.Language(), Hash: hex.EncodeToString(h.Sum(nil))}
}

// edition says in a form which words stand on its page, so that an answer is never recorded with other words than those that
// were read.
func edition(c invitation.ConsentText) string { return c.Version + "/" + c.Hash[:16] }

// Edition is that of the words of the page.
func (p *page) Edition() string { return edition(consent(p.Printer)) }
