package audit

import (
	"concord/internal/enrolment"
)

// OfEnrolment gives the records of the entries that a write has added to an enrolment's history, oldest first; with a nil before those of the
// whole history.
func OfEnrolment(before *enrolment.Enrolment, after enrolment.Enrolment) []Record {
	fresh := len(after.History)
	if before != nil {
		fresh = Added(before.History, after.History, func(a, b enrolment.HistoryEntry) bool {
			return a.At.Equal(b.At) && a.Action == b.Action && a.CorrelationID == b.CorrelationID && a.Key == b.Key && a.Body == b.Body && a.Why == b.Why
		})
	}
	var records []Record
	ids := identity{}
	was := ""
	for n, h := range after.History {
		r := Record{
			Partner: after.Tenant, At: h.At.UTC(), Actor: applicant(h, after), Operation: Enrolment + "." + camel(string(h.Action)), ResourceType: Enrolment,
			ResourceID: after.ID, CorrelationID: h.CorrelationID,
		}
		switch h.Action {
		case enrolment.Associate:
			r.New = map[string]string{"associatedPartnerId": "changed"}
		case enrolment.MailFailed:
			r.Reason = h.Why
		case enrolment.Lapse:
			r.New = map[string]string{"verification": "expired"}
		case enrolment.Overdue:
			r.New = map[string]string{"overdue": "true"}
		}
		if reached(h) && h.Why != was {
			if was != "" {
				r.Old = map[string]string{status: was}
			}
			r.New = map[string]string{status: h.Why}
			was = h.Why
		}
		r.ID = ids.of(r, h.Key+"|"+h.Body)
		if n >= len(after.History)-fresh {
			records = append(records, r)
		}
	}
	return records
}

// reached reports whether an entry says which state was reached.
func reached(h enrolment.HistoryEntry) bool {
	switch h.Action {
	case enrolment.Lapse, enrolment.Overdue, enrolment.Erase, enrolment.MailFailed:
		return false
	case enrolment.Associate:
		return h.Why == string(enrolment.Active)
	}
	return true
}

// applicant says who is behind an entry of an enrolment.
func applicant(h enrolment.HistoryEntry, e enrolment.Enrolment) Actor {
	switch h.Action {
	case enrolment.Approve, enrolment.Reject, enrolment.NeedInformation:
		return Actor{Kind: Operator, Subject: h.By}
	case enrolment.Lapse, enrolment.Overdue, enrolment.Erase:
		return Actor{Kind: Schedule}
	case enrolment.MailFailed:
		return Actor{Kind: System}
	}
	return Actor{User, h.By, e.Tenant}
}
