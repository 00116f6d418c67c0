package odoo

import "github.com/cockroachdb/apd/v3"

// exact is arithmetic on quantities and prices: 34 digits, far more than a double of Odoo's has.
var exact = apd.BaseContext.WithPrecision(34)

func number(s string) *apd.Decimal {
	d, _, err := apd.NewFromString(s)
	if err != nil {
		return new(apd.Decimal)
	}
	return d
}

func add(a, b string) string { return combine(a, b, exact.Add) }

func subtract(a, b string) string { return combine(a, b, exact.Sub) }

func multiply(a, b string) string { return combine(a, b, exact.Mul) }

func combine(a, b string, f func(d, x, y *apd.Decimal) (apd.Condition, error)) string {
	d := new(apd.Decimal)
	if _, err := f(d, number(a), number(b)); err != nil {
		return "0"
	}
	return plainText(d)
}

// rounded is a to so many decimals, half up, without trailing zeros.
func rounded(a string, decimals int32) string {
	d := new(apd.Decimal)
	if _, err := exact.Quantize(d, number(a), -decimals); err != nil {
		return a
	}
	return plainText(d)
}

// divided is a by b; exactly reports whether it has no more decimals than step, a power of ten such as "0.01".
func divided(a, b, step string) (quotient string, exactly bool) {
	d := new(apd.Decimal)
	if _, err := exact.Quo(d, number(a), number(b)); err != nil {
		return "0", false
	}
	decimals := max(-number(step).Exponent, 0)
	quotient = rounded(plainText(d), decimals)
	return quotient, same(multiply(quotient, b), a)
}

func plainText(d *apd.Decimal) string {
	d.Reduce(d)
	if d.IsZero() {
		return "0"
	}
	return d.Text('f')
}

func sign(a string) int { return number(a).Sign() }

func same(a, b string) bool { return number(a).Cmp(number(b)) == 0 }

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

func sameOrZero(a, b string) bool { return same(orZero(a), orZero(b)) }

func least(a, b string) string {
	if number(a).Cmp(number(b)) <= 0 {
		return a
	}
	return b
}
