package freight

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/bojanz/currency"
)

// Money is an exact decimal amount in one ISO 4217 currency, for example {"150.00" "EUR"}.
// The zero value states no amount, which is not the same as 0.00 EUR. Money is comparable with ==
// only for amounts of one scale; use Cmp for values.
type Money struct {
	Number   string `json:"number"`   // decimal digits, '.' as separator, no grouping, no exponent
	Currency string `json:"currency"` // ISO 4217, upper case
}

// NewMoney checks number and currencyCode and returns the amount with the number as it was written.
func NewMoney(number, currencyCode string) (Money, error) {
	a, err := currency.NewAmount(number, currencyCode)
	if err != nil {
		return Money{}, fmt.Errorf("money %q %q: %w", number, currencyCode, err)
	}
	return moneyOf(a), nil
}

// ParseMoney reads the form people write, "150.00 EUR".
func ParseMoney(s string) (Money, error) {
	number, code, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok {
		return Money{}, fmt.Errorf("money %q: write an amount and a currency, as in \"150.00 EUR\"", s)
	}
	return NewMoney(number, strings.TrimSpace(code))
}

// MustMoney is ParseMoney for amounts written in code; it panics on one that does not parse.
func MustMoney(s string) Money {
	m, err := ParseMoney(s)
	if err != nil {
		panic(err)
	}
	return m
}

// ZeroMoney is nothing in a currency: 0 with the currency's own number of decimals.
func ZeroMoney(currencyCode string) Money {
	a, err := currency.NewAmount("0", currencyCode)
	if err != nil {
		return Money{}
	}
	return moneyOf(a.Round())
}

func moneyOf(a currency.Amount) Money { return Money{Number: a.Number(), Currency: a.CurrencyCode()} }

func (m Money) amount() (currency.Amount, error) {
	if strings.ContainsAny(m.Number, "nNiI") {
		return currency.Amount{}, fmt.Errorf("money %s: NaN and Infinity are no amounts", m)
	}
	a, err := currency.NewAmount(m.Number, m.Currency)
	if err != nil {
		return currency.Amount{}, fmt.Errorf("money %s: %w", m, err)
	}
	return a, nil
}

// Stated reports whether m states an amount at all.
func (m Money) Stated() bool { return m != Money{} }

// String is the form ParseMoney reads; "" for no amount.
func (m Money) String() string {
	if !m.Stated() {
		return ""
	}
	return m.Number + " " + m.Currency
}

// UnmarshalText reads the form ParseMoney reads, so that configuration may hold "150.00 EUR"; an empty
// text states no amount.
func (m *Money) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*m = Money{}
		return nil
	}
	*m, err = ParseMoney(string(b))
	return err
}

// UnmarshalJSON reads {"number":"150.00","currency":"EUR"}; UnmarshalText would otherwise be asked.
func (m *Money) UnmarshalJSON(b []byte) error {
	type plain Money
	return json.Unmarshal(b, (*plain)(m))
}

// plainNumber is what an amount from outside looks like: the library would take exponents and NaN as well.
var plainNumber = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,10})?$`)

// Check says what is wrong with m as an amount received from outside: nil for none.
func (m Money) Check() error {
	if !plainNumber.MatchString(m.Number) {
		return fmt.Errorf("money %q %q: want digits with '.' before the decimals", Clip(m.Number, longestText), Clip(m.Currency, longestText))
	}
	_, err := m.amount()
	return err
}

// Add returns m+o. Amounts of two currencies are an error, and so is one that states nothing.
func (m Money) Add(o Money) (Money, error) { return m.combine(o, currency.Amount.Add) }

// Sub returns m-o, with the errors of Add.
func (m Money) Sub(o Money) (Money, error) { return m.combine(o, currency.Amount.Sub) }

func (m Money) combine(o Money, f func(a, b currency.Amount) (currency.Amount, error)) (Money, error) {
	a, err := m.amount()
	if err != nil {
		return Money{}, err
	}
	b, err := o.amount()
	if err != nil {
		return Money{}, err
	}
	sum, err := f(a, b)
	if err != nil {
		return Money{}, err
	}
	return moneyOf(sum), nil
}

// Times returns m multiplied by the decimal factor, rounded half up to the currency's decimals.
func (m Money) Times(factor string) (Money, error) {
	a, err := m.amount()
	if err != nil {
		return Money{}, err
	}
	p, err := a.Mul(factor)
	if err != nil {
		return Money{}, fmt.Errorf("money %s times %q: %w", m, factor, err)
	}
	return moneyOf(p.Round()), nil
}

// Rounded returns m rounded half up to the currency's decimals; no amount stays no amount.
func (m Money) Rounded() Money {
	a, err := m.amount()
	if err != nil {
		return m
	}
	return moneyOf(a.Round())
}

// Abs returns m without its sign.
func (m Money) Abs() Money {
	if m.Sign() < 0 {
		return Money{Number: strings.TrimPrefix(m.Number, "-"), Currency: m.Currency}
	}
	return m
}

// Cmp compares m with o: -1, 0 or 1. Different currencies are an error.
func (m Money) Cmp(o Money) (int, error) {
	a, err := m.amount()
	if err != nil {
		return 0, err
	}
	b, err := o.amount()
	if err != nil {
		return 0, err
	}
	return a.Cmp(b)
}

// Equal reports whether m and o are the same value in the same currency; 1.0 EUR equals 1.00 EUR.
func (m Money) Equal(o Money) bool {
	c, err := m.Cmp(o)
	return err == nil && c == 0
}

// Sign is -1, 0 or 1; 0 for no amount.
func (m Money) Sign() int {
	a, err := m.amount()
	switch {
	case err != nil || a.IsZero():
		return 0
	case a.IsNegative():
		return -1
	}
	return 1
}

// SumMoney adds amounts of one currency; none at all gives zero in that currency.
func SumMoney(currencyCode string, ms ...Money) (sum Money, err error) {
	sum = ZeroMoney(currencyCode)
	for _, m := range ms {
		if sum, err = sum.Add(m); err != nil {
			return Money{}, err
		}
	}
	return sum, nil
}
