package declared

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"waybill/internal/store"
)

// Samples is the folder with the samples of a definition: gls.samples for gls.yaml.
func Samples(definition string) string { return strings.TrimSuffix(definition, ".yaml") + ".samples" }

// Expected is the file with the events that a sample must give, one a line, or with why it must be refused.
func Expected(sample string) string { return sample + ".expected" }

// refused begins an expected refusal.
const refused = "refused: "

// Result is how a sample came out.
type Result struct {
	Sample string
	Got    []byte // what its expected file would have to hold
	Fault  error  // nil: it is as expected
}

// receivedAt stands for when a sample was received, so that it gives the same each time.
var receivedAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Try runs the samples of a definition. There must be one.
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
		r := Result{Sample: name, Got: c.events(body, now)}
		want, err := fs.ReadFile(files, Expected(name))
		if err != nil {
			r.Fault = fmt.Errorf("declared: %s: it does not say what is expected: %w", name, err)
		} else {
			r.Fault = differ(name, r.Got, want)
		}
		rs = append(rs, r)
	}
	return rs, nil
}

// events are what an expected file holds.
func (c *Connector) events(body []byte, now time.Time) []byte {
	es, err := c.Explain(store.Delivery{Source: c.Name, Body: body, ReceivedAt: receivedAt}, now)
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
