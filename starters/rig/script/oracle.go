package script

import (
	"fmt"
	"math/big"

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

// detention is what the carrier's contract has for so many half hours: two hours are free, then 50.00 for each
// hour that has begun.
func detention(halfHours int64) int64 {
	over := halfHours - 4
	if over <= 0 {
		return 0
	}
	return (over + 1) / 2 * 5000
}

// kg is the weight that was delivered, by which the freight is rated.
func (p *Plan) kg() int64 { return p.pieces * pieceKg }

// expected is the net a shipment's invoice should have, in cents.
func (p *Plan) expected() int64 {
	if p.Situation == Cancelled {
		return 0
	}
	sell := map[string]tariff{"ACME": acmeSouth, "ACMW": acmeRest, "BOLT": bolt}[p.customer]
	linehaul, fuel := sell.carriage(p.kg())
	net := linehaul + fuel
	if p.customer != "BOLT" {
		net += p.pieces * p.price
	}
	switch p.Situation {
	case DisputeApproved:
		net += p.detention
	case DisputeRejected:
		net += detention(p.halfHours)
	}
	return net
}

// Expectation is what the oracle says of one shipment.
type Expectation struct {
	Shipment  freight.ShipmentID `json:"shipment"`
	Situation Situation          `json:"situation"`
	Net       string             `json:"net"` // of the invoice; 0.00 for none
	Events    int                `json:"events"`
}

// Oracle is all that must come of a playing.
func (s *Show) Oracle() (es []Expectation) {
	for _, p := range s.Plans {
		es = append(es, Expectation{p.ID, p.Situation, dollars(p.expected()), p.distinct})
	}
	return es
}
