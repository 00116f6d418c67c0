package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill/workflows/freight"
)

// Pull is a source that is asked about the shipments of which it has long told nothing.
type Pull struct {
	Source      string                `mapstructure:"source"` // of bridge.sources; its connector reads the answers
	URL         string                `mapstructure:"url"`    // with {number} and, where it is wanted, {carrier}; "": the connector's
	Header      string                `mapstructure:"header"` // with {token} or {basic}; "": the connector's
	Token       Secret                `mapstructure:"token"`
	Number      freight.ReferenceKind `mapstructure:"number"`   // it is asked by; "": the connector's
	Carriers    []PullCarrier         `mapstructure:"carriers"` // whose numbers; none: anyone's
	After       time.Duration         `mapstructure:"after"`
	AfterSilent time.Duration         `mapstructure:"after_silent"`
	Until       time.Duration         `mapstructure:"until"`
	PerSecond   float64               `mapstructure:"per_second"`
	Timeout     time.Duration         `mapstructure:"timeout"`
}

// PullCarrier is a carrier whose numbers a source is asked about.
type PullCarrier struct {
	Carrier freight.CarrierCode `mapstructure:"carrier"`
	Name    string              `mapstructure:"name"` // that the source has for it; "": the code in lower case
}

// Settled is p with the values of what it does not say: after 12 hours, at most 1 hour where the source is silent itself, until 14
// days after the promise, 1 a second.
func (p Pull) Settled() Pull {
	for _, d := range []struct {
		at    *time.Duration
		usual time.Duration
	}{{&p.After, 12 * time.Hour}, {&p.Until, 14 * 24 * time.Hour}, {&p.Timeout, 20 * time.Second}} {
		if *d.at == 0 {
			*d.at = d.usual
		}
	}
	if p.AfterSilent == 0 {
		p.AfterSilent = min(time.Hour, p.After)
	}
	if p.PerSecond == 0 {
		p.PerSecond = 1
	}
	return p
}

// Tenders is a TMS that is asked about the tenders of which nobody has told anything.
type Tenders struct {
	TMS       string        `mapstructure:"tms"`    // the name of a target; "": the tms above
	Source    string        `mapstructure:"source"` // of bridge.sources, which sends our own events: its answers count as that source's
	After     time.Duration `mapstructure:"after"`
	Until     time.Duration `mapstructure:"until"`
	PerSecond float64       `mapstructure:"per_second"`
}

// Settled is t with the values of what it does not say: after 1 hour, until 14 days after the promise, 1 a second.
func (t Tenders) Settled() Tenders {
	t.After, t.Until, t.PerSecond = cmp.Or(t.After, time.Hour), cmp.Or(t.Until, 14*24*time.Hour), cmp.Or(t.PerSecond, 1)
	return t
}

func (c *Config) checkTenders(f *faults) {
	seen := map[string]bool{}
	for i, t := range c.Tenders {
		key, t := fmt.Sprintf("tenders[%d]", i), t.Settled()
		s, known := c.Source(t.Source)
		f.want(known && s.Connector == "", key+".source", t.Source, "the name of one of bridge.sources that has no connector: what the TMS answers counts as one of our own events")
		target := slices.ContainsFunc(c.Targets, func(g Target) bool { return g.Kind == "tms" && g.Name == t.TMS })
		f.want((t.TMS == "" || target) && !seen[t.TMS], key+".tms", t.TMS, "nothing for tms, or the name of one of targets of kind tms, once")
		seen[t.TMS] = true
		f.span(key+".after", t.After, time.Second, 30*24*time.Hour)
		f.span(key+".until", t.Until, time.Hour, 90*24*time.Hour)
		f.want(t.PerSecond > 0 && t.PerSecond <= 1000, key+".per_second", fmt.Sprint(t.PerSecond), "over 0, to 1000")
	}
}

// Silence is when a source counts as silent.
type Silence struct {
	After time.Duration `mapstructure:"after"` // and longer than ever in the last 7 days; 0: nobody looks
}

// Source is the source of a name; false where there is none.
func (c *Config) Source(name string) (Source, bool) {
	i := slices.IndexFunc(c.Bridge.Sources, func(s Source) bool { return s.Name == name })
	if i < 0 {
		return Source{}, false
	}
	return c.Bridge.Sources[i], true
}

func (c *Config) checkPulls(f *faults) {
	f.want(c.Silence.After == 0 || c.Silence.After >= leastSilence && c.Silence.After <= longestSilence, "silence.after", c.Silence.After.String(), fmt.Sprintf("0s, or a duration from %s to %s", leastSilence, longestSilence))
	seen := map[string]bool{}
	for i, p := range c.Pull {
		key, p := fmt.Sprintf("pull[%d]", i), p.Settled()
		s, known := c.Source(p.Source)
		f.want(known && (s.Connector != "" || p.URL != "") && !seen[p.Source], key+".source", p.Source, "the name of one of bridge.sources that has a connector, or whose url answers with a list of our own events, once")
		seen[p.Source] = true
		if p.URL != "" {
			f.url(key+".url", strings.NewReplacer("?", "/", "{", "", "}", "").Replace(p.URL), "an http or https URL, as in https://karrio.example.com/v1/trackers/{number}")
			f.want(strings.Contains(p.URL, "{number}"), key+".url", p.URL, "{number} where the number goes")
		}
		f.want(p.Token.Stated(), key+".token", p.Token.String(), "a token, file:PATH or env:NAME")
		f.want(slices.Contains([]freight.ReferenceKind{"", freight.RefTracking, freight.RefPRO, freight.RefBOL}, p.Number), key+".number", string(p.Number), "tracking, pro or bol, or nothing for the connector's")
		for j, n := range p.Carriers {
			f.want(n.Carrier != "", fmt.Sprintf("%s.carriers[%d].carrier", key, j), "", "the code of a carrier")
		}
		f.span(key+".after", p.After, time.Second, 30*24*time.Hour)
		f.span(key+".after_silent", p.AfterSilent, time.Second, p.After)
		f.span(key+".until", p.Until, time.Hour, 90*24*time.Hour)
		f.want(p.PerSecond > 0 && p.PerSecond <= 1000, key+".per_second", fmt.Sprint(p.PerSecond), "over 0, to 1000")
		f.span(key+".timeout", p.Timeout, time.Second, time.Minute)
	}
}

// A source is heard of to ten minutes, and for a week.
const (
	leastSilence   = 20 * time.Minute
	longestSilence = 7 * 24 * time.Hour
)
