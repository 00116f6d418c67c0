package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"waybill/config"
	"waybill/internal/console"
	"waybill/internal/store"
)

// app is one run of the command.
type app struct {
	*console.Console
	file string
}

func command(on *console.Console) *cobra.Command {
	a := &app{Console: on}
	c := console.Group("waybill-admin", "Prepare Odoo, Temporal and the store, look into inbox and audit trail, read deliveries again, bring in proof of delivery, look after subscribers, measure lanes, compare the books",
		a.odoo(), a.temporal(), a.store(), a.doctor(), a.inbox(), a.replay(), a.proof(), a.audit(), a.subscribers(), a.integrations(), a.lanes(), a.reconcile())
	c.PersistentFlags().StringVar(&a.file, "config", os.Getenv("WAYBILL_CONFIG"), "configuration file of the worker; config/example.yaml has every key")
	a.JSONFlag(c)
	return c
}

// load reads the configuration, and checks the part of it that a command uses.
func (a *app) load(part func(*config.Config) error) (*config.Config, error) {
	c, err := config.Load(a.file)
	if err != nil {
		return nil, err
	}
	return c, part(c)
}

// withStore opens the worker's store for one command. It opens only one that is there: a new and empty one would
// answer every question with nothing.
func (a *app) withStore(f func(ctx context.Context, s *store.Store, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.load((*config.Config).ForStore)
		if err != nil {
			return err
		}
		s, err := openStore(cmd.Context(), c.Store.URL)
		if err != nil {
			return err
		}
		return errors.Join(f(cmd.Context(), s, args), s.Close())
	}
}

// openStore opens a store that is there.
func openStore(ctx context.Context, url string, options ...store.Option) (*store.Store, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no store at %s: set store.url to that of the worker, or start waybill-worker, which makes it", path)
		}
	}
	return store.Open(ctx, url, options...)
}
