package connectors_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"syscall"
	"testing"
	"time"

	"waybill/starters/bridge/authn"
)

// BenchmarkVerifyAndDecode takes deliveries of about 1 KB through verification and decoding, without a store. The
// aim is 10,000 a second on two cores.
func BenchmarkVerifyAndDecode(b *testing.B) {
	const secret = "correct horse battery"
	profile, err := authn.Named("easypost")
	if err != nil {
		b.Fatal(err)
	}
	v, err := authn.New(profile)
	if err != nil {
		b.Fatal(err)
	}
	p := partner(b, "easypost")
	body := writeEasyPost(at("pre_transit/label_created", 0), at("FedEx/PU", 60), at("in_transit/departed_facility", 120), at("out_for_delivery", 180))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	r := authn.Request{Header: http.Header{"X-Hmac-Signature": {"hmac-sha256-hex=" + hex.EncodeToString(mac.Sum(nil))}}, Body: body}
	b.ReportAllocs()
	before := processor(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := v.Verify(r, noon, []string{secret}); err != nil {
				b.Error(err)
			}
			if in, err := p.Decode(delivery("easypost", body), noon); err != nil || len(in) != 4 {
				b.Error(len(in), err)
			}
		}
	})
	b.ReportMetric(2*float64(b.N)/(processor(b)-before).Seconds(), "deliveries/2-core-s")
	b.ReportMetric(float64(len(body)), "bytes")
}

// processor is the time that this process has had on any core: on a machine shared with others it says more than a clock.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
