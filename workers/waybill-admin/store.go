package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"waybill/internal/console"
	"waybill/internal/store"
)

func (a *app) store() *cobra.Command {
	c := console.Group("store", "Make the store's tables, and give a role of PostgreSQL what a binary needs of them", a.storeMigrate(), a.storeGrant())
	c.Long = "Make the store's tables, and give a role of PostgreSQL what a binary needs of them.\n\nBoth are run as the owner of the tables, with each release: WAYBILL_STORE_URL overrides store.url."
	return c
}

// migrated is what store migrate left.
type migrated struct {
	Version int64 `json:"version"` // of the tables
}

func (a *app) storeMigrate() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the tables up to date; again changes nothing", Args: cobra.NoArgs,
		RunE: a.withStore(func(ctx context.Context, s *store.Store, _ []string) error { // opening it has migrated it
			v, err := s.Version(ctx)
			if err != nil {
				return err
			}
			a.Say("a migration may have added tables: run waybill-admin store grant for each role again")
			return a.Show(migrated{v}, func() { a.Print("the tables are at version %d", v) })
		}),
	}
}

// granted is what store grant did.
type granted struct {
	Role   string       `json:"role"`
	Rights store.Rights `json:"rights"`
}

func (a *app) storeGrant() *cobra.Command {
	return &cobra.Command{
		Use: "grant bridge|worker ROLE", Short: "Give a role of PostgreSQL the rights of a binary, and no others", Args: cobra.ExactArgs(2),
		Long: "Give a role of PostgreSQL the rights of a binary, and no others: a bridge fills the inbox, and reads nothing that is in it;\n" +
			"a worker, and waybill-admin, read and write all, but change neither tables nor the audit trail.\n\n" +
			"The role must exist: CREATE ROLE waybill_bridge LOGIN PASSWORD '...'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(store.AllRights(), store.Rights(args[0])) {
				return console.Usagef("%q: want one of %s", args[0], fmt.Sprint(store.AllRights()))
			}
			return a.withStore(a.grant)(cmd, args)
		},
	}
}

func (a *app) grant(ctx context.Context, s *store.Store, args []string) error {
	g := granted{Role: args[1], Rights: store.Rights(args[0])}
	if err := s.Grant(ctx, g.Rights, g.Role); err != nil {
		return err
	}
	return a.Show(g, func() { a.Print("role %s has the rights of a %s, and no others", g.Role, g.Rights) })
}
