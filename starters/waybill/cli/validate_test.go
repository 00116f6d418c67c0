package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/starters/waybill/cli"
)

func TestValidateRoutingExplainsWhichRuleServes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "routing.yaml")
	rules := "version: v1\nowner: ops\nroutes:\n  - {name: alps, customers: [GLOBEX], to: [CH], postcodes: [\"39\"], tms: alps, wms: basel}\n  - {name: swiss, to: [CH], finance: swiss}\n"
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	p := consoletest.Program{Command: cli.Command}
	p.Want(t, console.Done, "line 4, alps: matches\ntms: alps\nwms: basel\n", "", "validate", "routing", file, "--customer", "GLOBEX", "--lane", "DE-CH/3900")
	p.Want(t, console.Done, "line 4, alps: customer, postcode\nline 5, swiss: matches\ntms: default\nwms: none, no warehouse is asked\nbilling: default\nfinance: swiss\n", "", "validate", "routing", file, "--customer", "ACME", "--lane", "-CH/8000")
	p.Want(t, console.Done, "default: matches, since no rule does", "", "validate", "routing", file)
	p.Want(t, console.Misused, "", "write DE-CH", "validate", "routing", file, "--lane", "Switzerland")
	p.Want(t, console.Failed, "", "no such file", "validate", "routing", file+".txt")
}
