package rig

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"sync"
)

// Gate stands between our processes and one server, at the level of TCP. It can hold what is sent to the server,
// so that a process that dies then has done its work and nobody ever hears of it; and it can part the two.
type Gate struct {
	Address string

	to string
	l  net.Listener

	mu     sync.Mutex
	held   *hold // nil while bytes pass
	parted bool
	links  map[*link]struct{}
}

// hold is one time of holding.
type hold struct {
	want []byte
	seen chan struct{} // closed when want has been held
	once sync.Once
}

func (h *hold) look(b []byte) {
	if len(h.want) > 0 && (bytes.Contains(b, h.want) || bytes.Contains(unpacked(b), h.want)) {
		h.once.Do(func() { close(h.seen) })
	}
}

// gzipMagic begins a message that gRPC has compressed.
var gzipMagic = []byte{0x1f, 0x8b, 0x08}

// unpacked is whatever of b is compressed, as far as it is whole.
func unpacked(b []byte) (out []byte) {
	for i := bytes.Index(b, gzipMagic); i >= 0; i = bytes.Index(b, gzipMagic) {
		b = b[i:]
		if r, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
			text, _ := io.ReadAll(r) // it may not be all there yet
			out = append(out, text...)
		}
		b = b[len(gzipMagic):]
	}
	return out
}

// link is one connection, with what is held of it.
type link struct {
	from, to net.Conn

	mu      sync.Mutex
	pending []byte
}

// NewGate listens on a free port of this machine and passes everything on to an address.
func NewGate(to string) (*Gate, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &Gate{Address: l.Addr().String(), to: to, l: l, links: map[*link]struct{}{}}
	go g.accept()
	return g, nil
}

func (g *Gate) accept() {
	for {
		c, err := g.l.Accept()
		if err != nil {
			return
		}
		go g.pass(c)
	}
}

func (g *Gate) pass(c net.Conn) {
	defer func() { _ = c.Close() }()
	up, err := net.Dial("tcp", g.to)
	if err != nil {
		return
	}
	defer func() { _ = up.Close() }()
	k := &link{from: c, to: up}
	if !g.keep(k) {
		return
	}
	defer g.forget(k)
	go func() { _, _ = io.Copy(c, up); _ = c.Close() }() // either end may go at any time
	for buf := make([]byte, 32<<10); ; {
		n, err := c.Read(buf)
		if err != nil || k.send(buf[:n], g.holding()) != nil {
			return
		}
	}
}

// send passes bytes towards the server, or keeps them while h holds.
func (k *link) send(b []byte, h *hold) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pending = append(k.pending, b...)
	if h != nil {
		h.look(k.pending)
		return nil
	}
	return k.flush()
}

func (k *link) flush() error {
	b := k.pending
	k.pending = nil
	_, err := k.to.Write(b)
	return err
}

func (g *Gate) holding() *hold {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

func (g *Gate) keep(k *link) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.parted {
		g.links[k] = struct{}{}
	}
	return !g.parted
}

func (g *Gate) forget(k *link) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.links, k)
}

// all ends the holding, and lists the connections.
func (g *Gate) all() (ks []*link) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = nil
	for k := range g.links {
		ks = append(ks, k)
	}
	return ks
}

// Hold keeps back all that is sent to the server from now on. The channel it returns is closed once something
// that contains want is among it.
func (g *Gate) Hold(want string) (seen <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		g.held = &hold{want: []byte(want), seen: make(chan struct{})}
	}
	return g.held.seen
}

// Release lets what was held back pass.
func (g *Gate) Release() {
	for _, k := range g.all() {
		k.mu.Lock()
		_ = k.flush() // its server may have gone
		k.mu.Unlock()
	}
}

// Drop forgets what was held back: nothing of it ever reaches the server, and its connections end.
func (g *Gate) Drop() {
	for _, k := range g.all() {
		_ = k.from.Close()
		_ = k.to.Close()
	}
}

// Part ends every connection and takes no new one until Join.
func (g *Gate) Part() {
	g.mu.Lock()
	g.parted = true
	g.mu.Unlock()
	g.Drop()
}

// Join takes connections again.
func (g *Gate) Join() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parted = false
}

// Close ends the gate.
func (g *Gate) Close() {
	_ = g.l.Close()
	g.Drop()
}
