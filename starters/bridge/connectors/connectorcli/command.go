// Package connectorcli is waybill connector: what connectors there are, what they make of a payload, whether they still
// do, and the beginning of a new one. It works on files alone and asks no server anything.
package connectorcli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"waybill/internal/console"
	"waybill/internal/store"
	"waybill/starters/bridge"
	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/connectors/declared"
)

// app is one run of the command.
type app struct {
	*console.Console
	now func() time.Time // the clock by which times are judged
}

// Command makes the connector command, on a console. now is the clock by which times are judged.
func Command(on *console.Console, now func() time.Time) *cobra.Command {
	a := &app{on, now}
	return console.Group("connector", "Try partners' payloads, and make connectors for them", a.list(), a.events(), a.run(), a.test(), a.scaffold())
}

// explainer is what both kinds of connector can do.
type explainer interface {
	Explain(d store.Delivery, now time.Time) ([]connectors.Explained, error)
}

// folders are the connectors that are files: those in a folder, where one is named, before those that come with Waybill.
func (a *app) folders(dir string) (fs []*declared.Folder, _ error) {
	if dir != "" {
		f, err := a.open(dir)
		if err != nil {
			return nil, err
		}
		fs = append(fs, f)
	}
	shipped, err := declared.Shipped()
	return append(fs, shipped), err
}

func (a *app) open(dir string) (*declared.Folder, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder: name one with connectors in it", dir)
	}
	return declared.Open(os.DirFS(dir), a.now)
}

func dirFlag(c *cobra.Command, dir *string) {
	c.Flags().StringVar(dir, "dir", "", "folder with connectors of your own")
}

// find is a connector by its name, with or without a version. One in a folder is taken before its samples are there.
func find(name, dir string, tests bool) (explainer, error) {
	var faults error
	if dir != "" {
		c, err := declared.Draft(os.DirFS(dir), name)
		if err == nil {
			return c.Accepting(tests), nil
		}
		faults = fmt.Errorf("%s: %w", dir, err)
	}
	shipped, err := declared.Shipped()
	if err != nil {
		return nil, err
	}
	if c, err := shipped.Find(name); err == nil {
		return c.Accepting(tests), nil
	}
	partners, err := connectors.Versions()
	if err != nil {
		return nil, err
	}
	newest, err := connectors.Partners()
	if err != nil {
		return nil, err
	}
	maps.Copy(partners, newest)
	if p, ok := partners[name]; ok {
		p.Tests = tests
		return p, nil
	}
	return nil, errors.Join(faults, fmt.Errorf("there is no connector %s: see waybill connector list", name))
}

// row is a connector as the list has it.
type row struct {
	Name    string            `json:"name"`
	Version int               `json:"version"`
	Kind    string            `json:"kind"` // "go" or "file"
	Content string            `json:"content"`
	Auth    authn.Scheme      `json:"auth"`
	Owner   string            `json:"owner"`
	Contact string            `json:"contact"`
	Codes   int               `json:"codes"`
	Routing map[string]string `json:"routing,omitempty"`
}

func (a *app) list() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "list", Short: "List the connectors, and who answers for each", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			rows, faults, err := a.rows(dir)
			if err != nil {
				return err
			}
			return errors.Join(append([]error{a.Show(rows, func() { a.printRows(rows) })}, faults...)...)
		},
	}
	dirFlag(c, &dir)
	return c
}

func (a *app) rows(dir string) (rows []row, faults []error, _ error) {
	fs, err := a.folders(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range fs {
		faults = append(faults, f.Faults()...)
		for _, d := range f.All() {
			rows = append(rows, row{d.Name, d.Version, "file", d.Content, d.Auth.Scheme, d.Owner, d.Contact, len(d.Codes), d.Routing})
		}
	}
	partners, err := connectors.Versions()
	if err != nil {
		return nil, nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(partners)) {
		p := partners[id]
		profile, err := authn.Named(p.Name)
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, row{p.Name, p.Version, "go", "json", profile.Scheme, p.Owner, p.Contact, len(p.Codes), nil})
	}
	return rows, faults, nil
}

func (a *app) printRows(rows []row) {
	var lines []console.Row
	for _, r := range rows {
		lines = append(lines, console.Row{fmt.Sprintf("%s@%d", r.Name, r.Version), r.Kind, r.Content, r.Auth, r.Codes, r.Owner, r.Contact})
	}
	a.Table(console.Row{"Connector", "Kind", "Content", "Proof", "Codes", "Owner", "Contact"}, lines)
}

func (a *app) events() *cobra.Command {
	return &cobra.Command{
		Use: "events [NAME]", Short: "List the schemas of events, those that partners tell us and those that subscribers are told, or print one", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			es, err := bridge.EventSchemas()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.Show(es, func() {
					for _, e := range es {
						a.Print("%s\tversion %d\t%s\t%s", e.Name, e.Version, teller(e), e.ID)
					}
				})
			}
			i := slices.IndexFunc(es, func(e bridge.EventSchema) bool { return e.Name == args[0] })
			if i < 0 {
				return fmt.Errorf("there is no schema %s: see waybill connector events", args[0])
			}
			var b bytes.Buffer
			if err := json.Indent(&b, es[i].Schema, "", "  "); err != nil {
				return err
			}
			a.Print("%s", b.String())
			return nil
		},
	}
}

// teller says who tells an event to whom.
func teller(e bridge.EventSchema) string {
	if e.Told {
		return "we tell subscribers"
	}
	return "partners tell us"
}
