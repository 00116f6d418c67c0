package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Rights is what a PostgreSQL role may do with the store. Migrating it is left to the owner of the tables.
type Rights string

// The rights.
const (
	BridgeRights Rights = "bridge" // puts deliveries into the inbox, and knows which it has; reads nothing else
	WorkerRights Rights = "worker" // reads and writes all, but changes neither tables nor the audit trail
)

// workerTables are the tables in which a worker may change and delete rows: all but the audit trail and the versions.
var workerTables = []string{"inbox", "scans", "documents", "outbox", "refs", "unmatched_refs", "views", "payments", "finals", "used", "audit_heads", "events", "event_heads", "notifications", "subscribers", "pulls", "heard", "paces"}

// AllRights are the rights there are.
func AllRights() []Rights { return []Rights{BridgeRights, WorkerRights} }

// Grant gives a role these rights and takes all others to our tables from it; again changes nothing. A migration may add
// tables, which are granted by the next Grant. The store must
// be open as the owner of the tables, and the role exist: its password is between the role and the database. It
// refuses a role that would keep more, as a superuser does.
func (s *Store) Grant(ctx context.Context, rights Rights, role string) error {
	if s.dialect.name != "postgres" {
		return errors.New("store: grant: SQLite has no roles: guard the file")
	}
	var exists bool
	if err := s.write.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)`, role).Scan(&exists); err != nil {
		return wrap("grant", err)
	}
	if !exists {
		return fmt.Errorf("store: grant: there is no role %q: CREATE ROLE %s LOGIN PASSWORD '...' first", role, pgx.Identifier{role}.Sanitize())
	}
	return s.tx(ctx, "grant", func(t *sql.Tx) error {
		var schema string
		if err := t.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&schema); err != nil {
			return err
		}
		for _, statement := range statements(rights, pgx.Identifier{schema}.Sanitize(), pgx.Identifier{role}.Sanitize()) {
			if _, err := t.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return tooMuch(ctx, t, rights, role)
	})
}

// statements bring a role from any rights to these.
func statements(rights Rights, schema, role string) []string {
	table := func(name string) string { return schema + "." + name }
	ss := []string{
		"REVOKE CREATE ON SCHEMA " + schema + " FROM PUBLIC", // the default before PostgreSQL 15
		"REVOKE ALL ON SCHEMA " + schema + " FROM " + role,
		"GRANT USAGE ON SCHEMA " + schema + " TO " + role,
	}
	for _, t := range slices.Concat(workerTables, []string{"audit", "goose_db_version"}) {
		ss = append(ss, "REVOKE ALL ON "+table(t)+" FROM "+role)
	}
	ss = append(ss, "GRANT SELECT ON "+table("goose_db_version")+" TO "+role)
	if rights == BridgeRights {
		return append(ss, "GRANT INSERT, SELECT (source, delivery_id, body_sha256) ON "+table("inbox")+" TO "+role)
	}
	for _, t := range workerTables {
		ss = append(ss, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+table(t)+" TO "+role)
	}
	return append(ss, "GRANT SELECT, INSERT ON "+table("audit")+" TO "+role)
}

// tooMuch says what a role may still do: a superuser, an owner and a member of another role have rights that nobody
// gave them here.
func tooMuch(ctx context.Context, t *sql.Tx, rights Rights, role string) error {
	forbidden := map[string]string{
		"give itself any right":  `EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND pg_has_role($1::name, relowner, 'MEMBER'))`,
		"change the audit trail": `has_table_privilege($1::name, 'audit', 'UPDATE, DELETE, TRUNCATE')`,
		"change the tables":      `has_schema_privilege($1::name, current_schema(), 'CREATE')`,
	}
	if rights == BridgeRights {
		forbidden["read scans"] = `has_any_column_privilege($1::name, 'scans', 'SELECT')`
		forbidden["change the inbox"] = `has_any_column_privilege($1::name, 'inbox', 'UPDATE') OR has_table_privilege($1::name, 'inbox', 'DELETE, TRUNCATE')`
	}
	for what, test := range forbidden {
		var may bool
		if err := t.QueryRowContext(ctx, `SELECT `+test, role).Scan(&may); err != nil {
			return err
		}
		if may {
			return fmt.Errorf("role %q may still %s, as superuser, owner or member of another role: make a role for this alone", role, what)
		}
	}
	return nil
}
