package declared_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/connectors/declared"
)

func TestTestsAreTakenOnlyWhereTheDeploymentIsOne(t *testing.T) {
	for name, body := range map[string]string{
		"karrio":   `{"event":"tracker_updated","data":{"carrier_name":"ups","tracking_number":"KA1","status":"delivered","test_mode":true,"updated_at":"2026-11-23T08:00:00Z"}}`,
		"landmark": `<TrackResponse><Test>true</Test><Result><Packages><Package><LandmarkTrackingNumber>LM1</LandmarkTrackingNumber><Events><Event><DateTime>11/23/2026 09:10 AM</DateTime><Location>Utrecht, NL</Location><EventCode>500</EventCode></Event></Events></Package></Packages></Result></TrackResponse>`,
	} {
		for _, tests := range []bool{false, true} {
			all, err := declared.NewCatalog(tests)
			if err != nil {
				t.Fatal(err)
			}
			e, err := all.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			if in, err := e.Decode(delivery(body), noon); (len(in) == 1) != tests {
				t.Errorf("%s, tests %t: %d scans, %v", name, tests, len(in), err)
			}
		}
	}
}

func TestSourceWithoutAConnectorSendsOurOwnEvents(t *testing.T) {
	all, err := declared.NewCatalog(false)
	if err != nil {
		t.Fatal(err)
	}
	s := declared.Sources{Catalog: all, Named: map[string]string{"parcels": "gls@1", "lost": "gls@9"}}
	if c, err := s.Connector("tms"); err != nil || c != (connectors.Canonical{}) || c.ID() != "canonical@1" {
		t.Errorf("%v, %v", c, err)
	}
	if c, err := s.Connector("parcels"); err != nil || c.ID() != "gls@1" {
		t.Errorf("%v", err)
	}
	if _, err := s.Connector("lost"); err == nil || !strings.Contains(err.Error(), "source lost: there is no connector gls@9") {
		t.Errorf("%v", err)
	}
}

func TestFolderOfOnesOwnStandsBeforeWhatComesWithWaybill(t *testing.T) {
	dir := t.TempDir()
	own := strings.Replace(definition("json", plain), "name: acme", "name: gls", 1)
	if err := os.WriteFile(filepath.Join(dir, "gls.yaml"), []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := declared.OpenCatalog(dir, false, clock)
	if err != nil {
		t.Fatal(err)
	}
	if faults := all.Faults(); len(faults) != 1 || !strings.Contains(faults[0].Error(), "want a sample") {
		t.Errorf("one without a sample: %v", faults)
	}
	if names := all.Names(); !slices.Contains(names, "dpd") || !slices.Contains(names, "ups") {
		t.Errorf("%v", names)
	}
	if _, err := all.Find("glsx"); err == nil || !strings.Contains(err.Error(), "want a sample") {
		t.Errorf("it does not say what is wrong with the files that are there: %v", err)
	}
	if _, err := declared.OpenCatalog(filepath.Join(dir, "none"), false, clock); err == nil || !strings.Contains(err.Error(), "is no folder") {
		t.Errorf("%v", err)
	}
}
