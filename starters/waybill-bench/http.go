package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/montanaflynn/stats"

	"waybill/starters/bridge/connectors"
	"waybill/starters/bridge/webhook"
	"waybill/starters/rig"
	"waybill/workflows/freight"
)

// shot is one delivery, written and signed before it is fired, so that the load generator does little while it fires.
type shot struct {
	id  string
	raw []byte
	due time.Duration // since the volley began; 0: at once
	at  time.Time     // when what it says occurred, to the ms, unlike any other of its load
}

// subject is a shipment that events are about.
type subject struct {
	id  freight.ShipmentID
	pro string
}

// strangers are shipments that nobody knows: their events wait in the inbox for good.
func strangers(n int) (ss []subject) {
	for i := range n {
		ss = append(ss, subject{freight.ShipmentID(fmt.Sprintf("stranger-%d", i+1)), fmt.Sprintf("PRO%07d", i+1)})
	}
	return ss
}

// load makes shots for a house, each under an id of its own and saying something of its own.
type load struct {
	h      *rig.House
	source string
	about  []subject
	name   string
	n      int
}

// shots makes n of about 340 bytes of body each, due so many a second from a time on; a rate of 0 is at once. Each is
// signed for when it is due: a signature is good for five minutes.
func (l *load) shots(n int, from time.Duration, rate int) (ss []shot, err error) {
	for i := range n {
		l.n++
		s := shot{id: fmt.Sprintf("%s-%d", l.name, l.n)}
		if rate > 0 {
			s.due = from + time.Duration(i+1)*time.Second/time.Duration(rate)
		}
		s.at = time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond).Add(time.Duration(l.n) * time.Millisecond)
		body, err := l.body(s.id, s.at)
		if err != nil {
			return nil, err
		}
		if s.raw, err = l.request(s.id, time.Now().Add(s.due), body); err != nil {
			return nil, err
		}
		ss = append(ss, s)
	}
	return ss, nil
}

func (l *load) body(id string, at time.Time) ([]byte, error) {
	about := l.about[rand.N(len(l.about))]
	data, err := json.Marshal(connectors.Milestone{Milestone: freight.ArrivedAtFacility, Classifier: freight.Actual, OccurredAt: at, Carrier: "FASTFRT",
		References: []freight.Reference{{Kind: freight.RefPRO, Carrier: "FASTFRT", Value: about.pro}}})
	if err != nil {
		return nil, err
	}
	return json.Marshal(connectors.Event{SpecVersion: "1.0", ID: id, Source: "urn:bench:" + l.source, Type: connectors.MilestoneType, Subject: "shipment/" + string(about.id), Time: at, Data: data})
}

func (l *load) request(id string, at time.Time, body []byte) ([]byte, error) {
	req, err := http.NewRequest(http.MethodPost, "http://bridge/v1/events/"+l.source, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/cloudevents+json")
	if err := webhook.Stamp(req.Header, l.h.Secrets[l.source], id, at, body); err != nil {
		return nil, err
	}
	var raw bytes.Buffer
	err = req.Write(&raw)
	return raw.Bytes(), err
}

// volley is how a load went.
type volley struct {
	accepted []string // ids that were answered 202
	refused  map[int]int
	failed   int // no answer came
	took     []float64
	began    time.Time
	wall     time.Duration
}

func (v volley) rate() float64 { return float64(len(v.accepted)) / v.wall.Seconds() }

// quantile is the time in ms within which so many per cent were answered.
func (v volley) quantile(percent float64) float64 { return quantile(v.took, percent) }

func quantile(vs []float64, percent float64) float64 {
	q, err := stats.PercentileNearestRank(vs, percent)
	if err != nil {
		return 0
	}
	return q
}

// clean says what was not accepted; nil if all was.
func (v volley) clean() error {
	if len(v.refused) == 0 && v.failed == 0 {
		return nil
	}
	return fmt.Errorf("of %d deliveries the bridge refused %v by code, and %d had no answer", len(v.took)+v.failed, v.refused, v.failed)
}

// fire sends shots over so many connections that stay open, each waiting for its answer before its next: at once, or
// each when it is due. Then its time counts from when it was due, so that a bridge that falls behind does not hide
// it. It ends with the shots, or when the time is over.
func fire(ctx context.Context, bridges []string, shots []shot, conns int, within time.Duration) volley {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	v := volley{refused: map[int]int{}, began: time.Now()}
	var mu sync.Mutex
	var next atomic.Int64
	var all sync.WaitGroup
	began := v.began
	for i := range conns {
		all.Go(func() {
			g := gun{address: bridges[i%len(bridges)]}
			defer g.close()
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(shots) || until(ctx, began.Add(shots[n].due)) != nil {
					return
				}
				from := time.Now()
				if due := shots[n].due; due > 0 {
					from = began.Add(due)
				}
				code, err := g.fire(shots[n].raw)
				took := time.Since(from)
				mu.Lock()
				v.note(shots[n].id, code, err, took)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	v.wall = time.Since(began)
	return v
}

func (v *volley) note(id string, code int, err error, took time.Duration) {
	if err != nil {
		v.failed++
		return
	}
	v.took = append(v.took, millis(took))
	if code == http.StatusAccepted {
		v.accepted = append(v.accepted, id)
		return
	}
	v.refused[code]++
}

// gun is one connection.
type gun struct {
	address string
	conn    net.Conn
	answers *bufio.Reader
}

// answerWithin is how long a sender waits for its answer.
const answerWithin = 30 * time.Second

func (g *gun) fire(raw []byte) (code int, err error) {
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	if g.conn == nil {
		if g.conn, err = net.Dial("tcp", g.address); err != nil {
			return 0, err
		}
		g.answers = bufio.NewReader(g.conn)
	}
	if err := g.conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, err
	}
	if _, err := g.conn.Write(raw); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(g.answers, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

func (g *gun) close() {
	if g.conn != nil {
		_ = g.conn.Close()
		g.conn = nil
	}
}

// reconcile sees that every delivery that was accepted is in the inbox, each once, and says how many.
func reconcile(ctx context.Context, h *rig.House, accepted []string) (string, error) {
	const all = 10_000_000
	ds, err := h.Store.Deliveries(ctx, "", "", all)
	if err != nil {
		return "", err
	}
	had := map[string]int{}
	for _, d := range ds {
		had[d.ID]++
	}
	lost := slices.DeleteFunc(slices.Clone(accepted), func(id string) bool { return had[id] == 1 })
	if len(lost) > 0 {
		return "", fmt.Errorf("of %d deliveries that were accepted %d are not in the inbox once, %s for one", len(accepted), len(lost), lost[0])
	}
	return fmt.Sprintf("%d accepted, all in the inbox", len(accepted)), nil
}
