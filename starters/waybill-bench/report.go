package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/montanaflynn/stats"
	"github.com/prometheus/procfs"
)

// figure is one thing measured, once a round.
type figure struct {
	Part   string    `json:"part"`
	Name   string    `json:"name"`
	Unit   string    `json:"unit"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Values []float64 `json:"values"`           // one a round
	Target string    `json:"target,omitzero"`  // what it should be; "" where nothing is asked of it
	Met    *bool     `json:"met,omitempty"`    // the median meets it
	Note   string    `json:"note,omitzero"`    // what was counted, and what must be known to read it
	Others float64   `json:"others,omitempty"` // share of the machine that other programs took meanwhile, per cent
}

// report is all figures of a run.
type report struct {
	Machine string   `json:"machine"`
	At      string   `json:"at"`
	Command string   `json:"command"`
	Figures []figure `json:"figures"`
	Words   []word   `json:"words,omitempty"`

	parts []part
}

// word is what a part has to say that is no figure: what was left out, and why; what follows from the figures.
type word struct {
	Part string `json:"part"`
	Text string `json:"text"`
}

func newReport() *report {
	return &report{Machine: machine(), At: time.Now().UTC().Format(time.DateOnly), Command: "make bench" + arguments(os.Args[1:])}
}

// machine is what the figures were taken on: cores, their model and the memory, as far as the system tells.
func machine() string {
	said := counted(runtime.NumCPU(), "core")
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return said
	}
	if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 && cpus[0].ModelName != "" {
		said += " (" + strings.Join(strings.Fields(cpus[0].ModelName), " ") + ")"
	}
	if m, err := fs.Meminfo(); err == nil && m.MemTotalBytes != nil {
		said += fmt.Sprintf(" and %s GB of memory", number(float64(*m.MemTotalBytes)/giga))
	}
	return said
}

// arguments are the flags as one gives them to make; where files went is left out.
func arguments(args []string) string {
	var kept []string
	for i := 0; i < len(args); i++ {
		name, _, whole := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !slices.Contains([]string{"json", "doc", "dir", "postgres", "profile"}, name) {
			kept = append(kept, args[i])
			continue
		}
		if !whole {
			i++
		}
		switch name { // these change what the figures are of
		case "postgres":
			kept = append(kept, "--postgres URL")
		case "profile":
			kept = append(kept, "--profile DIR")
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return ` ARGS="` + strings.Join(kept, " ") + `"`
}

func (r *report) begin(p part) { r.parts = append(r.parts, p) }

// taken is a figure's values as the rounds go by.
type taken struct {
	name, unit string
	target     target
	note       string
	values     []float64
	others     float64
}

// target is what a figure should be at most or at least; the zero value asks nothing.
type target struct {
	limit float64
	least bool
}

func atMost(limit float64) target { return target{limit: limit} }

func atLeast(limit float64) target { return target{limit, true} }

func (t target) text(unit string) string {
	if t.limit == 0 {
		return ""
	}
	sign := "≤ "
	if t.least {
		sign = "≥ "
	}
	return strings.TrimSpace(sign + number(t.limit) + " " + unit)
}

func (t target) met(v float64) *bool {
	if t.limit == 0 {
		return nil
	}
	met := v <= t.limit == !t.least || v == t.limit
	return &met
}

// add tells a figure. One without values is left out.
func (b *bench) add(ts ...taken) {
	for _, t := range ts {
		median, err := stats.Median(t.values)
		if err != nil {
			continue
		}
		least, _ := stats.Min(t.values) // there are values
		most, _ := stats.Max(t.values)
		b.report.Figures = append(b.report.Figures, figure{
			Part: b.part, Name: t.name, Unit: t.unit, Median: round(median), Min: round(least), Max: round(most), Values: rounded(t.values),
			Target: t.target.text(t.unit), Met: t.target.met(median), Note: t.note, Others: round(t.others),
		})
		say("  %-56s %10s %s", t.name, number(median), t.unit)
	}
}

func (b *bench) word(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.report.Words = append(b.report.Words, word{b.part, text})
	say("  %s", text)
}

func round(v float64) float64 {
	r, err := strconv.ParseFloat(number(v), 64)
	if err != nil {
		return v
	}
	return r
}

func rounded(vs []float64) (out []float64) {
	for _, v := range vs {
		out = append(out, round(v))
	}
	return out
}

// number writes what a reader can use: three digits, or all of a larger one.
func number(v float64) string {
	switch {
	case v >= 100 || v == float64(int64(v)):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func (r *report) write(jsonFile, docFile string) error {
	if jsonFile != "" {
		b, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(jsonFile, append(b, '\n'), 0o600); err != nil {
			return err
		}
	}
	if docFile == "" {
		return nil
	}
	return os.WriteFile(docFile, []byte(r.page()), 0o644) //nolint:gosec // a page for everyone
}

// table is a part's figures.
func (r *report) table(p part) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"figure", "median", "least..most", "unit", "target", "others", "note"})
	for _, f := range r.Figures {
		if f.Part == p.name {
			t.AppendRow(table.Row{f.Name, number(f.Median), number(f.Min) + ".." + number(f.Max), f.Unit, verdict(f), percent(f.Others), f.Note})
		}
	}
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight}, {Number: 3, Align: text.AlignRight}, {Number: 7, WidthMax: 60}})
	return t
}

func percent(v float64) string {
	if v == 0 {
		return ""
	}
	return number(v) + " %"
}

func verdict(f figure) string {
	if f.Met == nil {
		return ""
	}
	if *f.Met {
		return f.Target + " ✓"
	}
	return f.Target + " ✗"
}

func (r *report) print(out io.Writer) error {
	for _, p := range r.parts {
		if _, err := fmt.Fprintf(out, "\n%s (--only %s)\n%s\n%s", p.title, p.name, r.table(p).Render(), r.words(p, "  ")); err != nil {
			return err
		}
	}
	return nil
}

func (r *report) words(p part, before string) string {
	var b strings.Builder
	for _, w := range r.Words {
		if w.Part == p.name {
			fmt.Fprintf(&b, "%s%s\n", before, w.Text)
		}
	}
	return b.String()
}

const preface = `# Figures

Measured by one run of the bench on one machine of %s, %s: Temporal, PostgreSQL and Odoo, where they take part, the
bench's own load and its stand-ins share these cores with what is measured. Each figure is the median of its rounds,
with the least and the most. "others" is the share of the machine that other programs took meanwhile, PostgreSQL and
a real Odoo among them: where it is high, a rate is a lower bound and a time an upper one, and CPU is dearer than on
a machine at rest; the ratios of product and floor hold, since both are taken under the same load.

This page is written by the bench itself:

    %s

Every part can be taken alone with --only, as its heading says.
`

// page is the whole report in Markdown.
func (r *report) page() string {
	var b strings.Builder
	fmt.Fprintf(&b, preface, r.Machine, r.At, r.Command)
	for _, p := range r.parts {
		fmt.Fprintf(&b, "\n## %s\n\n    make bench ARGS=\"--only %s\"\n\n%s\n", p.title, p.name, r.table(p).RenderMarkdown())
		if words := r.words(p, "- "); words != "" {
			fmt.Fprintf(&b, "\n%s", words)
		}
	}
	return b.String()
}
