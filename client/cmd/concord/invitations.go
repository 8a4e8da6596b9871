package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"concord/client"
)

var invitationHead = []string{"ID", "RECIPIENT", "KIND", "STATUS", "EMAIL", "EXPIRES", "REFERENCE"}

func invitationRow(i client.Invitation) []string {
	return []string{
		string(i.Id), text(i.RecipientEmail), string(i.Kind), string(i.Status), string(i.Delivery.State), day(i.ExpiresAt), text(i.Reference),
	}
}

func printInvitation(c *cli.Command, i *client.Invitation) error {
	return print(c, i, slices.Clone(invitationHead), [][]string{invitationRow(*i)})
}

func invitations() *cli.Command {
	return &cli.Command{Name: "invitations", Aliases: []string{"i"}, Usage: "invite customers and partners", Commands: []*cli.Command{
		createInvitation(), listInvitations(),
		{Name: "get", Usage: "show one, and what has happened to it", ArgsUsage: "ID", Action: getInvitation},
		{Name: "draft", Usage: "show the email of a draft, with its personal link", ArgsUsage: "ID", Action: showDraft},
		each("send", "have the emails of drafts sent", nil, func(ctx context.Context, api *client.Concord, _ *cli.Command, id string) (*client.Invitation, error) {
			r, err := api.SendInvitationWithResponse(ctx, id, &client.SendInvitationParams{IdempotencyKey: client.NewKey()}, client.Nothing{})
			if err != nil {
				return nil, err
			}
			return r.JSON202, nil
		}),
		each("resend", "have the emails sent again", nil, func(ctx context.Context, api *client.Concord, _ *cli.Command, id string) (*client.Invitation, error) {
			r, err := api.ResendInvitationWithResponse(ctx, id, &client.ResendInvitationParams{IdempotencyKey: client.NewKey()}, client.Nothing{})
			if err != nil {
				return nil, err
			}
			return r.JSON202, nil
		}),
		each("cancel", "take requests back", []cli.Flag{&cli.StringFlag{Name: "reason", Usage: "kept in the history; the customer does not read it"}},
			func(ctx context.Context, api *client.Concord, c *cli.Command, id string) (*client.Invitation, error) {
				r, err := api.CancelInvitationWithResponse(ctx, id, nil, client.Cancellation{Reason: some[string](c, "reason")})
				if err != nil {
					return nil, err
				}
				return r.JSON200, nil
			}),
		each("extend", "give more time to answer, with the same link", []cli.Flag{
			&cli.StringFlag{Name: "for", Value: "P30D", Usage: "from now on, as an ISO 8601 duration"},
		}, func(ctx context.Context, api *client.Concord, c *cli.Command, id string) (*client.Invitation, error) {
			r, err := api.ExtendInvitationWithResponse(ctx, id, nil, client.Extension{ExpiresIn: new(c.String("for"))})
			if err != nil {
				return nil, err
			}
			return r.JSON200, nil
		}),
		{
			Name: "watch", Usage: "wait until one is answered or over", ArgsUsage: "ID", Action: watchInvitation,
			Flags: []cli.Flag{&cli.DurationFlag{Name: "every", Value: 2 * time.Second, Usage: "how often to look"}},
		},
	}}
}

// each makes a command that does the same to several invitations, and says of each what came of it.
func each(name, usage string, flags []cli.Flag,
	do func(context.Context, *client.Concord, *cli.Command, string) (*client.Invitation, error)) *cli.Command {
	return &cli.Command{Name: name, Usage: usage, ArgsUsage: "ID …", Flags: flags, Action: func(ctx context.Context, c *cli.Command) error {
		ids, err := arguments(c, "ids of invitations", true)
		if err != nil {
			return err
		}
		api, err := connect(c)
		if err != nil {
			return err
		}
		var all []client.Invitation
		var rows [][]string
		failed := 0
		for _, id := range ids {
			i, err := do(ctx, api, c, id)
			if err != nil {
				if len(ids) == 1 {
					return err
				}
				failed++
				_, _ = fmt.Fprintf(c.Root().ErrWriter, "%s: %v\n", id, err)
				continue
			}
			all, rows = append(all, *i), append(rows, invitationRow(*i))
		}
		if err := print(c, all, slices.Clone(invitationHead), rows); err != nil {
			return err
		}
		if failed > 0 {
			return fmt.Errorf("%d of %d were refused", failed, len(ids))
		}
		return nil
	}}
}

func createInvitation() *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "make a draft, or send it at once", Flags: []cli.Flag{
			&cli.StringFlag{Name: "to", Usage: "the recipient's email"},
			&cli.StringFlag{Name: "name", Usage: "the recipient's name"},
			&cli.StringFlag{Name: "kind", Value: "reseller", Usage: "reseller, dualReseller or partnership", Validator: oneOf("reseller", "dualReseller", "partnership")},
			&cli.StringFlag{Name: "provider", Usage: "tenant id of the indirect provider, for dualReseller"},
			&cli.StringFlag{Name: "customer", Usage: "tenant id of the customer, when it is known"},
			&cli.StringFlag{Name: "locale", Usage: "language of email and pages, such as fr"},
			&cli.BoolFlag{Name: "admin", Usage: "ask for delegated administration too"},
			&cli.StringFlag{Name: "expires-in", Usage: "how long it is open, as an ISO 8601 duration such as P14D"},
			&cli.StringFlag{Name: "message", Usage: "a line of your own in the email, where the deployment allows it"},
			&cli.StringMapFlag{Name: "tag", Usage: "label=value, up to ten"},
			&cli.BoolFlag{Name: "sandbox", Usage: "a test: the whole way, without a relationship at its end"},
			&cli.BoolFlag{Name: "send", Usage: "have it mailed at once"},
			&cli.StringFlag{Name: "key", Usage: "Idempotency-Key; a new one by default"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			api, err := connect(c)
			if err != nil {
				return err
			}
			n := client.NewInvitation{
				Kind: client.InvitationKind(c.String("kind")), RecipientEmail: some[client.MailAddress](c, "to"),
				RecipientName: some[client.PersonName](c, "name"), ProviderTenantId: some[client.TenantId](c, "provider"),
				CustomerTenantId: some[client.TenantId](c, "customer"), Locale: some[client.AskedLocale](c, "locale"),
				ExpiresIn: some[client.Period](c, "expires-in"), Message: some[string](c, "message"),
			}
			if c.Bool("admin") {
				n.RequestDelegatedAdmin = new(true)
			}
			if c.Bool("sandbox") {
				n.Sandbox = new(true)
			}
			if tags := c.StringMap("tag"); len(tags) > 0 {
				n.Tags = &tags
			}
			key := c.String("key")
			if key == "" {
				key = client.NewKey()
			}
			made, err := api.CreateInvitationWithResponse(ctx, &client.CreateInvitationParams{IdempotencyKey: key}, n)
			if err != nil {
				return err
			}
			i := made.JSON201
			if c.Bool("send") {
				sent, err := api.SendInvitationWithResponse(ctx, i.Id, &client.SendInvitationParams{IdempotencyKey: key + "-send"}, client.Nothing{})
				if err != nil {
					return fmt.Errorf("%s is a draft, but was not sent: %w", i.Id, err)
				}
				i = sent.JSON202
			}
			return printInvitation(c, i)
		},
	}
}

func listInvitations() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list them, newest first", Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "status", Usage: "draft, pending, accepted, declined, cancelled, expired or all; several with commas"},
			&cli.StringFlag{Name: "kind", Usage: "reseller, dualReseller or partnership"},
			&cli.StringFlag{Name: "to", Usage: "the recipient's email"},
			&cli.StringFlag{Name: "delivery", Usage: "state of the email, such as bounced"},
			&cli.StringFlag{Name: "tag", Usage: "a label, or label=value"},
			&cli.StringFlag{Name: "batch", Usage: "id of a batch"},
			&cli.StringFlag{Name: "reference", Usage: "what a customer quotes"},
			&cli.IntFlag{Name: "max", Value: 100, Usage: "how many at most; 0 for all"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			api, err := connect(c)
			if err != nil {
				return err
			}
			q := client.ListInvitationsParams{
				Kind: some[client.InvitationKind](c, "kind"), RecipientEmail: some[string](c, "to"), DeliveryState: some[client.DeliveryState](c, "delivery"),
				Tag: some[string](c, "tag"), BatchId: some[string](c, "batch"), Reference: some[string](c, "reference"), Limit: new(100),
			}
			if c.IsSet("status") {
				var all []client.InvitationStatusFilter
				for _, s := range c.StringSlice("status") {
					all = append(all, client.InvitationStatusFilter(s))
				}
				q.Status = &all
			}
			items := []client.Invitation{}
			var rows [][]string
			for i, err := range api.Invitations(ctx, q) {
				if err != nil {
					return err
				}
				items, rows = append(items, i), append(rows, invitationRow(i))
				if len(items) == c.Int("max") {
					break
				}
			}
			return print(c, items, slices.Clone(invitationHead), rows)
		},
	}
}

func getInvitation(ctx context.Context, c *cli.Command) error {
	id, api, err := one(c)
	if err != nil {
		return err
	}
	i, err := api.GetInvitationWithResponse(ctx, id)
	if err != nil {
		return err
	}
	happened, err := api.ListInvitationEventsWithResponse(ctx, id)
	if err != nil {
		return err
	}
	if c.String("output") != "table" {
		return printInvitation(c, i.JSON200)
	}
	if err := printInvitation(c, i.JSON200); err != nil {
		return err
	}
	var rows [][]string
	for _, e := range happened.JSON200.Items {
		rows = append(rows, []string{moment(e.At), string(e.Action), string(e.Actor.Kind)})
	}
	_, _ = fmt.Fprintln(c.Root().Writer)
	return print(c, nil, []string{"WHEN", "WHAT", "BY"}, rows)
}

func showDraft(ctx context.Context, c *cli.Command) error {
	id, api, err := one(c)
	if err != nil {
		return err
	}
	d, err := api.GetDraftWithResponse(ctx, id)
	if err != nil {
		return err
	}
	if c.String("output") == "json" {
		return print(c, d.JSON200, nil, nil)
	}
	_, err = fmt.Fprintf(c.Root().Writer, "Subject: %s\n\n%s\n", d.JSON200.Subject, strings.TrimSpace(d.JSON200.Body))
	return err
}

// watchInvitation says each change of status and delivery, until there will be no other.
func watchInvitation(ctx context.Context, c *cli.Command) error {
	id, api, err := one(c)
	if err != nil {
		return err
	}
	last := ""
	for {
		r, err := api.GetInvitationWithResponse(ctx, id)
		if err != nil {
			return err
		}
		i := r.JSON200
		if now := fmt.Sprintf("%s (email: %s)", i.Status, i.Delivery.State); now != last {
			_, _ = fmt.Fprintln(c.Root().Writer, now)
			last = now
		}
		switch i.Status {
		case client.InvitationStatusDraft, client.InvitationStatusPending:
		case client.InvitationStatusAccepted:
			return nil
		default:
			return errNotAccepted
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(c.Duration("every")):
		}
	}
}
