package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Ninety days pass a day at a time over one invitation of every fate: what the clock alone does to each of them, and when.
func TestNinetyDays(t *testing.T) {
	fir := newPartner(t, "fir")
	begin := func(body string, then ...string) string {
		path := "/v1/invitations/" + fir.post("/v1/invitations", body).want(t, 201).json(t)["id"].(string)
		for _, action := range then {
			if a := fir.post(path+"/"+action, ""); a.StatusCode != 200 && a.StatusCode != 202 {
				t.Fatalf("%s: %d %s", action, a.StatusCode, a.body)
			}
		}
		return path
	}
	to := func(name, more string) string {
		return `{"kind":"reseller","recipientEmail":"` + name + `@oak.example"` + more + `}`
	}
	actions := func(path string) (all []string) {
		for _, entry := range fir.timeline(path) {
			action, _, _ := strings.Cut(entry, " ")
			all = append(all, action)
		}
		return all
	}
	type fate struct {
		path     string
		timeline []string
		status   string
	}
	month, week, quarter := to("d90-month", ""), to("d90-week", `,"expiresIn":"P7D"`), to("d90-quarter", `,"expiresIn":"P90D"`)
	fates := map[string]fate{
		"mailed for thirty days": {begin(month, "send"), []string{"created", "sent", "mailed", "reminded", "reminded", "expired"}, "expired"},
		"mailed for a week":      {begin(week, "send"), []string{"created", "sent", "mailed", "reminded", "expired"}, "expired"},
		"mailed for ninety days": {begin(quarter, "send"), []string{"created", "sent", "mailed", "reminded", "reminded", "expired"}, "expired"},
		"without reminders":      {begin(to("d90-quiet", `,"reminders":false`), "send"), []string{"created", "sent", "mailed", "expired"}, "expired"},
		"mailed by the partner":  {begin(to("d90-own", ""), "done"), []string{"created", "done", "expired"}, "expired"},
		"a draft":                {begin(to("d90-draft", "")), []string{"created", "expired"}, "expired"},
		"cancelled":              {begin(to("d90-cancelled", ""), "send", "cancel"), nil, "cancelled"},
	}
	for name, f := range fates {
		if name != "cancelled" && len(f.timeline) > 2 && f.timeline[1] == "sent" {
			eventually(t, name+" is mailed", func() bool { return slices.Contains(actions(f.path), "mailed") })
		}
	}
	began := time.Now()
	reminded := map[string][]int{}
	for day := 1; day <= 91; day++ {
		advance(t, "P1D")
		// A day is longer than the way of a mail.
		eventually(t, "the day's mail is out", func() bool {
			table, err := items()
			if err != nil {
				t.Fatal(err)
			}
			return !strings.Contains(table, `"post":{"Value":"queued"}`) && !strings.Contains(table, `"post":{"Value":"claimed"}`)
		})
		for name, f := range fates {
			n := 0
			for _, action := range actions(f.path) {
				if action == "reminded" {
					n++
				}
			}
			for len(reminded[name]) < n {
				reminded[name] = append(reminded[name], day)
			}
		}
	}
	t.Logf("91 days in %v", time.Since(began).Round(time.Millisecond))
	eventually(t, "the last notices are out", func() bool { return local.InFlight() == 0 })
	for name, f := range fates {
		if got := fir.status(f.path); got != f.status {
			t.Errorf("%s: %v", name, got)
		}
		got := slices.DeleteFunc(actions(f.path), func(action string) bool { return action == "delivered" })
		if f.timeline != nil && !slices.Equal(got, f.timeline) {
			t.Errorf("%s: %v, want %v", name, got, f.timeline)
		}
	}
	// A run of the schedule is minutes after the moment at most; the walk looks once a day.
	for name, want := range map[string][]int{"mailed for thirty days": {23, 29}, "mailed for a week": {6}, "mailed for ninety days": {83, 89}} {
		got := reminded[name]
		if len(got) != len(want) {
			t.Errorf("%s: reminded on day %v, want %v", name, got, want)
			continue
		}
		for n := range want {
			if got[n] < want[n] || got[n] > want[n]+1 {
				t.Errorf("%s: reminded on day %v, want %v", name, got, want)
			}
		}
	}
	if n := len(mailTo(t, "d90-quarter@oak.example", 3)); n != 3 {
		t.Errorf("%d mails for ninety days", n)
	}
	listed := string(fir.do("GET", "/v1/invitations?limit=100", "").want(t, 200).body)
	all := string(fir.do("GET", "/v1/invitations?limit=100&status=expired", "").want(t, 200).body)
	for name, f := range fates {
		id := f.path[len("/v1/invitations/"):]
		recent := name == "mailed for ninety days"
		if strings.Contains(listed, id) != recent {
			t.Errorf("%s: in the list that asks for no status: %v", name, !recent)
		}
		if f.status == "expired" && !strings.Contains(all, id) {
			t.Errorf("%s: not among those that expired", name)
		}
	}
}
