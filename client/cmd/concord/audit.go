package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"concord/client"
)

func audit() *cli.Command {
	return &cli.Command{Name: "audit", Usage: "who did what, and when", Commands: []*cli.Command{{
		Name: "export", Usage: "write the records of some days: -o csv for a spreadsheet, -o json for a program", Flags: []cli.Flag{
			&cli.StringFlag{Name: "from", Usage: "first day, such as 2026-11-01"},
			&cli.StringFlag{Name: "to", Usage: "last day"},
			&cli.StringFlag{Name: "customer", Usage: "tenant id of a customer"},
			&cli.StringFlag{Name: "actor", Usage: "subject of a person or program"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			api, err := connect(c)
			if err != nil {
				return err
			}
			items := []client.AuditRecord{}
			var rows [][]string
			for r, err := range api.AuditRecords(ctx, client.ListAuditRecordsParams{
				StartDate: some[string](c, "from"), EndDate: some[string](c, "to"), CustomerId: some[client.TenantId](c, "customer"),
				Actor: some[string](c, "actor"), Limit: new(100),
			}) {
				if err != nil {
					return err
				}
				items = append(items, r)
				rows = append(rows, []string{
					moment(r.OccurredAt), string(r.OperationType), string(r.ResourceType), r.ResourceId, string(r.Actor.Kind), text(r.Actor.Sub),
					text(r.CustomerTenantId), text(r.Reason),
				})
			}
			return print(c, items, []string{"WHEN", "WHAT", "OF", "ID", "BY", "WHO", "CUSTOMER", "REASON"}, rows)
		},
	}}}
}
