package finance_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"waybill/activities/finance"
	"waybill/activities/finance/financetest"
	"waybill/internal/partner/contracttest"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

const postingBody = `{"external_ref":"waybill.inv_acme-1_1","shipment":"acme-1","customer":"ACME","order":"S00070","invoice":"INV/2026/00042","date":"2026-10-05",
	"net":{"number":"100.00","currency":"EUR"},"tax":{"number":"19.00","currency":"EUR"},"total":{"number":"119.00","currency":"EUR"}}`

// TestPlatformKeepsItsContract has the platform give every answer the document promises, and refuse all it forbids.
func TestPlatformKeepsItsContract(t *testing.T) {
	stand := financetest.New()
	c := contracttest.Load(t, finance.OpenAPI()).Caller(t, stand, &stand.Server)
	create := contracttest.Request{Method: "POST", Path: "/v1/postings", Key: "waybill.inv_acme-1_1", Body: postingBody}
	read := contracttest.Request{Method: "GET", Path: "/v1/postings/F000001"}
	find := contracttest.Request{Method: "GET", Path: "/v1/postings?external_ref=waybill.inv_acme-1_1"}

	c.Want(read, http.StatusNotFound, "unknown")
	for _, q := range []contracttest.Request{create, read, find} {
		c.Refusals(q)
	}
	c.Want(read, http.StatusOK, "")
	c.Want(find, http.StatusOK, "")
	c.Want(contracttest.Request{Method: "GET", Path: "/v1/postings"}, http.StatusBadRequest, "parameter_required")
	stand.Forget()
	if a := c.Want(create, http.StatusConflict, "duplicate_ref"); a.Problem.Existing != "F000001" {
		t.Errorf("the conflict names %q, want the posting that holds the reference", a.Problem.Existing)
	}
	c.Complete()
}

func watched(t *testing.T) (*finance.Platform, *financetest.Platform) {
	t.Helper()
	stand := financetest.New()
	return &finance.Platform{Client: contracttest.Load(t, finance.OpenAPI()).Client(t, stand)}, stand
}

func notice() protocol.FinanceNotice {
	return protocol.FinanceNotice{Key: "waybill.inv_acme-1_1", Shipment: "acme-1", Customer: "ACME", OrderName: "S00070", Invoice: freight.Invoice{
		Move: 9, Number: "INV/2026/00042", Date: "2026-10-05", Net: freight.MustMoney("100.00 EUR"), Tax: freight.MustMoney("19.00 EUR"), Total: freight.MustMoney("119.00 EUR"), Lines: 2,
	}}
}

// TestKeyIsTheInvoicesOnly so that a second attempt, by whatever process, has the first one's.
func TestKeyIsTheInvoicesOnly(t *testing.T) {
	c, stand := watched(t)
	keys := contracttest.Keys(&stand.Server)
	for range 2 {
		if _, err := c.TellFinance(t.Context(), notice()); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"waybill.inv_acme-1_1", "waybill.inv_acme-1_1"}; !slices.Equal(*keys, want) {
		t.Errorf("got %q, want %q", *keys, want)
	}
}

func TestFiftyCallersTellOfOneInvoice(t *testing.T) {
	for name, storm := range contracttest.Storms() {
		t.Run(name, func(t *testing.T) {
			c, stand := watched(t)
			stand.Fail(storm(&stand.Server))
			receipt := contracttest.Crowd(t, c.TellFinance, notice())
			if all := stand.Postings(); len(all) != 1 || all[0].Number != receipt.Number || all[0].Total != notice().Invoice.Total {
				t.Errorf("the callers were told %q; the platform has %+v", receipt.Number, all)
			}
			if seen, lost := stand.Counts(); lost == 0 {
				t.Errorf("no reply of %d was lost: the storm did not blow", seen)
			}
		})
	}
}

// TestAnotherInvoiceUnderTheKeyIsRefusedInWords, also where the platform has forgotten the key.
func TestAnotherInvoiceUnderTheKeyIsRefusedInWords(t *testing.T) {
	for name, change := range map[string]func(*protocol.FinanceNotice){
		"date":     func(q *protocol.FinanceNotice) { q.Invoice.Date = "2026-10-06" },
		"number":   func(q *protocol.FinanceNotice) { q.Invoice.Number = "INV/2026/00043" },
		"customer": func(q *protocol.FinanceNotice) { q.Customer = "BOLT" },
		"tax split": func(q *protocol.FinanceNotice) { // and the same total
			q.Invoice.Net, q.Invoice.Tax = freight.MustMoney("99.00 EUR"), freight.MustMoney("20.00 EUR")
		},
	} {
		for _, forget := range []bool{false, true} {
			c, stand := watched(t)
			if _, err := c.TellFinance(t.Context(), notice()); err != nil {
				t.Fatal(err)
			}
			if forget {
				stand.Forget()
			}
			q := notice()
			change(&q)
			_, err := c.TellFinance(t.Context(), q)
			words := contracttest.Refused(t, err, protocol.Rejected)
			there := "the finance platform has F000001 under waybill.inv_acme-1_1 as INV/2026/00042 of 2026-10-05 for acme-1, S00070 of ACME, 100.00 EUR and 19.00 EUR tax, not as "
			if !strings.HasPrefix(words, there) || !strings.HasSuffix(words, "correct F000001 there, then resolve with retry") {
				t.Errorf("%s: got %q", name, words)
			}
			if all := stand.Postings(); len(all) != 1 || all[0].Invoice != "INV/2026/00042" {
				t.Errorf("%s: the platform has %+v", name, all)
			}
		}
	}
}

func TestInvoiceThatDoesNotAddUpIsRefusedByThePlatform(t *testing.T) {
	c, stand := watched(t)
	for words, change := range map[string]func(*freight.Invoice){
		"net and tax make 119.00 EUR, total says 120.00 EUR: /total sum":              func(i *freight.Invoice) { i.Total = freight.MustMoney("120.00 EUR") },
		"net, tax and total are in one currency: /total/currency currency":            func(i *freight.Invoice) { i.Tax = freight.MustMoney("19.00 USD") },
		"The body is not what the contract says: /date '5 October' is not valid date": func(i *freight.Invoice) { i.Date = "5 October" },
	} {
		q := notice()
		change(&q.Invoice)
		_, err := strictless(t, stand).TellFinance(t.Context(), q)
		if got := contracttest.Refused(t, err, protocol.Rejected); !strings.Contains(got, words) {
			t.Errorf("got %q, want %q", got, words)
		}
	}
	if receipt, err := c.TellFinance(t.Context(), notice()); err != nil || receipt.Number != "F000001" {
		t.Errorf("what was refused is asked anew: %q, %v", receipt.Number, err)
	}
}

// strictless is a client whose requests may be wrong.
func strictless(t *testing.T, stand *financetest.Platform) *finance.Platform {
	t.Helper()
	return &finance.Platform{Client: contracttest.Load(t, finance.OpenAPI()).Careless(t, stand)}
}
