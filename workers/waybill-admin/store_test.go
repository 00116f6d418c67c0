package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/internal/store"
	"waybill/internal/store/storetest"
)

// TestRolesThatAreGrantedServeBridgeAndWorker and nothing beyond: each is tried as the binary would use it.
func TestRolesThatAreGrantedServeBridgeAndWorker(t *testing.T) {
	db := storetest.Postgres(t)
	d := newDesk(t, "http://127.0.0.1:1")
	owner, asOwner := db.Role(t)
	super := db.SQL(t)
	own := func(ctx context.Context, role string) {
		if _, err := super.ExecContext(ctx, `DO $$ BEGIN EXECUTE format('ALTER SCHEMA %I OWNER TO `+role+`', current_schema()); END $$`); err != nil {
			t.Fatal(err)
		}
	}
	own(t.Context(), owner)
	t.Cleanup(func() { own(context.Background(), "CURRENT_USER") }) // or it would go with the role
	bridge, asBridge := db.Role(t)
	worker, asWorker := db.Role(t)
	t.Setenv("WAYBILL_STORE_URL", asBridge.URL)
	d.want(console.Failed, "", "run waybill-admin store migrate as their owner", "store", "migrate")
	t.Setenv("WAYBILL_STORE_URL", asOwner.URL)
	if v := consoletest.FromJSON[migrated](t, d.want(console.Done, "", "store grant", "--json", "store", "migrate")); v.Version == 0 {
		t.Error("there are no tables")
	}
	for range 2 { // with each release
		d.want(console.Done, "role "+bridge+" has the rights of a bridge, and no others\n", "", "store", "grant", "bridge", bridge)
		d.want(console.Done, "role "+worker+" has the rights of a worker, and no others\n", "", "store", "grant", "worker", worker)
	}
	delivery := store.Delivery{Source: "tms", ID: "a", Body: []byte("{}"), ReceivedAt: time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC), State: store.Pending}
	if _, err := asBridge.Open(t).Accept(t.Context(), delivery); err != nil {
		t.Errorf("the bridge takes no delivery: %v", err)
	}
	w := asWorker.Open(t)
	ds, err := w.Deliveries(t.Context(), store.Pending, "tms", 1)
	if err != nil || len(ds) != 1 {
		t.Fatalf("the worker reads %v, %v", ds, err)
	}
	if err := w.SetDelivery(t.Context(), ds[0].Seq, store.Done, ""); err != nil {
		t.Error(err)
	}
	for what, denied := range map[string]storetest.DB{`SELECT body FROM inbox`: asBridge, `SELECT 1 FROM scans`: asBridge, `UPDATE audit SET entry = ''`: asWorker, `DROP TABLE inbox`: asWorker} {
		if _, err := denied.SQL(t).ExecContext(t.Context(), what); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestGrantSaysWhatIsWrong(t *testing.T) {
	d := newDesk(t, "http://127.0.0.1:1")
	d.want(console.Misused, "", `"boss": want one of [bridge worker]`, "store", "grant", "boss", "ann")
	d.want(console.Misused, "", "accepts 2 arg(s)", "store", "grant", "bridge")
	d.store()
	d.want(console.Failed, "", "SQLite has no roles: guard the file", "store", "grant", "bridge", "ann")
	d.want(console.Done, "the tables are at version", "", "store", "migrate")
}
