package console

import "net/http"

func (h *site) enrolmentRoutes() []route {
	return []route{{method: http.MethodGet, path: "/enrolment", page: "console-enrolment", who: audience{anybody: true}, serve: h.beforeEnrolment}}
}

// beforeEnrolment tells a company without an account how it gets one.
func (h *site) beforeEnrolment(v *visit) (*page, error) {
	p := v.page("console.enrolment.title")
	p.Template = "notice"
	p.Content = []string{v.T("console.enrolment.none"), v.T("console.enrolment.ask", "operator", h.Operator.Name)}
	if v.account != nil {
		p.Content = []string{v.T("console.enrolment.has", "company", v.account.DisplayName)}
	}
	return p, nil
}
