package bridge

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/net/netutil"
)

// grace is how long a request that is under way may take when the bridge shuts down: longer than any may take.
const grace = 25 * time.Second

// DefaultConnections bounds the connections open at a time: with 256 KiB each of a body, 256 MiB at the worst.
const DefaultConnections = 1000

// Server has the time limits of a public listener: a sender that dawdles is cut off before it holds a
// connection for long, and one that waits for an answer has it within Odoo's and the carriers' patience.
func Server(h http.Handler, log *zap.Logger) *http.Server {
	faults, err := zap.NewStdLogAt(log.With(zap.String("event", "connection")), zapcore.WarnLevel)
	if err != nil { // there is no such level
		panic(err)
	}
	return &http.Server{
		Handler: h, ErrorLog: faults, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 20 * time.Second,
		IdleTimeout: 60 * time.Second, MaxHeaderBytes: 16 << 10,
	}
}

// Listening says how a bridge listens.
type Listening struct {
	Address     string       // host:port
	Connections int          // at a time, more wait to be let in; 0: 1000
	TLS         *Certificate // nil: in the clear, for loopback and behind a proxy that ends TLS
}

// Listen opens the listener that Serve takes.
func Listen(ctx context.Context, o Listening) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("bridge: listen on %s: %w", o.Address, err)
	}
	l = netutil.LimitListener(l, cmp.Or(o.Connections, DefaultConnections))
	if o.TLS != nil {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: o.TLS.get}) // HTTP/1.1 only: one request a connection at a time
	}
	return l, nil
}

// Serve serves until the context ends. Then it first says that it is not ready, for so long as drain; then it
// takes no more, and lets what is under way end.
func (b *Bridge) Serve(ctx context.Context, l net.Listener, drain time.Duration) error {
	srv := Server(b, b.o.Log)
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("bridge: serve: %w", err)
	case <-ctx.Done():
	}
	b.Drain()
	b.o.Log.Info("bridge_draining", zap.Duration("for", drain))
	select {
	case err := <-failed:
		return fmt.Errorf("bridge: serve: %w", err)
	case <-time.After(drain):
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("bridge: shut down: %w", err)
	}
	return nil
}

// Certificate is a certificate and its key in two PEM files, read anew when the first changes, so that it can be
// renewed under load.
type Certificate struct {
	cert, key string
	log       *zap.Logger

	mu    sync.Mutex
	since time.Time
	last  *tls.Certificate
	fault saidOnce
}

// LoadCertificate reads a certificate for the first time.
func LoadCertificate(certFile, keyFile string, log *zap.Logger) (*Certificate, error) {
	c := &Certificate{cert: certFile, key: keyFile, log: log}
	return c, c.load()
}

func (c *Certificate) load() error {
	info, err := os.Stat(c.cert)
	if err != nil {
		return fmt.Errorf("bridge: certificate: %w", err)
	}
	if c.last != nil && info.ModTime().Equal(c.since) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("bridge: certificate %s with key %s: %w", c.cert, c.key, err)
	}
	c.last, c.since = &pair, info.ModTime()
	return nil
}

// get is for each new connection. A certificate that cannot be read leaves the last one in place.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := ""
	err := c.load()
	if err != nil {
		text = err.Error()
	}
	if c.fault.news(text) && err != nil {
		c.log.Error("certificate_unreadable", zap.Error(err))
	}
	return c.last, nil
}
