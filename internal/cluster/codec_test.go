package cluster_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"waybill/internal/cluster"
)

// key is a key of one letter, 32 times.
func key(letter string) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32)))
}

// ring writes a key ring and returns its path.
func ring(t testing.TB, active string, keys map[string]string) string {
	t.Helper()
	b, err := json.Marshal(cluster.Keyring{Active: active, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func codec(t testing.TB, namespace, active string, keys map[string]string) converter.PayloadCodec {
	t.Helper()
	c, err := cluster.LoadCodec(ring(t, active, keys), namespace)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func payload(data string) *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(data)}
}

func seal(t testing.TB, c converter.PayloadCodec, p *commonpb.Payload) *commonpb.Payload {
	t.Helper()
	out, err := c.Encode([]*commonpb.Payload{p})
	if err != nil || len(out) != 1 {
		t.Fatal(out, err)
	}
	return out[0]
}

func TestWhatWasSealedIsReadAgain(t *testing.T) {
	c := codec(t, "default", "k1", map[string]string{"k1": key("a")})
	rapid.Check(t, func(t *rapid.T) {
		var in []*commonpb.Payload
		for range rapid.IntRange(0, 4).Draw(t, "payloads") {
			p := &commonpb.Payload{Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"), Metadata: map[string][]byte{}}
			for _, k := range rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,8}`), 0, 3).Draw(t, "keys") {
				p.Metadata[k] = rapid.SliceOf(rapid.Byte()).Draw(t, "value")
			}
			in = append(in, p)
		}
		sealed, err := c.Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.Decode(sealed)
		if err != nil || len(out) != len(in) {
			t.Fatal(out, err)
		}
		for i := range in {
			if !proto.Equal(in[i], out[i]) {
				t.Fatalf("%v became %v", in[i], out[i])
			}
			if d := in[i].GetData(); len(d) > 8 && bytes.Contains(sealed[i].GetData(), d) {
				t.Fatal("sealed, and in the clear")
			}
		}
	})
}

func TestTheSameTextIsNeverSealedTheSame(t *testing.T) {
	c := codec(t, "default", "k1", map[string]string{"k1": key("a")})
	if bytes.Equal(seal(t, c, payload("150.00")).GetData(), seal(t, c, payload("150.00")).GetData()) {
		t.Error("equal amounts can be told from their sealed form")
	}
}

// TestASealHoldsForOneKeyAndOneNamespace: a payload carried elsewhere is not taken for one of that place.
func TestASealHoldsForOneKeyAndOneNamespace(t *testing.T) {
	keys := map[string]string{"k1": key("a"), "twin": key("a"), "k2": key("b")}
	sealed := seal(t, codec(t, "acme", "k1", keys), payload("150.00"))
	as := func(id string) *commonpb.Payload {
		p := proto.Clone(sealed).(*commonpb.Payload)
		p.Metadata["encryption-key-id"] = []byte(id)
		return p
	}
	for _, tt := range []struct {
		name, namespace, says string
		p                     *commonpb.Payload
	}{
		{"read by another namespace with the same keys", "bolt", "not sealed by this key for this namespace", sealed},
		{"said to be by another key", "acme", "not sealed by this key for this namespace", as("k2")},
		{"said to be by the same key under another name", "acme", "not sealed by this key for this namespace", as("twin")},
		{"said to be by a key that is not there", "acme", `key "k9" is not in the key ring`, as("k9")},
		{"said to be by no key", "acme", `key "" is not in the key ring`, as("")},
	} {
		out, err := codec(t, tt.namespace, "k1", keys).Decode([]*commonpb.Payload{tt.p})
		if err == nil || !strings.Contains(err.Error(), tt.says) || out != nil {
			t.Errorf("%s: %v, %v; want %s", tt.name, out, err, tt.says)
		}
	}
}

func TestAfterARotationOldHistoriesAreReadAndNewOnesSealedWithTheNewKey(t *testing.T) {
	old := seal(t, codec(t, "acme", "k1", map[string]string{"k1": key("a")}), payload("150.00"))
	both := codec(t, "acme", "k2", map[string]string{"k1": key("a"), "k2": key("b")})
	out, err := both.Decode([]*commonpb.Payload{old})
	if err != nil || string(out[0].GetData()) != "150.00" {
		t.Errorf("old: %v, %v", out, err)
	}
	fresh := seal(t, both, payload("150.00"))
	if id := string(fresh.GetMetadata()["encryption-key-id"]); id != "k2" {
		t.Errorf("sealed with %s", id)
	}
	if _, err := codec(t, "acme", "k1", map[string]string{"k1": key("a")}).Decode([]*commonpb.Payload{fresh}); err == nil {
		t.Error("the old key reads what the new one sealed")
	}
}

func TestHistoriesFromBeforeThereWereKeysAreRead(t *testing.T) {
	clear := payload("150.00")
	out, err := codec(t, "acme", "k1", map[string]string{"k1": key("a")}).Decode([]*commonpb.Payload{clear})
	if err != nil || !proto.Equal(out[0], clear) {
		t.Errorf("%v, %v", out, err)
	}
}

func TestOneChangedBitIsNoticed(t *testing.T) {
	c := codec(t, "acme", "k1", map[string]string{"k1": key("a")})
	sealed := seal(t, c, payload(`{"number":"150.00","currency":"EUR"}`))
	for i := range len(sealed.Data) * 8 {
		bad := proto.Clone(sealed).(*commonpb.Payload)
		bad.Data[i/8] ^= 1 << (i % 8)
		if out, err := c.Decode([]*commonpb.Payload{bad}); err == nil {
			t.Fatalf("bit %d changed, read as %s", i, out[0].GetData())
		}
	}
	for i := range len(sealed.Data) {
		cut := proto.Clone(sealed).(*commonpb.Payload)
		cut.Data = cut.Data[:i]
		if _, err := c.Decode([]*commonpb.Payload{cut}); err == nil {
			t.Fatalf("cut to %d bytes, and read", i)
		}
	}
}

// FuzzDecode: whatever stands in a history, reading it fails or passes it on; it does not panic.
func FuzzDecode(f *testing.F) {
	c := codec(f, "acme", "k1", map[string]string{"k1": key("a")})
	sealed := seal(f, c, payload("150.00"))
	f.Add("binary/encrypted", "k1", sealed.GetData())
	f.Add("binary/encrypted", "", []byte{})
	f.Add("json/plain", "k1", []byte("150.00"))
	f.Add("", "k1", []byte(nil))
	f.Fuzz(func(t *testing.T, encoding, id string, data []byte) {
		p := &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte(encoding), "encryption-key-id": []byte(id)}, Data: data}
		out, err := c.Decode([]*commonpb.Payload{p})
		switch {
		case encoding != "binary/encrypted" && (err != nil || out[0] != p):
			t.Errorf("in the clear: %v, %v", out, err)
		case encoding == "binary/encrypted" && err == nil && !proto.Equal(out[0], payload("150.00")): // all that was ever sealed
			t.Errorf("read, and never sealed: %v", out)
		}
	})
}

func TestAKeyRingThatCannotWorkSaysWhy(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "keys.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, tt := range map[string]struct{ path, says string }{
		"missing":           {filepath.Join(t.TempDir(), "none"), "none"},
		"no JSON":           {file(key("a")), `want {"active"`},
		"a typo in it":      {file(`{"activ":"k1","keys":{"k1":"` + key("a") + `"}}`), `want {"active"`},
		"short key":         {ring(t, "k1", map[string]string{"k1": base64.StdEncoding.EncodeToString([]byte("short"))}), `key "k1"`},
		"no base64":         {ring(t, "k1", map[string]string{"k1": "***"}), "base64 of 32 bytes"},
		"active is missing": {ring(t, "k3", map[string]string{"k1": key("a")}), `active key "k3" is not among the keys`},
		"empty":             {file(`{}`), `active key "" is not among`},
	} {
		_, err := cluster.LoadCodec(tt.path, "acme")
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), key("a")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
