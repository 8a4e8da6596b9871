// Package console is where a partner's people and the operator work: server-rendered pages over the use cases of the API.
//
// To add a page:
//
//  1. A row in the routes of its section ([site.routes] joins them): method, path below /console, name, who may, handler.
//     Menu, refusals and the tests of roles and isolation go by that row; a section joins the menu with its first page.
//  2. A handler: func (h *site) x(v *visit) (*page, error). It reads, fills typed views (components.go) and gives
//     v.page(title). A code becomes its page: not_found 404, role_not_permitted 403. A change is h.act(form, do): form
//     shows the page, do calls the use case and says where to go; refusals come back at the fields, with what was typed.
//  3. templates/<name without console->.html with the blocks of components.html. No style, no script in it.
//  4. Texts in internal/locale/messages/console.<language>.json, seven languages; a code's sentence in problems.go.
//  5. A test by selector (console_test.go has the browser), a new component in the kit, the page in infra/e2e.
//  6. What the use cases need of the table goes into the ConsoleRole of template.yaml: infra/rules says what.
package console
