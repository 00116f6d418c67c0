package config

import (
	"fmt"
	"net/url"
	"strings"
)

// Integration is an outside system that Waybill hears from, asks or tells, and who answers for it.
type Integration struct {
	Kind    string `json:"kind"`             // source, odoo, billing, tms, wms, finance or subscriber
	Name    string `json:"name"`             // in the configuration; "default" of those that serve where no route says otherwise
	Through string `json:"through"`          // how: a source's connector, or the host of an address
	Owner   string `json:"owner,omitzero"`   // the team that answers for it; "" where nobody is named
	Contact string `json:"contact,omitzero"` // how the owner is reached
}

// ForIntegrations says what of the configuration cannot be read: nobody is asked.
func (c *Config) ForIntegrations() error { return c.faults().err() }

// Integrations are all that are configured: the sources, then the systems that are asked, then those that are told.
func (c *Config) Integrations() (is []Integration) {
	for _, s := range c.Bridge.Sources {
		is = append(is, Integration{"source", s.Name, c.through(s), s.Owner, s.Contact})
	}
	if c.Odoo.URL != "" {
		is = append(is, Integration{"odoo", "default", host(c.Odoo.URL), c.Odoo.Owner, c.Odoo.Contact})
	}
	targets := []Target{}
	for _, p := range []struct {
		kind string
		Partner
	}{{"billing", c.Billing}, {"tms", c.TMS}, {"finance", c.Finance}} {
		if p.URL != "" {
			targets = append(targets, Target{Kind: p.kind, Name: "default", URL: p.URL, Owner: p.Owner, Contact: p.Contact})
		}
	}
	for _, t := range append(targets, c.Targets...) {
		is = append(is, Integration{t.Kind, t.Name, host(t.URL), t.Owner, t.Contact})
	}
	for _, s := range c.Subscribers {
		is = append(is, Integration{"subscriber", s.Name, host(s.URL), s.Owner, s.Contact})
	}
	return is
}

// through is how a source is read, and whether it is asked too.
func (c *Config) through(s Source) string {
	ways := []string{"our own events"}
	if s.Connector != "" {
		ways[0] = "connector " + s.Connector
	}
	for _, p := range c.Pull {
		if p.Source == s.Name {
			ways = append(ways, "asked about shipments")
		}
	}
	for _, t := range c.Tenders {
		if t.Source == s.Name {
			ways = append(ways, "asked about tenders")
		}
	}
	return strings.Join(ways, ", ")
}

// host is where an address leads, without what may be secret in it.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "an address that cannot be read"
	}
	return fmt.Sprintf("%s://%s", u.Scheme, u.Host)
}
