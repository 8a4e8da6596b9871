package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/infra/local/ses"
)

// delivery gives what the API says of a mail.
func (p *partner) delivery(id string) (state, reason string) {
	p.t.Helper()
	d := p.do("GET", "/v1/invitations/"+id, "").want(p.t, 200).json(p.t)["delivery"].(map[string]any)
	reason, _ = d["reason"].(string)
	return d["state"].(string), reason
}

// becomes waits until a mail is in a state, for a reason.
func (p *partner) becomes(id, state, reason string) {
	p.t.Helper()
	eventually(p.t, strings.TrimSpace(state+" "+reason), func() bool {
		s, r := p.delivery(id)
		return s == state && r == reason
	})
}

// arrived waits until SES has said that a mail was delivered: nothing more is heard of it then.
func (p *partner) arrived(id string) {
	p.t.Helper()
	p.becomes(id, "delivered", "")
}

// mails creates an invitation and asks for its mail, which need not arrive.
func (p *partner) mails(recipient string) (id string) {
	p.t.Helper()
	id = p.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"`+recipient+`"}`).want(p.t, 201).json(p.t)["id"].(string)
	p.post("/v1/invitations/"+id+"/send", "").want(p.t, 202)
	return id
}

// fate makes the local SES misbehave for the next mail to one address.
func fate(t testing.TB, kind, recipient string) {
	t.Helper()
	body := fmt.Sprintf(`{"kind":%q,"times":1,"to":%q}`, kind, recipient)
	res, err := http.Post(local.MailboxURL+"/_local/ses/faults", "application/json", strings.NewReader(body))
	if a := read(t, res, err); a.StatusCode >= 300 {
		t.Fatalf("fault: %d %s", a.StatusCode, a.body)
	}
}

// sentTo counts what SES took for a recipient, whether it arrived or not.
func sentTo(recipient string) int {
	n := 0
	for _, e := range local.SES.Events() {
		if e.Type == "Send" && e.Recipient == recipient {
			n++
		}
	}
	return n
}

func TestDeliveryIsVisible(t *testing.T) {
	alder := newPartner(t, "alder")
	const domain = "@feedback.example"
	for name, c := range map[string]struct{ recipient, fate, state, reason string }{
		"ordinary":              {"ordinary" + domain, "", "delivered", ""},
		"simulator, success":    {"success+e2e@simulator.amazonses.com", "", "delivered", ""},
		"simulator, ooto":       {"ooto+e2e@simulator.amazonses.com", "", "delivered", ""},
		"simulator, bounce":     {"bounce+e2e@simulator.amazonses.com", "", "bounced", "bounce_permanent"},
		"simulator, complaint":  {"complaint+e2e@simulator.amazonses.com", "", "complained", "complaint_abuse"},
		"simulator, suppressed": {"suppressionlist+e2e@simulator.amazonses.com", "", "suppressed", "bounced_before"},
		"bounce for a while":    {"full" + domain, "bounces:Transient/MailboxFull", "bounced", "mailbox_full"},
		"bounce after delivery": {"after" + domain, "bouncesLater:Undetermined/Undetermined", "bounced", "bounce_undetermined"},
		"automatic answer":      {"away" + domain, "bouncesLater:Transient/General", "delivered", ""},
		"rejected":              {"virus" + domain, "rejects", "rejected", "bad_content"},
		"events doubled":        {"doubled" + domain, "eventsDoubled", "delivered", ""},
		"events reordered":      {"reordered" + domain, "eventsReordered", "delivered", ""},
		"events before answer":  {"early" + domain, "eventsEarly", "delivered", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.fate != "" {
				fate(t, c.fate, c.recipient)
			}
			id := alder.mails(c.recipient)
			alder.becomes(id, c.state, c.reason)
			got := alder.do("GET", "/v1/invitations/"+id, "").want(t, 200).json(t)
			if got["status"] != "pending" || got["expiresAt"] == nil {
				t.Errorf("status %v, expires %v", got["status"], got["expiresAt"])
			}
			found := false
			for cursor := ""; ; {
				page := alder.do("GET", "/v1/invitations?deliveryState="+c.state+cursor, "").want(t, 200).json(t)
				for _, i := range page["items"].([]any) {
					if state := i.(map[string]any)["delivery"].(map[string]any)["state"]; state != c.state {
						t.Errorf("%v is listed among %s", state, c.state)
					}
					found = found || i.(map[string]any)["id"] == id
				}
				next, more := page["nextCursor"].(string)
				if !more {
					break
				}
				cursor = "&cursor=" + next
			}
			if !found {
				t.Errorf("not listed among %s", c.state)
			}
			if n := sentTo(c.recipient); n < 1 || n > 1 && c.fate != "eventsDoubled" {
				t.Errorf("SES took %d mails", n)
			}
		})
	}
}

func TestDelayedAndLate(t *testing.T) {
	alder := newPartner(t, "alder")
	fate(t, "delays:RecipientServerError", "delayed@feedback.example")
	delayed := alder.mails("delayed@feedback.example")
	fate(t, "eventsLate", "tomorrow@feedback.example")
	late := alder.mails("tomorrow@feedback.example")
	alder.becomes(delayed, "delayed", "recipient_server_error")
	alder.becomes(late, "sent", "")
	advance(t, "P1D")
	alder.arrived(delayed)
	alder.arrived(late)
}

// What SES says of a mail that was replaced by a newer one changes nothing.
func TestNewsOfAnOlderMail(t *testing.T) {
	alder := newPartner(t, "alder")
	const recipient = "renewed@feedback.example"
	fate(t, "bounces:Transient/MailboxFull", recipient)
	id := alder.mails(recipient)
	alder.becomes(id, "bounced", "mailbox_full")
	advance(t, "PT11M")
	alder.post("/v1/invitations/"+id+"/resend", "").want(t, 202)
	alder.arrived(id)
	events := local.SES.Events()
	old := slices.IndexFunc(events, func(e ses.Event) bool { return e.Recipient == recipient && e.Type == "Bounce" })
	stale := func() int {
		n := 0
		for _, l := range local.Logs() {
			if strings.Contains(l.Text, id) && strings.Contains(l.Text, `"verdict":"stale"`) {
				n++
			}
		}
		return n
	}
	local.Queues.Publish(local.Template.EventDestinations[0].Topic, ses.Subject, string(events[old].JSON()))
	eventually(t, "it was read", func() bool { return stale() == 1 })
	alder.arrived(id)
}

func TestABounceSuppressesTheAddress(t *testing.T) {
	for _, c := range []struct{ recipient, fate, state, reason string }{
		{"gone@feedback.example", "bounces:Permanent/NoEmail", "bounced", "address_unknown"},
		{"angry@feedback.example", "complains:abuse", "complained", "complaint_abuse"},
	} {
		t.Run(c.state, func(t *testing.T) {
			alder, fir := newPartner(t, "alder"), newPartner(t, "fir")
			fate(t, c.fate, c.recipient)
			id := alder.mails(c.recipient)
			alder.becomes(id, c.state, c.reason)
			eventually(t, "suppressed", func() bool { return strings.Contains(dump(t), text(&types.AttributeValueMemberS{Value: c.reason})) })
			alder.post("/v1/invitations/"+id+"/resend", "").code(t, 409, "recipient_suppressed")
			other := fir.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"`+strings.ToUpper(c.recipient)+`"}`).want(t, 201).json(t)["id"].(string)
			fir.post("/v1/invitations/"+other+"/send", "").code(t, 409, "recipient_suppressed")
			if state, _ := fir.delivery(other); state != "notSent" {
				t.Errorf("delivery %s", state)
			}
			advance(t, "P20D") // what counts mails is purged
			fir.post("/v1/invitations/"+other+"/send", "").code(t, 409, "recipient_suppressed")
			if n := sentTo(c.recipient); n != 1 {
				t.Errorf("SES took %d mails", n)
			}
		})
	}
	t.Run("not at the simulator", func(t *testing.T) {
		alder := newPartner(t, "alder")
		const recipient = "bounce+again@simulator.amazonses.com"
		id := alder.mails(recipient)
		alder.becomes(id, "bounced", "bounce_permanent")
		advance(t, "PT11M")
		alder.post("/v1/invitations/"+id+"/resend", "").want(t, 202)
		eventually(t, "the second mail", func() bool { return sentTo(recipient) == 2 })
		alder.becomes(id, "bounced", "bounce_permanent")
	})
}

// SES took a mail and nobody was told: its event says so, and no second mail goes out.
func TestALostAnswerIsKnownByItsEvent(t *testing.T) {
	alder := newPartner(t, "alder")
	for kind, recipient := range map[string]string{"error5xxAfterAccept": "unsure1@feedback.example", "closeAfterAccept": "unsure2@feedback.example"} {
		fault(t, kind, 1)
		id := alder.mails(recipient)
		alder.arrived(id)
		if got := alder.do("GET", "/v1/invitations/"+id, "").json(t); got["expiresAt"] == nil {
			t.Error("the time to answer does not run")
		}
		advance(t, "PT30M")
		advance(t, "PT30M")
		alder.arrived(id)
		if n := sentTo(recipient); n != 1 || len(mailTo(t, recipient, 1)) != 1 {
			t.Errorf("%s: SES took %d mails", kind, n)
		}
	}
}

// What nobody can read goes to the dead letters, and what comes behind it is recorded meanwhile.
func TestPoisonHoldsUpNothing(t *testing.T) {
	alder := newPartner(t, "alder")
	topic := local.Template.EventDestinations[0].Topic
	before := len(local.Messages("MailEventsDeadLetters"))
	for _, poison := range []string{`{"eventType":"Deli`, `{"eventType":"Delivery","mail":{}}`} {
		local.Queues.Publish(topic, ses.Subject, poison)
	}
	local.Queues.Publish(topic, "", "Successfully validated SNS topic for Amazon SES event publishing.")
	alder.arrived(alder.mails("behind@feedback.example"))
	eventually(t, "dead letters", func() bool {
		advance(t, "PT3M1S")
		return len(local.Messages("MailEventsDeadLetters")) == before+2
	})
	letters := local.Messages("MailEventsDeadLetters")[before:]
	if !slices.ContainsFunc(letters, func(m []byte) bool { return strings.Contains(string(m), `Deli`) }) || strings.Contains(string(letters[0]), "validated") {
		t.Errorf("%s", letters)
	}
	eventually(t, "an empty queue", func() bool { return len(local.Messages("MailEventsQueue")) == 0 })
}
