// Package connectorcli is waybill connector: what connectors there are, what they make of a payload, whether they still
// do, and the beginning of a new one. It works on files alone and asks no server anything.
package connectorcli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"waybill/internal/store"
	"waybill/starters/bridge"
	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/connectors/declared"
)

// Command makes the connector command. now is the clock by which times are judged.
func Command(now func() time.Time) *cobra.Command {
	c := &cobra.Command{
		Use: "connector", Short: "Try partners' payloads, and make connectors for them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(list(now), events(), run(now), test(now), scaffold(now))
	return c
}

// explainer is what both kinds of connector can do.
type explainer interface {
	Explain(d store.Delivery, now time.Time) ([]connectors.Explained, error)
}

// folders are the connectors that are files: those in a folder, where one is named, before those that come with Waybill.
func folders(dir string, now func() time.Time) (fs []*declared.Folder, _ error) {
	if dir != "" {
		f, err := open(dir, now)
		if err != nil {
			return nil, err
		}
		fs = append(fs, f)
	}
	shipped, err := declared.Shipped()
	return append(fs, shipped), err
}

func open(dir string, now func() time.Time) (*declared.Folder, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no folder: name one with connectors in it", dir)
	}
	return declared.Open(os.DirFS(dir), now)
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
	partners, err := connectors.Partners()
	if err != nil {
		return nil, err
	}
	for _, p := range partners {
		if name == p.Name || name == p.ID() {
			p.Tests = tests
			return p, nil
		}
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

func list(now func() time.Time) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "list", Short: "List the connectors, and who answers for each", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			rows, faults, err := rowsOf(dir, now)
			if err != nil {
				return err
			}
			return errors.Join(append([]error{show(c, rows, func(w io.Writer) { printRows(w, rows) })}, faults...)...)
		},
	}
	dirFlag(c, &dir)
	return c
}

func rowsOf(dir string, now func() time.Time) (rows []row, faults []error, _ error) {
	fs, err := folders(dir, now)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range fs {
		faults = append(faults, f.Faults()...)
		for _, d := range f.All() {
			rows = append(rows, row{d.Name, d.Version, "file", d.Content, d.Auth.Scheme, d.Owner, d.Contact, len(d.Codes), d.Routing})
		}
	}
	partners, err := connectors.Partners()
	if err != nil {
		return nil, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(partners)) {
		profile, err := authn.Named(name)
		if err != nil {
			return nil, nil, err
		}
		p := partners[name]
		rows = append(rows, row{p.Name, p.Version, "go", "json", profile.Scheme, p.Owner, p.Contact, len(p.Codes), nil})
	}
	return rows, faults, nil
}

func printRows(w io.Writer, rows []row) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"Connector", "Kind", "Content", "Proof", "Codes", "Owner", "Contact"})
	for _, r := range rows {
		t.AppendRow(table.Row{fmt.Sprintf("%s@%d", r.Name, r.Version), r.Kind, r.Content, r.Auth, r.Codes, r.Owner, r.Contact})
	}
	t.Render()
}

// show prints a value as JSON where the command was called with --json, else as people prints it.
func show(c *cobra.Command, v any, people func(io.Writer)) error {
	if asked, err := c.Flags().GetBool("json"); err != nil || !asked {
		people(c.OutOrStdout())
		return nil
	}
	e := json.NewEncoder(c.OutOrStdout())
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func events() *cobra.Command {
	return &cobra.Command{
		Use: "events [TYPE]", Short: "List the types of canonical events, or print the JSON Schema of one", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			es, err := bridge.EventSchemas()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return show(c, es, func(w io.Writer) {
					for _, e := range es {
						fmt.Fprintf(w, "%s\tversion %d\t%s\n", e.Type, e.Version, e.ID)
					}
				})
			}
			i := slices.IndexFunc(es, func(e bridge.EventSchema) bool { return e.Type == args[0] })
			if i < 0 {
				return fmt.Errorf("there is no type %s: see waybill connector events", args[0])
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), indented(es[i].Schema))
			return err
		},
	}
}

func indented(schema json.RawMessage) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(schema); err != nil {
		return string(schema)
	}
	return strings.TrimSpace(b.String())
}
