package mail

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
var letterHTML = sync.OnceValue(func() *template.Template { return template.Must(template.ParseFS(files, "letter.html")) })

// HTML sets a letter as the HTML part of a mail. It loads nothing from anywhere; its links are the letter's, in its order.
func HTML(c letter.Content) (string, error) {
	var b strings.Builder
	if err := letterHTML().Execute(&b, c); err != nil {
		return "", fmt.Errorf("mail: %w", err)
	}
	return b.String(), nil
}
