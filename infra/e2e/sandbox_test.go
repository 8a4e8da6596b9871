package e2e

import (
	"testing"

	"concord/infra/local/stack"
)

// TestTrialMail: a deployment whose account is still in the sandbox of SES mails to whom SES allows it to, under the mailer's role; who is not
// verified gets the mail later and not never.
func TestTrialMail(t *testing.T) {
	s, err := stack.Start(t.Context(), stack.Options{Parameters: map[string]string{"SesSandbox": "true", "Issuer": local.IDPURL, "UsGovIssuer": local.IDPURL}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	shared := newPartner(t, "alder")
	trial := &partner{t: t, token: shared.token, http: shared.http, base: s.URL()}
	trial.arrived(trial.mails("success+trial@simulator.amazonses.com"))
	trial.arrived(trial.mails("somebody@concord.example"))
	waits := trial.mails("stranger@larch.example")
	trial.becomes(waits, "sending", "sender_not_verified")
	if denials := s.Guard.Denials(); len(denials) > 0 {
		t.Errorf("the mailer's role in the sandbox: %v", denials)
	}
}
