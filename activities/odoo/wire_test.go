package odoo_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"waybill/activities/odoo"
	"waybill/workflows/freight"
	"waybill/workflows/protocol"
)

// TestWhatCannotBeSentIsRefusedBeforeItLeaves: the codec panics on some values, drops the zone of a time, writes names
// unescaped and nil as an empty text.
func TestWhatCannotBeSentIsRefusedBeforeItLeaves(t *testing.T) {
	var calls atomic.Int64
	c := answering(t, func(http.ResponseWriter) { calls.Add(1) })
	for name, tt := range map[string]struct {
		value any
		words string
	}{
		"nil":                   {nil, "send false"},
		"nil in a map":          {map[string]any{"ref": nil}, "ref: nil"},
		"not a number":          {math.NaN(), "no number"},
		"infinite":              {[]any{math.Inf(-1)}, "no number"},
		"a time":                {time.Now(), "a time.Time cannot be sent"},
		"a struct":              {struct{ s string }{"x"}, "cannot be sent"},
		"a pointer":             {new(string), "cannot be sent"},
		"bytes":                 {[]byte("x"), "cannot be sent"},
		"an id over 32 bits":    {[]int64{1 << 40}, "1099511627776 does not fit"},
		"an id under 32 bits":   {map[string]any{"id": int64(math.MinInt32 - 1)}, "does not fit"},
		"a name with markup":    {map[string]any{"a<b": 1}, `"a<b" cannot be a name`},
		"a name with a space":   {map[string]any{"a b": 1}, "cannot be a name"},
		"an empty name":         {map[string]any{"": 1}, "cannot be a name"},
		"deep inside all these": {[]any{map[string]any{"x": []any{map[string]any{"y": complex(1, 2)}}}}, "x: y: a complex128"},
	} {
		_, err := c.Call(t.Context(), "res.partner", "write", []any{[]int64{1}, tt.value}, nil)
		if err == nil || odoo.Classify(err) != protocol.Poison || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: %v, want %q", name, err, tt.words)
		}
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

// TestTextsArriveAsTheyWere, but for what XML cannot carry.
func TestTextsArriveAsTheyWere(t *testing.T) {
	h := newHouse(t)
	for _, tt := range [][2]string{
		{"<&>'\" ümläut 😀 日本", "<&>'\" ümläut 😀 日本"},
		{"a\x00b\x07c\x1bd\uFFFEe", "abcde"},
		{"tab\tand\nline", "tab\tand\nline"},
		{"</string></value><value><string>x", "</string></value><value><string>x"},
		{"1e5", "1e5"},
	} {
		id := h.create("res.partner", map[string]any{"name": "Wire", "ref": tt[0]})
		if got := h.one("res.partner", id, "ref")["ref"]; got != tt[1] {
			t.Errorf("%q came back as %q, want %q", tt[0], got, tt[1])
		}
	}
	id := h.create("res.partner", map[string]any{"name": "Wire", "ref": false})
	if got := h.one("res.partner", id, "ref")["ref"]; got != false {
		t.Errorf("a cleared field came back as %#v", got)
	}
}

// TestEmptyValuesOfOdoosAreAllEmpty: Odoo says false, and the codec gives nil for an empty text.
func TestEmptyValuesOfOdoosAreAllEmpty(t *testing.T) {
	h := newHouse(t)
	nowhere := h.create("res.partner", map[string]any{"name": "Nowhere", "ref": "NOWHERE"})
	o := h.sellWith(map[string]any{"partner_id": nowhere})
	r, _ := h.claim(o)
	if r.CustomerPO != "" || r.ShipTo.Postcode != "" || r.ShipTo.Country != "" || len(r.Missing) != 1 || !strings.Contains(r.Missing[0], "postcode") {
		t.Errorf("%+v", r)
	}
}

// TestLargeAnswersAreReadAndHugeOnesRefused in words that say what to do, and without a doubt left.
func TestLargeAnswersAreReadAndHugeOnesRefused(t *testing.T) {
	const mib = 1 << 20
	sized := func(n int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, "<?xml version='1.0'?><methodResponse><params><param><value><string>")
			block := bytes.Repeat([]byte("x"), mib)
			for range n {
				_, _ = w.Write(block)
			}
			_, _ = io.WriteString(w, "</string></value></param></params></methodResponse>")
		}
	}
	v, err := answering(t, sized(20)).Call(t.Context(), "ir.attachment", "read", nil, nil)
	if s, _ := v.(string); err != nil || len(s) != 20*mib {
		t.Errorf("20 MiB: %v, %d bytes", err, len(s))
	}
	_, err = answering(t, sized(33)).Call(t.Context(), "ir.attachment", "read", nil, nil)
	if err == nil || odoo.Classify(err) != protocol.Poison || !strings.Contains(err.Error(), "fewer records") {
		t.Errorf("33 MiB: %v", err)
	}
}

// TestBracketsWithoutEndAreRefused: the codec recurses for each, and would end the process.
func TestBracketsWithoutEndAreRefused(t *testing.T) {
	deep := strings.Repeat("<value><array><data>", 1<<20)
	_, err := answering(t, body("<?xml version='1.0'?><methodResponse><params><param>"+deep+"</methodResponse>")).Call(t.Context(), "a", "b", nil, nil)
	if err == nil || odoo.Classify(err) != protocol.Ambiguous || !strings.Contains(err.Error(), "nested") {
		t.Errorf("%v", err)
	}
}

// TestRedirectIsNotFollowed: the password is in the body.
func TestRedirectIsNotFollowed(t *testing.T) {
	var followed atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Store(true) }))
	t.Cleanup(elsewhere.Close)
	for _, code := range []int{301, 302, 307, 308} {
		_, err := answering(t, status(code, "Location", elsewhere.URL)).Call(t.Context(), "a", "b", nil, nil)
		if err == nil || odoo.Classify(err) != protocol.Configuration {
			t.Errorf("%d: %v", code, err)
		}
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// TestCallEndsWithItsContext, also where signing in hangs for another call.
func TestCallEndsWithItsContext(t *testing.T) {
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release }))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(release) })
	c := odoo.New(odoo.Options{URL: srv.URL, DB: "demo", Login: "a", Password: func() (string, error) { return "b", nil }})
	hung := make(chan error, 1)
	long, stop := context.WithCancel(t.Context())
	go func() {
		_, err := c.Call(long, "a", "b", nil, nil)
		hung <- err
	}()
	<-arrived
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Call(short, "a", "b", nil, nil)
	if err == nil || odoo.Classify(err) != protocol.Ambiguous {
		t.Errorf("%v", err)
	}
	select {
	case err := <-hung:
		t.Errorf("the other call ended with it: %v", err)
	default:
	}
	stop()
	<-hung
}

// TestCallsAtATimeAreBounded, and do not queue behind one that is slow.
func TestCallsAtATimeAreBounded(t *testing.T) {
	var now, most atomic.Int64
	full, release := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
			if n == 3 {
				close(full)
			}
		}
		if !strings.HasSuffix(r.URL.Path, "/common") {
			<-release
		}
		now.Add(-1)
		_, _ = io.WriteString(w, "<?xml version='1.0'?><methodResponse><params><param><value><int>2</int></value></param></params></methodResponse>")
	}))
	t.Cleanup(srv.Close)
	c := odoo.New(odoo.Options{URL: srv.URL, DB: "demo", Login: "a", Password: func() (string, error) { return "b", nil }, MaxConns: 3})
	done := make(chan error, 10)
	for range 10 {
		go func() { _, err := c.Call(t.Context(), "a", "b", nil, nil); done <- err }()
	}
	<-full
	close(release)
	for range 10 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != 3 {
		t.Errorf("%d calls at a time, want 3", most.Load())
	}
}

// FuzzAnswer: whatever comes back, a call ends with a value or an error, and the process lives.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"", "<html>", "<?xml version='1.0'?><methodResponse><params><param><value><array><data><value><struct><member><name>id</name><value><int>1</int></value></member></struct></value></data></array></value></param></params></methodResponse>",
		"<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>2</int></value></member><member><name>faultString</name><value><string>no</string></value></member></struct></value></fault></methodResponse>",
		"<methodResponse><params><param><value><struct><member><name>records</name><value><array><data><value><nil/></value></data></array></value></member></struct></value></param></params></methodResponse>",
		"<methodResponse><params><param><value><double>1e400</double></value></param></params></methodResponse>", "<methodResponse><params><param><value><boolean>2</boolean></value></param></params></methodResponse>",
		"<methodResponse><params><param><value><dateTime.iso8601>x</dateTime.iso8601></value></param></params></methodResponse>", "<methodResponse><params><param><value><base64>!</base64></value></param></params></methodResponse>",
	} {
		f.Add([]byte(s))
	}
	var answer atomic.Pointer[[]byte]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(*answer.Load())
	}))
	f.Cleanup(srv.Close)
	signedIn := []byte("<?xml version='1.0'?><methodResponse><params><param><value><int>2</int></value></param></params></methodResponse>")
	answer.Store(&signedIn)
	c := odoo.New(odoo.Options{URL: srv.URL, DB: "demo", Login: "a", Password: func() (string, error) { return "b", nil }})
	if _, err := c.Call(context.Background(), "a", "b", nil, nil); err != nil {
		f.Fatal(err)
	}
	s, m := &odoo.Status{Odoo: c, Documents: papers{podHash: pod}}, &odoo.Money{Odoo: c}
	f.Fuzz(func(t *testing.T, b []byte) {
		answer.Store(&b)
		_, _ = s.ClaimDelivery(t.Context(), protocol.ClaimRequest{Shipment: "test-1", Picking: 1})
		_, _ = s.UpdateStatus(t.Context(), protocol.StatusUpdate{Shipment: "test-1", Chatter: []freight.ChatterNote{{N: 1, Text: "b"}}})
		_, _ = s.Released(t.Context(), time.Time{}, 0, 1)
		_, _ = m.ReadBillable(t.Context(), protocol.BillableRequest{Shipment: "test-1"})
		_, _ = m.Payments(t.Context(), []int64{1})
	})
}

func randomHex() string {
	b := make([]byte, 6)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}
