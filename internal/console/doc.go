// Package console is where a partner's people and the operator work: server-rendered pages that call the same use cases as the API.
//
// To add a page:
//
//  1. A row in the routes of its section ([site.routes] joins them): method, path below /console, name, who may, handler. The menu, the
//     refusals and the tests of roles and isolation go by that row; a section joins the menu with its first page.
//  2. A handler in the section's file: func (h *site) x(v *visit) (*page, error). It reads, fills typed views (components.go) and gives
//     v.page(title). An error with a code becomes its page: not_found 404, role_not_permitted 403. A change is h.act(form, do): form shows
//     the page, do calls the use case and says where to go; codes and findings come back at the fields with what was typed.
//  3. templates/<name>.html: {{template "head" .}} … {{template "foot" .}} with the blocks of components.html between. No style, no script.
//  4. Texts: console.<language>.json, seven languages, in internal/locale/messages; a new code of a refusal in problems.go.
//  5. A test by selector (console_test.go has the browser), the kit page for a new component, the page in the table of infra/e2e.
//  6. What the use cases need more of the table goes into the ConsoleRole of template.yaml: infra/rules says what.
package console
