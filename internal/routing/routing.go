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

// The kinds. Of each but the WMS one is the default, and serves where no rule names another. A WMS is asked only where a
// rule names one: whoever has none, or ships from a warehouse that looks into Odoo itself, needs none.
const (
	TMS     Kind = "tms"
	WMS     Kind = "wms"
	Billing Kind = "billing"
	Finance Kind = "finance"
)

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{TMS, WMS, Billing, Finance} }

// Table is a file of rules. The zero value has none: the default serves everyone.
type Table struct {
	Version string `yaml:"version"`
	Owner   string `yaml:"owner"`
	Routes  []Rule `yaml:"routes"`

	file string
}

// Rule says who serves what it matches.
type Rule struct {
	Name  string `yaml:"name"`
	Match `yaml:",inline"`

	TMS     string              `yaml:"tms"`     // a target; "" for the default
	WMS     string              `yaml:"wms"`     // a target; "" for none: no warehouse is asked
	Billing string              `yaml:"billing"` // a target; "" for the default
	Finance string              `yaml:"finance"` // a target; "" for the default
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

var ruleKeys = []string{"name", "customers", "from", "to", "postcodes", "services", "tms", "wms", "billing", "finance", "carrier"}

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

var carrierForm = regexp.MustCompile(`^[A-Z0-9]{2,10}$`)

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
		for _, words := range r.Faults() {
			want(false, r.line, "%s", words)
		}
		want(r.WMS != Default, r.line, "wms %q: no WMS is the default: name one of targets, or leave wms out, and no warehouse is asked", r.WMS)
		want(r.Carrier == "" || carrierForm.MatchString(string(r.Carrier)), r.line, "carrier %q: want 2 to 10 capital letters and digits", r.Carrier)
		if j := slices.IndexFunc(t.Routes[:i], func(before Rule) bool { return r.within(before.Match) }); j >= 0 {
			want(false, r.line, "rule %q never matches: rule %q at line %d matches all that it does; move it up, or take it out", r.Name, t.Routes[j].Name, t.Routes[j].line)
		}
	}
	return errors.Join(faults...)
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
	return map[Kind]string{TMS: r.TMS, WMS: r.WMS, Billing: r.Billing, Finance: r.Finance}[k]
}

// Route is the route of the first rule that matches; the default's where none does.
func (t *Table) Route(f Facts) freight.Route {
	for _, r := range t.Routes {
		if r.Matches(f) {
			return freight.Route{Rule: r.Name, Version: t.Version, TMS: r.TMS, WMS: r.WMS, Billing: r.Billing, Finance: r.Finance, Carrier: r.Carrier}
		}
	}
	return freight.Route{Rule: Default, Version: t.Version}
}

// Explain says of each rule down to the one that matches why it does not, or that it does: "line 9, alps: service".
func (t *Table) Explain(f Facts) (lines []string) {
	for _, r := range t.Routes {
		miss := r.Misses(f)
		lines = append(lines, fmt.Sprintf("line %d, %s: %s", r.line, r.Name, cmp.Or(strings.Join(miss, ", "), "matches")))
		if len(miss) == 0 {
			return lines
		}
	}
	return append(lines, Default+": matches, since no rule does")
}
