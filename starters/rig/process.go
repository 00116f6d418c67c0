package rig

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is one of the binaries a company would run, as a process of its own. It can be killed, held, and
// started again.
type Process struct {
	Name string

	path string
	env  []string
	log  io.Writer

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts it; one that runs is left alone.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runs() {
		return nil
	}
	cmd := exec.Command(p.path)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }() // how it ended is in its log
	p.cmd, p.done = cmd, done
	return nil
}

func (p *Process) runs() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Running reports whether it runs.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runs()
}

// Signal sends it a signal, such as SIGSTOP; one that has ended gets none.
func (p *Process) Signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runs() {
		_ = p.cmd.Process.Signal(s) // it may end between the two
	}
}

// Pid is its process id, for whoever measures it; 0 where it does not run.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.runs() {
		return 0
	}
	return p.cmd.Process.Pid
}

// Kill ends it at once, as a power cut would, and waits until it is gone.
func (p *Process) Kill() { p.end(syscall.SIGKILL, time.Minute) }

// Stop asks it to end, and kills it after the grace.
func (p *Process) Stop(grace time.Duration) { p.end(syscall.SIGTERM, grace) }

func (p *Process) end(s syscall.Signal, grace time.Duration) {
	p.Signal(s)
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-time.After(grace):
		p.Signal(syscall.SIGKILL)
		<-done
	}
}

// Use sets the program it runs from its next start on: another version.
func (p *Process) Use(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.path = path
}

// errNotRunning is for a process that was expected to run.
var errNotRunning = errors.New("it is not running")
