package connectors

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"waybill/workflows/freight"
)

// Table gives a partner's codes their meaning. It is data with an owner, and each change of it is a new version.
type Table struct {
	Name    string `yaml:"name"`
	Version int    `yaml:"version"` // from 1; two may be in use at a time
	Owner   string `yaml:"owner"`   // the team that answers for it
	Contact string `yaml:"contact"`
	Docs    string `yaml:"docs"` // where the partner explains its codes
	// Carriers turns a partner's names of carriers into the codes agreed with them; others are taken in upper case.
	Carriers map[string]freight.CarrierCode `yaml:"carriers"`
	Codes    map[string]Row                 `yaml:"codes"`
	// Reasons gives the codes for why something happened.
	Reasons map[string]freight.Reason `yaml:"reasons"`
}

// Nothing is the meaning of a code that says nothing about the freight: no scan comes of it.
const Nothing freight.Milestone = "nothing"

// Row is the meaning of one code. It is written as the milestone alone, or with more of these.
type Row struct {
	Milestone  freight.Milestone  `yaml:"milestone"`
	Classifier freight.Classifier `yaml:"classifier"` // "": as the statement says, else actual
	Reason     freight.Reason     `yaml:"reason"`     // "": as the statement says
	Fault      freight.FaultParty `yaml:"fault"`      // "": who answers for the reason
}

// UnmarshalYAML reads both ways of writing a row.
func (r *Row) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		r.Milestone = freight.Milestone(n.Value)
		return nil
	}
	type plain Row // without this method
	var p plain
	var raw map[string]string
	if err := n.Decode(&raw); err != nil {
		return err
	}
	for key := range raw {
		if !slices.Contains([]string{"milestone", "classifier", "reason", "fault"}, key) {
			return fmt.Errorf("line %d: %s: want milestone, classifier, reason or fault", n.Line, key)
		}
	}
	err := n.Decode(&p)
	*r = Row(p)
	return err
}

// ID is how a version of a table is called: easypost@1.
func (t Table) ID() string { return t.Name + "@" + strconv.Itoa(t.Version) }

// NameForm is what a connector may be called.
var NameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// ParseTable reads a table from YAML and checks it. A key that is not known is an error, as is one that comes twice.
func ParseTable(text []byte) (t Table, err error) {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&t); err != nil {
		return t, fmt.Errorf("mapping: %w", err)
	}
	return t, t.Check()
}

// Check says all that is wrong with a table.
func (t Table) Check() error {
	var faults []error
	want := func(ok bool, key, want string) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s: %s: want %s", t.Name, key, want))
		}
	}
	want(NameForm.MatchString(t.Name), "name", "1 to 40 lower-case letters, digits and '-'")
	want(t.Version >= 1, "version", "1 or more")
	want(t.Owner != "", "owner", "who answers for it")
	want(t.Contact != "", "contact", "how the owner is reached")
	want(len(t.Codes) > 0, "codes", "at least one")
	for _, code := range slices.Sorted(maps.Keys(t.Codes)) {
		r := t.Codes[code]
		want(code != "" && len(code) <= maxCode, "codes", fmt.Sprintf("codes of 1 to %d bytes", maxCode))
		want(r.Milestone.Known() || r.Milestone == Nothing, "codes."+code, "one of our milestones, or nothing: not "+string(r.Milestone))
		want(r.Reason == "" || r.Reason.Known(), "codes."+code, "a reason of the vocabulary: not "+string(r.Reason))
		want(r.Fault == "" || r.Fault.Known(), "codes."+code, "a party of the vocabulary: not "+string(r.Fault))
		want(slices.Contains([]freight.Classifier{"", freight.Actual, freight.Estimated, freight.Planned}, r.Classifier), "codes."+code, "actual, estimated or planned")
	}
	for _, code := range slices.Sorted(maps.Keys(t.Reasons)) {
		want(t.Reasons[code].Known(), "reasons."+code, "a reason of the vocabulary: not "+string(t.Reasons[code]))
	}
	return errors.Join(faults...)
}

// find is the meaning of the first of the codes that the table has.
func (t Table) find(codes []string) (code string, r Row, ok bool) {
	for _, code := range codes {
		if r, ok := t.Codes[code]; ok {
			return code, r, true
		}
	}
	return "", r, false
}

// reason is the meaning of the first of the codes for why that the table has. Codes of our own vocabulary mean themselves.
func (t Table) reason(codes []string) freight.Reason {
	for _, code := range codes {
		if r, ok := t.Reasons[code]; ok {
			return r
		}
		if r := freight.Reason(strings.ToLower(code)); code != "" && r.Known() {
			return r
		}
	}
	return ""
}

// carrier is the code of a carrier as the partner names it.
func (t Table) carrier(name string) freight.CarrierCode {
	if c, ok := t.Carriers[name]; ok {
		return c
	}
	return freight.CarrierCode(cut(strings.ToUpper(strings.TrimSpace(name)), maxCarrier))
}
