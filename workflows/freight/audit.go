package freight

import (
	"fmt"
	"slices"
	"strings"
)

// AuditFacts is what the audit rules see, and all they see.
type AuditFacts struct {
	Terms      Terms
	Rating     *Rating // nil: the engine has no contract for it
	NoContract string  // the engine's reason
	Invoices   []CarrierInvoice
	Disputes   []Proposal
	Rulings    []Ruling
	Proved     bool // all pieces delivered, and the POD accepted by the customer's policy
	Waived     bool // a person lets the customer be billed without the carrier's invoice
	Doubts     []Doubt
}

// auditRules is the order findings are listed in. All run, always.
var auditRules = []func(AuditFacts) []Finding{duplicates, sums, contract, rates, proof, contradictions}

// Audit runs every rule over the facts. The worst verdict decides; see Worst and SellHolds.
func Audit(f AuditFacts) (fs []Finding) {
	for _, rule := range auditRules {
		fs = append(fs, rule(f)...)
	}
	return fs
}

// holdsInvoice reports whether an invoice that cannot be used stops the customer's as well: only where the policy
// waits for the carrier's, and there is no other.
func (f AuditFacts) holdsInvoice() bool {
	return f.Terms.Charges.NeedCarrierInvoice && !f.Waived && len(usable(f.Invoices)) == 0
}

// duplicates is DUP-1: a carrier invoice number holds once.
func duplicates(f AuditFacts) (fs []Finding) {
	why := flaws(f.Invoices)
	for i, inv := range f.Invoices {
		v := Finding{Rule: RuleDuplicate, Version: 1, Verdict: Pass, Side: Buy, ChargeRef: inv.Number, Actual: inv.Total, Reason: "invoice number is new"}
		if inv.DuplicateOf != "" {
			v.Verdict, v.SellHold, v.Reason = Block, f.holdsInvoice(), why[i]
			v.Evidence = []string{inv.DuplicateOf}
		}
		fs = append(fs, v)
	}
	return fs
}

// sums is SUM-1: the lines, each there once, add up to the invoice.
func sums(f AuditFacts) (fs []Finding) {
	why := flaws(f.Invoices)
	for i, inv := range f.Invoices {
		if inv.DuplicateOf != "" {
			continue
		}
		v := Finding{Rule: RuleSum, Version: 1, Verdict: Pass, Side: Buy, ChargeRef: inv.Number, Expected: inv.Total, Reason: "lines add up"}
		v.Actual, _ = inv.sum() // no amount where the lines are in several currencies
		if why[i] != "" {
			v.Verdict, v.SellHold, v.Reason = Block, f.holdsInvoice(), why[i]
			v.Delta, _ = v.Actual.Sub(inv.Total)
		}
		fs = append(fs, v)
	}
	return fs
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

// rates is RATE-1, ACC-1 and DUP-2: each line the carrier charges is in its contract, within tolerance of it, and
// charged once.
func rates(f AuditFacts) (fs []Finding) {
	if f.Rating == nil {
		return nil // RATE-3 holds it
	}
	invs := usable(f.Invoices)
	for i, inv := range invs {
		for _, c := range inv.Lines {
			fs = append(fs, f.rate(c, twin(inv.Carrier, c, invs[:i])))
		}
	}
	return fs
}

// twin is a line of another invoice of the carrier for the same service and amount; "" for none.
func twin(carrier CarrierCode, c Charge, others []CarrierInvoice) string {
	for _, inv := range others {
		for _, o := range inv.Lines {
			if inv.Carrier == carrier && o.Code == c.Code && o.Amount.Equal(c.Amount) && c.Amount.Sign() > 0 {
				return o.Ref
			}
		}
	}
	return ""
}

func (f AuditFacts) rate(c Charge, twin string) Finding {
	line, contracted := f.Rating.BuyFor(c.Ref)
	v := Finding{
		Rule: RuleRate, Version: 1, Verdict: Pass, Side: Buy, ChargeRef: c.Ref, Actual: c.Amount,
		Expected: line.Amount, Evidence: line.Trace, SellHold: f.Rating.PassedThrough(c.Ref), Reason: "within tolerance",
	}
	switch {
	case twin != "":
		v.Rule, v.Expected, v.Evidence = RuleTwice, ZeroMoney(c.Amount.Currency), []string{twin}
	case !contracted:
		v.Rule, v.Expected = RuleAccessorial, ZeroMoney(c.Amount.Currency)
		v.Evidence = []string{"contract " + f.Rating.Contract + " version " + f.Rating.Version + " has no " + string(c.Code)}
	}
	if r, ok := f.ruled(v); ok {
		v.Expected, v.Dispute, v.Reason = r.Amount, r.Dispute, fmt.Sprintf("dispute %s: %s at %s by %s", r.Dispute, r.Verdict, r.Amount, r.By)
		return v
	}
	return f.judge(v, c)
}

// judge compares a charge with what was expected. Both limits of the tolerance must hold; an undercharge
// beyond them is pointed out but stops nothing.
func (f AuditFacts) judge(v Finding, c Charge) Finding {
	delta, err := c.Amount.Sub(v.Expected)
	if err != nil {
		v.Verdict, v.Reason = Hold, fmt.Sprintf("%s is charged in %s, the contract is in %s: ask the carrier to bill in the contract's", c.Code, c.Amount.Currency, v.Expected.Currency)
		return v
	}
	v.Delta = delta
	switch {
	case delta.Sign() == 0 || v.Rule == RuleRate && f.Terms.Tolerance.Covers(v.Expected, delta):
	case delta.Sign() < 0:
		v.Verdict, v.Reason = Warn, fmt.Sprintf("%s is charged %s under the contract", c.Code, delta.Abs())
	case v.Rule == RuleTwice:
		v.Verdict, v.Reason = Hold, fmt.Sprintf("%s of %s is on another invoice too, as %s: charged twice?", c.Code, c.Amount, v.Evidence[0])
	case v.Rule == RuleAccessorial:
		v.Verdict, v.Reason = Hold, fmt.Sprintf("%s of %s is not in the contract", c.Code, c.Amount)
	default:
		v.Verdict, v.Reason = Hold, fmt.Sprintf("%s of %s is %s over the contract's %s", c.Code, c.Amount, delta, v.Expected)
	}
	return v
}

// ruled returns the newest ruling on exactly what v says.
func (f AuditFacts) ruled(v Finding) (Ruling, bool) {
	for _, r := range slices.Backward(f.Rulings) {
		for _, p := range f.Disputes {
			if p.Dispute == r.Dispute && p.Decides(v) {
				return r, true
			}
		}
	}
	return Ruling{}, false
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

// contradictions is STA-1. What the bill rests on is held until a person has looked; where nothing contradicts there is
// nothing to find.
func contradictions(f AuditFacts) (fs []Finding) {
	for _, d := range f.Doubts {
		v := Finding{Rule: RuleStatus, Version: 1, Verdict: Warn, Side: Sell, ChargeRef: d.Ref, Reason: d.Text}
		if d.Grave && !d.Dismissed {
			v.Verdict, v.SellHold = Hold, true
		}
		fs = append(fs, v)
	}
	return fs
}

// Disputable reports whether a person with authority can settle the finding by ruling on an amount.
func (v Finding) Disputable() bool {
	return v.Verdict == Hold && (v.Rule == RuleRate || v.Rule == RuleAccessorial || v.Rule == RuleTwice) && v.Delta.Sign() > 0
}

// ProofOf decides whether the POD is good enough for the customer: "" if it is, else what is missing. A requirement
// that is none of ours is met by nothing.
func ProofOf(j Journey, want PODRequirement) (missing string) {
	if !j.Has(Delivered) {
		return "no actual delivered scan"
	}
	has := func(good func(DocumentRef) bool) bool { return slices.ContainsFunc(j.Proofs(), good) }
	switch {
	case want == PODStatus:
		return ""
	case want == PODSignature && has(func(d DocumentRef) bool { return d.Signed }):
		return ""
	case want == PODDocument && has(func(d DocumentRef) bool { return d.Kind == DocumentPOD }):
		return ""
	case want == PODSignature:
		return "no signed document"
	case want == PODDocument:
		return "no POD document"
	}
	return fmt.Sprintf("the policy asks for a proof %q that is not known: correct the policy", want)
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
	for i, l := range p.Lines {
		if slices.ContainsFunc(p.Lines[:i], func(o InvoiceLine) bool { return o.Ref == l.Ref }) {
			return p, fmt.Errorf("line %s comes twice: the billing engine must give each line a reference of its own", l.Ref)
		}
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
		Ref: l.invoiceRef(), Code: l.Code, SaleLine: *deliveryLine,
		Description: FreightText(l.Code, s.ID), Quantity: "1", UnitPrice: l.Amount,
	}
	if amount, ok := s.ruledAmount(l.ChargeRef); ok && l.Basis == PassThrough {
		line.UnitPrice = amount
	}
	*deliveryLine = 0
	return line
}

// invoiceRef names the line on the customer's invoice.
func (l RatedLine) invoiceRef() string { return "f_" + strings.Map(plain, l.Ref) }

// Unbilled are the customer's lines by the newest rating that are not on the invoice as it was made.
func (s *Shipment) Unbilled() (ls []RatedLine) {
	if s.Rating == nil || s.Plan == nil {
		return nil
	}
	for _, l := range s.Rating.Sell() {
		if !slices.ContainsFunc(s.Plan.Lines, func(o InvoiceLine) bool { return o.Ref == l.invoiceRef() }) {
			ls = append(ls, l)
		}
	}
	return ls
}

// plain leaves what may be in an external id of Odoo.
func plain(r rune) rune {
	if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return '-'
}

// ruledAmount is what a ruling has made of one of the carrier's charges, as last audited.
func (s *Shipment) ruledAmount(chargeRef string) (Money, bool) {
	for _, v := range s.Findings {
		if v.ChargeRef == chargeRef && v.Dispute != "" {
			return v.Expected, true
		}
	}
	return Money{}, false
}

// FreightText is what a freight line says on the customer's invoice.
func FreightText(c ChargeCode, id ShipmentID) string {
	if c == "" {
		return "Freight, shipment " + string(id)
	}
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
