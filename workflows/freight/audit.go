package freight

import (
	"fmt"
	"strings"
)

// AuditFacts is what the audit rules see, and all they see.
type AuditFacts struct {
	Terms      Terms
	Rating     *Rating // nil: the engine has no contract for it
	NoContract string  // the engine's reason
	Invoices   []CarrierInvoice
	Rulings    []Ruling
	Proved     bool // POD accepted by the customer's policy
}

// auditRules is the order findings are listed in. All run, always.
var auditRules = []func(AuditFacts) []Finding{duplicates, sums, contract, rates, proof}

// Audit runs every rule over the facts. The worst verdict decides; see Worst and SellHolds.
func Audit(f AuditFacts) (fs []Finding) {
	for _, rule := range auditRules {
		fs = append(fs, rule(f)...)
	}
	return fs
}

// duplicates is DUP-1: a carrier invoice number holds once.
func duplicates(f AuditFacts) (fs []Finding) {
	for _, inv := range f.Invoices {
		v := Finding{Rule: RuleDuplicate, Version: 1, Verdict: Pass, Side: Buy, ChargeRef: inv.Number, Actual: inv.Total, Reason: "invoice number is new"}
		if inv.DuplicateOf != "" {
			v.Verdict = Block
			v.SellHold = !f.hasCleanInvoice()
			v.Reason = fmt.Sprintf("invoice %s of %s is already held by %s: ask the carrier to withdraw it", inv.Number, inv.Carrier, inv.DuplicateOf)
			v.Evidence = []string{inv.DuplicateOf}
		}
		fs = append(fs, v)
	}
	return fs
}

func (f AuditFacts) hasCleanInvoice() bool { return len(f.usable()) > 0 }

// usable are the carrier invoices that may be audited line by line.
func (f AuditFacts) usable() (is []CarrierInvoice) {
	for _, inv := range f.Invoices {
		if inv.DuplicateOf == "" {
			is = append(is, inv)
		}
	}
	return is
}

// sums is SUM-1: the lines add up to the invoice.
func sums(f AuditFacts) (fs []Finding) {
	for _, inv := range f.usable() {
		v := Finding{Rule: RuleSum, Version: 1, Verdict: Pass, Side: Buy, ChargeRef: inv.Number, Expected: inv.Total, Reason: "lines add up"}
		total, err := inv.sum()
		v.Actual = total
		switch delta, err2 := total.Sub(inv.Total); {
		case err != nil || err2 != nil:
			v.Verdict, v.SellHold, v.Reason = Block, true, fmt.Sprintf("lines of %s are not in its currency %s: ask for a corrected invoice", inv.Number, inv.Total.Currency)
		case delta.Sign() != 0:
			v.Verdict, v.SellHold, v.Delta = Block, true, delta
			v.Reason = fmt.Sprintf("lines of %s add up to %s, its total says %s: ask for a corrected invoice", inv.Number, total, inv.Total)
		}
		fs = append(fs, v)
	}
	return fs
}

func (inv CarrierInvoice) sum() (Money, error) {
	var ms []Money
	for _, l := range inv.Lines {
		ms = append(ms, l.Amount)
	}
	return SumMoney(inv.Total.Currency, ms...)
}

// contract is RATE-3: without a contract nothing passes.
func contract(f AuditFacts) []Finding {
	v := Finding{Rule: RuleContract, Version: 1, Verdict: Pass, Side: Sell, Reason: "rated"}
	if f.Rating == nil {
		v.Verdict, v.SellHold = Hold, true
		v.Reason = "no contract: " + f.NoContract
		return []Finding{v}
	}
	v.Reason = fmt.Sprintf("rated by contract %s version %s", f.Rating.Contract, f.Rating.Version)
	v.Actual = f.Rating.Total
	return []Finding{v}
}

// rates is RATE-1 and ACC-1: each line the carrier charges is in its contract, and within tolerance of it.
func rates(f AuditFacts) (fs []Finding) {
	if f.Rating == nil {
		return nil // RATE-3 holds it
	}
	for _, inv := range f.usable() {
		for _, c := range inv.Lines {
			fs = append(fs, f.rate(c))
		}
	}
	return fs
}

func (f AuditFacts) rate(c Charge) Finding {
	line, contracted := f.Rating.BuyFor(c.Ref)
	v := Finding{
		Rule: RuleRate, Version: 1, Verdict: Pass, Side: Buy, ChargeRef: c.Ref, Actual: c.Amount,
		Expected: line.Amount, Evidence: line.Trace, SellHold: f.Rating.PassedThrough(c.Ref), Reason: "within tolerance",
	}
	if !contracted {
		v.Rule, v.Expected = RuleAccessorial, ZeroMoney(c.Amount.Currency)
		v.Evidence = []string{"contract " + f.Rating.Contract + " version " + f.Rating.Version + " has no " + string(c.Code)}
	}
	if r, ok := f.rulingOn(c.Ref); ok {
		v.Expected, v.Reason = r.Amount, fmt.Sprintf("dispute %s: %s at %s by %s", r.Dispute, r.Verdict, r.Amount, r.By)
		return v
	}
	return f.judge(v, c, contracted)
}

// judge compares a charge with what was expected. Both limits of the tolerance must hold; an undercharge
// beyond them is pointed out but stops nothing.
func (f AuditFacts) judge(v Finding, c Charge, contracted bool) Finding {
	delta, err := c.Amount.Sub(v.Expected)
	if err != nil {
		v.Verdict, v.Reason = Hold, fmt.Sprintf("%s is charged in %s, the contract is in %s", c.Code, c.Amount.Currency, v.Expected.Currency)
		return v
	}
	v.Delta = delta
	within := contracted && f.Terms.Tolerance.Covers(v.Expected, delta)
	switch {
	case within:
	case delta.Sign() < 0:
		v.Verdict, v.Reason = Warn, fmt.Sprintf("%s is charged %s under the contract", c.Code, delta.Abs())
	case !contracted:
		v.Verdict, v.Reason = Hold, fmt.Sprintf("%s of %s is not in the contract", c.Code, c.Amount)
	default:
		v.Verdict, v.Reason = Hold, fmt.Sprintf("%s of %s is %s over the contract's %s", c.Code, c.Amount, delta, v.Expected)
	}
	return v
}

func (f AuditFacts) rulingOn(ref string) (Ruling, bool) {
	s := Shipment{Rulings: f.Rulings}
	return s.RulingOn(ref)
}

// Covers reports whether a difference from the expected amount lies within both limits.
func (t Tolerance) Covers(expected, delta Money) bool {
	if delta.Sign() == 0 {
		return true
	}
	if !t.Absolute.Stated() || t.Percent == "" {
		return false
	}
	over, err := delta.Abs().Cmp(t.Absolute)
	if err != nil || over > 0 {
		return false
	}
	// |delta| * 100 <= expected * percent, without a division that would have to round.
	left, err1 := delta.Abs().scaled("100")
	right, err2 := expected.Abs().scaled(t.Percent)
	if err1 != nil || err2 != nil {
		return false
	}
	c, err := left.Cmp(right)
	return err == nil && c <= 0
}

func (m Money) scaled(factor string) (Money, error) {
	a, err := m.amount()
	if err != nil {
		return Money{}, err
	}
	p, err := a.Mul(factor)
	if err != nil {
		return Money{}, fmt.Errorf("money %s times %q: %w", m, factor, err)
	}
	return moneyOf(p), nil
}

// proof is POD-1.
func proof(f AuditFacts) []Finding {
	v := Finding{Rule: RulePOD, Version: 1, Verdict: Pass, Side: Sell, Reason: "proof of delivery accepted by policy " + f.Terms.Policy}
	if !f.Proved {
		v.Verdict, v.SellHold, v.Reason = Hold, true, "proof of delivery is missing: ask the carrier"
	}
	return []Finding{v}
}

// Disputable reports whether a person with authority can settle the finding by ruling on an amount.
func (v Finding) Disputable() bool {
	return v.Verdict == Hold && (v.Rule == RuleRate || v.Rule == RuleAccessorial) && v.Expected.Currency == v.Actual.Currency
}

// ProofOf decides whether the POD is good enough for the customer: "" if it is, else what is missing.
func ProofOf(j Journey, want PODRequirement) (missing string) {
	switch {
	case !j.Has(Delivered):
		return "no actual delivered scan"
	case want == PODStatus:
		return ""
	}
	for _, d := range j.Documents {
		if d.Kind == DocumentPOD && want == PODDocument || d.Signed && want == PODSignature {
			return ""
		}
	}
	return map[PODRequirement]string{PODSignature: "no signed document", PODDocument: "no POD document"}[want]
}

// PlanOf makes the invoice that validated charges allow: the goods of this delivery by scope, then the
// freight the rating has, with rulings applied to what is passed through.
func PlanOf(s *Shipment, n int, date string) (InvoicePlan, error) {
	p := InvoicePlan{
		Shipment: s.ID, N: n, Key: InvoiceKey(s.ID, n), Picking: s.Release.Picking, Order: s.Release.Order,
		OrderName: s.Release.OrderName, Partner: s.Release.Partner, Currency: s.Terms.Currency, Date: date,
	}
	if s.Terms.Scope == GoodsAndFreight {
		p.Lines = append(p.Lines, s.Billable.Goods...)
	}
	deliveryLine := s.Billable.DeliveryLine
	for _, l := range s.Rating.Sell() {
		p.Lines = append(p.Lines, s.freightLine(l, &deliveryLine))
	}
	net := ZeroMoney(p.Currency)
	for _, l := range p.Lines {
		a, err := l.Net()
		if err == nil {
			net, err = net.Add(a)
		}
		if err != nil {
			return p, fmt.Errorf("line %s: %w", l.Ref, err)
		}
	}
	p.Net = net
	return p, nil
}

// freightLine turns a rated line into an invoice line. The first one uses up the order's delivery line,
// so that nobody bills that again by hand.
func (s *Shipment) freightLine(l RatedLine, deliveryLine *int64) InvoiceLine {
	line := InvoiceLine{
		Ref: "f_" + strings.NewReplacer("/", "-", " ", "-", ".", "-").Replace(l.Ref), Code: l.Code, SaleLine: *deliveryLine,
		Description: FreightText(l.Code, s.ID), Quantity: "1", UnitPrice: l.Amount,
	}
	if r, ok := s.RulingOn(l.ChargeRef); ok && l.ChargeRef != "" {
		line.UnitPrice = r.Amount
	}
	*deliveryLine = 0
	return line
}

// FreightText is what a freight line says on the customer's invoice.
func FreightText(c ChargeCode, id ShipmentID) string {
	return strings.ToUpper(string(c[:1])) + strings.ReplaceAll(string(c[1:]), "_", " ") + ", shipment " + string(id)
}

// Net is the line's amount before tax: quantity times price less discount, rounded once to the currency.
func (l InvoiceLine) Net() (Money, error) {
	gross, err := l.UnitPrice.scaled(l.Quantity)
	if err != nil || l.Discount == "" {
		return gross.Rounded(), err
	}
	off, err := gross.scaled(l.Discount)
	if err != nil {
		return Money{}, err
	}
	if off, err = off.scaled("0.01"); err != nil {
		return Money{}, err
	}
	net, err := gross.Sub(off)
	return net.Rounded(), err
}
