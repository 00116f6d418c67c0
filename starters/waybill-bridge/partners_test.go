package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"waybill/internal/store"
	"waybill/starters/bridge/bridgetest"
)

const guide = "../../docs/partners.md"

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestExampleInThePartnersGuideDelivers(t *testing.T) {
	for _, tool := range []string{"sh", "openssl", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the example needs %s, which is not installed here", tool)
		}
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page(t), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d examples", len(blocks))
	}
	h := newHouse(t, "127.0.0.1:0", "")
	url, _, _ := h.run()
	run := func(secret string) string {
		cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", blocks[0][1])
		cmd.Env = append(os.Environ(), "BRIDGE="+url, "SOURCE=carrier", "SECRET="+secret)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	if out := run(bridgetest.SecretOf("c")); !strings.Contains(out, `"repeat":false`) || !strings.HasSuffix(out, "\n202\n") {
		t.Errorf("it prints %s", out)
	}
	if out := run(bridgetest.SecretOf("x")); !strings.HasSuffix(out, "\n401\n") {
		t.Errorf("with another secret it prints %s", out)
	}
	ds := h.kept()
	if len(ds) != 1 || ds[0].State != store.Pending || !strings.Contains(string(ds[0].Body), `"subject":"shipment/acme-1042"`) {
		t.Errorf("%d are kept", len(ds))
	}
}

func TestPartnersGuideHasEveryStatus(t *testing.T) {
	doc, err := os.ReadFile("../bridge/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([0-9, ]+) \|`).FindAllStringSubmatch(page(t), -1) {
		for _, status := range strings.Split(row[1], ",") {
			said[strings.TrimSpace(status)] = true
		}
	}
	for _, m := range regexp.MustCompile(`"(\d{3})": `).FindAllStringSubmatch(string(doc), -1) {
		if m[1] != "200" && m[1] != "204" && !said[m[1]] { // those of documents and probes
			t.Errorf("the guide does not say what to do on %s", m[1])
		}
	}
}
