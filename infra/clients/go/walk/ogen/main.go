// Command ogen walks with the client that ogen generates: it invites, sends, lists, reads, and is refused.
package main

import (
	"context"
	"log"

	"concord/infra/clients/go/ogen"
	"concord/infra/clients/go/walk"
)

type token string

// PartnerToken gives the token with each request.
func (t token) PartnerToken(context.Context, ogen.OperationName) (ogen.PartnerToken, error) {
	return ogen.PartnerToken{Token: string(t)}, nil
}

func main() {
	ctx := context.Background()
	c, err := ogen.NewClient(walk.URL(), token(walk.Token()))
	walk.Must(err)
	to := ogen.NewOptMailAddress("ogen@larch.example")
	body := &ogen.NewInvitation{Kind: ogen.InvitationKindReseller, RecipientEmail: to}
	answer, err := c.CreateInvitation(ctx, body, ogen.CreateInvitationParams{IdempotencyKey: "ogen-1"})
	walk.Must(err)
	made, ok := answer.(*ogen.InvitationHeaders)
	if !ok {
		log.Fatalf("create: %+v", answer)
	}
	id := made.Response.ID
	sent, err := c.SendInvitation(ctx, &ogen.Nothing{}, ogen.SendInvitationParams{ID: id, IdempotencyKey: "ogen-2"})
	walk.Must(err)
	if _, ok := sent.(*ogen.ReviseInvitationOKHeaders); !ok {
		log.Fatalf("send: %T %+v", sent, sent)
	}
	list, err := c.ListInvitations(ctx, ogen.ListInvitationsParams{
		RecipientEmail: ogen.NewOptString("ogen@larch.example"), Status: []ogen.InvitationStatusFilter{ogen.InvitationStatusFilterAll},
	})
	walk.Must(err)
	page, ok := list.(*ogen.InvitationPageHeaders)
	if !ok || len(page.Response.Items) != 1 {
		log.Fatalf("list: %+v", list)
	}
	read, err := c.GetInvitation(ctx, ogen.GetInvitationParams{ID: id})
	walk.Must(err)
	one, ok := read.(*ogen.GetInvitationOKHeaders)
	if !ok {
		log.Fatalf("read: %+v", read)
	}
	walk.Want("status", one.Response.Status, ogen.InvitationStatusPending)

	refused, err := c.CreateInvitation(ctx, body, ogen.CreateInvitationParams{IdempotencyKey: "ogen-3"})
	walk.Must(err)
	conflict, ok := refused.(*ogen.CreateInvitationConflictHeaders)
	if !ok {
		log.Fatalf("the same again: %+v", refused)
	}
	walk.Want("code", conflict.Response.Code, "duplicate_open_invitation")
	walk.Want("the open one", conflict.Response.InvitationId.Value, id)
	log.Print("ogen: invited, sent, listed, read, refused")
}
