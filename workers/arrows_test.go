// Package workers_test holds the shape of the house: what may know what, and how the code is written. It reads the
// source itself, in this process: what a tool reports would be remembered by the test cache.
package workers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "waybill/"

// rule says what the files of some folders may import.
type rule struct {
	folders []string // the first rule with a folder above a file holds for it
	ours    []string // folders of the module, and what lies under them; "." for the file's own
	never   []string // packages of others, and what lies under them
}

// outside is what would make a story see more than its history: a clock, a disk, a network, a logger, dice.
var outside = []string{"net", "os", "log", "syscall", "database/sql", "math/rand", "crypto/rand", "github.com/spf13/viper", "go.uber.org/zap", "github.com/prometheus"}

var (
	words    = []string{"workflows/freight", "workflows/protocol"}
	assembly = []string{"starters/rig", "starters/waybill-demo", "starters/waybill-chaos", "starters/waybill-bench"} // they run the whole system on one machine
)

// rules are the arrows of the house: all point down.
var rules = []rule{
	{[]string{"workflows/freight"}, nil, append([]string{"go.temporal.io"}, outside...)},
	{[]string{"workflows/protocol"}, []string{"workflows/freight", "internal/sabotage"}, outside},
	{[]string{"workflows"}, words, append([]string{"go.temporal.io/sdk/client", "go.temporal.io/sdk/worker"}, outside...)}, // stories start each other through protocol
	{[]string{"activities/notify"}, append([]string{".", "internal/partner", "starters/bridge/webhook"}, words...), nil},   // one code signs what leaves and verifies what comes
	{[]string{"activities"}, append([]string{".", "internal/store", "internal/partner", "internal/approval", "internal/sabotage"}, words...), nil},
	{[]string{"internal"}, append([]string{"internal"}, words...), nil},
	{[]string{"config"}, append([]string{"internal/approval", "internal/routing"}, words...), nil}, // what it has is judged by the code that uses it
	{assembly, append([]string{"starters", "activities", "internal"}, words...), nil},
	{[]string{"starters/waybill"}, append([]string{"starters/waybill", "starters/bridge/connectors", "internal/approval", "internal/cluster", "internal/console", "internal/routing"}, words...), nil}, // people's machines: Temporal, their own key, and partners' payloads as files
	{[]string{"starters"}, append([]string{"starters/bridge", "config", "internal/store", "internal/telemetry", "internal/console", "internal/sabotage"}, words...), []string{"go.temporal.io"}},       // the edge: the inbox and nothing else
	{[]string{"workers"}, []string{"workers", "workflows", "activities", "internal", "config", "starters/bridge/connectors", "starters/bridge/webhook"}, nil},
}

func under(file, folder string) bool { return file == folder || strings.HasPrefix(file, folder+"/") }

// forbidden says why a file may not import a package; "" where it may.
func forbidden(file, imported string) string {
	i := slices.IndexFunc(rules, func(r rule) bool {
		return slices.ContainsFunc(r.folders, func(f string) bool { return under(file, f) })
	})
	if i < 0 {
		return "no rule says what may be imported in a folder such as this"
	}
	r := rules[i]
	ours, ok := strings.CutPrefix(imported, module)
	if !ok {
		if slices.ContainsFunc(r.never, func(p string) bool { return under(imported, p) }) {
			return "this part of the house does without it"
		}
		return ""
	}
	own := strings.Join(strings.SplitN(path.Dir(file), "/", 3)[:min(2, strings.Count(file, "/"))], "/") // activities/odoo of activities/odoo/odootest/x.go
	allowed := slices.ContainsFunc(r.ours, func(f string) bool { return under(ours, f) || f == "." && under(ours, own) })
	if !allowed {
		return "it may know only " + strings.Join(r.ours, ", ")
	}
	return ""
}

func TestArrowsPointDown(t *testing.T) {
	n := 0
	for _, f := range sources(t) {
		for _, i := range f.ast.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			n++
			if f.test && !strings.HasPrefix(f.path, "starters/") {
				continue // a test may look at more than what it tests: at both ends of a wire, or into a folder
			}
			if why := forbidden(f.path, imported); why != "" && !(f.test && !strings.HasPrefix(imported, module)) {
				t.Errorf("%s imports %s: %s", f.path, imported, why)
			}
		}
	}
	if n < 500 {
		t.Errorf("only %d imports were read: the test proves nothing", n)
	}
}

// TestArrowsSeeWhatPointsUp holds the rules themselves, by what they are for.
func TestArrowsSeeWhatPointsUp(t *testing.T) {
	for _, tt := range []struct {
		file, imported string
		may            bool
	}{
		{"workflows/shipment/x.go", "waybill/workflows/protocol", true},
		{"workflows/shipment/x.go", "waybill/workflows/dispute", false},
		{"workflows/statement/x.go", "waybill/workflows/shipment", false},
		{"workflows/shipment/x.go", "waybill/activities/odoo", false},
		{"workflows/shipment/x.go", "waybill/config", false},
		{"workflows/shipment/x.go", "waybill/internal/store", false},
		{"workflows/shipment/x.go", "go.temporal.io/sdk/workflow", true},
		{"workflows/shipment/x.go", "go.temporal.io/sdk/client", false},
		{"workflows/shipment/x.go", "net/http", false},
		{"workflows/shipment/x.go", "os", false},
		{"workflows/shipment/x.go", "go.uber.org/zap/zapcore", false},
		{"workflows/shipment/x.go", "github.com/spf13/viper", false},
		{"workflows/freight/x.go", "go.temporal.io/sdk/workflow", false},
		{"workflows/freight/x.go", "waybill/workflows/protocol", false},
		{"activities/odoo/odootest/x.go", "waybill/activities/odoo", true},
		{"activities/odoo/x.go", "waybill/activities/billing", false},
		{"activities/odoo/x.go", "waybill/config", false},
		{"activities/record/x.go", "waybill/internal/store", true},
		{"activities/odoo/x.go", "waybill/workflows/shipment", false},
		{"internal/store/x.go", "waybill/workers/relay", false},
		{"internal/store/x.go", "waybill/activities/odoo", false},
		{"starters/bridge/x.go", "waybill/workflows/shipment", false},
		{"starters/bridge/x.go", "waybill/activities/odoo", false},
		{"starters/waybill-bridge/x.go", "waybill/internal/cluster", false},
		{"starters/waybill-bridge/x.go", "go.temporal.io/sdk/client", false},
		{"starters/waybill/cli/x.go", "waybill/internal/store", false},
		{"starters/waybill/cli/x.go", "waybill/config", false},
		{"starters/waybill/cli/x.go", "waybill/internal/cluster", true},
		{"starters/waybill-demo/x.go", "waybill/activities/odoo/odootest", true},
		{"starters/waybill-demo/x.go", "waybill/workflows/shipment", false},
		{"starters/rig/x.go", "waybill/workers/relay", false},
		{"workers/waybill-worker/x.go", "waybill/workflows/shipment", true},
		{"somewhere/x.go", "fmt", false},
	} {
		if why := forbidden(tt.file, tt.imported); (why == "") != tt.may {
			t.Errorf("%s imports %s: %q", tt.file, tt.imported, why)
		}
	}
}

// source is one Go file of the module.
type source struct {
	path    string // from the module's root
	test    bool   // a test, or what tests stand on: a package named for it
	ast     *ast.File
	fileSet *token.FileSet
}

const root = ".."

// sources are every Go file of the module, whatever its build tags.
func sources(t *testing.T) []source {
	t.Helper()
	ss, err := read()
	if err != nil || len(ss) < 50 {
		t.Fatalf("%d files, %v", len(ss), err)
	}
	return ss
}

// read reads them once.
var read = sync.OnceValues(func() (ss []source, err error) {
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && p != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "var"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, p, nil, parser.ParseComments)
		rel, _ := filepath.Rel(root, p) // both are relative
		ss = append(ss, source{filepath.ToSlash(rel), strings.HasSuffix(p, "_test.go") || strings.HasSuffix(filepath.Dir(p), "test"), f, set})
		return err
	})
	return ss, err
})

func TestTopLevelHasTheFoldersOfTheDesignAndNoOther(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && e.Name() != "var" { // var is made by running, and ignored by Git
			got = append(got, e.Name())
		}
	}
	want := []string{"activities", "config", "deploy", "docs", "internal", "starters", "workers", "workflows"}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
