package routing_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"waybill/internal/routing"
	"waybill/workflows/freight"
)

const head = "version: v1\nowner: ops\nroutes:\n"

func file(t *testing.T, routes string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "routing.yaml")
	if err := os.WriteFile(path, []byte(head+routes), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func table(t *testing.T, routes string) *routing.Table {
	t.Helper()
	tb, err := routing.Load(file(t, routes))
	if err != nil {
		t.Fatal(err)
	}
	return tb
}

const rules = `  - {name: alps, customers: [GLOBEX], from: [DE], to: [CH], postcodes: ["39"], services: [EXPRESS], tms: alps, carrier: ALPX}
  - {name: swiss, to: [CH], billing: swiss}
  - {name: globex, customers: [GLOBEX], finance: shared}
`

func TestFirstRuleThatMatchesServes(t *testing.T) {
	tb := table(t, rules)
	for name, c := range map[string]struct {
		f    routing.Facts
		want string
	}{
		"all of it":            {routing.Facts{Customer: "GLOBEX", From: "DE", To: "CH", Postcode: "3900", Service: "EXPRESS"}, "alps"},
		"another postcode":     {routing.Facts{Customer: "GLOBEX", From: "DE", To: "CH", Postcode: "8000", Service: "EXPRESS"}, "swiss"},
		"another origin":       {routing.Facts{Customer: "GLOBEX", From: "US", To: "CH", Postcode: "3900", Service: "EXPRESS"}, "swiss"},
		"another service":      {routing.Facts{Customer: "GLOBEX", From: "DE", To: "CH", Postcode: "3900"}, "swiss"},
		"another customer":     {routing.Facts{Customer: "ACME", From: "DE", To: "CH", Postcode: "3900", Service: "EXPRESS"}, "swiss"},
		"another destination":  {routing.Facts{Customer: "GLOBEX", From: "DE", To: "AT"}, "globex"},
		"nothing that is said": {routing.Facts{Customer: "ACME", To: "AT"}, "default"},
		"nothing at all":       {routing.Facts{}, "default"},
	} {
		got := tb.Route(c.f)
		if got.Rule != c.want {
			t.Errorf("%s: %s, want %s", name, got.Rule, c.want)
		}
		if lines := tb.Explain(c.f); !strings.Contains(lines[len(lines)-1], c.want+": matches") {
			t.Errorf("%s is explained as %q", name, lines)
		}
	}
	if got := tb.Route(routing.Facts{Customer: "GLOBEX", From: "DE", To: "CH", Postcode: "3900", Service: "EXPRESS"}); got.TMS != "alps" || got.Billing != "" || got.Carrier != "ALPX" || got.Version != "v1" {
		t.Errorf("%+v", got)
	}
}

func TestWhatCannotBeMeantIsSaidWithItsLine(t *testing.T) {
	for routes, words := range map[string]string{
		"  - {name: a, to: [CH]}\n  - {name: b, to: [CH], services: [X]}\n":                                   `line 5: rule "b" never matches: rule "a" at line 4`,
		"  - {name: a}\n  - {name: b, customers: [ACME]}\n":                                                   `line 5: rule "b" never matches`,
		"  - {name: a, to: [CH], postcodes: [\"3\"]}\n  - {name: b, to: [CH], postcodes: [\"39\", \"30\"]}\n": `line 5: rule "b" never matches`,
		"  - {name: a, to: [CH]}\n  - {name: a, to: [DE]}\n":                                                  `line 5: name "a"`,
		"  - {name: a, to: [Switzerland]}\n":                                                                  "line 4: \"Switzerland\": want a country",
		"  - {name: a, postcodes: [\"39\"]}\n":                                                                "line 4: postcodes mean nothing without",
		"  - {name: a, tsm: alps}\n":                                                                          `line 4: there is no key "tsm"`,
		"  - {name: default}\n":                                                                               "line 4: name \"default\"",
		"  - {name: a, wms: default}\n":                                                                       `line 4: wms "default": no WMS is the default`,
	} {
		if _, err := routing.Load(file(t, routes)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s\ngot %v, want %s", routes, err, words)
		}
	}
}

// TestRuleThatMatchesMoreThanTheOneBeforeIsReached: what overlaps is not covered.
func TestRuleThatMatchesMoreThanTheOneBeforeIsReached(t *testing.T) {
	table(t, "  - {name: a, to: [CH], postcodes: [\"39\"]}\n  - {name: b, to: [CH], postcodes: [\"3\"]}\n  - {name: c, to: [CH, AT]}\n  - {name: d, customers: [ACME]}\n")
}

func TestTargetThatIsNotThereIsNamedWithItsLine(t *testing.T) {
	err := table(t, rules).CheckTargets(func(k routing.Kind, name string) bool { return k == routing.TMS && name == "alps" })
	if err == nil || !strings.Contains(err.Error(), `line 5: rule "swiss": billing "swiss"`) || !strings.Contains(err.Error(), `line 6: rule "globex": finance "shared"`) || strings.Contains(err.Error(), "line 4") {
		t.Errorf("%v", err)
	}
}

// TestWarehouseIsAskedOnlyWhereARuleNamesOne: unlike the others no WMS is the default.
func TestWarehouseIsAskedOnlyWhereARuleNamesOne(t *testing.T) {
	tb := table(t, "  - {name: reno, from: [US], wms: reno}\n  - {name: globex, customers: [GLOBEX], tms: own}\n")
	for f, want := range map[routing.Facts]string{{From: "US", Customer: "GLOBEX"}: "reno", {From: "DE", Customer: "GLOBEX"}: "", {From: "DE"}: ""} {
		if got := tb.Route(f); got.WMS != want {
			t.Errorf("%+v: %+v, want WMS %q", f, got, want)
		}
	}
	err := tb.CheckTargets(func(k routing.Kind, _ string) bool { return k == routing.TMS })
	if err == nil || !strings.Contains(err.Error(), `line 4: rule "reno": wms "reno" is not in targets`) {
		t.Errorf("%v", err)
	}
}

// TestMatchMeansTheSameInARuleAndOnItsOwn, for any facts: subscribers choose by what rules choose by.
func TestMatchMeansTheSameInARuleAndOnItsOwn(t *testing.T) {
	tb := table(t, rules)
	alps := routing.Match{Customers: []freight.CustomerCode{"GLOBEX"}, From: []string{"DE"}, To: []string{"CH"}, Postcodes: []string{"39"}, Services: []string{"EXPRESS"}}
	rapid.Check(t, func(r *rapid.T) {
		draw := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(r, what) }
		f := routing.Facts{
			Customer: freight.CustomerCode(draw("customer", "GLOBEX", "ACME", "")), From: draw("from", "DE", "AT", ""), To: draw("to", "CH", "DE", ""),
			Postcode: draw("postcode", "3900", "39", "3", ""), Service: draw("service", "EXPRESS", "STANDARD", ""),
		}
		release := freight.Release{Customer: f.Customer, From: f.From, ShipTo: freight.Place{Country: f.To, Postcode: f.Postcode}, Service: f.Service}
		view := (&freight.Shipment{Release: release}).ViewAt(1, time.Time{})
		if routing.FactsOf(release) != f || routing.FactsOfView(view) != f {
			r.Fatalf("%+v is known as %+v of its release, %+v of its view", f, routing.FactsOf(release), routing.FactsOfView(view))
		}
		if ruled := tb.Route(f).Rule == "alps"; ruled != alps.Matches(f) {
			r.Fatalf("%+v: the rule says %t", f, ruled)
		}
	})
}

func TestExampleIsGood(t *testing.T) {
	if _, err := routing.Load("../../config/routing/example.yaml"); err != nil {
		t.Error(err)
	}
}

// TestRuleThatIsSaidNeverToMatchNeverDoes, and only the first that matches is taken: for any two rules and facts.
func TestRuleThatIsSaidNeverToMatchNeverDoes(t *testing.T) {
	some := func(of ...string) *rapid.Generator[[]string] {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, len(of), rapid.ID)
	}
	rapid.Check(t, func(r *rapid.T) {
		var b strings.Builder
		b.WriteString(head)
		for _, name := range []string{"one", "two"} {
			to := "CH"
			quoted := `"` + strings.Join(some("3", "39", "4").Draw(r, "postcodes"), `", "`) + `"`
			if quoted == `""` {
				quoted = ""
			}
			b.WriteString("  - {name: " + name + ", customers: [" + strings.Join(some("A", "B").Draw(r, "customers"), ", ") + "], to: [" + to + "], postcodes: [" + quoted + "], services: [" + strings.Join(some("X", "Y").Draw(r, "services"), ", ") + "]}\n")
		}
		f := filepath.Join(t.TempDir(), "r.yaml")
		if err := os.WriteFile(f, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		tb, err := routing.Load(f)
		reached := false
		for _, c := range []freight.CustomerCode{"A", "B", "C"} {
			for _, p := range []string{"30", "39", "40", "50"} {
				for _, s := range []string{"X", "Y", "Z"} {
					reached = reached || tb.Route(routing.Facts{Customer: c, To: "CH", Postcode: p, Service: s}).Rule == "two"
				}
			}
		}
		if err != nil && reached {
			r.Fatalf("%v, and it is reached:\n%s", err, b.String())
		}
	})
}
