package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"concord/client"
)

func customerRow(x client.Customer) []string {
	return []string{
		string(x.Id), x.CompanyName, text(x.Domain), text(x.Country), string(x.RelationshipToPartner), string(x.Administration),
		string(x.IdentityCheck), day(x.EstablishedAt),
	}
}

var customerHead = []string{"ID", "COMPANY", "DOMAIN", "COUNTRY", "RELATIONSHIP", "ADMINISTRATION", "IDENTITY CHECK", "SINCE"}

func customers() *cli.Command {
	return &cli.Command{Name: "customers", Aliases: []string{"c"}, Usage: "the companies with which you have a relationship", Commands: []*cli.Command{
		{
			Name: "list", Usage: "list them, newest first", Flags: []cli.Flag{
				&cli.StringFlag{Name: "name", Usage: "a part of the company's name"},
				&cli.StringFlag{Name: "domain", Usage: "one of the company's domains"},
				&cli.StringFlag{Name: "country", Usage: "ISO 3166-1 code, such as FR"},
				&cli.StringFlag{Name: "relationship", Usage: "active, none or all", Validator: oneOf("active", "none", "all")},
			},
			Action: func(ctx context.Context, c *cli.Command) error {
				api, err := connect(c)
				if err != nil {
					return err
				}
				items := []client.Customer{}
				var rows [][]string
				for x, err := range api.Customers(ctx, client.ListCustomersParams{
					Name: some[string](c, "name"), Domain: some[string](c, "domain"), Country: some[string](c, "country"),
					Relationship: some[client.ListCustomersParamsRelationship](c, "relationship"),
				}) {
					if err != nil {
						return err
					}
					items, rows = append(items, x), append(rows, customerRow(x))
				}
				return print(c, items, customerHead, rows)
			},
		},
		{
			Name: "get", Usage: "show one", ArgsUsage: "ID", Action: func(ctx context.Context, c *cli.Command) error {
				id, api, err := one(c)
				if err != nil {
					return err
				}
				r, err := api.GetCustomerWithResponse(ctx, id)
				if err != nil {
					return err
				}
				return print(c, r.JSON200, customerHead, [][]string{customerRow(*r.JSON200)})
			},
		},
	}}
}
