package main

import (
	"context"
	"slices"

	"github.com/urfave/cli/v3"

	"concord/client"
)

var gdapHead = []string{"ID", "NAME", "CUSTOMER", "STATUS", "EMAIL", "ENDS"}

func gdapRow(g client.GranularAdmin) []string {
	customer, email := "", ""
	if g.Customer != nil {
		customer = string(g.Customer.TenantId)
	}
	if g.Delivery != nil {
		email = string(g.Delivery.State)
	}
	return []string{string(g.Id), g.DisplayName, customer, string(g.Status), email, day(g.EndDateTime)}
}

func printGDAP(c *cli.Command, g *client.GranularAdmin) error {
	return print(c, g, slices.Clone(gdapHead), [][]string{gdapRow(*g)})
}

func gdap() *cli.Command {
	return &cli.Command{Name: "gdap", Usage: "granular delegated administration: named roles for a time", Commands: []*cli.Command{
		{
			Name: "list", Usage: "list the relationships", Flags: []cli.Flag{
				&cli.StringFlag{Name: "status", Usage: "such as active or approvalPending"},
				&cli.StringFlag{Name: "customer", Usage: "tenant id of a customer"},
			},
			Action: func(ctx context.Context, c *cli.Command) error {
				api, err := connect(c)
				if err != nil {
					return err
				}
				items := []client.GranularAdmin{}
				var rows [][]string
				for g, err := range api.GranularAdmins(ctx, client.ListGranularAdminsParams{
					Status: some[client.GranularStatus](c, "status"), CustomerTenantId: some[client.TenantId](c, "customer"),
				}) {
					if err != nil {
						return err
					}
					items, rows = append(items, g), append(rows, gdapRow(g))
				}
				return print(c, items, slices.Clone(gdapHead), rows)
			},
		},
		{Name: "get", Usage: "show one", ArgsUsage: "ID", Action: func(ctx context.Context, c *cli.Command) error {
			id, api, err := one(c)
			if err != nil {
				return err
			}
			r, err := api.GetGranularAdminWithResponse(ctx, id)
			if err != nil {
				return err
			}
			return printGDAP(c, r.JSON200)
		}},
		{
			Name: "request", Usage: "propose roles, lock them for approval, and have the request mailed", Action: requestGDAP, Flags: []cli.Flag{
				&cli.StringFlag{Name: "name", Usage: "what the customer reads", Required: true},
				&cli.StringFlag{Name: "to", Usage: "the recipient's email; without it the request is locked and not mailed"},
				&cli.StringSliceFlag{Name: "role", Usage: "template ids of roles of Microsoft Entra, with commas", Required: true},
				&cli.StringFlag{Name: "for", Value: "P180D", Usage: "how long, as an ISO 8601 duration up to P2Y"},
				&cli.BoolFlag{Name: "extend", Usage: "extend it by 180 days each time it would end"},
				&cli.StringFlag{Name: "customer", Usage: "tenant id of the only customer who can approve"},
			},
		},
		{Name: "end", Usage: "end active roles, or withdraw a request", ArgsUsage: "ID", Action: func(ctx context.Context, c *cli.Command) error {
			id, api, err := one(c)
			if err != nil {
				return err
			}
			r, err := api.RequestGranularAdminWithResponse(ctx, id, nil, client.GranularAdminRequest{Action: client.Terminate})
			if err != nil {
				return err
			}
			return printGDAP(c, r.JSON200)
		}},
	}}
}

func requestGDAP(ctx context.Context, c *cli.Command) error {
	api, err := connect(c)
	if err != nil {
		return err
	}
	n := client.NewGranularAdmin{DisplayName: c.String("name"), Duration: c.String("for")}
	for _, id := range c.StringSlice("role") {
		n.AccessDetails.UnifiedRoles = append(n.AccessDetails.UnifiedRoles, client.NewUnifiedRole{RoleDefinitionId: id})
	}
	if c.Bool("extend") {
		n.AutoExtendDuration = new(client.NewGranularAdminAutoExtendDuration("P180D"))
	}
	if c.IsSet("customer") {
		n.Customer = &client.NamedCustomer{TenantId: c.String("customer")}
	}
	key := client.NewKey()
	made, err := api.CreateGranularAdminWithResponse(ctx, &client.CreateGranularAdminParams{IdempotencyKey: key}, n)
	if err != nil {
		return err
	}
	id := made.JSON201.Id
	locked, err := api.RequestGranularAdminWithResponse(ctx, id, nil, client.GranularAdminRequest{Action: client.LockForApproval})
	if err != nil || !c.IsSet("to") {
		if err != nil {
			return err
		}
		return printGDAP(c, locked.JSON200)
	}
	sent, err := api.SendGranularAdminWithResponse(ctx, id, &client.SendGranularAdminParams{IdempotencyKey: key + "-send"},
		client.GranularAdminLetter{RecipientEmail: some[client.MailAddress](c, "to")})
	if err != nil {
		return err
	}
	return printGDAP(c, sent.JSON202)
}
