package declared

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/connectors"
)

// Catalog is every connector that a source may name: those in the folders, of which the first that has a name counts,
// then those that are written in Go. It may be used by many at a time.
type Catalog struct {
	folders  []*Folder
	partners map[string]connectors.Partner // by name, and by name and version
	profiles map[string]authn.Profile      // of those written in Go, by the connector's name
	tests    bool
}

// NewCatalog makes a catalog of folders, of the connectors that come with Waybill and of those written in Go. With
// tests, deliveries that are marked as a test are taken for true: for a deployment that is one itself.
func NewCatalog(tests bool, folders ...*Folder) (*Catalog, error) {
	shipped, err := Shipped()
	if err != nil {
		return nil, err
	}
	partners, err := written()
	if err != nil {
		return nil, err
	}
	profiles, err := authn.Known()
	return &Catalog{append(folders, shipped), partners, profiles, tests}, err
}

// written are the connectors written in Go, under each name that a source may have for them: ups@1, or ups, which is the
// highest version.
func written() (map[string]connectors.Partner, error) {
	all, err := connectors.Versions()
	if err != nil {
		return nil, err
	}
	newest, err := connectors.Partners()
	maps.Copy(all, newest)
	return all, err
}

// OpenCatalog makes a catalog with the folder of that path before what comes with Waybill; "" for none.
func OpenCatalog(dir string, tests bool, now func() time.Time) (*Catalog, error) {
	if dir == "" {
		return NewCatalog(tests)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("connectors.folder: %s is no folder that can be read", dir)
	}
	f, err := Open(os.DirFS(dir), now)
	if err != nil {
		return nil, err
	}
	return NewCatalog(tests, f)
}

// Faults are the files that are not used as they are, with the reason.
func (c *Catalog) Faults() (faults []error) {
	for _, f := range c.folders {
		faults = append(faults, f.Faults()...)
	}
	return faults
}

// Watch looks at the folders again and again until the context ends, and says what has changed.
func (c *Catalog) Watch(ctx context.Context, every time.Duration, say func(string)) {
	var all sync.WaitGroup
	for _, f := range c.folders {
		all.Go(func() { f.Watch(ctx, every, say) })
	}
	all.Wait()
}

// Entry is a connector with what its source needs at the edge.
type Entry struct {
	connectors.Connector
	Auth    authn.Profile // by which its deliveries are verified, where the source says nothing else
	Content string        // json or xml
	Bytes   int64         // of a body
}

// goBytes bounds the body of a source that is read in Go: a history of 5,000 scans, or a photo in base64.
const goBytes = 5 << 20

// Find is the connector of a name, as it is now: gls@1, or gls, which is the highest version. An error says why there
// is none, and what is wrong with the files that may have been meant.
func (c *Catalog) Find(name string) (Entry, error) {
	var faults []error
	for _, f := range c.folders {
		d, err := f.Find(name)
		if err == nil {
			return Entry{d.Accepting(c.tests), d.Auth.Profile, d.Content, d.Limits.Bytes}, nil
		}
		faults = append(faults, f.Faults()...)
	}
	p, ok := c.partners[name]
	if !ok {
		return Entry{}, errors.Join(append(faults, fmt.Errorf("there is no connector %s: see waybill connector list", name))...)
	}
	p.Tests = c.tests
	return Entry{p, c.profiles[p.Name], "json", goBytes}, nil
}

// Names are those of every connector in use, without versions, in order.
func (c *Catalog) Names() []string {
	var names []string
	for _, p := range c.partners {
		names = append(names, p.Name)
	}
	for _, f := range c.folders {
		for _, d := range f.All() {
			names = append(names, d.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Sources are the connectors of sources by name, as far as they have one of their own.
type Sources struct {
	Catalog *Catalog
	Named   map[string]string // the connector's name by the source's; a source that is not in it sends our own events
}

// Connector is the connector of a source, as it is now.
func (s Sources) Connector(source string) (connectors.Connector, error) {
	name, ok := s.Named[source]
	if !ok {
		return connectors.Canonical{}, nil
	}
	e, err := s.Catalog.Find(name)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", source, err)
	}
	return e.Connector, nil
}
