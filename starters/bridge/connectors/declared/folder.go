package declared

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

//go:embed shipped
var shipped embed.FS

// Shipped are the connectors that come with Waybill.
func Shipped() (*Folder, error) {
	files, err := fs.Sub(shipped, "shipped")
	if err != nil {
		return nil, fmt.Errorf("declared: %w", err)
	}
	return Open(files, time.Now)
}

// Folder is a folder of connectors that may change while they are in use. A file that cannot be used leaves the
// version of it that could.
type Folder struct {
	files fs.FS
	now   func() time.Time
	held  atomic.Pointer[map[string]held] // by the name of the file
}

// held is what is known of one file.
type held struct {
	connector *Connector // nil: it never could be used
	content   string     // hash of file and samples, as last looked at
	fault     error      // why what is there now is not used
}

// Open reads a folder for the first time. Files that cannot be used are in Faults; the others are served.
func Open(files fs.FS, now func() time.Time) (*Folder, error) {
	f := &Folder{files: files, now: now}
	f.held.Store(&map[string]held{})
	_, err := f.Refresh()
	return f, err
}

// Refresh looks at the folder again, and says in words what has changed. It is not to be called twice at a time.
func (f *Folder) Refresh() (news []string, _ error) {
	names, err := fs.Glob(f.files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("declared: %w", err)
	}
	was := *f.held.Load()
	is := map[string]held{}
	for name, h := range was {
		if !slices.Contains(names, name) && h.connector != nil {
			h.fault, h.content = fmt.Errorf("%s is gone: its last version stays in use until a restart", name), ""
			is[name] = h
		}
	}
	for _, name := range names {
		is[name] = f.look(name, was[name], is)
	}
	f.held.Store(&is)
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if text := is[name].said(); text != was[name].said() {
			news = append(news, text)
		}
	}
	return news, nil
}

// look reads a file if it has changed. others are the files before it, whose names are taken.
func (f *Folder) look(name string, was held, others map[string]held) held {
	content, err := f.content(name)
	if err == nil && content == was.content {
		return was
	}
	c, err := f.load(name)
	if err == nil {
		for other, h := range others {
			if other != name && h.connector != nil && h.connector.ID() == c.ID() {
				err = fmt.Errorf("declared: %s: %s is %s already: give it another version", name, other, c.ID())
			}
		}
	}
	if err != nil {
		return held{was.connector, content, err}
	}
	return held{c, content, nil}
}

// said is what there is to say of a file.
func (h held) said() string {
	switch {
	case h.fault != nil && h.connector != nil:
		return fmt.Sprintf("%s stays in use: %v", h.connector.ID(), h.fault)
	case h.fault != nil:
		return h.fault.Error()
	case h.connector != nil:
		return h.connector.ID() + " is in use, content " + h.content[:12]
	}
	return ""
}

// content is a hash of a definition and all its samples.
func (f *Folder) content(name string) (string, error) {
	files, err := fs.Glob(f.files, path.Join(Samples(name), "*"))
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, file := range append([]string{name}, files...) {
		b, err := fs.ReadFile(f.files, file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n", file, len(b))
		sum.Write(b)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// load reads a definition and tries it on its samples.
func (f *Folder) load(name string) (*Connector, error) {
	text, err := fs.ReadFile(f.files, name)
	if err != nil {
		return nil, fmt.Errorf("declared: %w", err)
	}
	c, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	results, err := Try(f.files, name, c, f.now())
	if err != nil {
		return nil, err
	}
	for _, r := range results {
		if r.Fault != nil {
			return nil, r.Fault
		}
	}
	return c, nil
}

// Faults are the files that are not used as they are, with the reason.
func (f *Folder) Faults() (faults []error) {
	now := *f.held.Load()
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if h := now[name]; h.fault != nil {
			faults = append(faults, errors.New(h.said()))
		}
	}
	return faults
}

// All lists the connectors in use, by name and version.
func (f *Folder) All() (cs []*Connector) {
	for _, h := range *f.held.Load() {
		if h.connector != nil {
			cs = append(cs, h.connector)
		}
	}
	slices.SortFunc(cs, func(a, b *Connector) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return cs
}

// Find is a connector by name and version, such as gls@1, or by name alone, which is its highest version.
func (f *Folder) Find(name string) (*Connector, error) {
	if c := pick(f.All(), name); c != nil {
		return c, nil
	}
	return nil, errors.Join(append(f.Faults(), fmt.Errorf("declared: no connector %s is in use", name))...)
}

// pick finds a connector among some that are sorted; nil where there is none.
func pick(sorted []*Connector, name string) (found *Connector) {
	name, version, pinned := strings.Cut(name, "@")
	n, err := strconv.Atoi(version)
	for _, c := range sorted {
		if c.Name == name && (!pinned || err == nil && c.Version == n) {
			found = c
		}
	}
	return found
}

// Draft finds a connector among the definitions of a folder without trying it on its samples: for whoever writes it.
func Draft(files fs.FS, name string) (*Connector, error) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("declared: %w", err)
	}
	var cs []*Connector
	var faults []error
	for _, file := range names {
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, fmt.Errorf("declared: %w", err)
		}
		c, err := Parse(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", file, err))
			continue
		}
		cs = append(cs, c)
	}
	slices.SortFunc(cs, byVersion)
	if c := pick(cs, name); c != nil {
		return c, nil
	}
	return nil, errors.Join(append(faults, fmt.Errorf("declared: no *.yaml is %s", name))...)
}

func byVersion(a, b *Connector) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
}

// Watch looks at the folder again and again until the context ends, and says what has changed.
func (f *Folder) Watch(ctx context.Context, every time.Duration, say func(string)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			news, err := f.Refresh()
			if err != nil {
				news = append(news, err.Error())
			}
			for _, text := range news {
				say(text)
			}
		}
	}
}
