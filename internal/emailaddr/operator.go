package emailaddr

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
)

// Operator is who operates a deployment, as its pages and mails say it.
type Operator struct {
	Name string
	// Contact is the address where people ask about the service and whether a mail of it is genuine.
	Contact string
	// Privacy is the URL of the privacy notice, Imprint that of who is legally responsible: empty where the law asks for none.
	Privacy, Imprint string
}

// Check names everything that is wrong with what a deployment says of its operator.
func (o Operator) Check() error {
	var faults []error
	if o.Name == "" {
		faults = append(faults, errors.New("emailaddr: the operator has no name"))
	}
	if a, err := mail.ParseAddress(o.Contact); err != nil || a.Address != o.Contact {
		faults = append(faults, fmt.Errorf("emailaddr: the operator's contact %q is no email address", o.Contact))
	}
	for what, address := range map[string]string{"privacy notice": o.Privacy, "imprint": o.Imprint} {
		if u, err := url.Parse(address); err != nil || address != "" && (u.Scheme != "https" && u.Scheme != "http" || u.Host == "") || address == "" && what != "imprint" {
			faults = append(faults, fmt.Errorf("emailaddr: the operator's %s %q is no URL", what, address))
		}
	}
	return errors.Join(faults...)
}
