package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/procfs"

	"waybill/starters/rig"
)

// who are the processes that are measured, by name; a name may be several.
type who map[string][]int

// members are the processes of a house that run.
func members(h *rig.House) who {
	w := who{"server": {h.Dev.Pid()}}
	for name, ps := range map[string][]*rig.Process{"worker": h.Workers, "bridge": h.Bridges} {
		for _, p := range ps {
			if pid := p.Pid(); pid != 0 {
				w[name] = append(w[name], pid)
			}
		}
	}
	return w
}

// window is a time over which processes are measured.
type window struct {
	who   who
	began time.Time
	at    usage
}

// usage is what was used: of the processes by name, of all, and of the machine.
type usage struct {
	wall   time.Duration
	cpu    map[string]time.Duration
	busy   time.Duration // of the whole machine
	others float64       // share of the machine that nobody here took, per cent
}

func begin(w who) (*window, error) {
	at, err := look(w)
	return &window{who: w, began: time.Now(), at: at}, err
}

// end is what was used since the window began.
func (w *window) end() (usage, error) {
	now, err := look(w.who)
	if err != nil {
		return now, err
	}
	u := usage{wall: time.Since(w.began), cpu: map[string]time.Duration{}, busy: now.busy - w.at.busy}
	known := time.Duration(0)
	for name, t := range now.cpu {
		u.cpu[name] = t - w.at.cpu[name]
		known += u.cpu[name]
	}
	u.others = max(100*float64(u.busy-known)/(float64(u.wall)*float64(runtime.NumCPU())), 0)
	return u, nil
}

// self is the name of the bench's own process: the driver, the stand-ins and the load.
const self = "bench"

func look(w who) (u usage, err error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return u, err
	}
	u.cpu = map[string]time.Duration{}
	all := who{self: {os.Getpid()}}
	for name, pids := range w {
		all[name] = pids
	}
	for name, pids := range all {
		for _, pid := range pids {
			t, err := cpuOf(fs, pid)
			if err != nil {
				return u, fmt.Errorf("the %s's process %d cannot be measured: %w", name, pid, err)
			}
			u.cpu[name] += t
		}
	}
	s, err := fs.Stat()
	c := s.CPUTotal
	u.busy = seconds(c.User + c.Nice + c.System + c.IRQ + c.SoftIRQ + c.Steal)
	return u, err
}

func cpuOf(fs procfs.FS, pid int) (time.Duration, error) {
	p, err := fs.Proc(pid)
	if err != nil {
		return 0, err
	}
	s, err := p.Stat()
	return seconds(s.CPUTime()), err
}

// resident is the memory that a process holds, in bytes.
func resident(pid int) (int, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	s, err := p.Stat()
	return s.ResidentMemory(), err
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
