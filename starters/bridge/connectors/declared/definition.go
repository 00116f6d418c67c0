// Package declared makes connectors of files. A partner that sends JSON or XML is a YAML file: who answers for it, how it
// proves itself, a jq program that takes its deliveries apart, and what its codes mean. Beside it lie samples with the
// events they must give; a file that does not give them is not used.
package declared

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/itchyny/gojq"
	"go.yaml.in/yaml/v3"

	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/connectors"
	"waybill/workflows/freight"
)

// Definition is a connector as its file has it.
type Definition struct {
	connectors.Table `yaml:",inline"`

	Content string            `yaml:"content"` // json or xml
	Auth    Auth              `yaml:"auth"`
	Limits  Limits            `yaml:"limits"`
	Carrier string            `yaml:"carrier"` // of every event that names none
	Zone    string            `yaml:"zone"`    // of local times at places whose zone we do not know, such as Europe/Brussels; "": UTC is assumed
	Layouts []string          `yaml:"layouts"` // the partner's own ways to write a time, in Go's form: "01/02/2006 03:04 PM"
	Program string            `yaml:"program"` // jq: one object for each event
	Routing map[string]string `yaml:"routing"` // for whoever chooses where this source is served; nothing here acts on it
}

// Limits bound what one delivery may cost. Zero is the default.
type Limits struct {
	Bytes int64         `yaml:"bytes"` // of a body; 0: 256 KiB, at most 5 MiB
	Depth int           `yaml:"depth"` // of nesting; 0: 32, at most 100
	Time  time.Duration `yaml:"time"`  // of the program; 0: 1 s, at most 10 s
}

const (
	defaultBytes, maxBytes = 256 << 10, 5 << 20
	defaultDepth, maxDepth = 32, 100
	defaultTime, maxTime   = time.Second, 10 * time.Second
)

// Auth is the profile by which the partner's deliveries are verified: the name of a known provider, or a profile.
type Auth struct{ authn.Profile }

// UnmarshalYAML reads either.
func (a *Auth) UnmarshalYAML(n *yaml.Node) (err error) {
	if n.Kind == yaml.ScalarNode {
		a.Profile, err = authn.Named(n.Value)
		return err
	}
	var text bytes.Buffer // decoded anew, so that a misspelt key is an error
	if err := yaml.NewEncoder(&text).Encode(n); err != nil {
		return err
	}
	d := yaml.NewDecoder(&text)
	d.KnownFields(true)
	return d.Decode(&a.Profile)
}

// Parse reads a definition and makes it a connector. All that is wrong with it is said at once.
func Parse(text []byte) (*Connector, error) {
	c := &Connector{}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c.Definition); err != nil {
		return nil, fmt.Errorf("declared: %w", err)
	}
	zones, err := connectors.ReadZones()
	if err != nil {
		return nil, err
	}
	c.zones = zones
	if err := errors.Join(c.check(), c.compile()); err != nil {
		return nil, fmt.Errorf("declared: %s: %w", c.Name, err)
	}
	c.partner = connectors.Partner{Table: c.Table, Read: c.read}
	return c, nil
}

// check settles the defaults and says what cannot be.
func (c *Connector) check() error {
	var faults []error
	want := func(ok bool, key, want string) {
		if !ok {
			faults = append(faults, fmt.Errorf("%s: want %s", key, want))
		}
	}
	faults = append(faults, c.Table.Check(), c.Auth.Check())
	l := &c.Limits
	l.Bytes, l.Depth, l.Time = orDefault(l.Bytes, defaultBytes), orDefault(l.Depth, defaultDepth), orDefault(l.Time, defaultTime)
	want(c.Content == "json" || c.Content == "xml", "content", "json or xml")
	want(l.Bytes > 0 && l.Bytes <= maxBytes, "limits.bytes", fmt.Sprintf("1 to %d", maxBytes))
	want(l.Depth > 0 && l.Depth <= maxDepth, "limits.depth", fmt.Sprintf("1 to %d", maxDepth))
	want(l.Time > 0 && l.Time <= maxTime, "limits.time", "up to "+maxTime.String())
	zone, err := time.LoadLocation(c.Zone)
	want(err == nil, "zone", "a name such as Europe/Brussels")
	if c.Zone != "" {
		c.zone = zone
	}
	for _, layout := range c.Layouts {
		t, err := time.Parse(layout, time.Date(2026, 11, 24, 13, 14, 15, 0, time.UTC).Format(layout))
		want(err == nil && t.Year() == 2026 && t.Day() == 24, "layouts", "Go's form of a time, as in \"01/02/2006 03:04 PM\": not "+layout)
	}
	return errors.Join(faults...)
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// forbidden are the functions that make what comes out depend on more than the delivery, or that stop the process.
var forbidden = []string{
	"now", "localtime", "strflocaltime", "env", "$ENV", "input", "inputs", "input_filename", "input_line_number", "debug", "stderr", "halt", "halt_error", "get_search_list", "modulemeta",
}

func (c *Connector) compile() error {
	q, err := gojq.Parse(c.Program)
	if err != nil {
		var parse *gojq.ParseError
		if errors.As(err, &parse) {
			return fmt.Errorf("program: after %d characters: %w", parse.Offset, err)
		}
		return fmt.Errorf("program: %w", err)
	}
	for _, name := range functions(q) {
		if slices.Contains(forbidden, name) {
			return fmt.Errorf("program: %s is not allowed: the same delivery must always give the same events", name)
		}
	}
	if c.code, err = gojq.Compile(q); err != nil {
		return fmt.Errorf("program: %w", err)
	}
	return nil
}

// run runs the program over a body.
func (c *Connector) run(v any) (out []any, _ error) {
	over := make(limit)
	defer time.AfterFunc(c.Limits.Time, func() { close(over) }).Stop()
	for iter := c.code.RunWithContext(over, v); ; {
		v, ok := iter.Next()
		if !ok {
			return out, nil
		}
		err, failed := v.(error)
		switch {
		case failed && over.Err() != nil:
			return nil, fmt.Errorf("the program of %s took more than %s over it", c.ID(), c.Limits.Time)
		case failed:
			return nil, fmt.Errorf("the program of %s: %w", c.ID(), err)
		case len(out) >= connectors.MaxReadings:
			return nil, fmt.Errorf("the program of %s made more than %d events of it", c.ID(), connectors.MaxReadings)
		}
		out = append(out, v)
	}
}

// limit is a context that ends when it is closed: a connector is asked without one, and its program must end all the same.
type limit chan struct{}

var _ context.Context = limit(nil)

// Deadline implements context.Context: when it ends is not known before.
func (l limit) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (l limit) Done() <-chan struct{} { return l }

// Value implements context.Context: there is none.
func (l limit) Value(any) any { return nil }

// Err implements context.Context.
func (l limit) Err() error {
	select {
	case <-l:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// classifiers are the words a program may say for one.
var classifiers = []freight.Classifier{freight.Actual, freight.Estimated, freight.Planned}
