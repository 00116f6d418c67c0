package store_test

import (
	"path/filepath"
	"strings"
	"testing"

	"waybill/internal/store"
	"waybill/internal/store/storetest"
)

func TestManyMayOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		together(6, func(i int) {
			s, err := store.Open(t.Context(), db.URL)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Health(t.Context()); err != nil {
				t.Error(err)
			}
			_ = s.Close()
		})
		s, _ := open(t, db)
		if ds, err := s.Deliveries(t.Context(), "", "", 10); err != nil || len(ds) != 0 {
			t.Errorf("health left %+v, %v", ds, err)
		}
	})
}

func TestWhatWasStoredIsThereWhenOpenedAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		accept(t, s, delivery("msg_1", "body"))
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again, _ := open(t, db)
		if repeat, err := again.Accept(t.Context(), delivery("msg_1", "body")); err != nil || !repeat {
			t.Errorf("repeat %t, %v", repeat, err)
		}
	})
}

func TestAddressThatIsNoneIsRefusedWithoutShowingIt(t *testing.T) {
	for _, address := range []string{"", "sqlite:", "mysql://root:hunter2@db/waybill", "hunter2", "postgres://u:hunter2@localhost:notaport/db"} {
		_, err := store.Open(t.Context(), address)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "new", "folder", "w.db")); err != nil {
		t.Error(err)
	}
}

func TestHealthSaysThatTheDatabaseIsGone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Health(t.Context()); err == nil {
			t.Error("a closed store is well")
		}
	})
}

// An answer of 202 is a promise: no setting of the database's may make it a hope.
func TestCommitIsOnDiskWhateverTheDatabaseIsSetTo(t *testing.T) {
	s, _ := open(t, storetest.SQLite(t))
	if v, err := s.Setting(t.Context(), `PRAGMA synchronous`); err != nil || v != "2" {
		t.Errorf("SQLite's writer has synchronous %s, want 2 (full), %v", v, err)
	}
	db := storetest.Postgres(t)
	admin, _ := open(t, db)
	role, seen := db.Role(t)
	if err := admin.Grant(t.Context(), store.BridgeRights, role); err != nil {
		t.Fatal(err)
	}
	for set, want := range map[string]string{"off": "on", "remote_apply": "remote_apply"} {
		if _, err := db.SQL(t).ExecContext(t.Context(), `ALTER ROLE `+role+` SET synchronous_commit = `+set); err != nil {
			t.Fatal(err)
		}
		s, _ := open(t, seen)
		if v, err := s.Setting(t.Context(), `SHOW synchronous_commit`); err != nil || v != want {
			t.Errorf("set to %s, PostgreSQL has %s, want %s, %v", set, v, want, err)
		}
	}
}

// The release before must run on the tables of this one, so that it can be rolled back to.
func TestTablesOfANewerReleaseAreUsed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db storetest.DB) {
		s, _ := open(t, db)
		accept(t, s, delivery("msg_1", "body"))
		if _, err := db.SQL(t).ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) SELECT 99, is_applied FROM goose_db_version LIMIT 1`); err != nil {
			t.Fatal(err)
		}
		again, _ := open(t, db)
		if repeat, err := again.Accept(t.Context(), delivery("msg_1", "body")); err != nil || !repeat {
			t.Errorf("repeat %t, %v", repeat, err)
		}
	})
}
