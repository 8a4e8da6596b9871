package main

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"concord/infra/local/component"
	"concord/infra/local/engine"
	"concord/infra/local/meter"
)

// TestWhatACompletedInvitationCosts counts at the engine everything that one invitation causes until the last audit
// record, receipt and event:
// what TestCost of internal/dynamo adds up by use case, and what nobody thinks of besides. Other engines than the
// default
// count otherwise than DynamoDB does (infra/engines.md).
func TestWhatACompletedInvitationCosts(t *testing.T) {
	got, err := complete(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got.Rows {
		t.Logf("%3d %-22s %-40s %-28s W %v R %v", r.Requests, r.Function, r.Operation, r.Item, r.Writes, r.Reads)
	}
	t.Logf("%d requests, %v write units, %v read units, %d mails, %d bytes of logs", got.Requests, got.Writes, got.Reads,
		got.Mails, got.Logged)
	for _, f := range []string{"InvitationsFunction", "MailerFunction", "AcceptanceFunction", "FeedbackFunction",
		"EventsFunction"} {
		if !slices.ContainsFunc(got.Rows, func(r meter.Row) bool { return r.Function == f }) {
			t.Errorf("nothing of %s was counted", f)
		}
	}
	if !slices.Contains([]string{"", engine.Dynoxide}, os.Getenv("ENGINE")) {
		return
	}
	for what, of := range map[string][2]float64{"requests": {float64(got.Requests), mostRequests},
		"write units": {got.Writes, mostWrites}, "read units": {got.Reads, mostReads}, "mails": {float64(got.Mails), 2}} {
		if of[0] > of[1] {
			t.Errorf("%s: %s, the most is %v", what, fmt.Sprint(of[0]), of[1])
		}
	}
}

// The most that a completed invitation may take. Whoever lowers what it takes lowers these. Two requests and two write units
// of it are the first acceptance's of a company alone: it notes whom to ask in half a year who holds rights (domain, 0.49).
const (
	mostRequests = 52
	mostWrites   = 36
	mostReads    = 21
)

// largest is how large each bootstrap may be, in bytes for linux/amd64 as `make build` makes it: a client of the SDK or html/template in a
// function that does not use it is more than what is left.
var largest = map[string]int64{
	"acceptance": 18_700_000, "authorizer": 7_600_000, "batches": 10_700_000, "cleanup": 10_600_000,
	"commerce": 11_800_000, "compat": 13_900_000, "console": 21_400_000,
	"enrolment": 11_700_000, "events": 11_200_000, "feedback": 10_600_000, "invitations": 12_100_000,
	"mailer": 12_300_000, "relationships": 12_900_000, "webhooks": 10_300_000,
}

// TestSizesOfBootstraps needs what `make build` makes, which `make test` has made.
func TestSizesOfBootstraps(t *testing.T) {
	root, err := component.Root()
	if err != nil {
		t.Fatal(err)
	}
	all, err := sizes(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(largest) {
		t.Errorf("%d bootstraps, %d have a bound", len(all), len(largest))
	}
	for _, b := range all {
		t.Logf("%-14s %.1f MB", b.Name, float64(b.Bytes)/1e6)
		if b.Bytes > largest[b.Name] {
			t.Errorf("%s has %d bytes, the most is %d", b.Name, b.Bytes, largest[b.Name])
		}
	}
}
