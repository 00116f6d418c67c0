package odoo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"waybill/activities/odoo"
	"waybill/activities/odoo/odootest"
	"waybill/workflows/freight"
)

// posterFile names the file with what a process of its own is to post; see poster.
const posterFile = "WAYBILL_TEST_POSTER"

func TestMain(m *testing.M) {
	if file := os.Getenv(posterFile); file != "" {
		if err := poster(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// errand is what a poster is given.
type errand struct {
	URL, DB, Password string
	Plan              freight.InvoicePlan
}

// poster is a process that posts one plan, says so on its standard output, and waits to be told to end: what it has
// learned is recorded nowhere until then.
func poster(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var e errand
	if err := json.Unmarshal(b, &e); err != nil {
		return err
	}
	m := &odoo.Money{FreightProduct: freightProduct, Odoo: odoo.New(odoo.Options{URL: e.URL, DB: e.DB, Login: odoo.MoneyLogin, Password: func() (string, error) { return e.Password, nil }})}
	inv, err := m.PostInvoice(context.Background(), e.Plan)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(inv); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until whoever started it closes it
	return nil
}

// start starts a poster; its first line of output arrives on the channel, or it is closed where it ended without.
func (h *house) start(p freight.InvoicePlan) (*exec.Cmd, func(), <-chan freight.Invoice) {
	h.t.Helper()
	file := h.t.TempDir() + "/errand.json"
	b, err := json.Marshal(errand{h.proxy.URL, h.at.db, h.at.money, p})
	if err == nil {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$") //nolint:gosec // the test itself, again
	cmd.Env = append(os.Environ(), posterFile+"="+file)
	cmd.Stderr = os.Stderr
	stdin := must[io.WriteCloser](h.t)(cmd.StdinPipe())
	stdout := must[io.ReadCloser](h.t)(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	said := make(chan freight.Invoice, 1)
	go func() {
		defer close(said)
		var inv freight.Invoice
		if json.NewDecoder(stdout).Decode(&inv) == nil {
			said <- inv
		}
	}()
	return cmd, func() { _ = stdin.Close() }, said
}

// deathPoint is where in a posting a poster dies.
type deathPoint struct {
	method        string // the call it is killed at; "" after its answer, before anyone has recorded it
	model         string
	after         bool // when Odoo has committed and the reply is not read yet; otherwise before the call reaches Odoo
	posted, draft int  // what the dead one left
}

// waitAt holds the call at the point: kill is closed when it is there, and it is cut off when dead is closed.
func (h *house) waitAt(point deathPoint) (kill, dead chan struct{}) {
	kill, dead = make(chan struct{}), make(chan struct{})
	var once sync.Once
	strike := func(c odootest.Call) (cut bool) {
		if c.Model == point.model && c.Method == point.method && c.Method != "" {
			once.Do(func() {
				close(kill)
				<-dead
				cut = true
			})
		}
		return cut
	}
	if point.after {
		h.proxy.Watch(odootest.Watch{After: strike})
	} else {
		h.proxy.Watch(odootest.Watch{Before: strike})
	}
	return kill, dead
}

// TestKilledPosterIsFollowedByOneInvoice kills a process of its own with SIGKILL at each point of a posting, and lets a
// new one do the same work.
func TestKilledPosterIsFollowedByOneInvoice(t *testing.T) {
	for name, point := range map[string]deathPoint{
		"before its first call":           {"web_search_read", "stock.picking", false, 0, 0},
		"before the draft is made":        {"load", "account.move", false, 0, 0},
		"when the draft is made":          {"load", "account.move", true, 0, 1},
		"before the posting reaches Odoo": {"action_post", "account.move", false, 0, 1},
		"when Odoo has posted":            {"action_post", "account.move", true, 1, 0},
		"before the result is recorded":   {"", "", true, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			r, id := h.ready()
			p := h.plan(r, id)
			kill, dead := h.waitAt(point)
			cmd, _, said := h.start(p)
			if point.method == "" {
				if inv := <-said; inv.Net != p.Net {
					t.Fatalf("it said %+v", inv)
				}
			} else {
				<-kill
			}
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); err == nil || !ok || status.Signal() != syscall.SIGKILL {
				t.Fatalf("it ended with %v", err)
			}
			close(dead)
			h.proxy.Watch(odootest.Watch{})
			states := map[string]int{}
			for _, m := range h.find("account.move", []any{[]any{"x_waybill_shipment", "=", string(id)}}, "state") {
				states[text(m["state"])]++
			}
			if states["posted"] != point.posted || states["draft"] != point.draft {
				t.Errorf("it left %v, want %d posted and %d draft", states, point.posted, point.draft)
			}
			next, end, told := h.start(p)
			inv, ok := <-told
			end()
			_ = next.Wait()
			if !ok || inv.Net != p.Net || inv.Adopted != (point.posted == 1) {
				t.Errorf("the next one said %+v", inv)
			}
			if ms := h.posted(id); len(ms) != 1 || ms[0]["id"] != inv.Move {
				t.Errorf("posted %v", ms)
			}
			if all := h.find("account.move", []any{[]any{"x_waybill_shipment", "=", string(id)}}, "state"); len(all) != 1 {
				t.Errorf("left %v", all)
			}
		})
	}
}
