// Package clustertest starts a real Temporal server for a test.
package clustertest

import (
	"net"
	"path/filepath"
	"testing"

	"go.temporal.io/sdk/client"

	"waybill/internal/cluster"
)

// Start starts a server as it comes, with nothing of ours in it, lets this process reach it as ours do, and connects.
// A machine without the temporal program skips the test.
func Start(t *testing.T) client.Client {
	t.Helper()
	if _, err := cluster.FindCLI(); err != nil {
		t.Skip(err)
	}
	dev, err := cluster.StartDev(t.Context(), cluster.DevOptions{File: filepath.Join(t.TempDir(), "temporal.db"), Port: FreePort(t), UIPort: FreePort(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Stop)
	t.Setenv("TEMPORAL_ADDRESS", dev.Address)
	c, err := cluster.Dial(t.Context(), cluster.Options{Logger: cluster.Silent{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// FreePort is a port of this machine that nobody listens on.
func FreePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
