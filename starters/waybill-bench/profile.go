package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"waybill/starters/rig"
)

// profiler is what a profiled program has in addition: the product's own programs have no such door.
//
//go:embed profiler.go.txt
var profiler []byte

// profileNodes is how many functions of each profile the text shows.
const profileNodes = 30

// profileText writes what took most of each profile, with all it called, into one text to be kept: profile.txt, beside
// the profiles themselves.
func (b *bench) profileText() error {
	if b.o.profile == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(b.o.profile, "*.cum.txt"))
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "What took CPU, each function with all it called, of %s, %s.\n\n    %s\n", b.report.Machine, b.report.At, b.report.Command)
	for _, file := range files {
		top, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "\n%s\n\n%s\n", strings.TrimSuffix(filepath.Base(file), ".cum.txt"), topOf(string(top), profileNodes))
	}
	return os.WriteFile(filepath.Join(b.o.profile, "profile.txt"), []byte(text.String()), 0o600)
}

// topOf is the head of what pprof prints, and so many functions, without the build they are of and how many it would show.
func topOf(top string, nodes int) string {
	lines := strings.Split(strings.TrimSpace(top), "\n")
	head := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "flat%") })
	lines = lines[:min(len(lines), head+1+nodes)]
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool {
		head, _, _ := strings.Cut(l, ":")
		return slices.Contains([]string{"File", "Build ID", "Time"}, head) || strings.HasPrefix(l, "Showing")
	}), "\n")
}

// buildProfiled lets the programs be built with the profiler laid over their sources.
func (b *bench) buildProfiled() (err error) {
	if b.o.profile, err = filepath.Abs(b.o.profile); err != nil {
		return err
	}
	if err := os.MkdirAll(b.o.profile, 0o750); err != nil {
		return err
	}
	source := filepath.Join(b.o.profile, "profiler.go")
	if err := os.WriteFile(source, profiler, 0o600); err != nil {
		return err
	}
	over := map[string]string{}
	for _, p := range []string{"workers/waybill-worker", "starters/waybill-bridge"} {
		dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "waybill/"+p).Output()
		if err != nil {
			return fmt.Errorf("find %s: %w", p, err)
		}
		over[filepath.Join(strings.TrimSpace(string(dir)), "profiler.go")] = source
	}
	text, err := json.Marshal(map[string]any{"Replace": over})
	if err != nil {
		return err
	}
	file := filepath.Join(b.o.profile, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	if err := os.Setenv("GOFLAGS", strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+file)); err != nil {
		return err
	}
	return os.Setenv("WAYBILL_BENCH_PROFILE", b.o.profile)
}

// profiling takes a CPU profile of a process of the house until the function it returns is called; that writes it,
// and what took most with all it called. Without --profile it does nothing.
func (b *bench) profiling(ctx context.Context, h *rig.House, process, name string) (done func() error, err error) {
	if b.o.profile == "" {
		return func() error { return nil }, nil
	}
	socket := filepath.Join(b.o.profile, fmt.Sprintf("%d.sock", members(h)[process][0]))
	c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	file := filepath.Join(b.o.profile, strings.NewReplacer(" ", "-", "/", "-").Replace(name))
	if err := call(ctx, &c, "start", io.Discard); err != nil {
		return nil, fmt.Errorf("profile %s: %w", name, err)
	}
	return func() error {
		f, err := os.Create(file + ".pprof")
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if err := call(ctx, &c, "stop", f); err != nil {
			return fmt.Errorf("profile %s: %w", name, err)
		}
		var g errgroup.Group
		for order, kind := range map[string]string{"cum": "-cum", "flat": "-flat"} {
			g.Go(func() error {
				top, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", kind, "-nodecount=60", file+".pprof").Output()
				if err != nil {
					return fmt.Errorf("read profile %s: %w", name, err)
				}
				return os.WriteFile(file+"."+order+".txt", top, 0o600)
			})
		}
		return g.Wait()
	}, nil
}

func call(ctx context.Context, c *http.Client, path string, into io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://profiler/"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", path, resp.Status)
	}
	_, err = io.Copy(into, resp.Body)
	return err
}
