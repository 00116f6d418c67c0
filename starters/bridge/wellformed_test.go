package bridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"waybill/internal/store"
)

// measure tells of a parsed body how deep it is, and how many tokens it takes to write.
func measure(v any) (depth, tokens int) {
	each := func(v any) {
		d, n := measure(v)
		depth, tokens = max(depth, d+1), tokens+n
	}
	switch v := v.(type) {
	case map[string]any:
		tokens = 2 + len(v)
		for _, m := range v {
			each(m)
		}
	case []any:
		tokens = 2
		for _, m := range v {
			each(m)
		}
	default:
		tokens = 1
	}
	return depth, tokens
}

// written counts the tokens of a body as it is written, those of keys that come twice included.
func written(t *testing.T, body []byte) (n int) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	for ; ; n++ {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzWellFormed holds that what is well-formed is JSON to any parser, and to each the same; that JSON is refused
// for one of the named reasons only; and that the schema never panics on either.
func FuzzWellFormed(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e3,"x",true,null,{"b":{}}]}`, `{"a":1,"a":2}`, `{"a":1,"A":2}`, `{"k":1,"\u212a":2}`, `[[[[]]]]`, `{"a":1}{}`, `{"a":1,}`, `[1,]`, "{\"a\":\"\xff\"}", `"\ud800"`, `{"a":1e999}`, `{"a":1e1000000}`,
		`{"a":"\u0000"}`, `1`, ``, strings.Repeat("[", 40), strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
		`{"specversion":"1.0","id":"e1","source":"urn:x","type":"com.waybill.shipment.milestone.v1","subject":"shipment/acme-1","data":{"milestone":"delivered","occurredAt":"2026-11-24T11:30:00Z","pieces":{"delivered":1,"expected":2}}}`,
		`{"specversion":"1.0","id":"e1","source":"urn:x","type":"com.waybill.shipment.charges.v1","subject":"shipment/acme-1","data":{"carrier":"F","occurredAt":"2026-11-24T11:30:00Z","invoice":{"number":"C","total":{"number":"1.00","currency":"USD"},"lines":[{"line":"1","code":"linehaul","amount":{"number":"1.00","currency":"USD"}}]}}}`,
	} {
		f.Add([]byte(s))
	}
	schema, err := compileSchema()
	if err != nil {
		f.Fatal(err)
	}
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, body []byte) {
		if faults := schema.check(store.Delivery{Source: "carrier", Body: body}, noon); faults != nil && (len(faults) == 0 || len(faults) > violationsTold || faults[0].Detail == "" || !utf8.ValidString(faults.Error())) {
			t.Fatalf("refused with %q", faults)
		}
		err := wellFormed(body)
		if err != nil {
			if json.Valid(body) && (strings.Contains(err.Error(), "not JSON") || strings.Contains(err.Error(), "after its end")) {
				t.Fatalf("this is JSON, and refused: %v", err)
			}
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatal("well-formed, and no JSON in UTF-8")
		}
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatalf("well-formed, and not read: %v", err)
		}
		depth, tokens := measure(v)
		if depth > deepest {
			t.Fatalf("%d deep", depth)
		}
		if n := written(t, body); n != tokens {
			t.Fatalf("%d tokens are written, %d are left after parsing: a key came twice", n, tokens)
		}
	})
}
