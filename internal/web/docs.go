package web

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

// docsCSS is the one style of the reference page, which loads nothing.
//
//go:embed docs.css
var docsCSS string

// reference is what the page reads of the document.
type reference struct {
	Info struct{ Description string }
	Tags []struct{ Name, Description string }
	// Paths has the operations, by path and method.
	Paths      map[string]map[string]referenceOperation
	Webhooks   map[string]struct{ Post referenceOperation }
	Components struct {
		Examples   map[string]referenceCode
		Parameters map[string]referenceParameter
		Responses  map[string]referenceResponse
	}
}

type referenceOperation struct {
	OperationID string `json:"operationId"`
	Summary     string
	Description string
	Tags        []string
	Parameters  []referenceParameter
	RequestBody struct {
		Content map[string]struct{ Example json.RawMessage }
	}
	Responses map[string]referenceResponse
}

type referenceParameter struct {
	Ref         string `json:"$ref"`
	Name, In    string
	Required    bool
	Description string
}

type referenceResponse struct {
	Ref         string `json:"$ref"`
	Description string
	Codes       []string `json:"x-codes"`
}

type referenceCode struct {
	Summary, Description string
	Value                struct{ Status int }
}

// docsMade is the page, made once: the document does not change. A variable that a function initializes would keep the
// document, half a megabyte, in every program that links this package.
var docsMade struct {
	once         sync.Once
	page, policy string
}

func docsPage() (page, policy string) {
	docsMade.once.Do(func() { docsMade.page, docsMade.policy = writeDocs() })
	return docsMade.page, docsMade.policy
}

func writeDocs() (page, policy string) {
	var d reference
	if err := json.Unmarshal(openapiJSON, &d); err != nil {
		panic("web: " + err.Error()) // the tests have read it
	}
	var b strings.Builder
	b.WriteString(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">`)
	fmt.Fprintf(&b, "<title>Concord for programs</title><style>%s</style></head><body><header><h1>Concord for programs</h1>\n", docsCSS)
	b.WriteString(`<p>The document itself, for generators of clients: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1).</p></header>`)
	d.contents(&b)
	b.WriteString("<main>")
	b.WriteString(docsFirst)
	b.WriteString(docsStates)
	d.rules(&b)
	for _, tag := range d.Tags {
		d.section(&b, tag.Name, tag.Description)
	}
	d.codes(&b)
	b.WriteString("</main></body></html>\n")
	sum := sha256.Sum256([]byte(docsCSS))
	return b.String(), "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'"
}

// docs answers with the reference page.
func docs(c *call) error {
	page, policy := docsPage()
	sum := sha256.Sum256([]byte(page))
	h := c.w.Header()
	h.Set("ETag", fmt.Sprintf(`"%x"`, sum[:8]))
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Content-Security-Policy", policy)
	if c.has(h.Get("ETag")) {
		c.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = c.w.Write([]byte(page)) // the reader may have gone
	return nil
}

func (d reference) contents(b *strings.Builder) {
	b.WriteString(`<nav aria-label="Contents"><ul><li><a href="#first">A first invitation</a></li><li><a href="#states">States of an invitation</a></li>` +
		`<li><a href="#rules">Rules for every operation</a></li>`)
	for _, tag := range d.Tags {
		fmt.Fprintf(b, `<li><a href="#%s">%s</a></li>`, anchor(tag.Name), html.EscapeString(tag.Name))
	}
	b.WriteString(`<li><a href="#codes">Codes of problems</a></li></ul></nav>`)
}

// rules is what the document says of itself.
func (d reference) rules(b *strings.Builder) {
	b.WriteString(`<h2 id="rules">Rules for every operation</h2>`)
	for part := range strings.SplitSeq(d.Info.Description, "\n\n") {
		if title, found := strings.CutPrefix(part, "## "); found {
			fmt.Fprintf(b, "<h3>%s</h3>", prose(title))
			continue
		}
		fmt.Fprintf(b, "<p>%s</p>", prose(part))
	}
}

func (d reference) section(b *strings.Builder, tag, description string) {
	fmt.Fprintf(b, "<h2 id=%q>%s</h2><p>%s</p>", anchor(tag), html.EscapeString(tag), prose(description))
	if tag == "Webhooks" {
		d.events(b)
	}
	for _, place := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			if o, found := d.Paths[place][method]; found && slices.Contains(o.Tags, tag) {
				d.operation(b, strings.ToUpper(method), place, o)
			}
		}
	}
}

func (d reference) operation(b *strings.Builder, method, place string, o referenceOperation) {
	fmt.Fprintf(b, "<details id=%q><summary><code>%s %s</code> %s</summary><p>%s</p>",
		o.OperationID, method, html.EscapeString(place), prose(o.Summary), prose(o.Description))
	if len(o.Parameters) > 0 {
		b.WriteString("<table><thead><tr><th>Parameter</th><th>In</th><th>What it is</th></tr></thead><tbody>")
		for _, p := range o.Parameters {
			if p.Ref != "" {
				p = d.Components.Parameters[path.Base(p.Ref)]
			}
			needed := ""
			if p.Required {
				needed = ", required"
			}
			fmt.Fprintf(b, "<tr><td><code>%s</code></td><td>%s%s</td><td>%s</td></tr>", html.EscapeString(p.Name), p.In, needed, prose(p.Description))
		}
		b.WriteString("</tbody></table>")
	}
	if example := o.RequestBody.Content["application/json"].Example; len(example) > 0 {
		fmt.Fprintf(b, "<p>An example of a body:</p><pre><code>%s</code></pre>", html.EscapeString(outdent(example)))
	}
	b.WriteString("<table><thead><tr><th>Status</th><th>When</th><th>Codes</th></tr></thead><tbody>")
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		r := o.Responses[status]
		if r.Ref != "" {
			r = d.Components.Responses[path.Base(r.Ref)]
		}
		var codes []string
		for _, code := range r.Codes {
			codes = append(codes, fmt.Sprintf(`<a href="#code-%s"><code>%s</code></a>`, code, code))
		}
		fmt.Fprintf(b, "<tr><td>%s</td><td>%s</td><td>%s</td></tr>", status, prose(r.Description), strings.Join(codes, " "))
	}
	b.WriteString("</tbody></table></details>\n")
}

// events says what is posted to a partner's endpoint.
func (d reference) events(b *strings.Builder) {
	b.WriteString("<p>What is posted to your endpoint, by its <code>type</code>:</p><ul>")
	for _, name := range slices.Sorted(maps.Keys(d.Webhooks)) {
		fmt.Fprintf(b, "<li><code>%s</code>: %s</li>", html.EscapeString(name), prose(d.Webhooks[name].Post.Summary))
	}
	b.WriteString("</ul>")
}

func (d reference) codes(b *strings.Builder) {
	b.WriteString(`<h2 id="codes">Codes of problems</h2><table><thead><tr><th>Code</th><th>Status</th><th>What it means, and what helps</th></tr></thead><tbody>`)
	for _, code := range slices.Sorted(maps.Keys(d.Components.Examples)) {
		e := d.Components.Examples[code]
		fmt.Fprintf(b, `<tr id="code-%s"><td><code>%s</code></td><td>%d</td><td>%s</td></tr>`, code, code, e.Value.Status, prose(e.Description))
	}
	b.WriteString("</tbody></table>")
}

// prose writes a text of the document: what stands between backquotes is code.
func prose(text string) string {
	parts := strings.Split(html.EscapeString(text), "`")
	if len(parts)%2 == 0 {
		return strings.Join(parts, "`")
	}
	for i := 1; i < len(parts); i += 2 {
		parts[i] = "<code>" + parts[i] + "</code>"
	}
	return strings.ReplaceAll(strings.Join(parts, ""), "\n", " ")
}

func anchor(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "-") }

// outdent takes the indentation of the document off an example that stands in it.
func outdent(example json.RawMessage) string {
	lines := strings.Split(string(example), "\n")
	last := lines[len(lines)-1]
	margin := last[:len(last)-len(strings.TrimLeft(last, " "))]
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], margin)
	}
	return strings.Join(lines, "\n")
}

// docsFirst goes from a token to a webhook.
const docsFirst = `<h2 id="first">A first invitation</h2>
<p>On your own machine, <code>make run</code> serves everything: the API at port 8080, the identity provider at 8081, what is emailed at 8025. A deployment has
its own addresses; its operator registers your program with the identity provider of your cloud.</p>
<ol><li><p>A token, by client credentials:</p><pre><code>curl -u alder:local -d grant_type=client_credentials http://127.0.0.1:8081/oauth2/token</code></pre></li>
<li><p>A draft, and its <code>id</code>. The key makes it safe to ask again when no answer came.</p><pre><code>curl -H "Authorization: Bearer $TOKEN" \
  -H 'Content-Type: application/json' -H 'Idempotency-Key: first-1' \
  -d '{"kind":"reseller","recipientEmail":"admin@larch.example"}' http://127.0.0.1:8080/v1/invitations</code></pre></li>
<li><p>The email:</p><pre><code>curl -X POST -H "Authorization: Bearer $TOKEN" -H 'Idempotency-Key: first-2' \
  http://127.0.0.1:8080/v1/invitations/$ID/send</code></pre><p>Open it at port 8025, follow its link, and sign in as <code>admin@larch.example</code>, with any password, to accept.</p></li>
<li><p>The customer:</p><pre><code>curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/v1/customers</code></pre></li>
<li><p>Be told instead of asking: an endpoint, whose <code>secret</code> is shown once. Verify each request with a library of
<a href="https://www.standardwebhooks.com" rel="noreferrer">Standard Webhooks</a>, answer 2xx at once, and know an event that comes twice by its <code>webhook-id</code>.</p><pre><code>curl -H "Authorization: Bearer $TOKEN" \
  -H 'Content-Type: application/json' -H 'Idempotency-Key: first-3' \
  -d '{"url":"https://hooks.alder.example/concord"}' http://127.0.0.1:8080/v1/webhook-endpoints</code></pre></li></ol>
`

// docsStates is the life of an invitation (domain, 2.1), as a picture and in words.
const docsStates = `<h2 id="states">States of an invitation</h2>
<svg viewBox="0 0 760 250" role="img" aria-labelledby="states-title"><title id="states-title">A draft becomes pending when it is sent or done; a pending invitation is accepted, ` +
	`declined, cancelled or expires; a draft is cancelled or expires too.</title>
<path d="M150 60H290M410 50H580M410 60L580 105M410 70L580 160M410 75L580 215M90 80V205H580M90 150H580"/>
<rect x="30" y="40" width="120" height="40" rx="6"/><text x="73" y="65">draft</text><text x="175" y="50">send or done</text>
<rect x="290" y="40" width="120" height="40" rx="6"/><text x="322" y="65">pending</text>
<rect x="580" y="25" width="150" height="36" rx="6"/><text x="622" y="48">accepted</text>
<rect x="580" y="80" width="150" height="36" rx="6"/><text x="624" y="103">declined</text>
<rect x="580" y="135" width="150" height="36" rx="6"/><text x="620" y="158">cancelled</text>
<rect x="580" y="190" width="150" height="36" rx="6"/><text x="627" y="213">expired</text></svg>
<p>What is accepted, declined, cancelled or expired stays so. <code>renew</code> makes another invitation of what was declined, cancelled or has expired.</p>
`
