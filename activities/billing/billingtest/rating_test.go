package billingtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/activities/billing/billingtest"
	"waybill/internal/partner"
	"waybill/internal/partner/partnertest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// post asks the engine over its API.
func post(t fataler, e *billingtest.Engine, method, path string, in, out any) *partner.Problem {
	t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, bytes.NewReader(b))
	r.Header.Set("Authorization", "Bearer "+partnertest.Token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		p := &partner.Problem{}
		if err := json.Unmarshal(w.Body.Bytes(), p); err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		t.Fatal(err)
	}
	return nil
}

// engine has the contracts entered over the API, and no others that they could be confused with.
func engine(t fataler, cs ...billingtest.Contract) *billingtest.Engine {
	t.Helper()
	e, err := billingtest.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		var back billingtest.Contract
		if p := post(t, e, http.MethodPut, "/v1/contracts/"+c.ID+"/versions/"+c.Version, c, &back); p != nil {
			t.Fatalf("enter %+v: %v", c, p)
		}
	}
	return e
}

func rate(t fataler, e *billingtest.Engine, q protocol.RatingRequest) freight.Rating {
	t.Helper()
	var r freight.Rating
	if p := post(t, e, http.MethodPost, "/v1/ratings", q, &r); p != nil {
		t.Fatalf("rate %+v: %v", q, p)
	}
	return r
}

func refused(t fataler, e *billingtest.Engine, q protocol.RatingRequest) *partner.Problem {
	t.Helper()
	p := post(t, e, http.MethodPost, "/v1/ratings", q, &freight.Rating{})
	if p == nil {
		t.Fatalf("%+v was rated", q)
	}
	return p
}

// amount is the line's, exactly as it is written; nil where there is no such line.
func amount(r freight.Rating, ref string) *big.Rat {
	for _, l := range r.Lines {
		if l.Ref == ref {
			return rat(l.Amount.Number)
		}
	}
	return nil
}

// plain is a contract of one rate without anything else: 1.00 USD a kg.
func plain() billingtest.Contract {
	return billingtest.Contract{
		ID: "PLAIN", Version: "1", From: "2026-01-01", To: "2026-12-31", Currency: "USD", Minimum: "0",
		Zones: []billingtest.Zone{{Name: "all", Breaks: []billingtest.Break{{FromKg: "0", PerKg: "1.00"}}}},
	}
}

func shipped(c billingtest.Contract, kg string) protocol.RatingRequest {
	return protocol.RatingRequest{
		Shipment: "acme-1", Contract: c.ID, Carrier: "CARR", ShipDate: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), Currency: c.Currency,
		ShipTo: freight.Place{Ref: 1, Country: "US", Postcode: "75001"}, Weight: kg, Pieces: 1,
	}
}

// decimalsOf are the currencies that the laws are tried in.
var decimalsOf = map[string]int{"USD": 2, "JPY": 0, "KWD": 3}

// decimal draws a number from 0 to below most, with up to scale decimals.
func decimal(t *rapid.T, name string, most int64, scale int) string {
	units := int64(1)
	for range scale {
		units *= 10
	}
	n := rapid.Int64Range(0, most*units-1).Draw(t, name)
	if scale == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d.%0*d", n/units, scale, n%units)
}

func drawBreaks(t *rapid.T) (bs []billingtest.Break) {
	from := int64(0)
	for i := range rapid.IntRange(1, 4).Draw(t, "breaks") {
		if i > 0 {
			from += rapid.Int64Range(1, 300).Draw(t, "width")
		}
		bs = append(bs, billingtest.Break{FromKg: fmt.Sprint(from), PerKg: decimal(t, "rate", 3, 4)})
	}
	return bs
}

func drawContract(t *rapid.T) billingtest.Contract {
	c := billingtest.Contract{
		ID: "DRAWN", Version: "1", From: "2026-01-01", To: "2026-12-31", TimeZone: rapid.SampledFrom([]string{"", "America/Chicago", "Asia/Tokyo"}).Draw(t, "zone"),
		Currency: rapid.SampledFrom([]string{"USD", "JPY", "KWD"}).Draw(t, "currency"), Deficit: rapid.Bool().Draw(t, "deficit"), Minimum: decimal(t, "minimum", 100, 3),
	}
	if rapid.Bool().Draw(t, "discounted") {
		c.Discount = decimal(t, "discount", 100, 2)
	}
	c.Zones = []billingtest.Zone{
		{Name: "near", Country: "US", Prefixes: []string{"75", "9"}, Breaks: drawBreaks(t)},
		{Name: "country", Country: "US", Breaks: drawBreaks(t)},
		{Name: "world", Breaks: drawBreaks(t)},
	}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for range rapid.IntRange(0, 4).Draw(t, "weeks") {
		c.Fuel = append(c.Fuel, billingtest.FuelWeek{From: day.Format(time.DateOnly), Percent: decimal(t, "fuel", 60, 2)})
		day = day.AddDate(0, 0, 7)
	}
	return c
}

// drawKg draws a weight, often one that lies on a break or next to it.
func drawKg(t *rapid.T, z billingtest.Zone) string {
	if rapid.Bool().Draw(t, "onBreak") {
		return rapid.SampledFrom(z.Breaks).Draw(t, "break").FromKg + rapid.SampledFrom([]string{"", ".001", ".999"}).Draw(t, "beside")
	}
	return decimal(t, "kg", 1200, 3)
}

func drawPlace(t *rapid.T) freight.Place {
	return freight.Place{Ref: 1, Country: rapid.SampledFrom([]string{"US", "CA"}).Draw(t, "country"), Postcode: rapid.SampledFrom([]string{"75001", "98101", "60601", "57500"}).Draw(t, "postcode")}
}

// TestCarriageIsWhatThePaperSays holds linehaul and fuel to the oracle, and the total to the sum of the lines as they
// are billed. It also holds the laws that need no oracle: the minimum is never undercut, and no line has a fraction.
func TestCarriageIsWhatThePaperSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawContract(t)
		e := engine(t, c)
		decimals := decimalsOf[c.Currency]
		q := shipped(c, "")
		q.ShipTo = drawPlace(t)
		z, _ := paperZone(c, q.ShipTo)
		q.Weight = drawKg(t, z)
		q.ShipDate = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.Int64Range(0, 40*24*3600).Draw(t, "second")) * time.Second)
		r := rate(t, e, q)

		haul, fuel := amount(r, "linehaul"), amount(r, "fuel_surcharge")
		if want := paperHaul(c, z, q.Weight, decimals); haul.Cmp(want) != 0 {
			t.Fatalf("linehaul %s, the paper says %s: %q", haul.FloatString(6), want.FloatString(6), r.Lines[0].Trace)
		}
		if haul.Cmp(halfUp(rat(c.Minimum), decimals)) < 0 {
			t.Fatalf("linehaul %s is under the minimum %s", haul.FloatString(6), c.Minimum)
		}
		sum := new(big.Rat).Set(haul)
		if len(c.Fuel) > 0 {
			if want := paperFuel(c, haul, q.ShipDate, decimals); fuel == nil || fuel.Cmp(want) != 0 {
				t.Fatalf("fuel %v, the paper says %s: %q", fuel, want.FloatString(6), r.Lines[1].Trace)
			}
			sum.Add(sum, fuel)
		} else if fuel != nil {
			t.Fatalf("fuel %s by a contract without", fuel)
		}
		if rat(r.Total.Number).Cmp(sum) != 0 {
			t.Fatalf("total %s of lines that make %s", r.Total, sum.FloatString(6))
		}
		for _, l := range r.Lines {
			if _, fraction, _ := strings.Cut(l.Amount.Number, "."); len(fraction) != decimals || l.Amount.Currency != c.Currency {
				t.Fatalf("line %s is %s", l.Ref, l.Amount)
			}
		}
	})
}

func drawSchedule(t *rapid.T) billingtest.Schedule {
	s := billingtest.Schedule{Unit: "h"}
	switch rapid.IntRange(0, 3).Draw(t, "way") {
	case 0:
		s.Flat = decimal(t, "flat", 300, 3)
	case 1:
		s.PerUnit, s.Free = decimal(t, "perUnit", 80, 3), decimal(t, "free", 5, 2)
	case 2:
		s.PerStarted, s.Free = decimal(t, "perStarted", 80, 3), decimal(t, "free", 5, 2)
		s.Interval = rapid.SampledFrom([]string{"", "0.25", "0.5", "2", "0.3"}).Draw(t, "interval")
	default:
		s.PassThrough = true
	}
	return s
}

// TestAccessorialsAreWhatThePaperSays for the customer by one schedule, and for the carrier by another.
func TestAccessorialsAreWhatThePaperSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sell, buy := plain(), plain()
		buy.ID, buy.Carrier = "CARRIER", "CARR"
		sell.Accessorial = map[freight.ChargeCode]billingtest.Schedule{freight.Detention: drawSchedule(t)}
		buy.Accessorial = map[freight.ChargeCode]billingtest.Schedule{freight.Detention: drawSchedule(t), freight.Lumper: {PassThrough: true}}
		q := shipped(sell, "10")
		for i := range rapid.IntRange(1, 3).Draw(t, "charges") {
			q.Charges = append(q.Charges, freight.Charge{Ref: fmt.Sprintf("I/%d", i), Code: freight.Detention, Unit: "h",
				Amount: freight.Money{Number: decimal(t, "charged", 900, 2), Currency: "USD"}, Quantity: decimal(t, "quantity", 12, 2)})
		}
		q.Charges = append(q.Charges, freight.Charge{Ref: "I/lumper", Code: freight.Lumper, Amount: freight.MustMoney("7.00 USD")})
		r := rate(t, engine(t, sell, buy), q)
		sum := rat("10.00")
		for _, ch := range q.Charges[:len(q.Charges)-1] {
			want := paperExtra(sell.Accessorial[ch.Code], ch, 2)
			if got := amount(r, "sell-"+ch.Ref); got == nil || got.Cmp(want) != 0 {
				t.Fatalf("%+v by %+v: the customer pays %v, the paper says %s", ch, sell.Accessorial[ch.Code], got, want.FloatString(2))
			}
			sum.Add(sum, want)
			want = paperExtra(buy.Accessorial[ch.Code], ch, 2)
			if got := amount(r, "buy-"+ch.Ref); got == nil || got.Cmp(want) != 0 {
				t.Fatalf("%+v by %+v: the carrier may charge %v, the paper says %s", ch, buy.Accessorial[ch.Code], got, want.FloatString(2))
			}
		}
		if amount(r, "sell-I/lumper") != nil || amount(r, "buy-I/lumper") == nil {
			t.Fatalf("the lumper is in the carrier's contract only: %+v", r.Lines)
		}
		if rat(r.Total.Number).Cmp(sum) != 0 {
			t.Fatalf("total %s, the customer's lines make %s", r.Total, sum.FloatString(2))
		}
	})
}

// TestMoreFreightNeverCostsLessWhereDeficitRatingApplies and without it it does, which is what the rule is there for.
func TestMoreFreightNeverCostsLessWhereDeficitRatingApplies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawContract(t)
		c.Deficit = true
		e := engine(t, c)
		z := c.Zones[0]
		light, heavy := drawKg(t, z), drawKg(t, z)
		if rat(light).Cmp(rat(heavy)) > 0 {
			light, heavy = heavy, light
		}
		a, b := rate(t, e, shipped(c, light)), rate(t, e, shipped(c, heavy))
		if amount(a, "linehaul").Cmp(amount(b, "linehaul")) > 0 {
			t.Fatalf("%s kg cost %s, %s kg cost %s", light, a.Lines[0].Amount, heavy, b.Lines[0].Amount)
		}
	})
	c := plain()
	c.Zones[0].Breaks = []billingtest.Break{{FromKg: "0", PerKg: "1.00"}, {FromKg: "100", PerKg: "0.50"}}
	e := engine(t, c)
	if at99, at100 := rate(t, e, shipped(c, "99")), rate(t, e, shipped(c, "100")); at99.Total.String() != "99.00 USD" || at100.Total.String() != "50.00 USD" {
		t.Errorf("without deficit rating 99 kg cost %s, 100 kg %s", at99.Total, at100.Total)
	}
}

// TestFuelIsOfTheShipDatesWeek on the days and at the hours on which a week begins, where the contract is.
func TestFuelIsOfTheShipDatesWeek(t *testing.T) {
	c := plain()
	c.Fuel = []billingtest.FuelWeek{{From: "2026-03-01", Percent: "10"}, {From: "2026-03-08", Percent: "20"}, {From: "2026-11-01", Percent: "30"}}
	chicago := c
	chicago.ID, chicago.TimeZone = "CHICAGO", "America/Chicago"
	e := engine(t, c, chicago)
	for _, s := range []struct {
		c    billingtest.Contract
		ship string
		want string
	}{
		{c, "2026-03-01T00:00:00Z", "10.00"},
		{c, "2026-03-07T23:59:59Z", "10.00"},
		{c, "2026-03-08T00:00:00Z", "20.00"},
		{c, "2026-03-07T23:00:00-02:00", "20.00"}, // the day is UTC's, not the clock's the pick-up was written with
		{c, "2026-10-31T23:59:59Z", "20.00"},
		{c, "2026-11-01T00:00:00Z", "30.00"},
		{chicago, "2026-03-08T05:59:59Z", "10.00"}, // 23:59:59 on the 7th there, the night the clock goes forward
		{chicago, "2026-03-08T06:00:00Z", "20.00"},
		{chicago, "2026-11-01T04:59:59Z", "20.00"},
		{chicago, "2026-11-01T05:00:00Z", "30.00"},
	} {
		q := shipped(s.c, "100")
		at, err := time.Parse(time.RFC3339, s.ship)
		if err != nil {
			t.Fatal(err)
		}
		q.ShipDate = at
		if got := amount(rate(t, e, q), "fuel_surcharge").FloatString(2); got != s.want {
			t.Errorf("%s picked up at %s: fuel %s, want %s", s.c.ID, s.ship, got, s.want)
		}
	}
	q := shipped(c, "100")
	q.ShipDate = time.Date(2026, 2, 28, 23, 59, 59, 0, time.UTC)
	if p := refused(t, e, q); p.Code != "rate_expired" || !strings.Contains(p.Detail, "no fuel surcharge for ship date 2026-02-28") {
		t.Errorf("before the first week: %+v", p)
	}
}

// TestVersionIsChosenByTheShipDate and not by today, nor by the latest.
func TestVersionIsChosenByTheShipDate(t *testing.T) {
	first, second, correction := plain(), plain(), plain()
	first.To = "2026-06-30"
	second.Version, second.From = "2", "2026-07-01"
	correction.Version, correction.From, correction.To = "3", "2026-08-01", "2026-08-31"
	e := engine(t, first, second, correction)
	for day, want := range map[string]string{"2026-01-01": "1", "2026-06-30": "1", "2026-07-01": "2", "2026-07-31": "2", "2026-08-01": "3", "2026-08-31": "3", "2026-09-01": "2", "2026-12-31": "2", "2025-12-31": "", "2027-01-01": ""} {
		q := shipped(first, "10")
		for _, clock := range []string{"T00:00:00Z", "T23:59:59Z"} {
			at, err := time.Parse(time.RFC3339, day+clock)
			if err != nil {
				t.Fatal(err)
			}
			q.ShipDate = at
			if want == "" {
				if p := refused(t, e, q); p.Code != "rate_expired" {
					t.Errorf("%s: %+v", day, p)
				}
				continue
			}
			if r := rate(t, e, q); r.Version != want {
				t.Errorf("picked up %s: version %s, want %s", day+clock, r.Version, want)
			}
		}
	}
}

// TestLineIsRoundedOnceHalfUp: a rating that rounds on the way differs in each of these.
func TestLineIsRoundedOnceHalfUp(t *testing.T) {
	for name, s := range map[string]struct {
		rate, discount, minimum, kg, haul, fuel string
	}{
		"a half goes up":                              {"0.005", "", "0", "1", "0.01", "0.00"},
		"and not to the even cent":                    {"0.045", "", "0", "1", "0.05", "0.01"},
		"less than a half goes down":                  {"0.0049999", "", "0", "1", "0.00", "0.00"},
		"the rate is not rounded":                     {"0.1049", "", "0", "10", "1.05", "0.21"},
		"nor the amount before the discount":          {"1.005", "50", "0", "1", "0.50", "0.10"},
		"nor the discount":                            {"0.03", "50", "0", "1", "0.02", "0.00"},
		"the minimum is compared before rounding":     {"0.994", "", "0.995", "1", "1.00", "0.20"},
		"fuel is of linehaul as billed":               {"0.125", "", "0", "1", "0.13", "0.03"},
		"digits beyond any float's":                   {"0.0049999999999999999", "", "0", "1", "0.00", "0.00"},
		"and the half that a float would have missed": {"1.005", "", "0", "1", "1.01", "0.20"},
	} {
		c := plain()
		c.Zones[0].Breaks[0].PerKg, c.Discount, c.Minimum = s.rate, s.discount, s.minimum
		c.Fuel = []billingtest.FuelWeek{{From: "2026-01-01", Percent: "20"}}
		r := rate(t, engine(t, c), shipped(c, s.kg))
		if haul, fuel := r.Lines[0].Amount.Number, r.Lines[1].Amount.Number; haul != s.haul || fuel != s.fuel {
			t.Errorf("%s: linehaul %s fuel %s, want %s and %s", name, haul, fuel, s.haul, s.fuel)
		}
	}
}

// TestStartedIntervalsAreCounted at the edges where a clerk and a carrier disagree.
func TestStartedIntervalsAreCounted(t *testing.T) {
	c := plain()
	c.Accessorial = map[freight.ChargeCode]billingtest.Schedule{
		freight.Detention:  {PerStarted: "12.50", Interval: "0.25", Free: "2", Unit: "h"},
		freight.Storage:    {PerStarted: "40.00"},
		freight.Redelivery: {PerUnit: "0.333", Free: "10", Unit: "km"},
	}
	buy := plain()
	buy.ID, buy.Carrier = "CARRIER", "CARR"
	e := engine(t, c, buy)
	for _, s := range []struct {
		code                 freight.ChargeCode
		quantity, unit, want string
	}{
		{freight.Detention, "0", "h", "0.00"}, {freight.Detention, "2", "h", "0.00"}, {freight.Detention, "2.0001", "h", "12.50"}, {freight.Detention, "2.25", "h", "12.50"},
		{freight.Detention, "2.26", "h", "25.00"}, {freight.Detention, "4", "h", "100.00"},
		{freight.Storage, "3", "day", "120.00"}, {freight.Storage, "3.1", "day", "160.00"},
		{freight.Redelivery, "9", "km", "0.00"}, {freight.Redelivery, "11.5", "km", "0.50"},
	} {
		q := shipped(c, "10")
		q.Charges = []freight.Charge{{Ref: "I/1", Code: s.code, Quantity: s.quantity, Unit: s.unit, Amount: freight.MustMoney("1.00 USD")}}
		if got := amount(rate(t, e, q), "sell-I/1").FloatString(2); got != s.want {
			t.Errorf("%s %s of %s: %s, want %s", s.quantity, s.unit, s.code, got, s.want)
		}
	}
}

// TestTraceIsReadByAnAuditor: each step has its numbers, in the order in which it is worked out on paper.
func TestTraceIsReadByAnAuditor(t *testing.T) {
	e := engine(t)
	q := protocol.RatingRequest{
		Shipment: "acme-1", Contract: "ACME-2026", Carrier: "FASTFRT", ShipDate: time.Date(2026, 11, 2, 14, 0, 0, 0, time.UTC), Currency: "USD",
		ShipTo: freight.Place{Ref: 1, Country: "US", Postcode: "75001"}, Weight: "480.5", Pieces: 1,
		Charges: []freight.Charge{{Ref: "INV-7/2", Code: freight.Detention, Amount: freight.MustMoney("180.00 USD"), Quantity: "3.5", Unit: "h"}},
	}
	want := map[string][]string{
		"linehaul": {
			"contract ACME-2026 version 3, ship date 2026-11-02 (UTC)", "zone south for US 75001, which begins with 7",
			"480.5 kg at 0.75 USD per kg (from 100 kg): 360.375 USD", "as 500 kg at 0.50 USD per kg (from 500 kg): 250 USD", "which is cheaper (deficit rating)",
			"less 5% discount, 12.5 USD: 237.5 USD",
		},
		"fuel_surcharge": {"contract ACME-2026 version 3, ship date 2026-11-02 (UTC)", "19.2% (from 2026-11-02) of linehaul 237.5 USD: 45.6 USD"},
		"sell-INV-7/2":   {"contract ACME-2026 version 3, ship date 2026-11-02 (UTC)", "passed through as the carrier charged it on INV-7/2: 180.00 USD"},
		"buy-INV-7/2": {
			"contract FASTFRT-2026 version 2, ship date 2026-11-02 (UTC)", "3.5 h less 2 free: 1.5 h", "2 started intervals of 1 h at 50.00 USD: 100 USD",
		},
	}
	r := rate(t, e, q)
	for _, l := range r.Lines {
		if !slices.Equal(l.Trace, want[l.Ref]) {
			t.Errorf("%s at %s:\n%s\nwant\n%s", l.Ref, l.Amount, strings.Join(l.Trace, "\n"), strings.Join(want[l.Ref], "\n"))
		}
	}
	if len(r.Lines) != len(want) {
		t.Errorf("got %d lines, want %d", len(r.Lines), len(want))
	}
	if again := rate(t, e, q); again.Hash != r.Hash {
		t.Error("the same question has another hash")
	}
	q.Weight = "481"
	if other := rate(t, e, q); other.Hash == r.Hash || other.Total != r.Total {
		t.Errorf("481 kg: total %s and hash %s, want the same total under another hash", other.Total, other.Hash)
	}
}

// TestContractThatContradictsItselfIsNotEntered, and the refusal says where.
func TestContractThatContradictsItselfIsNotEntered(t *testing.T) {
	for pointer, spoil := range map[string]func(*billingtest.Contract){
		"/currency":                 func(c *billingtest.Contract) { c.Currency = "QQQ" },
		"/time_zone":                func(c *billingtest.Contract) { c.TimeZone = "Mars/Base" },
		"/to":                       func(c *billingtest.Contract) { c.To = "2025-12-31" },
		"/zones/0/breaks/0/from_kg": func(c *billingtest.Contract) { c.Zones[0].Breaks[0].FromKg = "1" },
		"/zones/0/breaks/1/from_kg": func(c *billingtest.Contract) {
			c.Zones[0].Breaks = append(c.Zones[0].Breaks, billingtest.Break{FromKg: "0", PerKg: "1"})
		},
		"/fuel/1/from": func(c *billingtest.Contract) {
			c.Fuel = []billingtest.FuelWeek{{From: "2026-02-01", Percent: "1"}, {From: "2026-02-01", Percent: "2"}}
		},
		"/accessorials/linehaul": func(c *billingtest.Contract) {
			c.Accessorial = map[freight.ChargeCode]billingtest.Schedule{freight.Linehaul: {Flat: "1"}}
		},
		"/accessorials/detention": func(c *billingtest.Contract) {
			c.Accessorial = map[freight.ChargeCode]billingtest.Schedule{freight.Detention: {Flat: "1", PassThrough: true}}
		},
		"/accessorials/storage": func(c *billingtest.Contract) {
			c.Accessorial = map[freight.ChargeCode]billingtest.Schedule{freight.Storage: {PerStarted: "1", Interval: "0"}}
		},
		"/minimum":                 func(c *billingtest.Contract) { c.Minimum = "-1" },
		"/discount":                func(c *billingtest.Contract) { c.Discount = "101" },
		"/zones/0/breaks/0/per_kg": func(c *billingtest.Contract) { c.Zones[0].Breaks[0].PerKg = "1e3" },
		"/from":                    func(c *billingtest.Contract) { c.From = "2026-02-30" },
	} {
		c := plain()
		spoil(&c)
		p := post(t, engine(t), http.MethodPut, "/v1/contracts/PLAIN/versions/1", c, &c)
		if p == nil || p.Status != http.StatusUnprocessableEntity || len(p.Errors) == 0 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: got %+v", pointer, p)
		}
	}
}
