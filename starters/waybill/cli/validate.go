package cli

import (
	"cmp"
	"regexp"

	"github.com/spf13/cobra"

	"waybill/internal/console"
	"waybill/internal/routing"
	"waybill/workflows/freight"
)

func (a *app) validate() *cobra.Command {
	return console.Group("validate", "Check what a deployment decides, on this machine alone", a.validateRouting())
}

// routed is which rule serves what was asked about, and why none before it does.
type routed struct {
	Route freight.Route `json:"route"`
	Rules []string      `json:"rules"`
}

// laneForm is "FROM-TO" or "FROM-TO/POSTCODE"; either country may be left out.
var laneForm = regexp.MustCompile(`^([A-Z]{2})?-([A-Z]{2})?(?:/(.+))?$`)

func (a *app) validateRouting() *cobra.Command {
	var customer, lane, service string
	c := &cobra.Command{
		Use: "routing FILE", Short: "Check a file of routing rules, and explain which of them serves a shipment", Args: cobra.ExactArgs(1),
		Long: "Check a file of routing rules, and explain which of them serves a shipment.\n\nThat every target exists is checked where the configuration is: waybill-worker --check.",
		RunE: func(_ *cobra.Command, args []string) error {
			t, err := routing.Load(args[0])
			if err != nil {
				return err
			}
			f := routing.Facts{Customer: freight.CustomerCode(customer), Service: service}
			if lane != "" {
				m := laneForm.FindStringSubmatch(lane)
				if m == nil {
					return console.Usagef("--lane %q: write DE-CH, or DE-CH/3900 with the postcode", lane)
				}
				f.From, f.To, f.Postcode = m[1], m[2], m[3]
			}
			r := routed{t.Route(f), t.Explain(f)}
			return a.Show(r, func() { a.printRoute(r) })
		},
	}
	c.Flags().StringVar(&customer, "customer", "", "reference in Odoo")
	c.Flags().StringVar(&lane, "lane", "", "from where to where: DE-CH, or DE-CH/3900 with the postcode")
	c.Flags().StringVar(&service, "service", "", "internal reference of the delivery product")
	return c
}

func (a *app) printRoute(r routed) {
	for _, l := range r.Rules {
		a.Print("%s", l)
	}
	for _, s := range []struct{ what, name, otherwise string }{
		{"tms", r.Route.TMS, routing.Default}, {"wms", r.Route.WMS, "none, no warehouse is asked"}, {"billing", r.Route.Billing, routing.Default}, {"finance", r.Route.Finance, routing.Default},
	} {
		a.Print("%s: %s", s.what, cmp.Or(s.name, s.otherwise))
	}
	if r.Route.Carrier != "" {
		a.Print("carrier, where the order names none: %s", r.Route.Carrier)
	}
}
