package freight

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// InvoiceLine is one line of the customer's invoice, before tax.
type InvoiceLine struct {
	Ref         string     `json:"ref"`               // unique on the invoice: external id suffix, letters, digits, '_' and '-'
	Code        ChargeCode `json:"code,omitzero"`     // freight lines
	SaleLine    int64      `json:"saleLine,omitzero"` // sale.order.line id: goods lines, and the freight line that uses up the order's delivery line
	Product     int64      `json:"product,omitzero"`  // product.product id; 0 on freight lines: the freight product of the configuration
	Description string     `json:"description"`
	Quantity    string     `json:"quantity"` // decimal, in the sale line's unit
	UnitPrice   Money      `json:"unitPrice"`
	Discount    string     `json:"discount,omitzero"` // per cent, decimal
	Taxes       []int64    `json:"taxes,omitempty"`   // account.tax ids expected on the line; empty: not checked
}

// Billable is what Odoo allows to be billed for one delivery, as read at one moment.
type Billable struct {
	Goods        []InvoiceLine `json:"goods,omitempty"`       // done quantities, capped by delivered less invoiced; empty where scope leaves goods to Odoo
	DeliveryLine int64         `json:"deliveryLine,omitzero"` // the order's unbilled delivery line; 0 for none
	Blockers     []string      `json:"blockers,omitempty"`    // why nothing may be posted now, in words that say what to do
	Weight       string        `json:"weight,omitzero"`       // kg that were delivered, decimal; "" until the delivery is done
	Pieces       int           `json:"pieces,omitzero"`       // packages, and one for each product in none; 0 until the delivery is done
	Partner      int64         `json:"partner,omitzero"`      // res.partner id of the order's invoice address now
	Ahead        int           `json:"ahead,omitzero"`        // seconds that the clock of the books is ahead of UTC; negative where it is behind
}

// Day is the day of an invoice that is made then, YYYY-MM-DD, by the clock of the books.
func (b Billable) Day(t time.Time) string {
	return t.UTC().Add(time.Duration(b.Ahead) * time.Second).Format(time.DateOnly)
}

// InvoicePlan is an invoice exactly as it was validated, and may be posted.
type InvoicePlan struct {
	Shipment   ShipmentID    `json:"shipment"`
	N          int           `json:"n"`   // 1 for the first invoice of the shipment
	Key        string        `json:"key"` // external id in Odoo
	Picking    int64         `json:"picking"`
	Order      int64         `json:"order"`
	OrderName  string        `json:"orderName"`
	Partner    int64         `json:"partner"`
	Currency   string        `json:"currency"`
	Lines      []InvoiceLine `json:"lines"`
	Net        Money         `json:"net"`        // total before tax
	Date       string        `json:"date"`       // invoice date, YYYY-MM-DD
	Validation string        `json:"validation"` // hash of the validation record; posted with it
}

// LinesHash is the SHA-256 of exactly the lines, partner and currency that may be posted, lower-case hex.
func (p InvoicePlan) LinesHash() string {
	return hashOf(struct {
		Key, Currency string
		Partner       int64
		Lines         []InvoiceLine
	}{p.Key, p.Currency, p.Partner, p.Lines})
}

// InvoiceKey is the external id of a shipment's nth invoice: "waybill.inv_acme-1042_1". It is made of
// business facts only, so a second attempt of any process finds the first one's invoice.
func InvoiceKey(s ShipmentID, n int) string { return "waybill.inv_" + string(s) + "_" + itoa(n) }

// Invoice is a posted invoice as Odoo reads back.
type Invoice struct {
	Move    int64  `json:"move"`   // account.move id
	Number  string `json:"number"` // "INV/2026/00042"
	Date    string `json:"date"`   // accounting date, YYYY-MM-DD
	Net     Money  `json:"net"`
	Tax     Money  `json:"tax"`
	Total   Money  `json:"total"`
	Lines   int    `json:"lines"`
	Adopted bool   `json:"adopted,omitzero"` // it was posted already when we came: an earlier attempt's reply was lost
}

// Payment is what Odoo says about an invoice's payment.
type Payment struct {
	Move     int64        `json:"move"`
	State    InvoiceState `json:"state"`
	Residual Money        `json:"residual"` // still open
	SeenAt   time.Time    `json:"seenAt"`
}

// Check says what is wrong with the form of a payment; nil for nothing.
func (p Payment) Check() error {
	switch {
	case p.Move <= 0 || !Plausible(p.SeenAt):
		return errors.New("move and seenAt are required")
	case !slices.Contains([]InvoiceState{InvoicePosted, InvoicePartPaid, InvoicePaid, InvoiceReversed}, p.State):
		return fmt.Errorf("state %q: want posted, partial, paid or reversed", Clip(string(p.State), longestText))
	case p.Residual.Stated():
		return p.Residual.Check()
	}
	return nil
}

// Same reports whether p says nothing new beside o.
func (p Payment) Same(o Payment) bool {
	return p.State == o.State && (p.Residual == o.Residual || p.Residual.Equal(o.Residual))
}

// Validation is the proof that an invoice was allowed. Nothing posts without one that is older and has the
// hash of exactly its lines.
type Validation struct {
	LinesHash  string    `json:"linesHash"`
	RatingHash string    `json:"ratingHash"`
	Contract   string    `json:"contract"`
	Version    string    `json:"version"` // of the contract
	Policy     string    `json:"policy"`
	Verdict    Verdict   `json:"verdict"`
	Findings   []Finding `json:"findings,omitempty"`
	At         time.Time `json:"at"`
}
