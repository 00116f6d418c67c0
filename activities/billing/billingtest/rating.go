package billingtest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cockroachdb/apd/v3"

	"waybill/activities/billing"
	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// line is an amount of a contract, rounded once, and how it was reached.
type line struct {
	amount *apd.Decimal
	trace  []string
}

// steps notes how an amount is reached, in words and numbers that an auditor works out again on paper.
type steps struct {
	c     Contract
	trace []string
}

func (c Contract) steps(day string) *steps {
	zone := c.TimeZone
	if zone == "" {
		zone = "UTC"
	}
	return &steps{c: c, trace: []string{fmt.Sprintf("contract %s, ship date %s (%s)", c.name(), day, zone)}}
}

func (s *steps) note(format string, args ...any) {
	s.trace = append(s.trace, fmt.Sprintf(format, args...))
}

// money writes an amount in the contract's currency, with all the decimals it has.
func (s *steps) money(d *apd.Decimal) string { return text(d) + " " + s.c.Currency }

// done rounds: once, at the end.
func (s *steps) done(d *apd.Decimal) line {
	r := s.c.round(d)
	if r.Cmp(d) != 0 {
		s.note("rounded half up: %s %s", r.Text('f'), s.c.Currency)
	}
	return line{amount: r, trace: s.trace}
}

// missing is the refusal that holds a shipment until a contract is entered.
func missing(code, format string, args ...any) error {
	return &partner.Problem{Status: http.StatusNotFound, Title: "No contract", Code: code, Detail: fmt.Sprintf(format, args...)}
}

// linehaul rates the carriage: the zone's rate for the weight, less discount, not under the minimum.
func (c Contract) linehaul(q protocol.RatingRequest) (line, error) {
	s := c.steps(c.day(q.ShipDate))
	z, why, ok := c.zone(q.ShipTo)
	if !ok {
		return line{}, missing(billing.CodeNoContract, "contract %s has no zone for %s %s: enter a version that has", c.name(), q.ShipTo.Country, q.ShipTo.Postcode)
	}
	s.note("%s", why)
	d := s.byWeight(z.Breaks, num(q.Weight))
	if off := percent(d, c.Discount); off.Sign() != 0 {
		d = minus(d, off)
		s.note("less %s%% discount, %s: %s", c.Discount, s.money(off), s.money(d))
	}
	if m := num(c.Minimum); d.Cmp(m) < 0 {
		d = m
		s.note("raised to the minimum charge of %s", s.money(m))
	}
	return s.done(d), nil
}

// byWeight rates a weight at its own break or, where the contract allows deficit rating, as a higher break's minimum
// weight where that is cheaper.
func (s *steps) byWeight(bs []Break, kg *apd.Decimal) *apd.Decimal {
	own := 0
	for i, b := range bs {
		if kg.Cmp(num(b.FromKg)) >= 0 {
			own = i
		}
	}
	best := s.at(bs[own], kg, "")
	if !s.c.Deficit {
		return best
	}
	for _, b := range bs[own+1:] {
		d := s.at(b, num(b.FromKg), "as ")
		if d.Cmp(best) >= 0 {
			s.note("which is not cheaper")
			continue
		}
		best = d
		s.note("which is cheaper (deficit rating)")
	}
	return best
}

func (s *steps) at(b Break, kg *apd.Decimal, as string) *apd.Decimal {
	d := mul(kg, num(b.PerKg))
	s.note("%s%s kg at %s %s per kg (from %s kg): %s", as, text(kg), b.PerKg, s.c.Currency, b.FromKg, s.money(d))
	return d
}

// fuel is the surcharge on linehaul as billed, by the ship date's week; ok is false where the contract has none.
func (c Contract) fuel(linehaul *apd.Decimal, day string) (l line, ok bool, err error) {
	if len(c.Fuel) == 0 {
		return line{}, false, nil
	}
	var w FuelWeek
	for _, f := range c.Fuel {
		if f.From <= day {
			w = f
		}
	}
	if w.From == "" {
		return line{}, false, missing(billing.CodeRateExpired, "contract %s has no fuel surcharge for ship date %s, its first is from %s: enter a version that has", c.name(), day, c.Fuel[0].From)
	}
	s := c.steps(day)
	d := percent(linehaul, w.Percent)
	s.note("%s%% (from %s) of linehaul %s: %s", w.Percent, w.From, s.money(linehaul), s.money(d))
	return s.done(d), true, nil
}

// accessorial is what a schedule has for the charge at place i; ok is false where its code is not in the contract.
func (c Contract) accessorial(ch freight.Charge, i int, day string) (l line, ok bool, err error) {
	sch, ok := c.Accessorial[ch.Code]
	if !ok {
		return line{}, false, nil
	}
	s := c.steps(day)
	switch {
	case sch.PassThrough && ch.Amount.Currency != c.Currency:
		why := fmt.Sprintf("charge %s is in %s, contract %s passes %s through in %s: ask the carrier for an invoice in %s", ch.Ref, ch.Amount.Currency, c.name(), ch.Code, c.Currency, c.Currency)
		return line{}, false, partnertest.Invalid(codeCurrency, why, partner.FieldError{Pointer: fmt.Sprintf("/charges/%d/amount/currency", i), Code: "currency"})
	case sch.PassThrough:
		s.note("passed through as the carrier charged it on %s: %s", ch.Ref, ch.Amount)
		return s.done(num(ch.Amount.Number)), true, nil
	case sch.Flat != "":
		s.note("flat %s %s", sch.Flat, c.Currency)
		return s.done(num(sch.Flat)), true, nil
	case sch.Unit != "" && ch.Unit != sch.Unit, ch.Quantity == "":
		why := fmt.Sprintf("charge %s is for %q %q, contract %s prices %s by %q: ask the carrier for the quantity", ch.Ref, ch.Quantity, ch.Unit, c.name(), ch.Code, sch.Unit)
		return line{}, false, partnertest.Invalid(codeUnit, why, partner.FieldError{Pointer: fmt.Sprintf("/charges/%d/unit", i), Code: "unit"})
	}
	return s.done(s.counted(sch, ch)), true, nil
}

// counted prices the units over the free ones: in proportion, or by started intervals.
func (s *steps) counted(sch Schedule, ch freight.Charge) *apd.Decimal {
	free, unit := num(sch.Free), ch.Unit
	over := minus(num(ch.Quantity), free)
	if over.Sign() < 0 {
		over = new(apd.Decimal)
	}
	s.note("%s %s less %s free: %s %s", ch.Quantity, unit, text(free), text(over), unit)
	if sch.PerUnit != "" {
		d := mul(over, num(sch.PerUnit))
		s.note("%s %s at %s %s: %s", text(over), unit, sch.PerUnit, s.c.Currency, s.money(d))
		return d
	}
	each := apd.New(1, 0)
	if sch.Interval != "" {
		each = num(sch.Interval)
	}
	n := started(over, each)
	d := mul(n, num(sch.PerStarted))
	s.note("%s started intervals of %s %s at %s %s: %s", text(n), text(each), unit, sch.PerStarted, s.c.Currency, s.money(d))
	return d
}

// started is how many intervals have begun.
func started(over, each *apd.Decimal) *apd.Decimal {
	n, rest := new(apd.Decimal), new(apd.Decimal)
	_, _ = exact.QuoInteger(n, over, each)
	_, _ = exact.Rem(rest, over, each)
	if rest.Sign() > 0 {
		n = plus(n, apd.New(1, 0))
	}
	return n
}

// expects is what a carrier's contract has for the charge at place i.
func (c Contract) expects(ch freight.Charge, i int, q protocol.RatingRequest) (line, bool, error) {
	if ch.Code != freight.Linehaul && ch.Code != freight.FuelSurcharge {
		return c.accessorial(ch, i, c.day(q.ShipDate))
	}
	l, err := c.linehaul(q)
	if err != nil || ch.Code == freight.Linehaul {
		return l, err == nil, err
	}
	return c.fuel(l.amount, c.day(q.ShipDate))
}

// rating collects the lines of an answer.
type rating struct {
	lines []freight.RatedLine
	total *apd.Decimal // of the sell lines
}

func (r *rating) add(c Contract, l line, to freight.RatedLine) {
	to.Amount, to.Trace = freight.Money{Number: l.amount.Text('f'), Currency: c.Currency}, l.trace
	if to.Basis == "" {
		to.Basis = freight.ByContract
	}
	if to.Side == freight.Sell {
		r.total = plus(r.total, l.amount)
	}
	r.lines = append(r.lines, to)
}

// rate answers by a customer's contract and, where the carrier has charged, by the carrier's: buy is nil for an estimate.
func rate(sell Contract, buy *Contract, q protocol.RatingRequest) (freight.Rating, error) {
	r := &rating{total: new(apd.Decimal)}
	if err := r.carriage(sell, q); err != nil {
		return freight.Rating{}, err
	}
	for i, ch := range q.Charges {
		if err := r.charge(sell, *buy, ch, i, q); err != nil {
			return freight.Rating{}, err
		}
	}
	b, _ := json.Marshal([]any{q, r.lines, sell.Version}) // plain structs
	sum := sha256.Sum256(b)
	return freight.Rating{
		Contract: sell.ID, Version: sell.Version, Lines: r.lines, Hash: hex.EncodeToString(sum[:]),
		Total: freight.Money{Number: sell.round(r.total).Text('f'), Currency: sell.Currency},
	}, nil
}

// carriage adds what the customer pays for linehaul and fuel.
func (r *rating) carriage(sell Contract, q protocol.RatingRequest) error {
	haul, err := sell.linehaul(q)
	if err != nil {
		return err
	}
	r.add(sell, haul, freight.RatedLine{Ref: "linehaul", Code: freight.Linehaul, Side: freight.Sell})
	fuel, ok, err := sell.fuel(haul.amount, sell.day(q.ShipDate))
	if ok {
		r.add(sell, fuel, freight.RatedLine{Ref: "fuel_surcharge", Code: freight.FuelSurcharge, Side: freight.Sell})
	}
	return err
}

// charge adds what the customer pays for one of the carrier's charges, and what the carrier may charge for it.
func (r *rating) charge(sell, buy Contract, ch freight.Charge, i int, q protocol.RatingRequest) error {
	l, ok, err := sell.accessorial(ch, i, sell.day(q.ShipDate))
	if err != nil {
		return err
	}
	if ok {
		to := freight.RatedLine{Ref: "sell-" + ch.Ref, Code: ch.Code, Side: freight.Sell, ChargeRef: ch.Ref}
		if sell.Accessorial[ch.Code].PassThrough {
			to.Basis = freight.PassThrough
		}
		r.add(sell, l, to)
	}
	l, ok, err = buy.expects(ch, i, q)
	if ok {
		r.add(buy, l, freight.RatedLine{Ref: "buy-" + ch.Ref, Code: ch.Code, Side: freight.Buy, ChargeRef: ch.Ref})
	}
	return err
}
