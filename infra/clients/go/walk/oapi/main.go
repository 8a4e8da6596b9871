// Command oapi walks with the client that oapi-codegen generates: it invites, sends, lists, reads, and is refused.
package main

import (
	"context"
	"log"
	"net/http"

	"concord/infra/clients/go/oapi"
	"concord/infra/clients/go/walk"
)

func main() {
	ctx := context.Background()
	token := walk.Token()
	c, err := oapi.NewClientWithResponses(walk.URL(), oapi.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	walk.Must(err)
	to := "oapi-codegen@larch.example"
	body := oapi.NewInvitation{Kind: "reseller", RecipientEmail: &to}
	made, err := c.CreateInvitationWithResponse(ctx, &oapi.CreateInvitationParams{IdempotencyKey: "oapi-1"}, body)
	walk.Must(err)
	if made.JSON201 == nil {
		log.Fatalf("create: %s %s", made.Status(), made.Body)
	}
	id := made.JSON201.Id
	sent, err := c.SendInvitationWithResponse(ctx, id, &oapi.SendInvitationParams{IdempotencyKey: "oapi-2"}, oapi.Nothing{})
	walk.Must(err)
	if sent.JSON202 == nil {
		log.Fatalf("send: %s %s", sent.Status(), sent.Body)
	}
	all := []oapi.InvitationStatusFilter{"all"}
	list, err := c.ListInvitationsWithResponse(ctx, &oapi.ListInvitationsParams{RecipientEmail: &to, Status: &all})
	walk.Must(err)
	if list.JSON200 == nil || len(list.JSON200.Items) != 1 {
		log.Fatalf("list: %s %s", list.Status(), list.Body)
	}
	read, err := c.GetInvitationWithResponse(ctx, id, nil)
	walk.Must(err)
	walk.Want("status", read.JSON200.Status, "pending")

	again, err := c.CreateInvitationWithResponse(ctx, &oapi.CreateInvitationParams{IdempotencyKey: "oapi-3"}, body)
	walk.Must(err)
	if again.ApplicationproblemJSON409 == nil {
		log.Fatalf("the same again: %s %s", again.Status(), again.Body)
	}
	walk.Want("code", again.ApplicationproblemJSON409.Code, "duplicate_open_invitation")
	walk.Want("the open one", *again.ApplicationproblemJSON409.InvitationId, id)
	log.Print("oapi-codegen: invited, sent, listed, read, refused")
}
