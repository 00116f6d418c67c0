package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"waybill/internal/console"
	"waybill/internal/store"
	"waybill/workflows/freight"
)

func (a *app) lanes() *cobra.Command {
	var days, characters, least int
	var carrier, service string
	c := &cobra.Command{
		Use: "lanes", Short: "Show how long carriage has taken by lane, for promise.lanes of the policies", Args: cobra.NoArgs,
		Long: "Show how long carriage has taken by lane, from pick-up to delivery, of the shipments that have closed.\n\n" +
			"The 90th percentile, rounded up to the hour, is what promise.lanes of a policy has as p90.",
		RunE: a.withStore(func(ctx context.Context, s *store.Store, _ []string) error {
			ts, err := s.Transits(ctx, time.Now().AddDate(0, 0, -days))
			if err != nil {
				return err
			}
			var of []freight.Transit
			for _, t := range ts {
				if (carrier == "" || string(t.Carrier) == carrier) && (service == "" || t.Service == service) {
					of = append(of, t)
				}
			}
			return a.showLanes(freight.Lanes(of, characters, least))
		}),
	}
	f := c.Flags()
	f.IntVar(&days, "days", 180, "of shipments picked up in so many days")
	f.IntVar(&characters, "postcode", 2, "tell lanes apart by so many characters of the postcode; 0: by country alone")
	f.IntVar(&least, "least", 10, "only lanes with so many shipments: fewer tell little")
	f.StringVar(&carrier, "carrier", "", "only of this carrier")
	f.StringVar(&service, "service", "", "only of this service")
	return c
}

func (a *app) showLanes(hs []freight.LaneHistory) error {
	if hs == nil {
		hs = []freight.LaneHistory{} // a program reads a list
	}
	if len(hs) == 0 {
		a.Say("no lane has so many closed shipments: lower --least, or raise --days")
	}
	return a.Show(hs, func() {
		var rows []console.Row
		for _, h := range hs {
			rows = append(rows, console.Row{h.Country, h.Postcode, h.Shipments, hours(h.Median), hours(h.P90)})
		}
		a.Table(console.Row{"country", "postcode", "shipments", "median", "p90"}, rows)
	})
}

// hours is a time rounded up to the hour, as a policy has it.
func hours(d time.Duration) string { return fmt.Sprintf("%dh", (d+time.Hour-1)/time.Hour) }
