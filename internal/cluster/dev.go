package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
)

// Dev is a Temporal server for development: one process, one SQLite file, with its UI. It can be killed and
// started again on its file.
type Dev struct {
	Address string
	UI      string

	o    DevOptions
	cli  string
	cmd  *exec.Cmd
	done chan struct{}
}

// DevOptions say where a development server keeps its data and listens.
type DevOptions struct {
	File   string // of the database, in WAL mode
	Port   int
	UIPort int
	Output io.Writer
	Config []string // dynamic configuration, KEY=JSON each
}

// FindCLI finds the temporal program: TEMPORAL_CLI, PATH, or .bin of a folder above.
func FindCLI() (string, error) {
	if p := os.Getenv("TEMPORAL_CLI"); p != "" {
		return p, nil
	}
	if p, err := exec.LookPath("temporal"); err == nil {
		return p, nil
	}
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if p := filepath.Join(dir, ".bin", "temporal"); executable(p) {
			return p, nil
		}
	}
	return "", errors.New("there is no temporal on PATH and none in .bin: run deploy/temporal.sh, which builds it once")
}

func executable(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.Mode()&0o111 != 0
}

// StartDev starts a development server and waits until it answers.
func StartDev(ctx context.Context, o DevOptions) (*Dev, error) {
	cli, err := FindCLI()
	if err != nil {
		return nil, err
	}
	d := &Dev{Address: "127.0.0.1:" + strconv.Itoa(o.Port), UI: "http://127.0.0.1:" + strconv.Itoa(o.UIPort), o: o, cli: cli}
	return d, d.Start(ctx)
}

// Start starts a server that was stopped or killed, and waits until it answers.
func (d *Dev) Start(ctx context.Context) error {
	args := []string{"server", "start-dev", "--db-filename", d.o.File, "--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal",
		"--ip", "127.0.0.1", "--port", strconv.Itoa(d.o.Port), "--ui-port", strconv.Itoa(d.o.UIPort), "--log-level", "error"}
	for _, c := range d.o.Config {
		args = append(args, "--dynamic-config-value", c)
	}
	cmd := exec.Command(d.cli, args...)
	cmd.Stdout, cmd.Stderr = d.o.Output, d.o.Output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start temporal: %w", err)
	}
	d.cmd, d.done = cmd, make(chan struct{})
	go func(done chan struct{}) { _ = cmd.Wait(); close(done) }(d.done) // how it ended is in its output
	if err := d.await(ctx); err != nil {
		d.Stop()
		return err
	}
	return nil
}

func (d *Dev) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		c, err := client.DialContext(ctx, client.Options{HostPort: d.Address})
		if err == nil {
			c.Close()
			return nil
		}
		select {
		case <-d.done:
			return fmt.Errorf("temporal ended while starting on %s: see its output", d.Address)
		case <-ctx.Done():
			return fmt.Errorf("temporal does not answer on %s: %w", d.Address, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Pid is the process id, for whoever measures it.
func (d *Dev) Pid() int { return d.cmd.Process.Pid }

// Signal sends it a signal, such as SIGSTOP.
func (d *Dev) Signal(s syscall.Signal) error { return d.cmd.Process.Signal(s) }

// Kill ends the server at once, as a power cut would.
func (d *Dev) Kill() { d.end(syscall.SIGKILL) }

// Stop ends the server.
func (d *Dev) Stop() { d.end(syscall.SIGTERM) }

func (d *Dev) end(s syscall.Signal) {
	_ = d.cmd.Process.Signal(s) // it may have ended
	select {
	case <-d.done:
	case <-time.After(5 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}
