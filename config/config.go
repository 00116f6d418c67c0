// Package config reads what a deployment decides: one YAML file, overridden by WAYBILL_ environment variables.
// Every key is in example.yaml, with its unit.
package config

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"waybill/internal/approval"
	"waybill/internal/routing"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// Config is a whole deployment. A binary validates only what it uses: nothing in it holds before ForWorker,
// ForBridge or another For has said so.
type Config struct {
	Tenant  freight.TenantCode `mapstructure:"tenant"` // first part of every shipment id; never changed
	Store   Store              `mapstructure:"store"`
	Odoo    Odoo               `mapstructure:"odoo"`
	Billing Partner            `mapstructure:"billing"`
	TMS     Partner            `mapstructure:"tms"`
	Finance Partner            `mapstructure:"finance"`
	Bridge  Bridge             `mapstructure:"bridge"`
	// Connectors read what partners send in their own form.
	Connectors  Connectors   `mapstructure:"connectors"`
	Relay       Relay        `mapstructure:"relay"`
	Pull        []Pull       `mapstructure:"pull"`
	Tenders     []Tenders    `mapstructure:"tenders"`
	Silence     Silence      `mapstructure:"silence"`
	Queues      []Queue      `mapstructure:"queues"`
	Worker      Worker       `mapstructure:"worker"`
	Policies    File         `mapstructure:"policies"`
	Targets     []Target     `mapstructure:"targets"`
	Routing     File         `mapstructure:"routing"`
	Approvers   []Approver   `mapstructure:"approvers"`
	Subscribers []Subscriber `mapstructure:"subscribers"`
	Codec       Codec        `mapstructure:"codec"`
	Metrics     Listen       `mapstructure:"metrics"`
	Log         Log          `mapstructure:"log"`

	file      string
	malformed []malformed // what could not be read at all
}

// Store is the database.
type Store struct {
	URL       string        `mapstructure:"url"`        // sqlite:PATH or postgres://...
	MarkEvery time.Duration `mapstructure:"mark_every"` // how often store and Temporal note the same number
}

// Odoo is the ERP, with two users: the one that shows the status has no accounting rights.
type Odoo struct {
	URL            string        `mapstructure:"url"`
	DB             string        `mapstructure:"db"`
	Status         Login         `mapstructure:"status"`
	Money          Login         `mapstructure:"money"`
	Timeout        time.Duration `mapstructure:"timeout"`
	MaxConnections int           `mapstructure:"max_connections"`
	FreightProduct string        `mapstructure:"freight_product"`
	Zone           string        `mapstructure:"zone"`           // of the books: invoices are dated by its day; "UTC" or as in "Europe/Berlin"
	ReleasedSince  string        `mapstructure:"released_since"` // RFC 3339: older deliveries are left alone
	ScanEvery      time.Duration `mapstructure:"scan_every"`
	Owner          string        `mapstructure:"owner"` // the team that answers for it; "": nobody is named
	Contact        string        `mapstructure:"contact"`
}

// Books is the zone of the books. It is UTC for a name that is no zone, which Check does not let pass.
func (o Odoo) Books() *time.Location {
	zone, err := time.LoadLocation(o.Zone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// Login is a user of a system.
type Login struct {
	Login    string `mapstructure:"login"`
	Password Secret `mapstructure:"password"`
}

// Partner is a system with a token.
type Partner struct {
	URL     string        `mapstructure:"url"`
	Token   Secret        `mapstructure:"token"`
	Timeout time.Duration `mapstructure:"timeout"`
	Owner   string        `mapstructure:"owner"` // the team that answers for it; "": nobody is named
	Contact string        `mapstructure:"contact"`
}

// Target is one more system of a kind, for the shipments that a route sends to it.
type Target struct {
	Name    string        `mapstructure:"name"`
	Kind    string        `mapstructure:"kind"`
	URL     string        `mapstructure:"url"`
	Token   Secret        `mapstructure:"token"`
	Timeout time.Duration `mapstructure:"timeout"`
	Owner   string        `mapstructure:"owner"` // the team that answers for it; "": nobody is named
	Contact string        `mapstructure:"contact"`
}

// Partner is how the target is reached: within 20 seconds where it does not say.
func (t Target) Partner() Partner {
	if t.Timeout == 0 {
		t.Timeout = 20 * time.Second
	}
	return Partner{t.URL, t.Token, t.Timeout, t.Owner, t.Contact}
}

// Bridge is the edge.
type Bridge struct {
	Listen         string        `mapstructure:"listen"`
	TLS            TLS           `mapstructure:"tls"`
	MaxConnections int           `mapstructure:"max_connections"`
	Drain          time.Duration `mapstructure:"drain"`
	MetricsListen  string        `mapstructure:"metrics_listen"`
	HintToken      Secret        `mapstructure:"hint_token"`
	Proxies        []string      `mapstructure:"proxies"` // addresses or ranges of the proxies before the bridge
	Sources        []Source      `mapstructure:"sources"`
}

// TLS is a certificate and its key, in PEM files.
type TLS struct {
	CertFile string `mapstructure:"cert_file"`
	KeyFile  string `mapstructure:"key_file"`
}

// Source is a partner's way in.
type Source struct {
	Name      string   `mapstructure:"name"`
	Owner     string   `mapstructure:"owner"`
	Contact   string   `mapstructure:"contact"`
	Connector string   `mapstructure:"connector"` // name or name@version; "": it sends our own events
	Auth      any      `mapstructure:"auth"`      // the name of a profile or a profile, as connectors have it; nil: the connector's
	Secrets   []Secret `mapstructure:"secrets"`
	Types     []string `mapstructure:"content_types"` // none: the connector's
	MaxBytes  int64    `mapstructure:"max_bytes"`     // 0: the connector's, else 256 KiB, or 5 MiB with documents
	Documents bool     `mapstructure:"documents"`
	PerSecond float64  `mapstructure:"per_second"`
	Burst     int      `mapstructure:"burst"`
}

// Plain reports whether a source sends our own events, signed by Standard Webhooks.
func (s Source) Plain() bool { return s.Connector == "" && !s.HasAuth() }

// HasAuth reports whether a source says by itself how it is verified.
func (s Source) HasAuth() bool { return s.Auth != nil && s.Auth != "" }

// ConnectorNames are the connectors of the sources that have one, by the source's name.
func (c *Config) ConnectorNames() map[string]string {
	names := map[string]string{}
	for _, s := range c.Bridge.Sources {
		if s.Connector != "" {
			names[s.Name] = s.Connector
		}
	}
	return names
}

// SourceOwner is who answers for a source, and how they are reached; "" for a source that is not configured.
func (c *Config) SourceOwner(source string) (owner, contact string) {
	for _, s := range c.Bridge.Sources {
		if s.Name == source {
			return s.Owner, s.Contact
		}
	}
	return "", ""
}

// Connectors are how partners' own forms are read.
type Connectors struct {
	Folder    string        `mapstructure:"folder"` // "": those that come with Waybill alone
	LookEvery time.Duration `mapstructure:"look_every"`
	Tests     bool          `mapstructure:"tests"` // what a partner marks as a test is taken for true
}

// Relay is how the worker reads the inbox.
type Relay struct {
	Idle   time.Duration `mapstructure:"idle"`
	Gather time.Duration `mapstructure:"gather"`
	// UnmatchedAfter is how long scans wait for their shipment before people are shown them.
	UnmatchedAfter time.Duration `mapstructure:"unmatched_after"`
}

// Worker is what one worker holds in memory and keeps open to Temporal.
type Worker struct {
	// CachedStories is how many stories stay in memory between their steps; one more puts out the one that has rested
	// longest, whose next step first replays its history. The SDK's default of 10,000 would be a gigabyte, at 102 MB for
	// 1,000 that wait.
	CachedStories int `mapstructure:"cached_stories"`
	// StoryPollers and ActivityPollers are how many calls are open to Temporal that wait for work, for stories and for
	// each queue of activities: as many tasks as can be on their way at once. The SDK's default is 2 each.
	StoryPollers    int `mapstructure:"story_pollers"`
	ActivityPollers int `mapstructure:"activity_pollers"`
}

// Queue limits a task queue: per second for all workers together, at a time for each. Steps of stories, the queue
// waybill, have no rate: what they ask for has.
type Queue struct {
	Name        string  `mapstructure:"name"`
	PerSecond   float64 `mapstructure:"per_second"`
	Concurrency int     `mapstructure:"concurrency"`
}

// File names a file.
type File struct {
	File string `mapstructure:"file"`
}

// Codec encrypts what Temporal stores.
type Codec struct {
	KeyFile string `mapstructure:"key_file"`
}

// Listen is an address.
type Listen struct {
	Listen string `mapstructure:"listen"`
}

// Log is how much is said.
type Log struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"`
}

// Approver may decide disputes.
type Approver struct {
	ID         string        `mapstructure:"id"`
	Name       string        `mapstructure:"name"`
	PublicKey  string        `mapstructure:"public_key"`
	Limit      freight.Money `mapstructure:"limit"`
	Cumulative freight.Money `mapstructure:"cumulative"`
}

// defaults are every key that has a value of its own; a key without one here is not read from the environment.
var defaults = map[string]any{
	"tenant": "", "store.url": "sqlite:var/waybill.db", "store.mark_every": "1m",
	"odoo.url": "", "odoo.db": "", "odoo.status.login": "", "odoo.status.password": "", "odoo.money.login": "", "odoo.money.password": "",
	"odoo.timeout": "100s", "odoo.max_connections": 8, "odoo.freight_product": "WAYBILL-FREIGHT", "odoo.zone": "UTC", "odoo.released_since": "", "odoo.scan_every": "10s", "odoo.owner": "", "odoo.contact": "",
	"billing.url": "", "billing.token": "", "billing.timeout": "20s", "billing.owner": "", "billing.contact": "", "tms.url": "", "tms.token": "", "tms.timeout": "20s", "tms.owner": "", "tms.contact": "",
	"finance.url": "", "finance.token": "", "finance.timeout": "20s", "finance.owner": "", "finance.contact": "",
	"bridge.listen": "127.0.0.1:8480", "bridge.tls.cert_file": "", "bridge.tls.key_file": "", "bridge.max_connections": 1000, "bridge.drain": "5s", "bridge.metrics_listen": "", "bridge.hint_token": "", "bridge.proxies": []any{}, "connectors.folder": "", "connectors.look_every": "10s", "connectors.tests": false, "bridge.sources": []any{}, "relay.idle": "250ms", "relay.gather": "200ms", "relay.unmatched_after": "1h", "pull": []any{}, "tenders": []any{}, "silence.after": "0s", "queues": []any{}, "worker.cached_stories": 2000, "worker.story_pollers": 2, "worker.activity_pollers": 2,
	"policies.file": "", "targets": []any{}, "routing.file": "", "approvers": []any{}, "subscribers": []any{}, "codec.key_file": "", "metrics.listen": "127.0.0.1:9480", "log.level": "info", "log.format": "json",
}

// ForWorker says all that is wrong with what the worker needs.
func (c *Config) ForWorker() error {
	f := c.faults()
	c.checkTenant(f)
	c.checkStore(f)
	c.checkOdoo(f)
	c.Billing.check(f, "billing")
	c.TMS.check(f, "tms")
	c.Finance.check(f, "finance")
	f.span("store.mark_every", c.Store.MarkEvery, time.Second, time.Hour)
	f.span("relay.idle", c.Relay.Idle, 10*time.Millisecond, time.Minute)
	f.span("relay.gather", c.Relay.Gather, 0, 10*time.Second)
	f.span("relay.unmatched_after", c.Relay.UnmatchedAfter, time.Second, 30*24*time.Hour)
	c.checkConnectors(f)
	c.checkPulls(f)
	c.checkTenders(f)
	c.checkQueues(f)
	c.checkTargets(f)
	f.want(c.Policies.File != "", "policies.file", "", "the path of the policies file")
	c.checkApprovers(f)
	c.checkSubscribers(f)
	f.listen("metrics.listen", c.Metrics.Listen)
	c.checkLog(f)
	return f.err()
}

// ForStore says all that is wrong with what reaching the store needs.
func (c *Config) ForStore() error {
	f := c.faults()
	c.checkStore(f)
	return f.err()
}

// ForOdoo says all that is wrong with what reaching Odoo needs.
func (c *Config) ForOdoo() error {
	f := c.faults()
	c.checkOdoo(f)
	return f.err()
}

// ForReplay says all that is wrong with what reading deliveries again needs.
func (c *Config) ForReplay() error {
	f := c.faults()
	c.checkTenant(f)
	c.checkStore(f)
	c.checkConnectors(f)
	return f.err()
}

func (c *Config) checkTenant(f *faults) {
	_, err := freight.ShipmentIDOf(c.Tenant, 1)
	f.want(err == nil, "tenant", string(c.Tenant), "1 to 20 lower-case letters or digits")
}

func (c *Config) checkConnectors(f *faults) {
	f.span("connectors.look_every", c.Connectors.LookEvery, time.Second, time.Hour)
	for i, s := range c.Bridge.Sources {
		f.want(s.Connector == "" || connectorForm.MatchString(s.Connector), fmt.Sprintf("bridge.sources[%d].connector", i), s.Connector, "a connector's name, as gls, or with its version, as gls@1")
	}
}

func (p Partner) check(f *faults, key string) {
	f.url(key+".url", p.URL, "an http or https URL, as in https://"+key+".example.com")
	f.want(p.Token.Stated(), key+".token", p.Token.String(), "a token, file:PATH or env:NAME")
	f.span(key+".timeout", p.Timeout, time.Second, 2*time.Minute)
}

func (c *Config) checkTargets(f *faults) {
	seen := map[string]bool{}
	for i, t := range c.Targets {
		key, id := fmt.Sprintf("targets[%d]", i), t.Kind+"/"+t.Name
		f.want(slices.Contains(targetKinds(), t.Kind), key+".kind", t.Kind, "one of "+strings.Join(targetKinds(), ", "))
		f.want(sourceForm.MatchString(t.Name) && t.Name != "default" && !seen[id], key+".name", t.Name, "a name of its own of 1 to 40 lower-case letters, digits and '-', other than default")
		seen[id] = true
		t.Partner().check(f, key)
	}
}

// targetKinds are the kinds of systems of which there may be several.
func targetKinds() (kinds []string) {
	for _, k := range routing.Kinds() {
		kinds = append(kinds, string(k))
	}
	return kinds
}

func (c *Config) checkQueues(f *faults) {
	known := DefaultQueues()
	names := slices.Sorted(maps.Keys(known))
	for i, q := range c.Queues {
		key := fmt.Sprintf("queues[%d]", i)
		_, ok := known[q.Name]
		f.want(ok, key+".name", q.Name, "one of "+strings.Join(names, ", ")+", once")
		delete(known, q.Name)
		f.want(q.PerSecond >= 0 && q.PerSecond <= 10_000, key+".per_second", fmt.Sprint(q.PerSecond), "0 for no limit, to 10000")
		f.want(q.Name != protocol.QueueStories || q.PerSecond == 0, key+".per_second", fmt.Sprint(q.PerSecond), "0: steps of stories have no rate; give one to the queues of what they call")
		least := 1
		if q.Name == protocol.QueueStories {
			least = 2 // the SDK takes no single one
		}
		f.want(q.Concurrency >= least && q.Concurrency <= 1000, key+".concurrency", fmt.Sprint(q.Concurrency), fmt.Sprintf("%d to 1000", least))
	}
	w := c.Worker
	f.want(w.CachedStories >= 2 && w.CachedStories <= 100_000, "worker.cached_stories", fmt.Sprint(w.CachedStories), "2 to 100000: about 0.1 MB each")
	f.want(w.StoryPollers >= 2 && w.StoryPollers <= 100, "worker.story_pollers", fmt.Sprint(w.StoryPollers), "2 to 100")
	f.want(w.ActivityPollers >= 1 && w.ActivityPollers <= 100, "worker.activity_pollers", fmt.Sprint(w.ActivityPollers), "1 to 100")
}

func (c *Config) checkStore(f *faults) {
	scheme, path, _ := strings.Cut(c.Store.URL, ":")
	ok := path != "" && slices.Contains([]string{"sqlite", "postgres", "postgresql"}, scheme)
	f.want(ok, "store.url", "***", "sqlite:PATH or postgres://USER@HOST/DATABASE") // not shown: it may hold a password
}

func (c *Config) checkOdoo(f *faults) {
	o := c.Odoo
	f.bareURL("odoo.url", o.URL, "an http or https URL without a path, as in https://odoo.example.com")
	f.want(o.DB != "", "odoo.db", o.DB, "the name of the database")
	o.Status.check(f, "odoo.status")
	o.Money.check(f, "odoo.money")
	f.span("odoo.timeout", o.Timeout, 10*time.Second, 115*time.Second)
	f.span("odoo.scan_every", o.ScanEvery, 200*time.Millisecond, time.Hour)
	f.want(o.MaxConnections >= 1 && o.MaxConnections <= 32, "odoo.max_connections", fmt.Sprint(o.MaxConnections), "1 to 32: Odoo has 64 database connections for everyone")
	f.zone("odoo.zone", o.Zone)
	f.want(o.FreightProduct != "", "odoo.freight_product", o.FreightProduct, "the internal reference of a product")
	_, err := time.Parse(time.RFC3339, o.ReleasedSince)
	f.want(err == nil, "odoo.released_since", o.ReleasedSince, "a time such as 2026-11-24T00:00:00Z: older deliveries are left alone")
}

func (l Login) check(f *faults, key string) {
	f.want(l.Login != "", key+".login", l.Login, "the login of a user in Odoo")
	f.want(l.Password.Stated(), key+".password", l.Password.String(), "a password or API key, file:PATH or env:NAME")
}

func (c *Config) checkApprovers(f *faults) {
	seen := map[string]bool{}
	for i, a := range c.Approvers {
		key := fmt.Sprintf("approvers[%d]", i)
		_, err := approval.PublicKey(a.PublicKey)
		f.want(a.ID != "" && !seen[a.ID] && !strings.Contains(a.ID, "|"), key+".id", a.ID, "an id of its own without '|'")
		f.want(err == nil, key+".public_key", a.PublicKey, fmt.Sprintf("the 43 characters that waybill approver keygen prints: %v", err))
		f.want(a.Limit.Sign() > 0, key+".limit", a.Limit.String(), "an amount over zero, such as \"500.00 USD\"")
		f.want(a.Cumulative.Sign() > 0 && a.Cumulative.Currency == a.Limit.Currency, key+".cumulative", a.Cumulative.String(), "an amount over zero in the currency of limit")
		seen[a.ID] = true
	}
}

func (c *Config) checkLog(f *faults) {
	f.want(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level", c.Log.Level, "debug, info, warn or error")
	f.want(c.Log.Format == "json" || c.Log.Format == "console", "log.format", c.Log.Format, "json or console")
}

// sourceForm is what a source may be called: its name stands in URLs, in the inbox and in metrics.
var sourceForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// connectorForm is how a source names its connector.
var connectorForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}(@[1-9][0-9]{0,5})?$`)

// mostBytes bounds what any body may have.
const mostBytes = 5 << 20

// ForBridge says all that is wrong with what the bridge needs.
func (c *Config) ForBridge() error {
	f := c.faults()
	c.checkStore(f)
	b := c.Bridge
	f.want(strings.Contains(b.Listen, ":"), "bridge.listen", b.Listen, "host:port")
	f.want((b.TLS.CertFile == "") == (b.TLS.KeyFile == ""), "bridge.tls", b.TLS.CertFile+b.TLS.KeyFile, "both cert_file and key_file, or neither")
	f.want(b.MaxConnections >= 10 && b.MaxConnections <= 100_000, "bridge.max_connections", fmt.Sprint(b.MaxConnections), "10 to 100000")
	f.span("bridge.drain", b.Drain, 0, time.Minute)
	f.want(b.MetricsListen == "" || strings.Contains(b.MetricsListen, ":"), "bridge.metrics_listen", b.MetricsListen, "host:port, or nothing")
	c.checkConnectors(f)
	for i, p := range b.Proxies {
		_, err := Addresses(p)
		f.want(err == nil, fmt.Sprintf("bridge.proxies[%d]", i), p, "an address or a range such as 10.0.0.0/8")
	}
	seen := map[string]bool{"unknown": true, "odoo-hint": true} // the bridge's own words for what comes from no source
	for i, s := range b.Sources {
		key := fmt.Sprintf("bridge.sources[%d]", i)
		f.want(sourceForm.MatchString(s.Name) && !seen[s.Name], key+".name", s.Name, "a name of its own of 1 to 40 lower-case letters, digits and '-', other than unknown and odoo-hint")
		f.want((len(s.Secrets) >= 1 || !s.Plain()) && len(s.Secrets) <= 3, key+".secrets", fmt.Sprint(len(s.Secrets)), "1 to 3 live secrets, whsec_... where the source has no auth or connector of its own")
		f.want(s.MaxBytes >= 0 && s.MaxBytes <= mostBytes, key+".max_bytes", fmt.Sprint(s.MaxBytes), fmt.Sprintf("0, or up to %d", mostBytes))
		f.want(len(s.Types) == 0 || !s.Plain(), key+".content_types", fmt.Sprint(s.Types), "nothing: a source without auth or connector sends JSON")
		f.want(s.Owner != "", key+".owner", s.Owner, "who answers for this source")
		f.want(s.PerSecond >= 0 && s.Burst >= 0, key+".per_second", fmt.Sprint(s.PerSecond), "0 for no limit, or more")
		seen[s.Name] = true
	}
	c.checkLog(f)
	return f.err()
}

// Addresses reads one address, or a range of them.
func Addresses(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// DefaultQueues are the limits of each task queue where the configuration has none: few at a time for Odoo, which
// serves about four callers well on two cores. Two postings at a time are the most beside which a person's page in Odoo
// stays within twice its idle time there: docs/figures.md has the curve. At a time is what each worker does; the rate of
// posting is that of all of them together, so that more workers cannot take Odoo from people: 12 a second are the 6 invoices
// that two at a time posted there, of which each takes two, for what may be billed and for the posting.
func DefaultQueues() map[string]Queue {
	qs := map[string]Queue{}
	for _, q := range []Queue{
		{protocol.QueueStories, 0, 100}, {protocol.QueueStatus, 0, 4}, {protocol.QueuePost, 12, 2}, {protocol.QueueBilling, 0, 8},
		{protocol.QueueTMS, 0, 8}, {protocol.QueueWMS, 0, 8}, {protocol.QueueFinance, 0, 8}, {protocol.QueueRecord, 0, 8},
	} {
		qs[q.Name] = q
	}
	return qs
}

// Queue is the limit of one task queue.
func (c *Config) Queue(name string) Queue {
	for _, q := range c.Queues {
		if q.Name == name {
			return q
		}
	}
	return DefaultQueues()[name]
}
