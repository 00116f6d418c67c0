package freight_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/workflows/freight"
)

// TestEveryNumberIsTakenOnceInWhateverOrder is what makes a resent, a late and a lost batch harmless.
func TestEveryNumberIsTakenOnceInWhateverOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 60).Draw(t, "n")
		var all []int64
		for i := range n {
			all = append(all, i+1)
		}
		sent := append(rapid.Permutation(all).Draw(t, "order"), rapid.SliceOf(rapid.SampledFrom(all)).Draw(t, "repeats")...)
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		var s freight.Shipment
		taken := map[int64]int{}
		for _, i := range sent[:cut] {
			if s.Take(i) {
				taken[i]++
			}
		}
		missing := map[int64]bool{}
		for _, m := range s.Missing {
			for i := m.From; i <= m.To; i++ {
				missing[i] = true
			}
		}
		for i := int64(1); i <= s.HighWater; i++ {
			if missing[i] == (taken[i] == 1) {
				t.Fatalf("number %d: taken %d times, missing %v", i, taken[i], missing[i])
			}
		}
		for _, i := range sent[cut:] {
			if s.Take(i) {
				taken[i]++
			}
		}
		for _, i := range all {
			if taken[i] != 1 {
				t.Fatalf("number %d was taken %d times", i, taken[i])
			}
		}
		if len(s.Missing) != 0 || s.HighWater != n {
			t.Fatalf("missing %v up to %d", s.Missing, s.HighWater)
		}
	})
}

func TestMissingNumbersAreBounded(t *testing.T) {
	var s freight.Shipment
	for i := range int64(1000) {
		s.Take(2 * (i + 1))
	}
	if len(s.Missing) != 100 || s.Take(1) || !s.Take(1999) {
		t.Errorf("%d runs of missing numbers are kept, want the last 100", len(s.Missing))
	}
}

// TestAll720OrdersOfSixEventsMakeTheSameJourneyAndPlan has pieces, a document under two kinds, charges and a forecast.
func TestAll720OrdersOfSixEventsMakeTheSameJourneyAndPlan(t *testing.T) {
	at := func(m freight.Milestone, minute int) freight.Scan {
		return freight.Scan{Key: string(m), Source: "carrier", Milestone: m, Classifier: freight.Actual, OccurredAt: noon.Add(time.Duration(minute) * time.Minute), Carrier: "FASTFRT"}
	}
	delivered, photo, pod, bill, planned := at(freight.Delivered, 5), at(freight.DocumentReceived, 6), at(freight.PODReceived, 7), at(freight.ChargesReceived, 8), at(freight.Delivered, 1)
	delivered.Pieces = freight.Pieces{Delivered: 2, Expected: 2}
	photo.Documents = []freight.DocumentRef{{Kind: freight.DocumentPhoto, SHA256: "aa", MediaType: "image/png", Size: 7}}
	pod.Documents = []freight.DocumentRef{{Kind: freight.DocumentPOD, SHA256: "aa", MediaType: "application/pdf", Size: 7, Signed: true}}
	bill.Invoice = &freight.CarrierInvoice{Carrier: "FASTFRT", Number: "C1", Total: money(8000), Lines: []freight.Charge{charge("C1/1", freight.Linehaul, "80.00")}}
	planned.Classifier, planned.Pieces, planned.ETA = freight.Planned, freight.Pieces{Delivered: 9, Expected: 9}, noon.Add(time.Hour)
	var first freight.Journey
	n := 0
	permute([]freight.Scan{at(freight.PickedUp, 2), delivered, photo, pod, bill, planned}, func(order []freight.Scan) {
		var j freight.Journey
		for _, s := range order {
			j.Apply(s)
		}
		if n++; n == 1 {
			first = j
		}
		if !reflect.DeepEqual(first, j) {
			t.Fatalf("order %d makes another journey:\n%+v\n%+v", n, first, j)
		}
	})
	if n != 720 || !first.Complete() || first.Pieces != delivered.Pieces || len(first.Documents) != 1 || first.Documents[0].Kind != freight.DocumentPOD || !first.Documents[0].Signed {
		t.Errorf("%d orders, journey %+v", n, first)
	}
}

// permute calls f with every order of in.
func permute(in []freight.Scan, f func([]freight.Scan)) {
	var rec func(int)
	rec = func(k int) {
		if k == len(in) {
			f(in)
			return
		}
		for i := k; i < len(in); i++ {
			in[k], in[i] = in[i], in[k]
			rec(k + 1)
			in[k], in[i] = in[i], in[k]
		}
	}
	rec(0)
}

func TestScanOfAWrongFormIsRefusedWithTheReason(t *testing.T) {
	good := freight.Scan{Number: 1, Key: "k", Source: "carrier", Milestone: freight.PickedUp, Classifier: freight.Actual, OccurredAt: noon}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 201)
	bill := func(change func(*freight.CarrierInvoice)) func(*freight.Scan) {
		return func(s *freight.Scan) {
			s.Invoice = &freight.CarrierInvoice{Carrier: "F", Number: "C1", Total: money(1), Lines: []freight.Charge{{Ref: "C1/1", Amount: money(1)}}}
			change(s.Invoice)
		}
	}
	for name, change := range map[string]func(*freight.Scan){
		"no number":          func(s *freight.Scan) { s.Number = 0 },
		"unknown milestone":  func(s *freight.Scan) { s.Milestone = "teleported" },
		"unknown classifier": func(s *freight.Scan) { s.Classifier = "hoped" },
		"no key":             func(s *freight.Scan) { s.Key = "" },
		"no time":            func(s *freight.Scan) { s.OccurredAt = time.Time{} },
		"a time JSON cannot write": func(s *freight.Scan) {
			s.OccurredAt = time.Date(9999, 12, 31, 23, 0, 0, 0, time.FixedZone("", -12*3600))
		},
		"an ETA of year 1":   func(s *freight.Scan) { s.ETA = time.Time{}.Add(time.Hour) },
		"long document":      func(s *freight.Scan) { s.Documents = []freight.DocumentRef{{SHA256: long}} },
		"long text":          func(s *freight.Scan) { s.Reason = long },
		"many documents":     func(s *freight.Scan) { s.Documents = make([]freight.DocumentRef, 51) },
		"bill without lines": bill(func(i *freight.CarrierInvoice) { i.Lines = nil }),
		"bill with no total": bill(func(i *freight.CarrierInvoice) { i.Total = freight.Money{} }),
		"line without ref":   bill(func(i *freight.CarrierInvoice) { i.Lines[0].Ref = "" }),
		"line of no amount":  bill(func(i *freight.CarrierInvoice) { i.Lines[0].Amount.Number = "NaN" }),
		"line that is long":  bill(func(i *freight.CarrierInvoice) { i.Lines[0].Unit = long }),
	} {
		s := good
		change(&s)
		if err := s.Check(); err == nil {
			t.Errorf("%s: it was let through", name)
		}
	}
}

func TestShipmentTakesOnlySoManyLinesAndDocuments(t *testing.T) {
	var s freight.Shipment
	bill := freight.Scan{Source: "edi", Milestone: freight.ChargesReceived, Classifier: freight.Actual, OccurredAt: noon, Invoice: &freight.CarrierInvoice{Number: "C1", Lines: make([]freight.Charge, 300)}}
	if why := s.Forbids(bill); why != "" {
		t.Fatal(why)
	}
	s.Journey.Apply(bill)
	bill.Invoice = &freight.CarrierInvoice{Number: "C2", Lines: make([]freight.Charge, 201)}
	papers := freight.Scan{Source: "edi", Milestone: freight.DocumentReceived, Documents: make([]freight.DocumentRef, 101)}
	if s.Forbids(bill) == "" || s.Forbids(papers) == "" {
		t.Error("there is no end to what a shipment takes")
	}
}

func TestExceptionsStayFew(t *testing.T) {
	var es freight.Exceptions
	for i := range 500 {
		es.Raise(freight.ScanRefused, fmt.Sprint("source ", i), freight.StageTransit, strings.Repeat("x", 5000), noon)
	}
	if len(es) != 20 || es[19].Times != 481 || len(es[0].Detail) > 1000 {
		t.Errorf("%d exceptions of one kind open, the last of them %d times", len(es), es[len(es)-1].Times)
	}
	for i := range 500 {
		id, opened := es.Raise(freight.CancelTooLate, "odoo", freight.StageTransit, "again", noon)
		if !opened {
			t.Fatal("the one before was resolved")
		}
		e, found := es.ByID(id)
		if !found {
			t.Fatalf("exception %d is not there", id)
		}
		e.Resolution = &freight.Resolution{Action: freight.Dismiss, By: "ann", At: noon}
		if i == 0 {
			es.Raise(freight.TenderOverdue, "", freight.StageTransit, "late", noon)
			es.Settle(freight.TenderOverdue, "", "accepted", noon)
		}
	}
	if len(es) > 101 || !es.Raised(freight.TenderOverdue) || !es.IsOpen(freight.ScanRefused, "source 3") {
		t.Errorf("%d exceptions; the only one of its kind is kept: %v", len(es), es.Raised(freight.TenderOverdue))
	}
	ids := map[int]bool{}
	for _, e := range es {
		if ids[e.ID] {
			t.Fatalf("number %d is used twice", e.ID)
		}
		ids[e.ID] = true
	}
}

func TestDeadlineThatHasPassedIsNotWaitedForAgain(t *testing.T) {
	s := freight.Shipment{Stage: freight.StageSettlement, Entered: noon, Terms: freight.Terms{Clocks: freight.Clocks{Quiet: time.Hour}}, Invoice: &freight.Invoice{},
		Payment: freight.Payment{State: freight.InvoicePaid, SeenAt: noon}}
	if d, ok := s.NextDeadline(noon); !ok || !d.At.Equal(noon.Add(time.Hour)) {
		t.Errorf("next %+v, %v", d, ok)
	}
	if d, ok := s.NextDeadline(noon.Add(time.Hour)); ok {
		t.Errorf("%+v is waited for though it has passed", d)
	}
}

// TestShipmentClosesOnlyWhenNothingIsLeftForFinance goes through what keeps it open.
func TestShipmentClosesOnlyWhenNothingIsLeftForFinance(t *testing.T) {
	settled := func() freight.Shipment {
		return freight.Shipment{Stage: freight.StageSettlement, Invoice: &freight.Invoice{}, Payment: freight.Payment{State: freight.InvoicePaid, Residual: money(0), SeenAt: noon}}
	}
	over := freight.Finding{Rule: freight.RuleRate, Verdict: freight.Hold, ChargeRef: "C1/1", Actual: money(2), Expected: money(1), Delta: money(1)}
	for name, tt := range map[string]struct {
		change func(*freight.Shipment)
		quiet  bool
	}{
		"paid":                  {func(*freight.Shipment) {}, true},
		"credited in full":      {func(s *freight.Shipment) { s.Payment.State = freight.InvoiceReversed }, true},
		"paid in part":          {func(s *freight.Shipment) { s.Payment.State = freight.InvoicePartPaid }, false},
		"a cent open":           {func(s *freight.Shipment) { s.Payment.Residual = money(1) }, false},
		"within the quiet time": {func(s *freight.Shipment) { s.Terms.Clocks.Quiet = time.Minute }, false},
		"not invoiced":          {func(s *freight.Shipment) { s.Invoice = nil }, false},
		"nothing to invoice":    {func(s *freight.Shipment) { s.Invoice, s.Terms.Scope = nil, freight.BillsNothing }, true},
		"a dispute open":        {func(s *freight.Shipment) { s.Disputes = []freight.Proposal{{Dispute: "acme-7/1"}} }, false},
		"a dispute withdrawn": {func(s *freight.Shipment) {
			s.Disputes, s.Withdrawn = []freight.Proposal{{Dispute: "a/1"}}, []freight.DisputeID{"a/1"}
		}, true},
		"a finding nobody saw":     {func(s *freight.Shipment) { s.Findings = []freight.Finding{over} }, false},
		"a late charge":            {func(s *freight.Shipment) { s.Exceptions.Raise(freight.LateCharge, "C2/1", s.Stage, "late", noon) }, false},
		"a payable held":           {func(s *freight.Shipment) { s.Exceptions.Raise(freight.PayableHeld, "C2/1", s.Stage, "EUR", noon) }, false},
		"something merely strange": {func(s *freight.Shipment) { s.Exceptions.Raise(freight.ScanRefused, "edi", s.Stage, "?", noon) }, true},
	} {
		s := settled()
		tt.change(&s)
		if s.Quiet(noon) != tt.quiet {
			t.Errorf("%s: may close %v, want %v", name, s.Quiet(noon), tt.quiet)
		}
	}
}

func TestPaymentOfAWrongFormIsRefused(t *testing.T) {
	good := freight.Payment{Move: 9, State: freight.InvoicePaid, Residual: money(0), SeenAt: noon}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]freight.Payment{
		"nothing":        {},
		"no time":        {Move: 9, State: freight.InvoicePaid},
		"unknown state":  {Move: 9, State: "generous", SeenAt: noon},
		"waiting":        {Move: 9, State: freight.InvoiceWaiting, SeenAt: noon},
		"garbage amount": {Move: 9, State: freight.InvoicePaid, SeenAt: noon, Residual: freight.Money{Number: "x", Currency: "USD"}},
	} {
		if p.Check() == nil {
			t.Errorf("%s: it was let through", name)
		}
	}
}

func TestClosingSnapshotHoldsNothingThatIsOnItsWay(t *testing.T) {
	s := freight.Shipment{ID: "acme-7", Unsaid: []freight.AuditEntry{{N: 1}}, Intents: []freight.Intent{{Key: "k"}}, Unregistered: []freight.Reference{{Value: "x"}},
		Journey: freight.Journey{Marks: []freight.Mark{{Milestone: freight.Delivered, Key: "k"}}}, Rating: &freight.Rating{Lines: []freight.RatedLine{{Side: freight.Buy, Trace: []string{"x"}}, {Side: freight.Sell, Trace: []string{"x"}}}},
		Billable: &freight.Billable{Weight: "60", Goods: []freight.InvoiceLine{{Ref: "g"}}},
		Findings: []freight.Finding{{Rule: freight.RulePOD}}, Validation: &freight.Validation{LinesHash: "h", Findings: []freight.Finding{{Rule: freight.RulePOD}}}}
	f := s.Final()
	if f.Journey.Marks[0].Key != "" || f.Rating.Lines[0].Trace != nil || f.Rating.Lines[1].Trace == nil || f.Billable.Goods != nil || f.Billable.Weight != "60" {
		t.Errorf("snapshot %+v", f)
	}
	if s.Journey.Marks[0].Key != "k" || s.Rating.Lines[0].Trace == nil || s.Billable.Goods == nil {
		t.Error("the snapshot has changed the shipment")
	}
	if len(f.Unsaid)+len(f.Intents)+len(f.Unregistered)+len(f.Validation.Findings) != 0 || f.Validation.LinesHash != "h" || len(f.Findings) != 1 || len(s.Validation.Findings) != 1 {
		b, _ := json.Marshal(f)
		t.Errorf("snapshot %s", b)
	}
}

func TestPersonAndReasonAreBounded(t *testing.T) {
	for _, tt := range []struct {
		by, reason string
		good       bool
	}{{"ann", "done", true}, {"", "done", false}, {"ann", "", false}, {strings.Repeat("a", 201), "x", false}, {"ann", strings.Repeat("x", 1001), false}} {
		if err := freight.CheckPerson(tt.by, tt.reason); (err == nil) != tt.good {
			t.Errorf("by of %d bytes, reason of %d: %v", len(tt.by), len(tt.reason), err)
		}
	}
}

func TestEveryExceptionKindSaysWhoseItIsAndWhatToDo(t *testing.T) {
	for _, kind := range freight.ExceptionKinds() {
		var es freight.Exceptions
		es.Raise(kind, "", freight.StageTransit, "x", noon)
		e := es[0]
		if e.Owner == "" || e.Advice == "" || !e.DueBy.After(noon) {
			t.Errorf("%s: %+v", kind, e)
		}
		for _, word := range []freight.Action{freight.Retry, freight.Waive, freight.Dismiss} {
			if says := strings.Contains(strings.ToLower(e.Advice), string(word)); says && !slices.Contains(e.Actions, word) {
				t.Errorf("%s: its advice says %s, which it does not allow", kind, word)
			}
		}
	}
}
