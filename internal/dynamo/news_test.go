package dynamo_test

import (
	"context"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/dynamo"
	"concord/internal/invitation"
	"concord/internal/relationship"
)

// The stream wakes functions/events for new items and for updates that say news: those that add to a timeline, and no other,
// whatever state the item is in.
func TestUpdatesSayWhatIsNews(t *testing.T) {
	t.Parallel()
	cfg := config(t)
	table := newTable(t)
	store := dynamo.New(cfg, table)
	s := newSetting(t, store)
	client := sdk.NewFromConfig(cfg)
	ctx := t.Context()
	says := func(pk, sk string) bool {
		t.Helper()
		yes := true
		out, err := client.GetItem(ctx, &sdk.GetItemInput{TableName: &table, ConsistentRead: &yes, Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk},
		}})
		if err != nil || out.Item == nil {
			t.Fatal(out, err)
		}
		news, ok := out.Item["news"].(*types.AttributeValueMemberBOOL)
		return ok && news.Value
	}
	i, _, err := s.service.Invite(ctx, s.command(), s.proposal())
	if err != nil {
		t.Fatal(err)
	}
	pk, sk := "P#"+string(i.Inviter), "I#"+i.ID
	writes, news := 0, 0
	write := func(name string, do func() (invitation.Invitation, error)) {
		t.Helper()
		n, err := do()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		writes++
		want := len(n.History) > len(i.History)
		if want {
			news++
		}
		if got := says(pk, sk); got != want {
			t.Errorf("%s: news %v, want %v", name, got, want)
		}
		i = n
	}
	if says(pk, sk) {
		t.Error("a new item needs no news")
	}
	write("sent", func() (invitation.Invitation, error) {
		n, _, err := s.service.Send(ctx, s.command(), i.ID)
		return n, err
	})
	write("claimed", func() (invitation.Invitation, error) { return s.claim(ctx, i) })
	write("mailed", func() (invitation.Invitation, error) { return s.settle(ctx, i) })
	who := person()
	write("accepted, with a receipt owed", func() (invitation.Invitation, error) {
		l, _, err := s.service.Respond(ctx, linkOf(i), who, response("accept"))
		return l.Invitation, err
	})
	related := "C#" + string(who.Company.Tenant)
	if says(pk, related) {
		t.Error("a new relationship needs no news")
	}
	write("receipt claimed", func() (invitation.Invitation, error) { return s.claimPost(ctx, i) })
	write("disputed while a receipt is claimed", func() (invitation.Invitation, error) {
		l, _, err := s.service.Dispute(ctx, linkOf(i), &invitation.Plea{Reason: "not-us"})
		return l.Invitation, err
	})
	write("receipt settled", func() (invitation.Invitation, error) { return s.settlePost(ctx, i) })
	if news != 4 || writes != 7 {
		t.Errorf("%d of %d writes are news", news, writes)
	}
	if !says(pk, related) {
		t.Error("the end of the administration is no news")
	}

	// A lapsed one that another displaces becomes expired by an update of its own.
	lapsing, _, err := s.service.Invite(ctx, s.command(), s.proposal())
	if err == nil {
		s.now = lapsing.ExpiresAt.Add(time.Hour)
		_, _, err = s.service.Renew(ctx, s.command(), lapsing.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !says(pk, "I#"+lapsing.ID) {
		t.Error("that it expired is no news")
	}
	rel, err := store.Relationship(context.WithoutCancel(ctx), i.Inviter, who.Company.Tenant)
	if err != nil || len(rel.History) == 0 || rel.History[len(rel.History)-1].IdentityCheck != relationship.Unproven {
		t.Errorf("%+v, %v", rel.History, err)
	}
}
