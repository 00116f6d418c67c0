package approval_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"waybill/internal/approval"
	"waybill/workflows/freight"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// forge signs a decision without any private key, for a public key that is all zeros: with S = 0 and R the neutral
// element, one document in four verifies.
func forge(t *testing.T, public ed25519.PublicKey) string {
	t.Helper()
	signature := append([]byte{1}, make([]byte, 63)...)
	for n := range 64 {
		payload, err := json.Marshal(freight.Decision{Dispute: "acme-1/1", Verdict: freight.Approve, Approver: "ann", Nonce: fmt.Sprint(n)})
		if err != nil {
			t.Fatal(err)
		}
		signed := b64([]byte(`{"alg":"EdDSA","kid":"ann"}`)) + "." + b64(payload)
		if ed25519.Verify(public, []byte(signed), signature) {
			return signed + "." + b64(signature)
		}
	}
	t.Fatal("no forgery found: the test proves nothing")
	return ""
}

func TestADecisionForgedForAWeakKeyIsRefused(t *testing.T) {
	zeros := make(ed25519.PublicKey, ed25519.PublicKeySize)
	jws := forge(t, zeros)
	_, err := approval.Read(jws, func(string) (string, bool) { return b64(zeros), true })
	if err == nil || !strings.Contains(err.Error(), "weak key") {
		t.Errorf("%v", err)
	}
}

func TestOnlyAKeyThatAGeneratorMadeIsAPublicKey(t *testing.T) {
	k, err := approval.NewKey("ann")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := approval.PublicKey(k.Public()); err != nil || b64(got) != k.Public() {
		t.Errorf("a good key: %v, %v", got, err)
	}
	for _, weak := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000", "0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	} {
		raw, err := hex.DecodeString(weak)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := approval.PublicKey(b64(raw)); err == nil || !strings.Contains(err.Error(), "weak") {
			t.Errorf("%s: %v", weak, err)
		}
	}
	for _, bad := range []string{"", k.Public()[:42], k.Public() + "A", strings.Repeat("*", 43), b64([]byte("\x02" + strings.Repeat("\x00", 31)))} {
		if _, err := approval.PublicKey(bad); err == nil {
			t.Errorf("%q is taken for a key", bad)
		}
	}
}
