package dynamo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"concord/internal/command"
	"concord/internal/dynamo"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/publicid"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

type image = map[string]types.AttributeValue

// sizeOf gives the size of an item as DynamoDB counts it, in bytes.
func sizeOf(v types.AttributeValue) (n int) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return (len(v.Value)+1)/2 + 1
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberM:
		n = 3
		for k, each := range v.Value {
			n += 1 + len(k) + sizeOf(each)
		}
	case *types.AttributeValueMemberL:
		n = 3
		for _, each := range v.Value {
			n += 1 + sizeOf(each)
		}
	default:
		n = 1
	}
	return n
}

func itemSize(i image) (n int) {
	for k, v := range i {
		n += len(k) + sizeOf(v)
	}
	return n
}

// rawItems reads the items of a partition as they are stored, by sort key.
func rawItems(t *testing.T, table string, p partner.TenantID) map[string]image {
	t.Helper()
	client := sdk.NewFromConfig(config(t))
	out, err := client.Query(t.Context(), &sdk.QueryInput{
		TableName: &table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: image{":pk": &types.AttributeValueMemberS{Value: "P#" + string(p)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]image{}
	for _, i := range out.Items {
		all[i["sk"].(*types.AttributeValueMemberS).Value] = i
	}
	return all
}

// live takes an invitation from creation to an answer and gives its stored item at each step.
func live(t *testing.T, s *setting, table string, p invitation.Proposal, c func() command.Command, r invitation.Response, who relationship.Person) (steps []string, images []image) {
	t.Helper()
	ctx := t.Context()
	var inv invitation.Invitation
	step := func(name string, f func() error) {
		t.Helper()
		if err := f(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		steps, images = append(steps, name), append(images, rawItems(t, table, s.user.Tenant)["I#"+inv.ID])
	}
	step("created", func() (err error) {
		inv, _, err = s.service.Invite(ctx, c(), p)
		return err
	})
	step("queued", func() (err error) {
		inv, _, err = s.service.Send(ctx, c(), inv.ID)
		return err
	})
	step("claimed", func() (err error) {
		inv, err = s.claim(ctx, inv)
		return err
	})
	step("sent", func() (err error) {
		inv, err = s.settle(ctx, inv)
		return err
	})
	step("answered", func() error {
		_, result, err := s.service.Respond(ctx, linkOf(inv), who, r)
		if err == nil && result != invitation.AcceptedBy && result != invitation.DeclinedBy {
			return fmt.Errorf("the page is %s", result)
		}
		return err
	})
	return steps, images
}

// TestItemSize pins what keeps every write of an invitation at one write unit until it is answered, and its answer at two.
func TestItemSize(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	s := newSetting(t, dynamo.New(config(t), table))
	p := s.proposal()
	tenant, source := string(randomTenant()), "fair-2025"
	p.CustomerTenantID, p.Source, p.Tags = &tenant, &source, map[string]string{"region": "north", "campaign": "spring"}
	who := person()
	who.Company.Tenant = partner.TenantID(tenant)
	steps, images := live(t, s, table, p, s.command, response("accept"), who)
	for n, i := range images {
		limit := 1000
		if steps[n] == "answered" {
			limit = 2000
		}
		t.Logf("typical, %s: %d bytes", steps[n], itemSize(i))
		if itemSize(i) >= limit {
			t.Errorf("%s: %d bytes, the limit is %d", steps[n], itemSize(i), limit)
		}
	}

	// The longest inputs that are allowed, for the record.
	long := func(n int) string { return strings.Repeat("é", n) }
	email := strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 59)+".", 3) + "example"
	name, longSource := strings.Repeat("Ab", 50), long(invitation.MaxSource)
	p = invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: &email, RecipientName: &name, Source: &longSource, Tags: map[string]string{}}
	for n := range invitation.MaxTags {
		p.Tags[fmt.Sprint(n)+long(invitation.MaxTag-1)] = long(invitation.MaxTag)
	}
	who = person()
	who.Subject = strings.Repeat("s", 255)
	decline := response("decline")
	decline.Reason, decline.Comment, decline.FullName, decline.JobTitle = "other", long(invitation.MaxComment), name, name
	s.user.Subject = strings.Repeat("u", 255)
	steps, images = live(t, s, table, p, s.command, decline, who)
	for n, i := range images {
		t.Logf("the longest, %s: %d bytes", steps[n], itemSize(i))
		if itemSize(i) > 16<<10 {
			t.Errorf("%s: %d bytes", steps[n], itemSize(i))
		}
	}
	for sk, i := range rawItems(t, table, s.user.Tenant) {
		if strings.HasPrefix(sk, "C#") && itemSize(i) >= 1000 || strings.HasPrefix(sk, "S#") && itemSize(i) > 252 { // with whom it asks
			t.Errorf("%s: %d bytes", sk, itemSize(i))
		}
		if kind, ok := i["type"].(*types.AttributeValueMemberS); !ok || kind.Value == "" {
			t.Errorf("%s has no type", sk)
		}
	}
}

// TestNoSecret looks for the links of an invitation, of every generation, in all that is stored of its partner.
func TestNoSecret(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	s := newSetting(t, dynamo.New(config(t), table))
	_, images := live(t, s, table, s.proposal(), s.command, response("accept"), person())
	inv, err := dynamo.InvitationFromImage(images[0])
	if err != nil {
		t.Fatal(err)
	}
	signer := link.NewSigner(link.Key{ID: 1, Secret: []byte("0123456789abcdef0123456789abcdef")})
	sign := func(k invitation.Key, generation int) link.Secret {
		token, err := signer.Sign(link.Answer, link.Link{Tenant: string(k.Inviter), ID: k.ID, Generation: generation})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	edited, _, err := s.service.Invite(t.Context(), s.command(), s.proposal())
	if err != nil {
		t.Fatal(err)
	}
	c, current := s.command(), link.Secret("https://concord.example"+link.Answer.Path(sign(edited.Key, 1)))
	c.IfVersion = command.AnyVersion
	words := invitation.Words{Subject: "A request", Body: "Would you look at " + current.Reveal() + ", please?"}
	if _, _, err := s.service.Edit(t.Context(), c, edited.ID, words, current, "https://concord.example/i/"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.service.Words(t.Context(), s.user, edited, current); err != nil || got != words {
		t.Errorf("%+v, %v", got, err)
	}
	text, err := json.Marshal(rawItems(t, table, s.user.Tenant))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), inv.ID) || !strings.Contains(string(text), "Would you look at") {
		t.Fatal("the search finds nothing at all")
	}
	for generation := 0; generation <= 3; generation++ {
		token := sign(edited.Key, 1)
		if generation > 0 {
			token = sign(inv.Key, generation)
		}
		// Any 24 characters of it would be too many.
		for at := 0; at+24 <= len(token.Reveal()); at++ {
			if strings.Contains(string(text), token.Reveal()[at:at+24]) {
				t.Fatal("a part of a token is stored")
			}
		}
	}
	for _, word := range []string{"http", "/i/"} {
		if strings.Contains(string(text), word) {
			t.Errorf("%q is stored", word)
		}
	}
}

// TestTimeline looks at how entries are kept: short, and with everything that a replay needs.
func TestTimeline(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	s := newSetting(t, dynamo.New(config(t), table))
	at := s.now
	long := strings.Repeat("x", 300)
	written := []invitation.Entry{
		{At: at, Action: "created", By: "me"},
		{At: at, Action: "mail failed", By: long, CorrelationID: long, Key: "0123456789ab", Body: "ba9876543210", Why: "attempts_used_up"},
		{At: at, Action: "resent", By: "a\tb\nc", CorrelationID: "a\tb", Key: "0123456789ab", Body: "ba9876543210"},
		{At: at, Action: "cancelled", By: "=", CorrelationID: "d34db33f", Key: "'", Body: "%", Why: "tab\tand\nline"},
		{At: at, Action: "cancelled", By: "!", CorrelationID: strings.Repeat("é", 30)},
		{At: at, Action: "cancelled", By: "6f1c9d3e-1111-4000-8000-000000000001", CorrelationID: "6F1C9D3E-1111-4000-8000-000000000001", Key: "0123456789ab", Body: "ba9876543210"},
	}
	inv := invitation.Invitation{
		Key: invitation.Key{Inviter: s.user.Tenant, ID: "inv_a"}, Kind: invitation.Reseller, Cloud: "public", Status: invitation.Draft, Generation: 1,
		Duration: time.Hour, CreatedAt: at, CreatedBy: "me", Version: 1, History: written,
	}
	if err := s.store.Write(t.Context(), invitation.Change{After: inv}); err != nil {
		t.Fatal(err)
	}
	got, err := s.store.Invitation(t.Context(), inv.Key, true)
	if err != nil {
		t.Fatal(err)
	}
	lossy := cmpopts.IgnoreFields(invitation.Entry{}, "By", "CorrelationID")
	if d := cmp.Diff(written, got.History, lossy); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for n, want := range map[int]string{0: "me", 5: written[5].By} {
		if got.History[n].By != want || got.History[n].CorrelationID != written[n].CorrelationID {
			t.Errorf("entry %d: by %q, correlation %q", n, got.History[n].By, got.History[n].CorrelationID)
		}
	}
	for n, i := range []int{1, 2, 3, 4} {
		if by := got.History[i].By; !strings.HasPrefix(by, "~") || len(by) != 13 {
			t.Errorf("entry %d (%d): by %q, want a hash", i, n, by)
		}
	}
	for _, v := range rawItems(t, table, s.user.Tenant)["I#inv_a"]["hi"].(*types.AttributeValueMemberL).Value {
		entry := v.(*types.AttributeValueMemberS).Value
		if why := entry[strings.LastIndex(entry, "\t"):]; len(entry)-len(why) > 120 {
			t.Errorf("%d bytes: %q", len(entry), entry)
		}
	}
	// What was read writes the same again.
	after := got
	after.Version++
	if err := s.store.Write(t.Context(), invitation.Change{Before: &got, After: after}); err != nil {
		t.Fatal(err)
	}
	again, err := s.store.Invitation(t.Context(), inv.Key, true)
	if err != nil || !cmp.Equal(got.History, again.History) {
		t.Errorf("error %v, another timeline:\n%s", err, cmp.Diff(got.History, again.History))
	}
}

// TestInvitationFromImage has every attribute missing once and of a wrong type once: whatever comes, it is an invitation
// or an error, and never an attribute that was silently left out although it is needed.
func TestInvitationFromImage(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	s := newSetting(t, dynamo.New(config(t), table))
	_, images := live(t, s, table, s.proposal(), s.command, response("accept"), person())
	whole := images[len(images)-1]
	if _, err := dynamo.InvitationFromImage(whole); err != nil {
		t.Fatal(err)
	}
	needed := map[string]bool{"pk": true, "sk": true, "type": true, "listAt": true, "v": true, "ki": true, "st": true, "ge": true, "cl": true, "du": true}
	for name, value := range whole {
		t.Run(name, func(t *testing.T) {
			without := maps.Clone(whole)
			delete(without, name)
			if _, err := dynamo.InvitationFromImage(without); (err != nil) != needed[name] {
				t.Errorf("missing: error %v, needed %v", err, needed[name])
			}
			wrong := maps.Clone(whole)
			for _, v := range []types.AttributeValue{
				&types.AttributeValueMemberNULL{Value: true}, &types.AttributeValueMemberSS{Value: []string{"a"}}, nil, (*types.AttributeValueMemberS)(nil),
				&types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberN{Value: "1"}}},
				&types.AttributeValueMemberM{Value: image{"su": &types.AttributeValueMemberN{Value: "1"}}},
			} {
				wrong[name] = v
				if _, err := dynamo.InvitationFromImage(wrong); err == nil && name != "due" && name != "dueAt" && name != "news" {
					t.Errorf("%T instead of %T is taken", v, value)
				}
			}
		})
	}
	for sk, i := range rawItems(t, table, s.user.Tenant) {
		_, err := dynamo.InvitationFromImage(i)
		if other := !strings.HasPrefix(sk, "I#"); errors.Is(err, dynamo.ErrOtherItem) != other {
			t.Errorf("%s: error %v", sk, err)
		}
	}
	for _, garbled := range []string{"", "x", "zz\tcreated\t=", "!!\tcreated\t\t\t\t\t", "1\tcreated\t%!\t\t\t\t", "1\tcreated\t\t#!\t\t\t"} {
		wrong := maps.Clone(whole)
		wrong["hi"] = &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberS{Value: garbled}}}
		if _, err := dynamo.InvitationFromImage(wrong); err == nil {
			t.Errorf("a timeline of %q is taken", garbled)
		}
	}
}

// TestWhatIsPurged: DynamoDB may purge what the ledger counts and what is left of words that were taken back, days after it is of use
// to anybody, and nothing else.
func TestWhatIsPurged(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	s := newSetting(t, dynamo.New(config(t), table))
	inv, _, err := s.service.Invite(t.Context(), s.command(), s.proposal())
	if err != nil {
		t.Fatal(err)
	}
	current := link.Secret("https://concord.example/i/abc")
	c := s.command()
	c.IfVersion = command.AnyVersion
	if _, _, err := s.service.Edit(t.Context(), c, inv.ID, invitation.Words{Subject: "A request", Body: current.Reveal()}, current, "https://concord.example/i/"); err != nil {
		t.Fatal(err)
	}
	words := rawItems(t, table, s.user.Tenant)["D#"+inv.ID]
	if _, expires := words["ttl"]; expires || words["bo"] == nil {
		t.Errorf("words that are in use: %v", words)
	}
	if _, _, err := s.service.Reset(t.Context(), s.command(), inv.ID); err != nil {
		t.Fatal(err)
	}
	inv, _, err = s.service.Send(t.Context(), s.command(), inv.ID)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for sk, i := range rawItems(t, table, s.user.Tenant) {
		ttl, expires := i["ttl"].(*types.AttributeValueMemberN)
		if !expires {
			kept = append(kept, sk[:1])
			continue
		}
		seconds, err := strconv.ParseInt(ttl.Value, 10, 64)
		if after := time.Unix(seconds, 0).Sub(s.now); err != nil || after < 72*time.Hour || after > 8*24*time.Hour {
			t.Errorf("%s is purged after %v, %v", sk, after, err)
		}
		if sk[:2] != "D#" && sk[:2] != "Q#" || i["bo"] != nil || i["su"] != nil {
			t.Errorf("%s is purged: %v", sk, i)
		}
	}
	if slices.Sort(kept); strings.Join(kept, "") != "AI" {
		t.Errorf("kept: %q", kept)
	}

	client := sdk.NewFromConfig(config(t))
	slot, err := client.Scan(t.Context(), &sdk.ScanInput{TableName: &table, FilterExpression: aws.String("begins_with(pk, :d) AND begins_with(sk, :s)"),
		ExpressionAttributeValues: image{
			":d": &types.AttributeValueMemberS{Value: "D#"}, ":s": &types.AttributeValueMemberS{Value: "S#" + string(s.user.Tenant) + "#"},
		}})
	if err != nil || len(slot.Items) != 1 || slot.Items[0]["ttl"] != nil {
		t.Errorf("the slot in the partition of the recipient's domain: %v, %v", slot.Items, err)
	}
	out, err := client.Scan(t.Context(), &sdk.ScanInput{TableName: &table, FilterExpression: aws.String("begins_with(pk, :n)"),
		ExpressionAttributeValues: image{":n": &types.AttributeValueMemberS{Value: "N#"}}})
	if err != nil || len(out.Items) != 1 || out.Items[0]["ttl"] == nil || itemSize(out.Items[0]) > 200 {
		t.Errorf("what is kept of the recipient: %v, %v", out.Items, err)
	}
	text, err := json.Marshal(out.Items)
	if err != nil || strings.Contains(string(text), "larch") || !strings.Contains(string(text), strings.TrimPrefix(inv.ID, "inv_")) {
		t.Errorf("%s, %v", text, err)
	}

	// What says that a recipient gets no more mail is never purged.
	known := strings.TrimPrefix(out.Items[0]["pk"].(*types.AttributeValueMemberS).Value, "N#")
	m, err := s.store.Mailings(t.Context(), known, true)
	if err != nil {
		t.Fatal(err)
	}
	m.Version, m.Suppressed = m.Version+1, &recipient.Suppression{At: s.now, Reason: "address_unknown"}
	if err := s.store.Record(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetItem(t.Context(), &sdk.GetItemInput{TableName: &table, ConsistentRead: aws.Bool(true), Key: image{"pk": out.Items[0]["pk"], "sk": out.Items[0]["sk"]}})
	if err != nil || got.Item["su"] == nil || got.Item["ttl"] != nil {
		t.Errorf("a suppression: %v, %v", got, err)
	}
}

// TestTheLongestLedger: a recipient's item stays at one write unit for what three partners may send.
func TestTheLongestLedger(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	store := dynamo.New(config(t), table)
	m := recipient.Mailings{Recipient: strings.Repeat("0f", 16), Version: 1}
	for n := range 3 * recipient.PerRecipient {
		m.List = append(m.List, recipient.Mailing{
			Partner: randomTenant(), Invitation: publicid.Format("inv_", [16]byte{byte(n)}), Generation: 1 + n, At: time.Date(2031, 1, 1, 0, n, 0, 0, time.UTC),
		})
	}
	if err := store.Record(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	out, err := sdk.NewFromConfig(config(t)).Scan(t.Context(), &sdk.ScanInput{TableName: &table})
	if err != nil || len(out.Items) != 1 {
		t.Fatal(err, len(out.Items))
	}
	t.Logf("%d bytes", itemSize(out.Items[0]))
	if itemSize(out.Items[0]) > 1024 {
		t.Errorf("%d bytes", itemSize(out.Items[0]))
	}
}
