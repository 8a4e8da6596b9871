package demo

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/infra/local/stack"
)

// TestStory holds what the story promises to who looks at it: each state can be seen, at the time it is now.
func TestStory(t *testing.T) {
	s, err := stack.Start(t.Context(), stack.Options{Behind: Before})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if err := Fill(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	d := &demonstration{ctx: t.Context(), stack: s, calls: 1000}
	of := func(client, path string, say func(seen) string) (all []string) {
		d.listed(d.program(client), path, func(v seen) { all = append(all, say(v)) })
		slices.Sort(all)
		return all
	}
	for _, w := range []struct {
		client, path string
		say          func(seen) string
		want         []string
	}{
		{"alder", "/v1/invitations?status=all", func(v seen) string {
			return strings.TrimSuffix(v.RecipientEmail, ".example") + " " + v.Status + " " + v.Delivery.State
		}, []string{
			"achats@if pending delivered", "admin@larch accepted delivered", "admin@spruce accepted delivered", "buyer@pine pending delivered",
			"cfo@oak pending delivered", "info@aspen cancelled delivered", "it@hazel pending delivered", "it@oak expired delivered",
			"office@willow pending delivered", "owner@poplar draft notSent", "post@rowan pending bounced",
		}},
		{"fir", "/v1/invitations?status=all", func(v seen) string { return v.RecipientEmail + " " + v.Status },
			[]string{"admin@maple.example declined", "it@maple.example accepted"}},
		{"fir", "/v1/customers", func(v seen) string { return v.CompanyName + " " + v.IdentityCheck }, []string{"Maple Pâtisserie pending"}},
		{"cedar", "/v1/customers", func(v seen) string { return v.CompanyName + " " + v.Administration }, []string{"Oak Logistics dap"}},
		{"birch", "/v1/partnerships", func(v seen) string { return v.Status }, []string{"active", "active"}},
		{"alder", administration, func(v seen) string { return v.DisplayName + " " + v.Status },
			[]string{"Larch service desk active", "Oak server migration approvalPending"}},
		{"operator", "/v1/enrolments?status=vetting", func(v seen) string { return fmt.Sprint(v.Legal.Name, " overdue ", v.Overdue) },
			[]string{"Gorse Networks overdue true"}},
	} {
		if got := of(w.client, w.path, w.say); !slices.Equal(got, w.want) {
			t.Errorf("%s %s:\n got %q\nwant %q", w.client, w.path, got, w.want)
		}
	}
	if d.err != nil {
		t.Fatal(d.err)
	}
	// The batch is worked off, with a row that failed.
	outcomes := map[string]int{}
	for _, batch := range of("alder", "/v1/invitation-batches", func(v seen) string { return v.ID }) {
		for _, row := range of("alder", "/v1/invitation-batches/"+batch+"/rows", func(v seen) string { return v.Outcome }) {
			outcomes[row]++
		}
	}
	if want := map[string]int{"created": 3, "failed": 1}; !maps.Equal(outcomes, want) {
		t.Errorf("rows of the batch: %v, want %v", outcomes, want)
	}
	if offset := time.Until(s.Now()).Abs(); offset > time.Minute {
		t.Errorf("the story ends %v away from the present", offset)
	}
}

// seen is an item of any list.
type seen struct {
	ID, RecipientEmail, Status, CompanyName, IdentityCheck, Administration, DisplayName, Outcome string

	Overdue  bool
	Delivery struct{ State string }
	Legal    struct{ Name string }
}

// listed shows each item of a list.
func (d *demonstration) listed(p program, path string, show func(seen)) {
	r, err := http.NewRequestWithContext(d.ctx, http.MethodGet, d.stack.URL()+path, nil)
	if err != nil {
		d.err = err
		return
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	var list struct{ Items []seen }
	d.read(http.DefaultClient, r, &list)
	for _, v := range list.Items {
		show(v)
	}
}
