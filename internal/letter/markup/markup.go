// Package markup sets a letter as HTML: the mailer mails it, and the console shows it before anything is mailed.
package markup

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	"sync"

	"concord/internal/letter"
)

//go:embed letter.html
var files embed.FS

// Parsed with the first mail: a sandbox that is woken for nothing does not pay for it.
var letterHTML = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("letter.html").Funcs(template.FuncMap{"outlook": outlook}).ParseFS(files, "letter.html"))
})

// outlook gives what only Outlook for Windows reads, whose engine knows no largest width: the package takes comments out of a template.
// The argument is one of the template's own.
func outlook(html string) template.HTML {
	return template.HTML("<!--[if mso]>" + html + "<![endif]-->") //nolint:gosec // no words of anybody
}

// sheet is a letter with what only its layout needs.
type sheet struct{ letter.Content }

// Start gives the side where lines begin: the engines of mail programs know no logical one.
func (s sheet) Start() string {
	if s.Dir == "rtl" {
		return "right"
	}
	return "left"
}

// HTML sets a letter as the HTML part of a mail. It loads nothing from anywhere; its links are the letter's, in its order.
func HTML(c letter.Content) (string, error) {
	var b strings.Builder
	if err := letterHTML().Execute(&b, sheet{c}); err != nil {
		return "", fmt.Errorf("markup: %w", err)
	}
	return b.String(), nil
}
