package store_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
	"waybill/workflows/freight"
)

// as grants rights to a new role and opens the store as it.
func as(t *testing.T, db storetest.DB, admin *store.Store, rights store.Rights) (*store.Store, *sql.DB) {
	t.Helper()
	role, seen := db.Role(t)
	for range 2 { // again changes nothing
		if err := admin.Grant(t.Context(), rights, role); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := open(t, seen)
	return s, seen.SQL(t)
}

func denied(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "42501" { // insufficient privilege
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestBridgeRoleOnlyFillsTheInbox(t *testing.T) {
	db := storetest.Postgres(t)
	admin, _ := open(t, db)
	waiting(t, admin, 1)
	bridge, raw := as(t, db, admin, store.BridgeRights)
	if repeat, err := bridge.Accept(t.Context(), delivery("msg_1", "body")); err != nil || repeat {
		t.Errorf("first: repeat %t, %v", repeat, err)
	}
	if repeat, err := bridge.Accept(t.Context(), delivery("msg_1", "body")); err != nil || !repeat {
		t.Errorf("again: repeat %t, %v", repeat, err)
	}
	if _, err := bridge.Accept(t.Context(), delivery("msg_1", "another")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("another body: %v", err)
	}
	if err := bridge.Health(t.Context()); err != nil {
		t.Error(err)
	}
	denied(t, raw, `SELECT * FROM scans`, `SELECT body FROM inbox`, `UPDATE inbox SET state = 'done'`, `DELETE FROM inbox`, `TRUNCATE inbox`, `SELECT 1 FROM documents`, `SELECT 1 FROM views`,
		`SELECT 1 FROM audit`, `INSERT INTO audit VALUES ('acme-1', 1, '', '')`, `SELECT 1 FROM refs`, `SELECT 1 FROM used`, `CREATE TABLE mine (n int)`, `DROP TABLE inbox`, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, true)`)
}

func TestWorkerRoleDoesAllButChangeTablesAndTrail(t *testing.T) {
	db := storetest.Postgres(t)
	admin, _ := open(t, db)
	worker, raw := as(t, db, admin, store.WorkerRights)
	register(t, worker, "acme-1", ref(bol, "", "B1"))
	admit(t, worker, bill("k", "C1", "80.00", ref(bol, "", "B1")))
	if got := sent(t, worker, "r")["acme-1"]; len(got) != 1 {
		t.Errorf("sent %v", got)
	}
	record(t, worker, 2, trail(1, 2))
	if _, err := worker.Record(t.Context(), store.Entry{View: freight.View{Shipment: "acme-1", Revision: 3}, Audits: trail(3, 3), Final: &freight.Shipment{}}); err != nil {
		t.Error(err)
	}
	if n, err := worker.VerifyChain(t.Context(), "acme-1"); err != nil || n != 3 {
		t.Errorf("chain of %d, %v", n, err)
	}
	if err := worker.Told(t.Context(), store.Unsettled{Move: 1}); err != nil {
		t.Error(err)
	}
	if _, _, err := worker.UseOnce(t.Context(), "k", "n", "o", func(spentFunc) (string, bool, error) { return "r", true, nil }); err != nil {
		t.Error(err)
	}
	denied(t, raw, `UPDATE audit SET entry = ''`, `DELETE FROM audit`, `TRUNCATE audit`, `DROP TRIGGER audit_is_kept ON audit`, `ALTER TABLE audit DISABLE TRIGGER ALL`, `CREATE TABLE mine (n int)`, `ALTER TABLE inbox ADD mine int`, `TRUNCATE inbox`, `UPDATE goose_db_version SET version_id = 1`)
}

func TestRoleThatLosesRightsHasThemNoMore(t *testing.T) {
	db := storetest.Postgres(t)
	admin, _ := open(t, db)
	role, seen := db.Role(t)
	for _, rights := range []store.Rights{store.WorkerRights, store.BridgeRights} {
		if err := admin.Grant(t.Context(), rights, role); err != nil {
			t.Fatal(err)
		}
	}
	denied(t, seen.SQL(t), `SELECT 1 FROM scans`, `UPDATE inbox SET state = 'done'`)
}

func TestRoleWithoutRightsToTheTablesSaysWhoMustMakeThem(t *testing.T) {
	db := storetest.Postgres(t)
	role, seen := db.Role(t)
	if _, err := store.Open(t.Context(), seen.URL); err == nil || !strings.Contains(err.Error(), "version 0, this binary needs") {
		t.Fatalf("no tables: %v", err)
	}
	admin, _ := open(t, db)
	if err := admin.Grant(t.Context(), store.BridgeRights, role); err != nil {
		t.Fatal(err)
	}
	open(t, seen)
	if _, err := db.SQL(t).ExecContext(t.Context(), `DELETE FROM goose_db_version WHERE version_id > 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), seen.URL); err == nil || !strings.Contains(err.Error(), "version 1, this binary needs") {
		t.Errorf("old tables: %v", err)
	}
}

func TestGrantRefusesARoleThatWouldKeepMore(t *testing.T) {
	db := storetest.Postgres(t)
	admin, _ := open(t, db)
	super, _ := db.Role(t)
	if _, err := db.SQL(t).ExecContext(t.Context(), `ALTER ROLE `+super+` SUPERUSER`); err != nil {
		t.Fatal(err)
	}
	if err := admin.Grant(t.Context(), store.BridgeRights, super); err == nil || !strings.Contains(err.Error(), "may still") {
		t.Errorf("a superuser: %v", err)
	}
	owner, _ := db.Role(t)
	if _, err := db.SQL(t).ExecContext(t.Context(), `ALTER TABLE inbox OWNER TO `+owner); err != nil {
		t.Fatal(err)
	}
	if err := admin.Grant(t.Context(), store.WorkerRights, owner); err == nil || !strings.Contains(err.Error(), "give itself any right") {
		t.Errorf("an owner: %v", err)
	}
	if err := admin.Grant(t.Context(), store.BridgeRights, `no"body`); err == nil || !strings.Contains(err.Error(), `CREATE ROLE "no""body"`) {
		t.Errorf("nobody: %v", err)
	}
	file, _ := open(t, storetest.SQLite(t))
	if err := file.Grant(t.Context(), store.BridgeRights, "waybill"); err == nil {
		t.Error("SQLite granted something")
	}
}

// A table that a migration adds must be given to the worker, or be kept from it deliberately.
func TestEveryTableIsGivenOrKept(t *testing.T) {
	db := storetest.Postgres(t)
	admin, _ := open(t, db)
	role, _ := db.Role(t)
	if err := admin.Grant(t.Context(), store.WorkerRights, role); err != nil {
		t.Fatal(err)
	}
	rows, err := db.SQL(t).QueryContext(t.Context(), `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND NOT has_table_privilege($1, oid, 'UPDATE')`, role)
	if err != nil {
		t.Fatal(err)
	}
	kept := ""
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		kept += name + " "
	}
	if err := rows.Err(); err != nil || len(strings.Fields(kept)) != 2 || !strings.Contains(kept, "audit ") || !strings.Contains(kept, "goose_db_version ") {
		t.Errorf("kept from the worker: %s, %v", kept, err)
	}
}
