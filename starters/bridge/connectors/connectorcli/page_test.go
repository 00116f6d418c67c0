package connectorcli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"waybill/internal/console"
)

// asWaybill makes the test's own binary the waybill command, for the page's commands.
const asWaybill = "WAYBILL_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asWaybill) == "" {
		os.Exit(m.Run())
	}
	os.Exit(console.Main(func(on *console.Console) *cobra.Command { return root(on, time.Now) }))
}

var commands = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestPageIsFollowedToTheLetter runs the commands of docs/connectors.md in an empty folder.
func TestPageIsFollowedToTheLetter(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/connectors.md")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, dir := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "waybill"), []byte("#!/bin/sh\n"+asWaybill+"=1 exec '"+self+"' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, m := range commands.FindAllStringSubmatch(string(page), -1) {
		script.WriteString(m[1])
	}
	c := exec.CommandContext(t.Context(), "sh", "-e", "-c", script.String())
	c.Dir, c.Env = dir, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil || strings.Count(string(out), "ok   nordfrakt@1") != 4 || !strings.Contains(string(out), `"zonesource":"location"`) {
		t.Errorf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "surprise") || !strings.Contains(string(out), `"pieces":{"delivered":2,"expected":2}`) {
		t.Errorf("the page's own example is not as expected:\n%s", out)
	}
}
