// Package client calls the API of Concord. The files *.gen.go are generated from its OpenAPI document (make client); the rest is
// what programs would otherwise write around it: a token that renews itself, refusals as errors, lists without cursors.
//
//	c, err := client.New("https://concord.example", client.Credentials{TokenURL: "…", ID: "…", Secret: "…"})
//	made, err := c.CreateInvitationWithResponse(ctx, &client.CreateInvitationParams{IdempotencyKey: client.NewKey()},
//		client.NewInvitation{Kind: client.InvitationKindReseller, RecipientEmail: &to})
//	if refusal, ok := errors.AsType[*client.Refusal](err); ok && refusal.Code == "duplicate_open_invitation" { … }
//	fmt.Println(made.JSON201.Id)
//
// An answer of 400 or more is a [Refusal] and no response, so that the field of a response that stands for success (JSON200,
// JSON201 …) is there whenever there is no error.
package client
