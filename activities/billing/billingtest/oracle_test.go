package billingtest_test

import (
	"math/big"
	"strings"
	"time"

	"waybill/activities/billing/billingtest"
	"waybill/workflows/freight"
)

// The oracle rates by the rules as the contract's document has them, in rational numbers. It shares no code with the
// engine.

// rat reads a decimal; "" is nothing.
func rat(s string) *big.Rat {
	if s == "" {
		return new(big.Rat)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("oracle: " + s)
	}
	return r
}

func product(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }

func share(a *big.Rat, perCent string) *big.Rat {
	return new(big.Rat).Quo(product(a, rat(perCent)), big.NewRat(100, 1))
}

// halfUp rounds a number that is not negative to so many decimals: a half goes up.
func halfUp(r *big.Rat, decimals int) *big.Rat {
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
	x := product(r, new(big.Rat).SetInt(scale))
	n, rest := new(big.Int).QuoRem(x.Num(), x.Denom(), new(big.Int))
	if new(big.Int).Lsh(rest, 1).Cmp(x.Denom()) >= 0 {
		n.Add(n, big.NewInt(1))
	}
	return new(big.Rat).SetFrac(n, scale)
}

// paperHaul is the linehaul of a weight to a zone, rounded.
func paperHaul(c billingtest.Contract, z billingtest.Zone, kg string, decimals int) *big.Rat {
	w := rat(kg)
	var best *big.Rat
	for _, b := range z.Breaks { // the last that the weight reaches
		if rat(b.FromKg).Cmp(w) <= 0 {
			best = product(w, rat(b.PerKg))
		}
	}
	for _, b := range z.Breaks {
		if lifted := product(rat(b.FromKg), rat(b.PerKg)); c.Deficit && rat(b.FromKg).Cmp(w) > 0 && lifted.Cmp(best) < 0 {
			best = lifted
		}
	}
	best.Sub(best, share(best, c.Discount))
	if floor := rat(c.Minimum); best.Cmp(floor) < 0 {
		best = floor
	}
	return halfUp(best, decimals)
}

// paperZone is the first zone that fits.
func paperZone(c billingtest.Contract, to freight.Place) (billingtest.Zone, bool) {
	for _, z := range c.Zones {
		country := z.Country == "" || z.Country == to.Country
		postcode := len(z.Prefixes) == 0
		for _, p := range z.Prefixes {
			postcode = postcode || strings.Index(to.Postcode, p) == 0
		}
		if country && postcode {
			return z, true
		}
	}
	return billingtest.Zone{}, false
}

// paperFuel is the surcharge on a rounded linehaul: of the last week that has begun by the ship date.
func paperFuel(c billingtest.Contract, haul *big.Rat, ship time.Time, decimals int) *big.Rat {
	where, err := time.LoadLocation(c.TimeZone)
	if err != nil {
		panic(err)
	}
	for i := len(c.Fuel) - 1; i >= 0; i-- {
		begins, err := time.ParseInLocation(time.DateOnly, c.Fuel[i].From, where)
		if err != nil {
			panic(err)
		}
		if !ship.Before(begins) {
			return halfUp(share(haul, c.Fuel[i].Percent), decimals)
		}
	}
	return nil
}

// paperExtra is what a schedule has for a charge, rounded.
func paperExtra(s billingtest.Schedule, ch freight.Charge, decimals int) *big.Rat {
	over := new(big.Rat).Sub(rat(ch.Quantity), rat(s.Free))
	if over.Sign() < 0 {
		over.SetInt64(0)
	}
	switch {
	case s.PassThrough:
		return halfUp(rat(ch.Amount.Number), decimals)
	case s.Flat != "":
		return halfUp(rat(s.Flat), decimals)
	case s.PerUnit != "":
		return halfUp(product(over, rat(s.PerUnit)), decimals)
	}
	each := big.NewRat(1, 1)
	if s.Interval != "" {
		each = rat(s.Interval)
	}
	n := new(big.Rat)
	for covered := new(big.Rat); covered.Cmp(over) < 0; covered.Add(covered, each) { // one by one, as a clerk counts them
		n.Add(n, big.NewRat(1, 1))
	}
	return halfUp(product(n, rat(s.PerStarted)), decimals)
}
