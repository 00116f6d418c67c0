package config

import (
	"fmt"
	"slices"
	"time"

	"waybill/internal/routing"
	"waybill/workflows/freight"
)

// Subscriber is a system that is told what has happened to shipments.
type Subscriber struct {
	Name         string                 `mapstructure:"name"`
	Owner        string                 `mapstructure:"owner"` // the team that answers for it; "": nobody is named
	Contact      string                 `mapstructure:"contact"`
	URL          string                 `mapstructure:"url"`
	Secrets      []Secret               `mapstructure:"secrets"`
	Events       []freight.EventKind    `mapstructure:"events"`
	Customers    []freight.CustomerCode `mapstructure:"customers"`
	From         []string               `mapstructure:"from"`
	To           []string               `mapstructure:"to"`
	Postcodes    []string               `mapstructure:"postcodes"`
	Services     []string               `mapstructure:"services"`
	PerSecond    float64                `mapstructure:"per_second"`
	Timeout      time.Duration          `mapstructure:"timeout"`
	GiveUp       time.Duration          `mapstructure:"give_up"`
	AllowPrivate bool                   `mapstructure:"allow_private"`
}

// The values of a subscriber that says none.
const (
	subscriberTimeout = 15 * time.Second
	subscriberGiveUp  = 5 * 24 * time.Hour
)

// Settled is s with the values of what it does not say: a timeout of 15 seconds, given up after 5 days.
func (s Subscriber) Settled() Subscriber {
	if s.Timeout == 0 {
		s.Timeout = subscriberTimeout
	}
	if s.GiveUp == 0 {
		s.GiveUp = subscriberGiveUp
	}
	return s
}

// Shipments says which shipments it is told of.
func (s Subscriber) Shipments() routing.Match {
	return routing.Match{Customers: s.Customers, From: s.From, To: s.To, Postcodes: s.Postcodes, Services: s.Services}
}

// ForSubscribers says all that is wrong with what looking after the subscribers needs.
func (c *Config) ForSubscribers() error {
	f := c.faults()
	c.checkStore(f)
	c.checkSubscribers(f)
	return f.err()
}

func (c *Config) checkSubscribers(f *faults) {
	seen := map[string]bool{}
	for i, s := range c.Subscribers {
		key, s := fmt.Sprintf("subscribers[%d]", i), s.Settled()
		f.want(sourceForm.MatchString(s.Name) && !seen[s.Name], key+".name", s.Name, "a name of its own of 1 to 40 lower-case letters, digits and '-'")
		seen[s.Name] = true
		f.url(key+".url", s.URL, "an https URL, as in https://portal.example.com/hooks/waybill")
		f.want(s.AllowPrivate || len(s.URL) > 8 && s.URL[:8] == "https://", key+".url", s.URL, "https; or set allow_private where it may be in the clear")
		f.want(len(s.Secrets) >= 1 && len(s.Secrets) <= 2, key+".secrets", fmt.Sprint(len(s.Secrets)), "1 or 2 live secrets whsec_...")
		for _, k := range s.Events {
			f.want(slices.Contains(freight.EventKinds(), k), key+".events", string(k), fmt.Sprintf("some of %v, or none for all", freight.EventKinds()))
		}
		for _, words := range s.Shipments().Faults() {
			f.fault(key, words)
		}
		f.want(s.PerSecond >= 0 && s.PerSecond <= 10_000, key+".per_second", fmt.Sprint(s.PerSecond), "0 for no limit, to 10000")
		f.span(key+".timeout", s.Timeout, time.Second, time.Minute)
		f.span(key+".give_up", s.GiveUp, time.Hour, 30*24*time.Hour)
	}
}
