package freight_test

import (
	"os"
	"regexp"
	"testing"
	"time"

	"waybill/workflows/freight"
)

func TestExceptionIsHandledAsTheShipmentsTermsHaveIt(t *testing.T) {
	friday := time.Date(2026, 11, 27, 14, 0, 0, 0, time.UTC) // two hours before the office closes
	terms := &freight.ExceptionTerms{Kinds: []freight.Handling{{Kind: freight.PODMissing, Owner: freight.CustomerService, Within: 3 * time.Hour}, {Kind: freight.PostingFailed, Owner: freight.Operations}, {Kind: freight.LateCharge, Within: time.Hour}}}
	inHours := *terms
	inHours.Calendar = office()
	never := *terms
	never.Calendar = &freight.Calendar{}
	for name, tt := range map[string]struct {
		terms *freight.ExceptionTerms
		kind  freight.ExceptionKind
		owner freight.Owner
		due   time.Time
	}{
		"nothing is said":                {nil, freight.PODMissing, freight.Operations, friday.Add(24 * time.Hour)},
		"nothing is said of its kind":    {terms, freight.TenderOverdue, freight.Operations, friday.Add(4 * time.Hour)},
		"owner and time are said":        {terms, freight.PODMissing, freight.CustomerService, friday.Add(3 * time.Hour)},
		"its owner alone":                {terms, freight.PostingFailed, freight.Operations, friday.Add(4 * time.Hour)},
		"its time alone":                 {terms, freight.LateCharge, freight.Finance, friday.Add(time.Hour)},
		"its time runs in office hours":  {&inHours, freight.PODMissing, freight.CustomerService, time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)},
		"so does that of our standard":   {&inHours, freight.TenderOverdue, freight.Operations, time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)},
		"a calendar without working day": {&never, freight.LateCharge, freight.Finance, friday.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			s := &freight.Shipment{Stage: freight.StageTransit, Terms: freight.Terms{Exceptions: tt.terms}}
			e, opened := s.Raise(tt.kind, "", "it happened", friday)
			if !opened || e.Owner != tt.owner || !e.DueBy.Equal(tt.due) {
				t.Errorf("for %s by %s, want %s by %s", e.Owner, e.DueBy, tt.owner, tt.due)
			}
			if r := s.Report(); r.Owner != tt.owner || !r.Due.Equal(tt.due) {
				t.Errorf("the order shows %s by %s", r.Owner, r.Due)
			}
			if again, opened := s.Raise(tt.kind, "", "again", friday.Add(time.Hour)); opened || again.Times != 2 || !again.DueBy.Equal(tt.due) {
				t.Errorf("what happens again while it is open is due at %s", again.DueBy)
			}
		})
	}
}

// TestEveryKindIsInTheDocumentationAsItIsHandled: a policy is written by it.
func TestEveryKindIsInTheDocumentationAsItIsHandled(t *testing.T) {
	text, err := os.ReadFile("../../docs/exceptions.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|[^|]+\\| (\\w+) \\| (\\w+) \\|$").FindAllStringSubmatch(string(text), -1) {
		said[row[1]] = row[2:]
	}
	for _, kind := range freight.ExceptionKinds() {
		h, row := freight.StandardHandling(kind), said[string(kind)]
		if len(row) != 2 {
			t.Errorf("%s is not there", kind)
			continue
		}
		if within, err := time.ParseDuration(row[1]); err != nil || within != h.Within || row[0] != string(h.Owner) {
			t.Errorf("%s is said to be of %s within %s, and is of %s within %s", kind, row[0], row[1], h.Owner, h.Within)
		}
	}
	if len(said) != len(freight.ExceptionKinds()) {
		t.Errorf("%d kinds are there, %d exist", len(said), len(freight.ExceptionKinds()))
	}
}
