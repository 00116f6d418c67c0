package rig

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// roles are those of PostgreSQL that the processes have, as in production: none has the owner's. Empty on SQLite.
type roles struct {
	names          []string
	worker, bridge string          // each URL, as a variable of its process; "": the configuration's
	whole          context.Context // in which they are dropped, after the run's own has ended
}

// grantRoles makes a role for workers and one for bridges, and gives them their rights by the command that a company uses.
func (h *House) grantRoles(ctx context.Context) error {
	u, err := url.Parse(h.lines.StoreURL)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return err
	}
	db, err := sql.Open("pgx", h.lines.StoreURL)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	h.roles.whole = context.WithoutCancel(ctx)
	as := func(rights string) (variable string, err error) {
		name, password := "waybill_"+rights+"_"+strings.ToLower(rand.Text()), rand.Text()
		if _, err := db.ExecContext(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", name, password)); err != nil {
			return "", fmt.Errorf("a role of its own for each %s: %w", rights, err)
		}
		h.roles.names = append(h.roles.names, name)
		own := *u
		own.User = url.UserPassword(name, password)
		_, err = h.Admin(ctx, "store", "grant", rights, name)
		return "WAYBILL_STORE_URL=" + own.String(), err
	}
	var faults [2]error
	h.roles.worker, faults[0] = as("worker")
	h.roles.bridge, faults[1] = as("bridge")
	return errors.Join(faults[:]...)
}

// environment is that of a process with a role of its own.
func (h *House) environment(role string, more ...string) []string {
	env := append(append([]string{}, h.env...), more...)
	if role != "" {
		env = append(env, role)
	}
	return env
}

// dropRoles takes the roles away again; the owner's tables stay.
func (h *House) dropRoles() {
	if len(h.roles.names) == 0 {
		return
	}
	db, err := sql.Open("pgx", h.lines.StoreURL)
	if err != nil {
		return
	}
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(h.roles.whole, 10*time.Second)
	defer cancel()
	for _, name := range h.roles.names {
		for _, statement := range []string{"DROP OWNED BY ", "DROP ROLE "} {
			_, _ = db.ExecContext(ctx, statement+name) // what is left of a run's roles is in nobody's way
		}
	}
}
