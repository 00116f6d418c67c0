package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"waybill/internal/cluster"
	"waybill/starters/rig"
	"waybill/starters/rig/script"
)

// storeFile is the store's file, where it is SQLite's.
func (w *world) storeFile() string {
	if named, ok := strings.CutPrefix(w.o.store, "sqlite:"); ok {
		return named
	}
	return filepath.Join(w.h.Dir, "waybill.db")
}

// storeRestore makes a backup of the store, lets things go on, and puts it back while everything is stopped, as after a
// disk was lost. No worker may work on it before it has learned again what it lacks; then partners send again what the
// report says is missing.
func (n *nemesis) storeRestore(ctx context.Context) error {
	backup := filepath.Join(n.h.Dir, "backup")
	if err := n.backUp(ctx, backup); err != nil {
		return err
	}
	if !pause(ctx, n.between(4000, 10_000)) {
		return nil
	}
	if err := n.marked(ctx); err != nil {
		return err
	}
	n.restarts.Add(1)
	defer n.restarts.Add(1)
	for _, p := range append(append([]*rig.Process{}, n.h.Workers...), n.h.Bridges...) {
		p.Kill()
	}
	if err := n.h.SwapStore(ctx, func() error { return n.putBack(ctx, backup) }); err != nil {
		return err
	}
	n.mu.Lock()
	n.restored = true
	n.mu.Unlock()
	for _, p := range append(append([]*rig.Process{}, n.h.Bridges...), n.h.Workers...) {
		if err := p.Start(); err != nil {
			return err
		}
	}
	if err := n.fenced(ctx); err != nil {
		return err
	}
	from, to, err := n.reconcile(ctx)
	if err != nil {
		return err
	}
	return n.sendAgain(ctx, from, to)
}

// marked waits until Temporal has a newer mark than the store, so than the backup: from then on a worker sees that it is
// older before it works. While Temporal is away no mark is kept, and a backup of that time shows by the first record that
// it lacks.
func (n *nemesis) marked(ctx context.Context) error {
	m, err := n.h.Store.Mark(ctx)
	if err != nil {
		return err
	}
	return n.h.Await(ctx, "a mark of the store in Temporal", time.Minute, func() (bool, error) {
		there, err := cluster.StoreMark(ctx, n.h.Temporal, n.h.Tenant)
		return err == nil && there > m.N, nil
	})
}

// backUp copies the store while it is written to, as a company's backup does.
func (n *nemesis) backUp(ctx context.Context, to string) error {
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if !n.sqlite() {
		return n.postgres(ctx, "dump", to)
	}
	db, err := n.database()
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return err
}

// postgres has the script that keeps PostgreSQL dump or restore the run's database.
func (n *nemesis) postgres(ctx context.Context, verb, file string) error {
	u, err := url.Parse(n.o.store)
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, os.Getenv("POSTGRES_SCRIPT"), verb, strings.TrimPrefix(u.Path, "/"), file).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s of PostgreSQL: %w: %s", verb, err, out)
	}
	return nil
}

func (n *nemesis) putBack(ctx context.Context, backup string) error {
	if !n.sqlite() {
		return n.postgres(ctx, "restore", backup)
	}
	file := n.storeFile()
	for _, part := range []string{"-wal", "-shm"} {
		if err := os.Remove(file + part); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return os.Rename(backup, file)
}

// fenced waits until every worker says that it does not work on this store, and why.
func (n *nemesis) fenced(ctx context.Context) error {
	for _, address := range n.h.Metrics {
		err := n.h.Await(ctx, "the worker says that the store is older", 40*time.Second, func() (bool, error) {
			resp, err := http.Get("http://" + address + "/readyz")
			if err != nil {
				return false, nil
			}
			text, err := io.ReadAll(resp.Body)
			return resp.StatusCode == http.StatusServiceUnavailable && bytes.Contains(text, []byte("reconcile --after-restore")), errors.Join(err, resp.Body.Close())
		})
		if err != nil {
			n.violated("fence", err.Error())
		}
	}
	return nil
}

// reconciled is how long that may take: hundreds of stories first take the steps they were kept from.
const reconciled = 10 * time.Minute

// reconcile runs what the worker says, until Odoo and Temporal answer, and returns the window that it names.
func (n *nemesis) reconcile(ctx context.Context) (from, to time.Time, err error) {
	var report struct {
		Windows []struct{ From, To time.Time } `json:"missingWindows"`
		Behind  int                            `json:"behind"`
	}
	var last error
	err = n.h.Await(ctx, "waybill-admin reconcile", reconciled, func() (bool, error) {
		var out string
		if out, last = n.h.Admin(ctx, "reconcile", "--after-restore", "--json"); last != nil {
			return false, ctx.Err()
		}
		return true, json.Unmarshal([]byte(out), &report)
	})
	if err != nil || len(report.Windows) == 0 {
		return from, to, errors.Join(fmt.Errorf("reconcile named %d windows", len(report.Windows)), err, last)
	}
	n.note("reconcile", "", report)
	w := report.Windows[len(report.Windows)-1]
	return w.From, w.To, nil
}

// sendAgain sends again what partners sent in the window, as they do when they are asked to.
func (n *nemesis) sendAgain(ctx context.Context, from, to time.Time) error {
	n.mu.Lock()
	var lost []script.Delivery
	for _, d := range n.deliveries {
		if d.Accepted && !d.At.Before(from) && !d.At.After(to) {
			lost = append(lost, d)
		}
	}
	n.mu.Unlock()
	for _, d := range lost {
		err := n.h.Await(ctx, "the bridge takes "+d.ID+" again", time.Minute, func() (bool, error) {
			a, err := n.h.Post(ctx, d.Source, d.ID, d.Body, rig.Clock{})
			return err == nil && a.Code == http.StatusAccepted, ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	n.note("sent again", "", len(lost))
	return nil
}

// smallDisk is what a store has for itself where its disk is to be filled.
const smallDisk = "64m"

// mountSmall gives the store a small disk of its own; the caller takes it away again.
func mountSmall(dir string) (storeURL string, unmount func(), err error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+smallDisk); err != nil {
		return "", nil, fmt.Errorf("a small disk for the store at %s: %w: run as root, or leave disk-full out", dir, err)
	}
	return "sqlite:" + filepath.Join(dir, "waybill.db"), func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }, nil
}

// diskFull fills the store's disk to the last byte. The bridge refuses what it cannot keep, and says when to come again.
func (n *nemesis) diskFull(ctx context.Context) error {
	filler := filepath.Join(filepath.Dir(n.storeFile()), "filler")
	if err := fill(filler); err != nil {
		return err
	}
	refused, until := false, time.Now().Add(n.between(6000, 12_000))
	for pause(ctx, 200*time.Millisecond) && time.Now().Before(until) {
		id := fmt.Sprintf("full-%d", n.rng.Uint64())
		a, err := n.deliver(ctx, script.Delivery{Source: "carrier", ID: id, Body: stray(id, n.rng)}, rig.Clock{})
		switch {
		case err != nil, a.Code == http.StatusAccepted:
		case a.Code == http.StatusServiceUnavailable && a.RetryAfter != "":
			refused = true
		default:
			n.violated("disk-full", fmt.Sprintf("the bridge answered %d, Retry-After %q: %s", a.Code, a.RetryAfter, a.Text))
		}
		if err := fill(filler); err != nil { // what a checkpoint gave back
			return err
		}
	}
	if !refused {
		n.violated("disk-full", "the store's disk was full, and nothing was refused: the fault proves nothing")
	}
	return os.Remove(filler)
}

// fill writes to a file until the disk has no room for one byte more.
func fill(file string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return nil
}
