package script

import (
	"fmt"
	"math/big"
	"slices"

	"waybill/activities/odoo/odootest"
	"waybill/workflows/freight"
)

// The oracle knows what every invoice should be. It is written from the contracts as they stand on paper, works in
// rational numbers of cents, and shares no code with the billing engine's rating or with the story.

// tariff is a contract as a person reads it: rates per kg from each weight on, in hundredths of a dollar.
type tariff struct {
	from     []int64 // kg
	cents    []int64 // per kg
	minimum  int64   // cents
	discount int64   // per cent
	fuel     *big.Rat
}

var (
	acmeSouth = tariff{[]int64{0, 100, 500}, []int64{90, 75, 50}, 4500, 5, big.NewRat(192, 1000)}
	acmeRest  = tariff{[]int64{0, 100, 500}, []int64{120, 105, 80}, 4500, 5, big.NewRat(192, 1000)}
	bolt      = tariff{[]int64{0, 250}, []int64{110, 95}, 6000, 0, big.NewRat(21, 100)}
	fast      = tariff{[]int64{0, 100, 500}, []int64{60, 55, 40}, 3500, 0, big.NewRat(15, 100)}
	slow      = tariff{[]int64{0}, []int64{50}, 3000, 0, big.NewRat(12, 100)}
)

// carriage is linehaul and fuel in cents: the weight at its own break, or as the next break's minimum where that
// is cheaper, less discount, at least the minimum; fuel of the rounded linehaul.
func (t tariff) carriage(kg int64) (linehaul, fuel int64) {
	best := new(big.Rat)
	for i, from := range t.from {
		amount := big.NewRat(max(kg, from)*t.cents[i], 1)
		if i == 0 || kg >= from || amount.Cmp(best) < 0 {
			best = amount
		}
	}
	best.Mul(best, big.NewRat(100-t.discount, 100))
	if floor := big.NewRat(t.minimum, 1); best.Cmp(floor) < 0 {
		best = floor
	}
	linehaul = halfUp(best)
	return linehaul, halfUp(new(big.Rat).Mul(big.NewRat(linehaul, 1), t.fuel))
}

// halfUp rounds a positive number of cents.
func halfUp(r *big.Rat) int64 {
	twice := new(big.Int).Mul(r.Num(), big.NewInt(2))
	twice.Add(twice, r.Denom())
	return twice.Quo(twice, new(big.Int).Mul(r.Denom(), big.NewInt(2))).Int64()
}

// dollars writes cents as an amount.
func dollars(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// allowed is what the carrier's contract has for the half hours its truck waited: two hours are free, then so much for
// each hour that has begun.
func (p *Plan) allowed() int64 {
	over := p.halfHours - 4
	if over <= 0 {
		return 0
	}
	return (over + 1) / 2 * map[string]int64{"FASTFRT": 5000, "SLOWFRT": 4000}[p.carrier]
}

// kg is the weight that was delivered, by which the freight is rated.
func (p *Plan) kg() int64 { return p.pieces * pieceKg }

// What is on the invoices: the products by their internal references, and the shop's currency.
const (
	goods      = "WB-CRATE"
	freightOf  = "WAYBILL-FREIGHT"
	billed     = "USD"
	ofTheOrder = ", for a line of the order"
)

// line is one line of an invoice, in cents; a price is of one.
type line struct {
	product  string
	quantity int64
	price    int64
	sold     bool // it bills a line of the order
}

func (l line) net() int64 { return l.quantity * l.price }

// words say all that must be right of a line.
func (l line) words(tax odootest.Tax) string {
	return lineWords(l.product, fmt.Sprint(l.quantity), dollars(l.price), dollars(l.net()), []string{percent(tax.Percent)}, map[bool]string{true: ofTheOrder}[l.sold])
}

// bill is what must be on a shipment's invoice.
type bill struct {
	lines []line
	tax   odootest.Tax
}

// bill is what a shipment's invoice must hold; no lines where there must be none.
func (p *Plan) bill(tax odootest.Tax) bill {
	b := bill{tax: tax}
	if p.Situation == Cancelled {
		return b
	}
	sell := map[string]tariff{"ACME": acmeSouth, "ACMW": acmeRest, "BOLT": bolt}[p.customer]
	linehaul, fuel := sell.carriage(p.kg())
	if p.customer != "BOLT" {
		b.lines = append(b.lines, line{goods, p.pieces, p.price, true})
	}
	b.lines = append(b.lines, line{freightOf, 1, linehaul, false}, line{freightOf, 1, fuel, false})
	switch p.verdict {
	case "approve":
		b.lines = append(b.lines, line{freightOf, 1, p.detention, false})
	case "reject":
		b.lines = append(b.lines, line{freightOf, 1, p.allowed(), false})
	}
	return b
}

func (b bill) net() (cents int64) {
	for _, l := range b.lines {
		cents += l.net()
	}
	return cents
}

// due is the tax: of each line, or of the whole once, as the company rounds it.
func (b bill) due() (cents int64) {
	rate := new(big.Rat).SetFloat64(b.tax.Percent)
	rate.Quo(rate, big.NewRat(100, 1))
	of := func(net int64) int64 { return halfUp(new(big.Rat).Mul(big.NewRat(net, 1), rate)) }
	if !b.tax.PerLine {
		return of(b.net())
	}
	for _, l := range b.lines {
		cents += of(l.net())
	}
	return cents
}

func (b bill) total() int64 { return b.net() + b.due() }

// words are the lines, in an order of their own.
func (b bill) words() (all []string) {
	for _, l := range b.lines {
		all = append(all, l.words(b.tax))
	}
	slices.Sort(all)
	return all
}

// Expectation is what the oracle says of one shipment.
type Expectation struct {
	Shipment  freight.ShipmentID `json:"shipment"`
	Situation Situation          `json:"situation"`
	Customer  string             `json:"customer"`
	Lines     []string           `json:"lines"` // of the invoice; none for no invoice
	Net       string             `json:"net"`   // 0.00 for none
	Tax       string             `json:"tax"`
	Total     string             `json:"total"`
	Verdict   string             `json:"verdict,omitzero"`    // on the carrier's charge that is disputed; "" for none
	FirstPart int64              `json:"first_part,omitzero"` // per cent that is paid first; 0: all at once
	Events    int                `json:"events"`
}

// Oracle is all that must come of a playing.
func (s *Show) Oracle() (es []Expectation) {
	for _, p := range s.Plans {
		b := p.bill(s.tax)
		es = append(es, Expectation{p.ID, p.Situation, p.customer, b.words(), dollars(b.net()), dollars(b.due()), dollars(b.total()), p.verdict, p.firstPart, p.distinct})
	}
	return es
}
