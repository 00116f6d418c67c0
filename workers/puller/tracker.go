package puller

import (
	"errors"
	"fmt"
	"time"

	"waybill/activities/carrier"
	"waybill/config"
	"waybill/workflows/freight"
)

// Tracker is the tracking API of a source.
type Tracker struct {
	Number freight.ReferenceKind // it is asked by
	Client *carrier.Client
}

// Trackers are the tracking APIs of a configuration that was checked, by source. None is called. Calls says who is told
// of the calls to each; nil: nobody. An error says which source has none.
func Trackers(c *config.Config, calls func(target string) func(operation string, took time.Duration, err error)) (map[string]Tracker, error) {
	var faults []error
	ts := map[string]Tracker{}
	for _, p := range c.Pull {
		s, _ := c.Source(p.Source)
		api, err := carrier.KnownOr(s.Connector, carrier.API{URL: p.URL, Header: p.Header, Number: p.Number})
		if err != nil {
			faults = append(faults, fmt.Errorf("pull from %s: %w", p.Source, err))
			continue
		}
		names := map[freight.CarrierCode]string{}
		for _, n := range p.Carriers {
			if n.Name != "" {
				names[n.Carrier] = n.Name
			}
		}
		o := carrier.Options{Name: System(p.Source), API: api, Names: names, Token: p.Token.Reveal, Timeout: p.Settled().Timeout}
		if calls != nil {
			o.Observe = calls(o.Name)
		}
		ts[p.Source] = Tracker{api.Number, carrier.New(o)}
	}
	return ts, errors.Join(faults...)
}

// System is what the tracking API of a source is called in messages and metrics.
func System(source string) string { return "tracking of " + source }
