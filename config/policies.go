package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"waybill/workflows/freight"
)

// Policies are the customers' terms: business data with an owner and a version, kept beside the configuration.
type Policies struct {
	Version   string     `yaml:"version"`
	Owner     string     `yaml:"owner"`
	Default   Policy     `yaml:"default"`
	Customers []Policy   `yaml:"customers"`
	Calendars []Calendar `yaml:"calendars"`

	file string
}

// Policy is one customer's terms, or those of every customer without any.
type Policy struct {
	Customer           freight.CustomerCode   `yaml:"customer"`
	Contract           string                 `yaml:"contract"`
	Currency           string                 `yaml:"currency"`
	Scope              freight.BillingScope   `yaml:"scope"`
	POD                freight.PODRequirement `yaml:"pod"`
	NeedCarrierInvoice bool                   `yaml:"need_carrier_invoice"`
	ChargesWindow      span                   `yaml:"charges_window"`
	ToleranceAmount    string                 `yaml:"tolerance_amount"`
	TolerancePercent   string                 `yaml:"tolerance_percent"`
	Clocks             struct {
		Accept  span `yaml:"accept"`
		Deliver span `yaml:"deliver"`
		POD     span `yaml:"pod"`
		Dispute span `yaml:"dispute"`
		Payment span `yaml:"payment"`
		Quiet   span `yaml:"quiet"`
		Rest    span `yaml:"rest"`

		Reference span `yaml:"reference"`
	} `yaml:"clocks"`
	Delivery   string     `yaml:"delivery"`
	Promise    Promise    `yaml:"promise"`
	Exceptions Exceptions `yaml:"exceptions"`
}

// span is a duration written as 48h.
type span time.Duration

// UnmarshalYAML reads a duration. Its error is of the kind that lets the decoder go on, to say all that is wrong.
func (s *span) UnmarshalYAML(n *yaml.Node) error {
	d, err := time.ParseDuration(n.Value)
	if err != nil || d < 0 {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q: want a duration of 0s or more, such as 48h", n.Line, n.Value)}}
	}
	*s = span(d)
	return nil
}

// LoadPolicies reads and checks a policies file, and says all that is wrong with it at once.
func LoadPolicies(path string) (*Policies, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	p := &Policies{file: path}
	f := &faults{file: path}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	err = d.Decode(p)
	var unread *yaml.TypeError
	switch {
	case errors.As(err, &unread):
		for _, e := range unread.Errors {
			f.errs = append(f.errs, fmt.Errorf("%s: %s", path, unknownField.ReplaceAllString(e, "$1: there is no such key; config/policies/example.yaml has every key")))
		}
	case err != nil && !errors.Is(err, io.EOF): // an empty file has no key at all
		return nil, fmt.Errorf("policies: %s: %w", path, err)
	}
	p.check(f)
	return p, f.err()
}

// unknownField is how the decoder names a key it does not know: by a type of ours, which says nothing to its owner.
var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

func (p *Policies) check(f *faults) {
	f.want(p.Version != "", "version", p.Version, "a version: it stands in every validation")
	f.want(p.Owner != "", "owner", p.Owner, "who answers for these terms")
	f.want(p.Default.Customer == "", "default.customer", string(p.Default.Customer), "none: these terms are for customers without their own")
	p.Default.check(f, "default")
	p.Default.checkPromise(f, "default", p.Calendars)
	p.Default.Exceptions.check(f, "default.exceptions", p.Calendars)
	seen := map[freight.CustomerCode]bool{}
	for i, c := range p.Customers {
		key := fmt.Sprintf("customers[%d]", i)
		f.want(c.Customer != "" && !seen[c.Customer], key+".customer", string(c.Customer), "a customer's reference in Odoo, once")
		seen[c.Customer] = true
		c.check(f, key)
		c.checkPromise(f, key, p.Calendars)
		c.Exceptions.check(f, key+".exceptions", p.Calendars)
	}
	names := map[string]bool{}
	for i, c := range p.Calendars {
		key := fmt.Sprintf("calendars[%d]", i)
		f.want(c.Name != "" && !names[c.Name], key+".name", c.Name, "a name, once")
		names[c.Name] = true
		c.check(f, key)
	}
}

func (p Policy) check(f *faults, key string) {
	f.want(p.Scope == freight.GoodsAndFreight || p.Scope == freight.FreightOnly || p.Scope == freight.BillsNothing, key+".scope", string(p.Scope), "goods_and_freight, freight or none")
	f.want(p.POD == freight.PODStatus || p.POD == freight.PODSignature || p.POD == freight.PODDocument, key+".pod", string(p.POD), "status, signature or document")
	f.want(p.Contract != "" || p.Scope == freight.BillsNothing, key+".contract", p.Contract, "the contract's id in the billing engine")
	f.want(freight.ZeroMoney(p.Currency).Stated(), key+".currency", p.Currency, "an ISO 4217 code, such as USD")
	if p.ToleranceAmount == "" && p.TolerancePercent == "" {
		return
	}
	amount, err := freight.ParseMoney(p.ToleranceAmount)
	f.want(err == nil && amount.Sign() >= 0 && amount.Currency == p.Currency, key+".tolerance_amount", p.ToleranceAmount, fmt.Sprintf("an amount of zero or more in %s, such as \"5.00 %[1]s\", or neither limit", p.Currency))
	f.want(percentForm.MatchString(p.TolerancePercent), key+".tolerance_percent", p.TolerancePercent, "0 to 100 with at most 4 decimals, such as \"2.5\", or neither limit")
}

// percentForm is a decimal from 0 to 100.
var percentForm = regexp.MustCompile(`^(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)$`)

// tolerance is of a policy that was checked; zero where it states none.
func (p Policy) tolerance() (t freight.Tolerance, err error) {
	if p.ToleranceAmount == "" {
		return t, nil
	}
	t.Percent = p.TolerancePercent
	t.Absolute, err = freight.ParseMoney(p.ToleranceAmount)
	return t, err
}

// TermsFor is the snapshot of a customer's policy that a shipment takes with it. The order's currency must be the
// policy's: nothing is converted.
func (p *Policies) TermsFor(customer freight.CustomerCode, currency string) (freight.Terms, error) {
	use, name := p.Default, "default"
	for _, c := range p.Customers {
		if c.Customer == customer {
			use, name = c, string(c.Customer)
		}
	}
	if currency != use.Currency {
		return freight.Terms{}, fmt.Errorf("policy %s of %s is in %s, the order is in %s: give the customer a policy in that currency", name, p.file, use.Currency, currency)
	}
	tolerance, err := use.tolerance()
	k := use.Clocks
	return freight.Terms{
		Policy: name, Version: p.Version, Contract: use.Contract, Currency: use.Currency, Scope: use.Scope, POD: use.POD, Tolerance: tolerance,
		Charges: freight.ChargesTerms{NeedCarrierInvoice: use.NeedCarrierInvoice, Window: time.Duration(use.ChargesWindow)},
		Clocks: freight.Clocks{Accept: time.Duration(k.Accept), Deliver: time.Duration(k.Deliver), POD: time.Duration(k.POD),
			Dispute: time.Duration(k.Dispute), Payment: time.Duration(k.Payment), Quiet: time.Duration(k.Quiet), Rest: time.Duration(k.Rest), Reference: time.Duration(k.Reference)},
		Delivery: use.deliveryRule(), SLA: use.slaTerms(p.Calendars, time.Now()), Exceptions: use.Exceptions.terms(p.Calendars, time.Now()),
	}, err
}
