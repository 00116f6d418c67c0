package approval_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"waybill/internal/approval"
	"waybill/workflows/freight"
)

func newKey(t *testing.T, id string) approval.Key {
	t.Helper()
	k, err := approval.NewKey(id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// only knows one key.
func only(k approval.Key) func(string) (string, bool) {
	return func(id string) (string, bool) { return k.Public(), id == k.Approver }
}

var decision = freight.Decision{
	Dispute: "acme-1/1", Shipment: "acme-1", ProposalHash: strings.Repeat("a", 64), Verdict: freight.Approve, Amount: freight.Money{Number: "120.00", Currency: "USD"},
	Reason: "the detour was ours", Approver: "ann", Nonce: "n1", ExpiresAt: time.Date(2026, 11, 24, 12, 10, 0, 0, time.UTC),
}

func sign(t *testing.T, k approval.Key, d freight.Decision) string {
	t.Helper()
	jws, err := k.Sign(d)
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

func TestSignedDecisionIsReadAsItWasSigned(t *testing.T) {
	k := newKey(t, "ann")
	got, err := approval.Read(sign(t, k, decision), only(k))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(decision, got); d != "" {
		t.Error(d)
	}
}

// Any one character of the document or signature changed: it is not what ann signed.
func TestChangedDocumentIsNeverRead(t *testing.T) {
	k := newKey(t, "ann")
	jws := sign(t, k, decision)
	rapid.Check(t, func(r *rapid.T) {
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
		at := rapid.IntRange(0, len(jws)-1).Draw(r, "at")
		to := rapid.SampledFrom([]byte(alphabet)).Draw(r, "to")
		changed := jws[:at] + string(to) + jws[at+1:]
		got, err := approval.Read(changed, only(k))
		if err == nil && changed != jws && !sameBytes(changed, jws) {
			r.Fatalf("read %+v", got)
		}
	})
}

// sameBytes reports whether two texts stand for the same bytes: base64's last character has bits that count for nothing.
func sameBytes(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	if len(as) != len(bs) {
		return false
	}
	for i := range as {
		x, err1 := base64.RawURLEncoding.DecodeString(as[i])
		y, err2 := base64.RawURLEncoding.DecodeString(bs[i])
		if err1 != nil || err2 != nil || string(x) != string(y) {
			return false
		}
	}
	return true
}

func TestSignatureThatIsNotTheApproversIsRefused(t *testing.T) {
	ann, eve := newKey(t, "ann"), newKey(t, "eve")
	asAnn := newKey(t, "ann") // eve's key, with ann's name on it
	hello, public := ed25519Signed(t, "ann", []byte(`"hello"`))
	for name, c := range map[string]struct {
		jws   string
		keyOf func(string) (string, bool)
		why   string
	}{
		"unknown approver":               {sign(t, eve, decision), only(ann), `"eve" is not known`},
		"another key of that name":       {sign(t, asAnn, decision), only(ann), "not that of approver"},
		"signed by one, names another":   {sign(t, eve, decision), only(eve), `names approver "ann", the key is that of "eve"`},
		"public key that is none":        {sign(t, ann, decision), func(string) (string, bool) { return "c2hvcnQ", true }, "is not one"},
		"public key in another alphabet": {sign(t, ann, decision), func(string) (string, bool) { return "+++/", true }, "is not one"},
		"not signed at all":              {"eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(`{"approver":"ann"}`)) + ".", only(ann), "no decision signed"},
		"signed with the public key":     {hmacSigned(t, ann), only(ann), "no decision signed"},
		"signed by ann, and no decision": {hello, func(string) (string, bool) { return public, true }, "is no decision"},
		"nothing":                        {"", only(ann), "no decision signed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := approval.Read(c.jws, c.keyOf)
			refused(t, err, c.why)
		})
	}
}

func refused(t *testing.T, err error, why string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("got %v, want %q", err, why)
	}
}

// hmacSigned takes the public key, which everyone has, for a shared secret.
func hmacSigned(t *testing.T, k approval.Key) string {
	t.Helper()
	public, err := base64.RawURLEncoding.DecodeString(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return signed(t, jose.HS256, jose.JSONWebKey{Key: public, KeyID: k.Approver}, []byte(`{"approver":"ann"}`))
}

// ed25519Signed signs any text with a new key.
func ed25519Signed(t *testing.T, id string, text []byte) (jws, public string) {
	t.Helper()
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signed(t, jose.EdDSA, jose.JSONWebKey{Key: private, KeyID: id}, text), base64.RawURLEncoding.EncodeToString(pub)
}

func signed(t *testing.T, alg jose.SignatureAlgorithm, key jose.JSONWebKey, text []byte) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

func TestKeyIsKeptForItsOwnerAlone(t *testing.T) {
	k := newKey(t, "ann")
	path := filepath.Join(t.TempDir(), "approver.key")
	if err := k.Save(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, err := approval.Load(path)
	if err != nil || again.Approver != "ann" || again.Public() != k.Public() || len(again.Public()) != 43 {
		t.Errorf("loaded %s %s, %v", again.Approver, again.Public(), err)
	}
	if _, err := approval.Read(sign(t, again, decision), only(k)); err != nil {
		t.Error(err)
	}
	if err := newKey(t, "eve").Save(path); err == nil {
		t.Error("a key was overwritten")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, err = approval.Load(path)
	refused(t, err, "chmod 600")
}

func TestFileThatHoldsNoKeyIsRefusedWithWhatToDo(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	onlyPublic, err := jose.JSONWebKey{Key: public, KeyID: "ann"}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for text, why := range map[string]string{"": "no JWK", "{}": "no JWK", string(onlyPublic): "no Ed25519 private key"} {
		path := filepath.Join(t.TempDir(), "approver.key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := approval.Load(path)
		refused(t, err, why)
	}
	_, err = approval.Load(filepath.Join(t.TempDir(), "none"))
	refused(t, err, "approver keygen")
	_, err = approval.NewKey("")
	refused(t, err, "approver id is empty")
}
