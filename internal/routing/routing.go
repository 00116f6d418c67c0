// Package routing decides which systems serve a shipment: the first rule that matches its customer, its lane and its
// service. Rules are business data with an owner and a version, in a file of their own.
package routing

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"waybill/workflows/freight"
)

// Default is the name of the system of a kind that serves where no rule names another.
const Default = "default"

// Kind says what a target does.
type Kind string

// The kinds.
const (
	TMS     Kind = "tms"
	Billing Kind = "billing"
	Finance Kind = "finance"
)

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{TMS, Billing, Finance} }

// Table is a file of rules. The zero value has none: the default serves everyone.
type Table struct {
	Version string `yaml:"version"`
	Owner   string `yaml:"owner"`
	Routes  []Rule `yaml:"routes"`

	file string
}

// Rule says who serves what it matches. A list that is empty matches everything.
type Rule struct {
	Name      string                 `yaml:"name"`
	Customers []freight.CustomerCode `yaml:"customers"`
	From      []string               `yaml:"from"`      // origin, ISO 3166-1 alpha-2
	To        []string               `yaml:"to"`        // destination
	Postcodes []string               `yaml:"postcodes"` // what the destination's begins with
	Services  []string               `yaml:"services"`

	TMS     string              `yaml:"tms"`     // a target; "" for the default
	Billing string              `yaml:"billing"` // a target
	Finance string              `yaml:"finance"` // a target
	Carrier freight.CarrierCode `yaml:"carrier"` // asked for where the order names none; "" lets the TMS choose

	line int
}

// UnmarshalYAML reads a rule and notes where it stands.
func (r *Rule) UnmarshalYAML(n *yaml.Node) error {
	for i := 0; i+1 < len(n.Content); i += 2 { // a decoder called from here does not know that unknown keys are errors
		if key := n.Content[i]; !slices.Contains(ruleKeys, key.Value) {
			return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: there is no key %q; a rule has %s", key.Line, key.Value, strings.Join(ruleKeys, ", "))}}
		}
	}
	type plain Rule
	if err := n.Decode((*plain)(r)); err != nil {
		return err
	}
	r.line = n.Line
	return nil
}

var ruleKeys = []string{"name", "customers", "from", "to", "postcodes", "services", "tms", "billing", "finance", "carrier"}

// Load reads and checks a file of rules, and says all that is wrong with it at once. "" is the table without rules.
func Load(path string) (*Table, error) {
	if path == "" {
		return &Table{}, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("routing: %w", err)
	}
	t := &Table{file: path}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(t); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("routing: %s: %w", path, err)
	}
	return t, t.check()
}

var (
	countryForm = regexp.MustCompile(`^[A-Z]{2}$`)
	carrierForm = regexp.MustCompile(`^[A-Z0-9]{2,10}$`)
)

func (t *Table) check() error {
	var faults []error
	want := func(ok bool, line int, words string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s: line %d: %s", t.file, line, fmt.Sprintf(words, args...)))
		}
	}
	want(t.Version != "", 1, "version: want a version: it stands in every shipment's route")
	want(t.Owner != "", 1, "owner: want who answers for these rules")
	seen := map[string]int{Default: 0}
	for i, r := range t.Routes {
		at, taken := seen[r.Name]
		want(r.Name != "" && !taken, r.line, "name %q: want a name of its own, other than %s; another is at line %d", r.Name, Default, at)
		seen[r.Name] = r.line
		for _, c := range slices.Concat(r.From, r.To) {
			want(countryForm.MatchString(c), r.line, "%q: want a country as two capital letters, such as DE", c)
		}
		want(len(r.Postcodes) == 0 || len(r.To) == 1, r.line, "postcodes mean nothing without one country in to")
		want(!slices.Contains(r.Postcodes, ""), r.line, "an empty postcode matches every one: leave postcodes out")
		want(r.Carrier == "" || carrierForm.MatchString(string(r.Carrier)), r.line, "carrier %q: want 2 to 10 capital letters and digits", r.Carrier)
		if j := slices.IndexFunc(t.Routes[:i], r.within); j >= 0 {
			want(false, r.line, "rule %q never matches: rule %q at line %d matches all that it does; move it up, or take it out", r.Name, t.Routes[j].Name, t.Routes[j].line)
		}
	}
	return errors.Join(faults...)
}

// within reports whether a rule before this one matches all that this one does.
func (r Rule) within(before Rule) bool {
	return part(r.Customers, before.Customers, same) && part(r.From, before.From, same) && part(r.To, before.To, same) &&
		part(r.Postcodes, before.Postcodes, strings.HasPrefix) && part(r.Services, before.Services, same)
}

func same[T comparable](a, b T) bool { return a == b }

// part reports whether a list matches nothing that another does not.
func part[T any](of, whole []T, covers func(one, by T) bool) bool {
	if len(whole) == 0 {
		return true
	}
	for _, one := range of {
		if !slices.ContainsFunc(whole, func(by T) bool { return covers(one, by) }) {
			return false
		}
	}
	return len(of) > 0
}

// CheckTargets says which rules name a target that is not there.
func (t *Table) CheckTargets(known func(k Kind, name string) bool) error {
	var faults []error
	for _, r := range t.Routes {
		for _, k := range Kinds() {
			if name := r.target(k); name != "" && name != Default && !known(k, name) {
				faults = append(faults, fmt.Errorf("%s: line %d: rule %q: %s %q is not in targets of the configuration", t.file, r.line, r.Name, k, name))
			}
		}
	}
	return errors.Join(faults...)
}

func (r Rule) target(k Kind) string {
	return map[Kind]string{TMS: r.TMS, Billing: r.Billing, Finance: r.Finance}[k]
}

// Facts are what a rule is matched against.
type Facts struct {
	Customer freight.CustomerCode
	From, To string // countries
	Postcode string // of the destination
	Service  string
}

// FactsOf are those of a release.
func FactsOf(r freight.Release) Facts {
	return Facts{Customer: r.Customer, From: r.From, To: r.ShipTo.Country, Postcode: r.ShipTo.Postcode, Service: r.Service}
}

// Route is the route of the first rule that matches; the default's where none does.
func (t *Table) Route(f Facts) freight.Route {
	for _, r := range t.Routes {
		if len(r.misses(f)) == 0 {
			return freight.Route{Rule: r.Name, Version: t.Version, TMS: r.TMS, Billing: r.Billing, Finance: r.Finance, Carrier: r.Carrier}
		}
	}
	return freight.Route{Rule: Default, Version: t.Version}
}

// misses names what of a rule does not match.
func (r Rule) misses(f Facts) (whats []string) {
	for _, c := range []struct {
		what string
		ok   bool
	}{
		{"customer", has(r.Customers, f.Customer)}, {"from", has(r.From, f.From)}, {"to", has(r.To, f.To)},
		{"postcode", len(r.Postcodes) == 0 || slices.ContainsFunc(r.Postcodes, func(p string) bool { return strings.HasPrefix(f.Postcode, p) })},
		{"service", has(r.Services, f.Service)},
	} {
		if !c.ok {
			whats = append(whats, c.what)
		}
	}
	return whats
}

func has[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

// Explain says of each rule down to the one that matches why it does not, or that it does: "line 9, alps: service".
func (t *Table) Explain(f Facts) (lines []string) {
	for _, r := range t.Routes {
		miss := r.misses(f)
		lines = append(lines, fmt.Sprintf("line %d, %s: %s", r.line, r.Name, cmp.Or(strings.Join(miss, ", "), "matches")))
		if len(miss) == 0 {
			return lines
		}
	}
	return append(lines, Default+": matches, since no rule does")
}
