package billingtest

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
	"go.yaml.in/yaml/v3"

	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

//go:embed contracts/*.yaml
var samples embed.FS

// Contract is what a customer pays (sell), or what a carrier may charge (buy).
type Contract struct {
	ID          string                          `yaml:"id" json:"id"`
	Version     string                          `yaml:"version" json:"version"`
	Carrier     freight.CarrierCode             `yaml:"carrier" json:"carrier,omitzero"` // of a buy contract
	From        string                          `yaml:"from" json:"from"`                // first ship date, YYYY-MM-DD
	To          string                          `yaml:"to" json:"to"`                    // last ship date
	Currency    string                          `yaml:"currency" json:"currency"`
	Zones       []Zone                          `yaml:"zones" json:"zones"` // the first that fits holds
	Minimum     string                          `yaml:"minimum" json:"minimum"`
	Discount    string                          `yaml:"discount" json:"discount"` // per cent of linehaul
	Fuel        []FuelWeek                      `yaml:"fuel" json:"fuel"`
	Accessorial map[freight.ChargeCode]Schedule `yaml:"accessorials" json:"accessorials"`
}

// Zone is a set of destinations with rates by weight.
type Zone struct {
	Name     string   `yaml:"name" json:"name"`
	Country  string   `yaml:"country" json:"country"`   // "" fits any
	Prefixes []string `yaml:"prefixes" json:"prefixes"` // of the postcode; none fits any
	Breaks   []Break  `yaml:"breaks" json:"breaks"`
}

// Break is a rate from a weight on.
type Break struct {
	FromKg string `yaml:"from_kg" json:"from_kg"`
	PerKg  string `yaml:"per_kg" json:"per_kg"`
}

// FuelWeek is the fuel surcharge for ship dates from a day on.
type FuelWeek struct {
	From    string `yaml:"from" json:"from"`
	Percent string `yaml:"percent" json:"percent"` // of discounted linehaul
}

// Schedule prices an accessorial in one of three ways.
type Schedule struct {
	Flat        string `yaml:"flat" json:"flat"`
	PerUnit     string `yaml:"per_unit" json:"per_unit"` // for each started unit after the free ones
	Free        string `yaml:"free" json:"free"`
	PassThrough bool   `yaml:"pass_through" json:"pass_through"`
}

// Samples are the contracts the stand-in starts with.
func Samples() ([]Contract, error) {
	files, err := samples.ReadDir("contracts")
	if err != nil {
		return nil, err
	}
	var cs []Contract
	for _, f := range files {
		b, err := samples.ReadFile("contracts/" + f.Name())
		if err != nil {
			return nil, err
		}
		var c []Contract
		if err := yaml.Unmarshal(b, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		cs = append(cs, c...)
	}
	return cs, nil
}

var exact = apd.BaseContext.WithPrecision(40)

func num(s string) *apd.Decimal {
	d, _, err := apd.NewFromString(s)
	if err != nil {
		return new(apd.Decimal)
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

// cents rounds half up to two decimals: the stand-in's contracts are in currencies of two.
func cents(d *apd.Decimal) *apd.Decimal {
	r := new(apd.Decimal)
	half := *exact
	half.Rounding = apd.RoundHalfUp
	_, _ = half.Quantize(r, d, -2)
	return r
}

// covers says why a contract does not hold for a ship date and currency; "" if it does.
func (c Contract) covers(ship time.Time, currency string) string {
	day := ship.UTC().Format("2006-01-02")
	switch {
	case day < c.From || day > c.To:
		return fmt.Sprintf("%s version %s holds from %s to %s, the shipment left on %s", c.ID, c.Version, c.From, c.To, day)
	case currency != "" && currency != c.Currency:
		return fmt.Sprintf("%s version %s is in %s, the customer is billed in %s", c.ID, c.Version, c.Currency, currency)
	}
	return ""
}

func (c Contract) zone(to freight.Place) (Zone, bool) {
	for _, z := range c.Zones {
		if z.Country != "" && z.Country != to.Country {
			continue
		}
		if len(z.Prefixes) == 0 {
			return z, true
		}
		for _, p := range z.Prefixes {
			if strings.HasPrefix(to.Postcode, p) {
				return z, true
			}
		}
	}
	return Zone{}, false
}

// carriage is linehaul and fuel with how they were reached.
type carriage struct {
	linehaul, fuel   *apd.Decimal
	trace, fuelTrace []string
}

// carry rates the carriage: the better of this weight's rate and the next break's, less discount, not under the
// minimum; fuel of that by the ship date's week.
func (c Contract) carry(q protocol.RatingRequest) (carriage, bool) {
	z, ok := c.zone(q.ShipTo)
	if !ok {
		return carriage{}, false
	}
	kg := num(q.Weight)
	best, how := deficit(z.Breaks, kg)
	trace := []string{"zone " + z.Name, how}
	if c.Discount != "" {
		best = minus(best, mul(best, mul(num(c.Discount), apd.New(1, -2))))
		trace = append(trace, "less "+c.Discount+"% discount: "+best.Text('f'))
	}
	if m := num(c.Minimum); best.Cmp(m) < 0 {
		best = m
		trace = append(trace, "minimum charge "+c.Minimum)
	}
	linehaul := cents(best)
	week := c.week(q.ShipDate)
	fuel := cents(mul(linehaul, mul(num(week.Percent), apd.New(1, -2))))
	return carriage{linehaul, fuel, trace, []string{fmt.Sprintf("%s%% of %s for ship dates from %s", week.Percent, linehaul.Text('f'), week.From)}}, true
}

// deficit rates a weight at its own break, or as the next break's minimum where that is cheaper.
func deficit(bs []Break, kg *apd.Decimal) (best *apd.Decimal, how string) {
	for _, b := range bs {
		from := num(b.FromKg)
		at := kg
		if kg.Cmp(from) < 0 {
			at = from
		}
		amount := mul(at, num(b.PerKg))
		if best == nil || kg.Cmp(from) >= 0 || amount.Cmp(best) < 0 {
			best, how = amount, fmt.Sprintf("%s kg at %s per kg: %s", at.Text('f'), b.PerKg, amount.Text('f'))
		}
	}
	if best == nil {
		return new(apd.Decimal), "no weight breaks"
	}
	return best, how
}

func (c Contract) week(ship time.Time) (w FuelWeek) {
	day := ship.UTC().Format("2006-01-02")
	for _, f := range c.Fuel {
		if f.From <= day {
			w = f
		}
	}
	return w
}

// accessorial is what a schedule has for a charge; ok is false where the code is not in the contract.
func (c Contract) accessorial(ch freight.Charge) (amount *apd.Decimal, trace string, ok bool) {
	s, ok := c.Accessorial[ch.Code]
	switch {
	case !ok:
		return nil, "", false
	case s.PassThrough:
		return num(ch.Amount.Number), "as the carrier charged", true
	case s.Flat != "":
		return num(s.Flat), "flat " + s.Flat, true
	}
	units := minus(num(ch.Quantity), num(s.Free))
	if units.Sign() < 0 {
		units = new(apd.Decimal)
	}
	up := *exact
	_, _ = up.Ceil(units, units)
	amount = mul(units, num(s.PerUnit))
	return amount, fmt.Sprintf("%s started units over %s free at %s", units.Text('f'), orNone(s.Free), s.PerUnit), true
}

func orNone(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

// rate answers a request by a customer's contract and, where the carrier has charged, by the carrier's.
func rate(sell Contract, buy *Contract, q protocol.RatingRequest) (freight.Rating, bool) {
	r := freight.Rating{Contract: sell.ID, Version: sell.Version}
	money := func(d *apd.Decimal, c Contract) freight.Money {
		return freight.Money{Number: cents(d).Text('f'), Currency: c.Currency}
	}
	carried, ok := sell.carry(q)
	if !ok {
		return r, false
	}
	r.Lines = append(r.Lines,
		freight.RatedLine{Ref: "linehaul", Code: freight.Linehaul, Side: freight.Sell, Amount: money(carried.linehaul, sell), Basis: freight.ByContract, Trace: carried.trace},
		freight.RatedLine{Ref: "fuel_surcharge", Code: freight.FuelSurcharge, Side: freight.Sell, Amount: money(carried.fuel, sell), Basis: freight.ByContract, Trace: carried.fuelTrace})
	for _, ch := range q.Charges {
		if d, trace, ok := sell.accessorial(ch); ok {
			basis := freight.ByContract
			if sell.Accessorial[ch.Code].PassThrough {
				basis = freight.PassThrough
			}
			r.Lines = append(r.Lines, freight.RatedLine{Ref: "sell-" + ch.Ref, Code: ch.Code, Side: freight.Sell, Amount: money(d, sell), Basis: basis, ChargeRef: ch.Ref, Trace: []string{trace}})
		}
		if buy != nil {
			if d, trace, ok := buy.expects(ch, q); ok {
				r.Lines = append(r.Lines, freight.RatedLine{Ref: "buy-" + ch.Ref, Code: ch.Code, Side: freight.Buy, Amount: money(d, *buy), Basis: freight.ByContract, ChargeRef: ch.Ref, Trace: trace})
			}
		}
	}
	total := new(apd.Decimal)
	for _, l := range r.Sell() {
		total = plus(total, num(l.Amount.Number))
	}
	r.Total = money(total, sell)
	b, _ := json.Marshal([]any{q, r.Lines, sell.Version}) // plain structs
	sum := sha256.Sum256(b)
	r.Hash = hex.EncodeToString(sum[:])
	return r, true
}

// expects is what a carrier's contract has for one of its charges.
func (c Contract) expects(ch freight.Charge, q protocol.RatingRequest) (*apd.Decimal, []string, bool) {
	switch ch.Code {
	case freight.Linehaul, freight.FuelSurcharge:
		carried, ok := c.carry(q)
		if ch.Code == freight.Linehaul {
			return carried.linehaul, append(carried.trace, "contract "+c.ID+" version "+c.Version), ok
		}
		return carried.fuel, append(carried.fuelTrace, "contract "+c.ID+" version "+c.Version), ok
	}
	d, trace, ok := c.accessorial(ch)
	return d, []string{trace, "contract " + c.ID + " version " + c.Version}, ok
}
