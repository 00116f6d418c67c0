package declared

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"waybill/internal/store"
)

// Samples is the folder with the samples of a definition: gls.samples for gls.yaml.
func Samples(definition string) string { return strings.TrimSuffix(definition, ".yaml") + ".samples" }

// Expected is the file with the events that a sample must give, one a line, or with why it must be refused. Its first line
// says when the sample was received: by that clock it is judged what is still to come, today and in a year.
func Expected(sample string) string { return sample + ".expected" }

// What begins a line of an expected file that is no event.
const (
	received = "received: " // and the time, RFC 3339
	refused  = "refused: "  // and why
)

// Result is how a sample came out.
type Result struct {
	Sample string
	Got    []byte // what its expected file would have to hold
	Fault  error  // nil: it is as expected
}

// receivedAt stands for when a sample was received that does not say it, as those of earlier releases: what cannot have
// its own time has this one, and all else is judged by today.
var receivedAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Try runs the samples of a definition, each as it was received: now, where nothing is expected of it yet. There must be
// one.
func Try(files fs.FS, definition string, c *Connector, now time.Time) (rs []Result, _ error) {
	names, err := fs.Glob(files, path.Join(Samples(definition), "*."+c.Content))
	if err != nil {
		return nil, fmt.Errorf("declared: %w", err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("declared: %s: want a sample in %s, as *.%s, with its events beside it", definition, Samples(definition), c.Content)
	}
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("declared: %w", err)
		}
		rs = append(rs, c.try(files, name, body, now))
	}
	return rs, nil
}

func (c *Connector) try(files fs.FS, name string, body []byte, now time.Time) Result {
	r := Result{Sample: name, Got: c.receivedNow(body, now)}
	want, err := fs.ReadFile(files, Expected(name))
	if err != nil {
		r.Fault = fmt.Errorf("declared: %s: it does not say what is expected: %w", name, err)
		return r
	}
	first, rest, _ := bytes.Cut(want, []byte("\n"))
	text, says := strings.CutPrefix(string(first), received)
	if !says {
		if r.Fault = differ(name, c.events(body, receivedAt, now), want); r.Fault != nil {
			r.Fault = fmt.Errorf("%w\n(its expected file does not begin with %sTIME, so it is judged by today)", r.Fault, received)
		}
		return r
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	if err != nil {
		r.Fault = fmt.Errorf("declared: %s: want %s2026-11-24T12:00:00Z: %w", Expected(name), received, err)
		return r
	}
	got := c.events(body, at, at)
	r.Got, r.Fault = slices.Concat(first, []byte("\n"), got), differ(name, got, rest)
	return r
}

// receivedNow is what the expected file of a sample holds that has come now.
func (c *Connector) receivedNow(body []byte, now time.Time) []byte {
	at := now.UTC().Truncate(time.Second)
	return append([]byte(received+at.Format(time.RFC3339)+"\n"), c.events(body, at, at)...)
}

// events are what an expected file holds of a sample, as it is read at a time.
func (c *Connector) events(body []byte, came, now time.Time) []byte {
	es, err := c.Explain(store.Delivery{Source: c.Name, Body: body, ReceivedAt: came}, now)
	if err != nil {
		return []byte(refused + err.Error() + "\n")
	}
	var out bytes.Buffer
	for _, e := range es {
		line, err := e.JSON(false)
		if err != nil {
			return []byte(refused + err.Error() + "\n")
		}
		if !e.Silent {
			out.Write(line)
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// differ names the first line that is not as expected.
func differ(name string, got, want []byte) error {
	g, w := bytes.Split(bytes.TrimSpace(got), []byte("\n")), bytes.Split(bytes.TrimSpace(want), []byte("\n"))
	for i := range max(len(g), len(w)) {
		a, b := "nothing", "nothing"
		if i < len(g) {
			a = string(g[i])
		}
		if i < len(w) {
			b = string(w[i])
		}
		if a != b {
			return fmt.Errorf("declared: %s: event %d is\n  %s\nand expected is\n  %s", name, i+1, a, b)
		}
	}
	return nil
}
