package workers_test

import (
	"go/ast"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// longest is how many lines a function may have; the median is near 12.
const longest = 60

func TestNoFunctionIsLongerThanAScreen(t *testing.T) {
	for _, f := range sources(t) {
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || f.test {
				continue
			}
			from, to := f.fileSet.Position(fn.Pos()).Line, f.fileSet.Position(fn.End()).Line
			if n := to - from + 1; n > longest {
				t.Errorf("%s:%d: %s has %d lines, want at most %d: split it", f.path, from, fn.Name.Name, n, longest)
			}
		}
	}
}

// never are calls that production code does without, each with the reason.
var never = map[string]string{
	"time.Sleep":         "it cannot be ended: wait on a context and a timer",
	"context.TODO":       "pass the context on, so that shutdown reaches everything",
	"context.Background": "below main a context is passed on, so that shutdown reaches everything",
	"zap.L":              "two tests must be able to run at once: pass the logger on",
	"zap.S":              "two tests must be able to run at once: pass the logger on",
	"os.Exit":            "only main ends the process: return an error",
}

// bounded are places that begin a context of their own, each with the reason why nothing above could end it sooner.
var bounded = map[string]string{
	"starters/bridge/connectors/declared/definition.go": "a program over one payload ends within a second, whatever happens",
}

// mains may do what main does: they make the context and end the process.
func mains(f source) bool {
	return f.ast.Name.Name == "main" || f.path == "internal/console/console.go"
}

func TestProductionCodeNeitherSleepsNorEndsNorHidesWhatItNeeds(t *testing.T) {
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := called(call)
			if name == "context.Background" && bounded[f.path] != "" {
				return true
			}
			if why := never[name]; why != "" && !(mains(f) && (name == "context.Background" || name == "os.Exit")) {
				t.Errorf("%s:%d: %s: %s", f.path, f.fileSet.Position(n.Pos()).Line, name, why)
			}
			return true
		})
	}
}

// called is package and function of a call such as time.Sleep(...), "" for any other.
func called(c *ast.CallExpr) string {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	pkg, ok := sel.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return pkg.Name + "." + sel.Sel.Name
}

func TestNothingHappensBeforeMain(t *testing.T) {
	for _, f := range sources(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && !f.test && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s:%d: init runs for whoever imports it: make a function that is called", f.path, f.fileSet.Position(d.Pos()).Line)
			}
		}
	}
}

func TestNothingIsLeftToBeDone(t *testing.T) {
	for _, f := range sources(t) {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`).MatchString(c.Text) && f.path != "workers/rules_test.go" {
					t.Errorf("%s:%d: %s", f.path, f.fileSet.Position(c.Pos()).Line, c.Text)
				}
			}
		}
	}
}

// TestEachTargetOfMakeSaysWhatItIsFor holds make help to the targets there are.
func TestEachTargetOfMakeSaysWhatItIsFor(t *testing.T) {
	b, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var targets, helped, phony []string
	for _, line := range strings.Split(string(b), "\n") {
		if m := regexp.MustCompile(`^([a-z-]+):([^=].*)?$`).FindStringSubmatch(line); m != nil {
			targets = append(targets, m[1])
			if _, help, _ := strings.Cut(line, "## "); help != "" {
				helped = append(helped, m[1])
			}
		}
		if names, ok := strings.CutPrefix(line, ".PHONY: "); ok {
			phony = strings.Fields(names)
		}
	}
	slices.Sort(phony)
	slices.Sort(targets)
	slices.Sort(helped)
	if !slices.Equal(targets, helped) || !slices.Equal(targets, phony) {
		t.Errorf("targets %v\nwith help after ## %v\n.PHONY %v\nwant all three the same", targets, helped, phony)
	}
	for _, want := range []string{"demo", "test", "test-odoo", "check", "record", "build", "help"} {
		if !slices.Contains(targets, want) {
			t.Errorf("no target %s", want)
		}
	}
}
