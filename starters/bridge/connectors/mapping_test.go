package connectors_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

var record = flag.Bool("record", false, "write what the mappings mean to testdata, for a new version")

// all reads the mappings once for all tests.
var all = sync.OnceValues(connectors.Partners)

func partners(t testing.TB) map[string]connectors.Partner {
	t.Helper()
	ps, err := all()
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

// versions are the mappings that came with any release, each still there for what was read by it.
func versions(t testing.TB) map[string]connectors.Partner {
	t.Helper()
	ps, err := connectors.Versions()
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

func TestEveryRowOfEveryMappingDecidesAPayload(t *testing.T) {
	rows := 0
	for name, p := range versions(t) {
		for code, row := range p.Codes {
			rows++
			es, err := p.Explain(delivery(p.Name, writers[p.Name](at(code, 0))), noon)
			if err != nil {
				t.Errorf("%s: %s: %v", name, code, err)
				continue
			}
			i := slices.IndexFunc(es, func(e connectors.Explained) bool { return e.Code == code })
			if i < 0 {
				t.Errorf("%s: no payload is decided by %q: %+v", name, code, es)
				continue
			}
			e := es[i]
			switch {
			case row.Milestone == connectors.Nothing:
				if !e.Silent {
					t.Errorf("%s: %q makes a scan", name, code)
				}
			case e.Silent || e.Scan.Milestone != row.Milestone || (e.Surprise != "") != (row.Milestone == freight.Unclassified):
				t.Errorf("%s: %q gives %s %q, want %s", name, code, e.Scan.Milestone, e.Surprise, row.Milestone)
			case row.Reason != "" && (e.Scan.Reason != string(row.Reason) || e.Scan.FaultParty != row.Reason.FaultParty()):
				t.Errorf("%s: %q gives reason %q of %q, want %s of %s", name, code, e.Scan.Reason, e.Scan.FaultParty, row.Reason, row.Reason.FaultParty())
			}
			if e.Scan.RawCode == "" {
				t.Errorf("%s: %q is not kept", name, code)
			}
		}
	}
	t.Logf("%d rows", rows)
}

// TestMeaningChangesOnlyWithTheVersion holds what each version of a mapping means. To change one, raise its version and
// run this with -record.
func TestMeaningChangesOnlyWithTheVersion(t *testing.T) {
	for name, p := range versions(t) {
		var b bytes.Buffer
		for _, code := range slices.Sorted(maps.Keys(p.Codes)) {
			r := p.Codes[code]
			fmt.Fprintln(&b, strings.TrimRight(fmt.Sprintf("%s %s %s %s %s", code, r.Milestone, r.Classifier, r.Reason, r.Fault), " "))
		}
		for _, code := range slices.Sorted(maps.Keys(p.Reasons)) {
			fmt.Fprintln(&b, "why", code, p.Reasons[code])
		}
		file := "testdata/mappings/" + p.ID() + ".txt"
		if *record {
			if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(want, b.Bytes()) {
			t.Errorf("%s no longer means what %s says (%v): give it a new version", name, file, err)
		}
	}
}

// TestNothingButADeliveryDelivers lists every code that bills: an arrival, a discharge or a parcel shop is never among them.
func TestNothingButADeliveryDelivers(t *testing.T) {
	want := map[string]string{
		"aftership": "Delivered Delivered_001 Delivered_002 Delivered_003 Delivered_004 Delivered_005", "dcsa": "", "dhl": "delivered", "easypost": "delivered",
		"fedex": "DL", "karrio": "delivered", "shippo": "DELIVERED delivered", "ups": "D D/F4 D/FS D/KB",
	}
	for name, p := range versions(t) {
		var codes []string
		for code, r := range p.Codes {
			if r.Milestone == freight.Delivered {
				codes = append(codes, code)
			}
		}
		slices.Sort(codes)
		if got := strings.Join(codes, " "); got != want[p.Name] {
			t.Errorf("%s: delivered by %q, want %q", name, got, want[p.Name])
		}
	}
}

// TestNewVersionOfAMappingStandsBesideTheOneBefore: what was read by version 1 is read by it again as it was.
func TestNewVersionOfAMappingStandsBesideTheOneBefore(t *testing.T) {
	type meaning struct {
		milestone freight.Milestone
		reason    freight.Reason
	}
	read := func(id, code string) (m meaning, key string) {
		p := versions(t)[id]
		es, err := p.Explain(delivery(p.Name, writers[p.Name](at(code, 0))), noon)
		if err != nil {
			t.Fatal(err)
		}
		return meaning{es[0].Scan.Milestone, freight.Reason(es[0].Scan.Reason)}, es[0].Scan.Key
	}
	for _, c := range []struct {
		partner, code string
		was, is       meaning
	}{
		{"ups", "X/HX", meaning{freight.Unclassified, freight.ReasonCodeUnknown}, meaning{freight.Held, ""}},
		{"ups", "X/", meaning{freight.Unclassified, freight.ReasonCodeUnknown}, meaning{freight.DeliveryAttempted, freight.ReasonUnknown}},
		{"ups", "X/QQ", meaning{freight.Unclassified, freight.ReasonCodeUnknown}, meaning{freight.Unclassified, freight.ReasonCodeUnknown}},
		{"ups", "X/LO", meaning{freight.Lost, freight.ReasonCarrierLost}, meaning{freight.Lost, freight.ReasonCarrierLost}},
		{"karrio", "delivery_failed/carrier_parcel_lost", meaning{freight.DeliveryAttempted, freight.ReasonCarrierLost}, meaning{freight.Lost, freight.ReasonCarrierLost}},
		{"karrio", "delivery_failed/carrier_damaged_parcel", meaning{freight.DeliveryAttempted, freight.ReasonCarrierDamage}, meaning{freight.Damaged, freight.ReasonCarrierDamage}},
		{"karrio", "delivery_failed/consignee_refused", meaning{freight.DeliveryAttempted, freight.ReasonConsigneeRefused}, meaning{freight.Refused, freight.ReasonConsigneeRefused}},
		{"karrio", "delivery_failed/consignee_not_home", meaning{freight.DeliveryAttempted, freight.ReasonConsigneeNotHome}, meaning{freight.DeliveryAttempted, freight.ReasonConsigneeNotHome}},
	} {
		was, old := read(c.partner+"@1", c.code)
		is, now := read(c.partner+"@2", c.code)
		if was != c.was || is != c.is {
			t.Errorf("%s: %s is %v and %v, want %v by version 1 and %v by 2", c.partner, c.code, was, is, c.was, c.is)
		}
		if (was == is) != (old == now) {
			t.Errorf("%s: %s: the same statement has two keys, or two statements have one", c.partner, c.code)
		}
	}
	for name, p := range partners(t) {
		if want := map[string]int{"ups": 2, "karrio": 2}[name]; p.Version != max(want, 1) {
			t.Errorf("%s is read by version %d", name, p.Version)
		}
	}
}

func TestUnknownCodeIsKeptUnclassifiedAndNeverDelayed(t *testing.T) {
	for name, code := range map[string]string{
		"easypost": "teleported", "shippo": "TELEPORTED/beamed", "aftership": "Teleported_001", "ups": "X/QQ", "fedex": "QQ", "dhl": "teleported", "dcsa": "EQUIPMENT/QQQQ", "karrio": "teleported",
	} {
		e := explain(t, name, writers[name](at(code, 0)))[0]
		s := e.Scan
		if s.Milestone != freight.Unclassified || s.Reason != string(freight.ReasonCodeUnknown) || s.RawCode == "" || !strings.Contains(e.Surprise, p0(code)) {
			t.Errorf("%s: %s gives %s (%s), raw %q, surprise %q", name, code, s.Milestone, s.Reason, s.RawCode, e.Surprise)
		}
	}
}

func TestCodeThatTellsNotWhatHappenedIsShownToPeople(t *testing.T) {
	for name, code := range map[string]string{"aftership": "Exception", "easypost": "error", "shippo": "UNKNOWN", "dhl": "unknown", "karrio": "unknown"} {
		e := explain(t, name, writers[name](at(code, 0)))[0]
		if e.Scan.Milestone != freight.Unclassified || !strings.Contains(e.Surprise, code) || !strings.Contains(e.Surprise, name+"@") {
			t.Errorf("%s: %s gives %s, surprise %q", name, code, e.Scan.Milestone, e.Surprise)
		}
	}
	unlisted := explain(t, "aftership", []byte(`{"msg":{"tracking_number":"1","slug":"ups","tag":"Exception","checkpoints":[{"tag":"Exception","subtag":"Exception_099","checkpoint_time":"2026-11-23T10:00:00Z"}]}}`))[0]
	if unlisted.Scan.RawCode != "Exception_099" || !strings.Contains(unlisted.Surprise, "Exception_099") {
		t.Errorf("raw %q, surprise %q", unlisted.Scan.RawCode, unlisted.Surprise)
	}
}

// p0 is the part of a code that every partner's way of writing it keeps.
func p0(code string) string { return code[strings.LastIndex(code, "/")+1:] }

func TestTableThatCannotBeIsRefusedInWords(t *testing.T) {
	const head = "name: x\nversion: 1\nowner: o\ncontact: c\n"
	for name, c := range map[string]struct{ yaml, want string }{
		"no owner":                        {"name: x\nversion: 1\ncontact: c\ncodes: {A: delivered}", "owner"},
		"version 0":                       {"name: x\nowner: o\ncontact: c\ncodes: {A: delivered}", "version"},
		"a milestone nobody knows":        {head + "codes: {A: teleported}", "teleported"},
		"a reason nobody knows":           {head + "codes: {A: {milestone: held, reason: moon}}", "moon"},
		"a party nobody knows":            {head + "codes: {A: {milestone: held, fault: moon}}", "moon"},
		"a classifier nobody knows":       {head + "codes: {A: {milestone: held, classifier: maybe}}", "actual"},
		"a code twice":                    {head + "codes: {A: held, A: delivered}", "already defined"},
		"a misspelt key":                  {head + "codes: {A: {milestones: held}}", "milestones"},
		"a misspelt key at the top":       {head + "code: {A: held}", "code"},
		"no codes":                        {head, "codes"},
		"a reason for a reason":           {head + "codes: {A: held}\nreasons: {B: moon}", "moon"},
		"a name with a space":             {"name: x y\nversion: 1\nowner: o\ncontact: c\ncodes: {A: held}", "name"},
		"a code longer than any there is": {head + "codes: {" + strings.Repeat("A", 61) + ": held}", "60"},
	} {
		if _, err := connectors.ParseTable([]byte(c.yaml)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want words about %s", name, err, c.want)
		}
	}
}

func TestCodesThatLookLikeNumbersKeepTheirZeros(t *testing.T) {
	table, err := connectors.ParseTable([]byte("name: x\nversion: 1\nowner: o\ncontact: c\ncodes: {011: delivered, 021: held, NO: picked_up}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"011", "021", "NO"} {
		if _, ok := table.Codes[code]; !ok {
			t.Errorf("%s became another: %v", code, table.Codes)
		}
	}
}
