package webhook_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"waybill/starters/bridge/webhook"
)

// second is the time of the known answers.
const second = 1795521600

func secretOf(key string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(key))
}

func keysOf(t interface {
	Helper()
	Fatal(...any)
}, secrets ...string) (ks []webhook.Key) {
	t.Helper()
	for _, s := range secrets {
		k, err := webhook.ParseKey(s)
		if err != nil {
			t.Fatal(err)
		}
		ks = append(ks, k)
	}
	return ks
}

func headers(id, timestamp, signature string) http.Header {
	h := http.Header{}
	h.Set(webhook.IDHeader, id)
	h.Set(webhook.TimestampHeader, timestamp)
	h.Set(webhook.SignatureHeader, signature)
	return h
}

// The signatures below were computed by OpenSSL: openssl dgst -sha256 -mac HMAC -macopt hexkey:... -binary | base64
var knownAnswers = []struct{ key, id, body, signature string }{
	{"0123456789abcdefghijklmn", "msg_1", `{"type":"test"}`, "v1,9QjaNWwi60iZAlkMV4fpmIaPgSfWB7P3knVxH5rBw/A="},
	{"0123456789abcdefghijklmn", "evt-42:a/b+c=d@e~f_g|x", `{ "näme" : "Größe\n" }`, "v1,53CEEXaEI5b4XxSb4qhN2naTchSv8AnnzzQXErmNmEc="},
	{"0123456789abcdefghijklmn", "a", "", "v1,HTz28kJ9p/Rbfk1jumuDGpsBn/UfNcIyeCaiWnEjorg="},
	{"The quick brown fox jumps over 13", "msg_1", `{"type":"test"}`, "v1,6xCqLtOJSuMoQ+gA/NJbLhCt4ru0IS1Wm/wTBgxstmM="},
	{strings.Repeat("k", 64), "msg_1", `{"type":"test"}`, "v1,+fl3Xy8Tz0oLGSt6r9wy5fs8asW7iOuZraprpKB5ueY="},
	{strings.Repeat("k", 64), "evt-42:a/b+c=d@e~f_g|x", `{ "näme" : "Größe\n" }`, "v1,yoWtY4dCedVEbo9v98Jja/Hki8GRNH/Bwxz8/5XpO2A="},
}

func TestSignaturesAreThoseOfOpenSSLAndOfTheStandardsOwnLibrary(t *testing.T) {
	at := time.Unix(second, 0)
	for _, c := range knownAnswers {
		t.Run(c.id, func(t *testing.T) {
			got, err := webhook.Sign(secretOf(c.key), c.id, at, []byte(c.body))
			if err != nil || got != c.signature {
				t.Errorf("signed %s, %v; OpenSSL signs %s", got, err, c.signature)
			}
			h := headers(c.id, strconv.Itoa(second), c.signature)
			if _, err := webhook.Verify(h, []byte(c.body), at, keysOf(t, secretOf(c.key))); err != nil {
				t.Errorf("OpenSSL's signature: %v", err)
			}
			oracle, err := standardwebhooks.NewWebhook(secretOf(c.key))
			if err != nil {
				t.Fatal(err)
			}
			if err := oracle.VerifyIgnoringTimestamp([]byte(c.body), h); err != nil {
				t.Errorf("the standard's library: %v", err)
			}
			theirs, err := oracle.Sign(c.id, at, []byte(c.body))
			if err != nil || theirs != got {
				t.Errorf("the standard's library signs %s, %v", theirs, err)
			}
		})
	}
}

func TestStampedRequestPassesTheStandardsOwnVerification(t *testing.T) {
	secret, body := secretOf(strings.Repeat("s", 32)), []byte(`{"a":1}`)
	h := http.Header{}
	if err := webhook.Stamp(h, secret, "evt-1", time.Now(), body); err != nil {
		t.Fatal(err)
	}
	oracle, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := oracle.Verify(body, h); err != nil {
		t.Error(err)
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	for name, secret := range map[string]string{
		"nothing": "", "no prefix": strings.TrimPrefix(secretOf(strings.Repeat("k", 32)), "whsec_"), "a public key": "whpk_" + strings.Repeat("A", 44), "no base64": "whsec_" + strings.Repeat("*", 44),
		"23 bytes": secretOf(strings.Repeat("k", 23)), "65 bytes": secretOf(strings.Repeat("k", 65)), "a line end": secretOf(strings.Repeat("k", 32)) + "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := webhook.ParseKey(secret); err == nil || len(secret) > 8 && strings.Contains(err.Error(), secret[6:]) {
				t.Errorf("read as a key, or repeated: %v", err)
			}
			if _, err := webhook.Sign(secret, "evt-1", time.Unix(second, 0), nil); err == nil {
				t.Error("it signs")
			}
		})
	}
	for _, n := range []int{24, 64} {
		if _, err := webhook.ParseKey(secretOf(strings.Repeat("k", n))); err != nil {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	k := keysOf(t, secretOf(strings.Repeat("k", 32)))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, k); strings.Contains(got, "kkk") || strings.Contains(got, "6b6b") || strings.Contains(got, "107") || strings.Contains(got, "0x6b") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestWhichKeyMatchedIsTold(t *testing.T) {
	a, b, c, d := secretOf(strings.Repeat("a", 32)), secretOf(strings.Repeat("b", 32)), secretOf(strings.Repeat("c", 32)), secretOf(strings.Repeat("d", 32))
	at := time.Unix(second, 0)
	for i, secret := range []string{a, b, c, d} {
		h := http.Header{}
		if err := webhook.Stamp(h, secret, "evt-1", at, nil); err != nil {
			t.Fatal(err)
		}
		which, err := webhook.Verify(h, nil, at, keysOf(t, a, b, c, d))
		if i < webhook.MaxKeys && (err != nil || which != i) || i >= webhook.MaxKeys && !errors.Is(err, webhook.ErrForged) {
			t.Errorf("key %d: %d, %v", i, which, err)
		}
	}
}

// What is signed for nobody opens nothing: the keys that stand in for those a source does not have are no secret.
func TestSignatureUnderAKeyThatIsNotTheSourcesIsForged(t *testing.T) {
	at, h := time.Unix(second, 0), http.Header{}
	if err := webhook.Stamp(h, secretOf(strings.Repeat("\x00", 32)), "evt-1", at, nil); err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][]webhook.Key{nil, keysOf(t, secretOf(strings.Repeat("k", 32)))} {
		if _, err := webhook.Verify(h, nil, at, keys); !errors.Is(err, webhook.ErrForged) {
			t.Errorf("with %d keys: %v", len(keys), err)
		}
	}
}

func TestChangingAnythingThatIsSignedIsNoticed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 24, 64).Draw(t, "key")
		id := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9_:/+=@~|-]{0,30}`).Draw(t, "id")
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		at, secret := time.Unix(rapid.Int64Range(1, 99999999999).Draw(t, "at"), 0), secretOf(string(key))
		h := http.Header{}
		if err := webhook.Stamp(h, secret, id, at, body); err != nil {
			t.Fatal(err)
		}
		keys := keysOf(t, secret)
		if _, err := webhook.Verify(h, body, at, keys); err != nil {
			t.Fatalf("as it was signed: %v", err)
		}
		other := append([]byte{}, body...)
		if len(other) == 0 || rapid.Bool().Draw(t, "longer") {
			other = append(other, rapid.Byte().Draw(t, "byte"))
		} else {
			other[rapid.IntRange(0, len(other)-1).Draw(t, "where")] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		}
		if _, err := webhook.Verify(h, other, at, keys); !errors.Is(err, webhook.ErrForged) {
			t.Fatalf("with another body: %v", err)
		}
		h.Set(webhook.IDHeader, id+"x")
		if _, err := webhook.Verify(h, body, at, keys); !errors.Is(err, webhook.ErrForged) && !errors.Is(err, webhook.ErrMissing) {
			t.Fatalf("with another id: %v", err)
		}
	})
}

// FuzzVerify compares with the standard's own library. We are stricter about the form of ids, times and headers,
// never laxer; where the form is ours, both say the same.
func FuzzVerify(f *testing.F) {
	for _, c := range knownAnswers {
		f.Add([]byte(c.key), c.id, strconv.Itoa(second), c.signature, []byte(c.body), false)
		f.Add([]byte(c.key), c.id, strconv.Itoa(second), "v1a,AAAA v1,", []byte(c.body), true)
	}
	f.Add([]byte(strings.Repeat("k", 32)), "a.1", "+1795521600", "v1,a,b\tv1", []byte{0xff}, true)
	f.Fuzz(func(t *testing.T, key []byte, id, timestamp, signature string, body []byte, sign bool) {
		secret := secretOf(string(key))
		oracle, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Skip("no key")
		}
		k, err := webhook.ParseKey(secret)
		if err != nil {
			if len(key) >= 24 && len(key) <= 64 {
				t.Fatalf("a key of %d bytes: %v", len(key), err)
			}
			t.Skip("a key of another length")
		}
		at, err := strconv.ParseInt(timestamp, 10, 64)
		if err == nil && sign {
			theirs, err := oracle.Sign(id, time.Unix(at, 0), body)
			if err != nil {
				t.Fatal(err)
			}
			signature = strings.TrimSpace(signature + " " + theirs)
		}
		h := headers(id, timestamp, signature)
		which, ours := webhook.Verify(h, body, time.Unix(at, 0), []webhook.Key{k})
		theirs := oracle.VerifyIgnoringTimestamp(body, h)
		switch {
		case ours == nil && (theirs != nil || which != 0):
			t.Fatalf("we accept, as key %d; the standard's library: %v", which, theirs)
		case errors.Is(ours, webhook.ErrForged) && theirs == nil && plain(signature):
			t.Fatalf("we call it forged; the standard's library accepts")
		}
	})
}

// plain reports whether signatures have the form the standard describes: at most eight, of one comma each, with a
// space between.
func plain(signatures string) bool {
	all := strings.Split(signatures, " ")
	for _, s := range all {
		if strings.Count(s, ",") != 1 {
			return false
		}
	}
	return len(all) <= 8 && len(all) == len(strings.Fields(signatures))
}
