package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"waybill/internal/store"
	"waybill/starters/bridge/bridgetest"
)

// build makes the binary a company would run.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "waybill-bridge")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// process is a running binary.
type process struct {
	cmd    *exec.Cmd
	url    string
	waited chan error
}

func (h *house) start(bin string) *process {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), bin, "--config", h.file)
	out, err := cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	p := &process{cmd: cmd, url: "http://" + listening(h.t, out), waited: make(chan error, 1)}
	go func() { p.waited <- cmd.Wait() }()
	h.t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	return p
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// gone waits for the process to be gone, and says how it ended.
func (p *process) gone(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.waited:
		return err
	case <-time.After(60 * time.Second):
		t.Fatal("it does not end")
		return nil
	}
}

func TestTerminatedProcessEndsWhatIsUnderWayAndExitsZero(t *testing.T) {
	h := newHouse(t, "127.0.0.1:0", "")
	p := h.start(build(t))
	h.want(http.StatusAccepted, p.url, "evt-1", bridgetest.SecretOf("c"))
	c, rest := underWay(t, p.url)
	p.signal(t, syscall.SIGTERM)
	drains(t, p.url, c, rest)
	if err := p.gone(t); err != nil {
		t.Errorf("exit: %v", err)
	}
}

// partners send events, each until it is acknowledged, and remember those that were.
type partners struct {
	url string
	mu  sync.Mutex
	ids map[string][]byte
}

func (p *partners) acknowledged() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ids)
}

// send delivers one event after the other. What is answered by anything but 202 while the bridge is there is a fault.
func (p *partners) send(ctx context.Context, who int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		id, body := fmt.Sprintf("evt-%d-%d", who, n), event(1+who*1_000_000+n)
		for ctx.Err() == nil {
			got, err := deliver(ctx, p.url, id, bridgetest.SecretOf("c"), body)
			if err == nil && got == http.StatusAccepted {
				p.mu.Lock()
				p.ids[id] = body
				p.mu.Unlock()
				break
			}
			if err == nil {
				return fmt.Errorf("%s: answered %d", id, got)
			}
			<-tick.C // it is down: again, under the same id
		}
	}
	return nil
}

// TestKilledTwiceUnderLoadItKeepsEachAcknowledgedDeliveryOnce is what a 202 promises.
func TestKilledTwiceUnderLoadItKeepsEachAcknowledgedDeliveryOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	h, bin := newHouse(t, address, ""), build(t)
	bridge := h.start(bin)
	ps := &partners{url: bridge.url, ids: map[string][]byte{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var wg sync.WaitGroup
	faults := make(chan error, 16)
	const senders, each = 16, 400
	for who := range senders {
		wg.Go(func() { faults <- ps.send(ctx, who) })
	}
	for kill := range 2 {
		bridgetest.Until(t, "deliveries before the kill", func() bool { return ps.acknowledged() >= each*(kill+1) })
		bridge.signal(t, syscall.SIGKILL)
		if err := bridge.gone(t); err == nil {
			t.Fatal("it ended by itself")
		}
		bridge = h.start(bin)
	}
	bridgetest.Until(t, "deliveries after the last kill", func() bool { return ps.acknowledged() >= each*3 })
	stop()
	wg.Wait()
	close(faults)
	for err := range faults {
		if err != nil {
			t.Error(err)
		}
	}
	bridge.signal(t, syscall.SIGTERM)
	if err := bridge.gone(t); err != nil {
		t.Errorf("exit: %v", err)
	}
	ps.reconcile(t, h.kept(), senders*3)
}

// reconcile compares what was acknowledged with what is kept: at most so many are kept that were under way.
func (p *partners) reconcile(t *testing.T, kept []store.Delivery, underWay int) {
	t.Helper()
	times := map[string]int{}
	for _, d := range kept {
		times[d.ID]++
		if body, ok := p.ids[d.ID]; ok && string(body) != string(d.Body) {
			t.Errorf("%s is kept with another body", d.ID)
		}
	}
	for id := range p.ids {
		if times[id] != 1 {
			t.Errorf("%s was acknowledged and is kept %d times", id, times[id])
		}
	}
	for id, n := range times {
		if n > 1 {
			t.Errorf("%s is kept %d times", id, n)
		}
	}
	if extra := len(times) - len(p.ids); extra < 0 || extra > underWay {
		t.Errorf("%d are kept, %d were acknowledged", len(times), len(p.ids))
	}
	t.Logf("acknowledged %d, kept %d, over two kills", len(p.ids), len(kept))
}
