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

// Dev is a Temporal server for development: one process, one SQLite file, with its UI.
type Dev struct {
	Address string
	UI      string
	cmd     *exec.Cmd
}

// DevOptions say where a development server keeps its data and listens.
type DevOptions struct {
	File   string // of the database, in WAL mode
	Port   int
	UIPort int
	Output io.Writer
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
	d := &Dev{Address: "127.0.0.1:" + strconv.Itoa(o.Port), UI: "http://127.0.0.1:" + strconv.Itoa(o.UIPort)}
	d.cmd = exec.Command(cli, "server", "start-dev", "--db-filename", o.File, "--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal",
		"--ip", "127.0.0.1", "--port", strconv.Itoa(o.Port), "--ui-port", strconv.Itoa(o.UIPort), "--log-level", "error")
	d.cmd.Stdout, d.cmd.Stderr = o.Output, o.Output
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start temporal: %w", err)
	}
	if err := d.await(ctx); err != nil {
		return nil, errors.Join(err, d.Stop())
	}
	return d, nil
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
		case <-ctx.Done():
			return fmt.Errorf("temporal does not answer on %s: %w", d.Address, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Stop ends the server.
func (d *Dev) Stop() error {
	if d.cmd.Process == nil {
		return nil
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	done := make(chan struct{})
	go func() { _ = d.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		_ = d.cmd.Process.Kill()
		<-done
	}
	return nil
}
