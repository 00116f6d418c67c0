package connectors_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

// TestPayloadsInAFolderAreDecodedOrRefusedInWords runs each connector over payloads that are not ours to publish: a
// folder of them is named by WAYBILL_PAYLOADS, with one folder inside for each partner.
func TestPayloadsInAFolderAreDecodedOrRefusedInWords(t *testing.T) {
	dir := os.Getenv("WAYBILL_PAYLOADS")
	if dir == "" {
		t.Skip("WAYBILL_PAYLOADS names no folder of partners' payloads")
	}
	partners, err := connectors.Partners()
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range partners {
		files, err := filepath.Glob(filepath.Join(dir, name, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, p.Tests = range []bool{false, true} {
				es, err := p.Explain(store.Delivery{Source: name, Body: body, ReceivedAt: time.Now()}, time.Now())
				t.Logf("%s/%s tests=%v: %d readings, %s, %v", name, filepath.Base(file), p.Tests, len(es), counts(es), err)
				if len(es) == 0 && (err == nil || err.Error() == "") {
					t.Errorf("%s: neither scans nor words", file)
				}
			}
		}
	}
}

func counts(es []connectors.Explained) string {
	n := map[freight.Milestone]int{}
	for _, e := range es {
		if e.Silent {
			n["(silent)"]++
		} else {
			n[e.Scan.Milestone]++
		}
	}
	b, _ := json.Marshal(n)
	return string(b)
}
