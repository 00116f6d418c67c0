package billingtest

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/bojanz/currency"
	"github.com/cockroachdb/apd/v3"
	"go.yaml.in/yaml/v3"

	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
)

//go:embed contracts/*.yaml
var samples embed.FS

// Contract is what a customer pays (sell), or what a carrier may charge (buy). Numbers are decimals, amounts are in
// its currency.
type Contract struct {
	ID          string                          `yaml:"id" json:"id"`
	Version     string                          `yaml:"version" json:"version"`
	Carrier     freight.CarrierCode             `yaml:"carrier" json:"carrier,omitzero"`     // of a buy contract
	From        string                          `yaml:"from" json:"from"`                    // first ship date, YYYY-MM-DD
	To          string                          `yaml:"to" json:"to"`                        // last ship date
	TimeZone    string                          `yaml:"time_zone" json:"time_zone,omitzero"` // where a ship date is a day; "" UTC
	Currency    string                          `yaml:"currency" json:"currency"`
	Zones       []Zone                          `yaml:"zones" json:"zones"`                // the first that fits holds
	Deficit     bool                            `yaml:"deficit" json:"deficit,omitzero"`   // a weight may be rated as a higher break's minimum weight, where that is cheaper
	Discount    string                          `yaml:"discount" json:"discount,omitzero"` // per cent of linehaul
	Minimum     string                          `yaml:"minimum" json:"minimum"`            // linehaul after the discount is never less
	Fuel        []FuelWeek                      `yaml:"fuel" json:"fuel,omitempty"`        // none: no fuel surcharge
	Accessorial map[freight.ChargeCode]Schedule `yaml:"accessorials" json:"accessorials,omitempty"`
}

// Zone is a set of destinations with rates by weight.
type Zone struct {
	Name     string   `yaml:"name" json:"name"`
	Country  string   `yaml:"country" json:"country,omitzero"`    // "" fits any
	Prefixes []string `yaml:"prefixes" json:"prefixes,omitempty"` // of the postcode; none fits any
	Breaks   []Break  `yaml:"breaks" json:"breaks"`               // from 0 kg, ascending
}

// Break is a rate from a weight on.
type Break struct {
	FromKg string `yaml:"from_kg" json:"from_kg"`
	PerKg  string `yaml:"per_kg" json:"per_kg"`
}

// FuelWeek is the fuel surcharge for ship dates from a day until the next one's.
type FuelWeek struct {
	From    string `yaml:"from" json:"from"`
	Percent string `yaml:"percent" json:"percent"` // of linehaul as billed
}

// Schedule prices an accessorial in one of four ways.
type Schedule struct {
	Flat        string `yaml:"flat" json:"flat,omitzero"`
	PerUnit     string `yaml:"per_unit" json:"per_unit,omitzero"`       // of each unit over the free ones, in proportion
	PerStarted  string `yaml:"per_started" json:"per_started,omitzero"` // of each interval that has begun over the free units
	Interval    string `yaml:"interval" json:"interval,omitzero"`       // in units; "" 1
	Free        string `yaml:"free" json:"free,omitzero"`               // units that cost nothing; "" 0
	Unit        string `yaml:"unit" json:"unit,omitzero"`               // what is counted; "" any
	PassThrough bool   `yaml:"pass_through" json:"pass_through,omitzero"`
}

// Samples are the contracts the stand-in starts with.
func Samples() ([]Contract, error) {
	files, err := samples.ReadDir("contracts")
	if err != nil {
		return nil, err
	}
	var all []Contract
	for _, f := range files {
		b, err := samples.ReadFile("contracts/" + f.Name())
		if err != nil {
			return nil, err
		}
		var cs []Contract
		d := yaml.NewDecoder(bytes.NewReader(b))
		d.KnownFields(true)
		if err := d.Decode(&cs); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		all = append(all, cs...)
	}
	return all, nil
}

// same reports whether two versions say the same.
func (c Contract) same(o Contract) bool {
	a, _ := json.Marshal(c) // plain structs
	b, _ := json.Marshal(o)
	return bytes.Equal(a, b)
}

// wrong are the places where a contract contradicts itself; what its form must be the schema says.
func (c Contract) wrong() (places []partner.FieldError) {
	note := func(pointer, code, detail string) {
		places = append(places, partner.FieldError{Pointer: pointer, Code: code, Detail: detail})
	}
	if !currency.IsValid(c.Currency) {
		note("/currency", "unknown", c.Currency+" is no currency")
	}
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		note("/time_zone", "unknown", err.Error())
	}
	if c.To < c.From {
		note("/to", "order", "it ends before it begins")
	}
	for i, z := range c.Zones {
		if num(z.Breaks[0].FromKg).Sign() != 0 {
			note(fmt.Sprintf("/zones/%d/breaks/0/from_kg", i), "order", "the first break is from 0 kg")
		}
		for j := 1; j < len(z.Breaks); j++ {
			if num(z.Breaks[j].FromKg).Cmp(num(z.Breaks[j-1].FromKg)) <= 0 {
				note(fmt.Sprintf("/zones/%d/breaks/%d/from_kg", i, j), "order", "breaks ascend")
			}
		}
	}
	for i := 1; i < len(c.Fuel); i++ {
		if c.Fuel[i].From <= c.Fuel[i-1].From {
			note(fmt.Sprintf("/fuel/%d/from", i), "order", "weeks ascend")
		}
	}
	for code, s := range c.Accessorial {
		if detail := s.wrong(code); detail != "" {
			note("/accessorials/"+string(code), "way", detail)
		}
	}
	return places
}

func (s Schedule) wrong(code freight.ChargeCode) string {
	ways := 0
	for _, set := range []bool{s.Flat != "", s.PerUnit != "", s.PerStarted != "", s.PassThrough} {
		if set {
			ways++
		}
	}
	switch {
	case code == freight.Linehaul || code == freight.FuelSurcharge:
		return "it is rated by weight and week, not by a schedule"
	case ways != 1:
		return "it has exactly one of flat, per_unit, per_started and pass_through"
	case s.Interval != "" && (s.PerStarted == "" || num(s.Interval).Sign() == 0):
		return "an interval is over 0, and goes with per_started"
	}
	return ""
}

// check refuses a contract that the engine could not rate by.
func (c Contract) check() error {
	if places := c.wrong(); len(places) > 0 {
		return partnertest.Invalid("", "the contract contradicts itself", places...)
	}
	return nil
}

// day is the ship date as the contract has it.
func (c Contract) day(ship time.Time) string {
	where, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		where = time.UTC // check has refused it
	}
	return ship.In(where).Format(time.DateOnly)
}

func (c Contract) name() string { return c.ID + " version " + c.Version }

func (c Contract) zone(to freight.Place) (Zone, string, bool) {
	for _, z := range c.Zones {
		if z.Country != "" && z.Country != to.Country {
			continue
		}
		if len(z.Prefixes) == 0 {
			return z, fmt.Sprintf("zone %s for %s %s", z.Name, to.Country, to.Postcode), true
		}
		for _, p := range z.Prefixes {
			if strings.HasPrefix(to.Postcode, p) {
				return z, fmt.Sprintf("zone %s for %s %s, which begins with %s", z.Name, to.Country, to.Postcode, p), true
			}
		}
	}
	return Zone{}, "", false
}

// exact has more digits than any product of what the schemas allow.
var exact = apd.BaseContext.WithPrecision(120)

// num reads a decimal the schemas have let through.
func num(s string) *apd.Decimal {
	d, _, err := apd.NewFromString(s)
	if err != nil {
		return new(apd.Decimal) // "": nothing is stated
	}
	return d
}

func mul(a, b *apd.Decimal) *apd.Decimal {
	d := new(apd.Decimal)
	_, _ = exact.Mul(d, a, b)
	return d
}

func plus(a, b *apd.Decimal) *apd.Decimal {
	d := new(apd.Decimal)
	_, _ = exact.Add(d, a, b)
	return d
}

func minus(a, b *apd.Decimal) *apd.Decimal { return plus(a, mul(b, apd.New(-1, 0))) }

func percent(d *apd.Decimal, p string) *apd.Decimal { return mul(d, mul(num(p), apd.New(1, -2))) }

// round is half up, to the currency's decimals.
func (c Contract) round(d *apd.Decimal) *apd.Decimal {
	digits, _ := currency.GetDigits(c.Currency) // check has refused an unknown one
	half, r := *exact, new(apd.Decimal)
	half.Rounding = apd.RoundHalfUp
	_, _ = half.Quantize(r, d, -int32(digits))
	return r
}

// text writes a decimal without zeros at its end.
func text(d *apd.Decimal) string {
	r := new(apd.Decimal)
	r.Reduce(d)
	return r.Text('f')
}
