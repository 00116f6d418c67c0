package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"waybill/config"
	"waybill/internal/console"
)

func (a *app) integrations() *cobra.Command {
	return &cobra.Command{
		Use: "integrations", Short: "List every system that Waybill hears from, asks or tells, with who answers for it", Args: cobra.NoArgs,
		Long: "List every system that Waybill hears from, asks or tells, with who answers for it, as the configuration says. Nobody is asked: waybill-admin doctor\n" +
			"says how they are.",
		RunE: func(*cobra.Command, []string) error {
			c, err := a.load((*config.Config).ForIntegrations)
			if err != nil {
				return err
			}
			is, rows, unowned := c.Integrations(), []console.Row{}, 0
			for _, i := range is {
				rows = append(rows, console.Row{i.Kind, i.Name, i.Through, cmp.Or(i.Owner, "not named"), i.Contact})
				if i.Owner == "" {
					unowned++
				}
			}
			return a.Show(append([]config.Integration{}, is...), func() {
				a.Table(console.Row{"kind", "name", "through", "owner", "contact"}, rows)
				if unowned > 0 {
					a.Say("%d have no owner: give each owner and contact in the configuration", unowned)
				}
			})
		},
	}
}
