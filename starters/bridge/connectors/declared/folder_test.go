package declared_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"waybill/starters/bridge/authn"
	"waybill/starters/bridge/connectors/declared"
	"waybill/workflows/freight"
)

// processor is the time that this process has had on any core.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const sample = `{"n":"1","c":"B","t":"2026-11-20T08:00:00Z"}`

// put lays a definition and its sample into a folder, with what the sample gives as expected.
func put(t testing.TB, fs fstest.MapFS, file, text string) {
	t.Helper()
	fs[file] = &fstest.MapFile{Data: []byte(text)}
	in := declared.Samples(file) + "/one.json"
	fs[in] = &fstest.MapFile{Data: []byte(sample)}
	rs, err := declared.Try(fs, file, parse(t, text), noon)
	if err != nil {
		t.Fatal(err)
	}
	fs[declared.Expected(in)] = &fstest.MapFile{Data: rs[0].Got}
}

func refresh(t testing.TB, f *declared.Folder) string {
	t.Helper()
	news, err := f.Refresh()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(news, "\n")
}

// milestone is what a connector makes of the sample now.
func milestone(t testing.TB, f *declared.Folder, name string) freight.Milestone {
	t.Helper()
	c, err := f.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	in, err := c.Decode(delivery(sample), noon)
	if err != nil {
		t.Fatal(err)
	}
	return in[0].Scan.Milestone
}

func TestNewVersionIsUsedWithoutARestartAndAFaultyOneLeavesTheOld(t *testing.T) {
	fs := fstest.MapFS{}
	good := definition("json", plain)
	put(t, fs, "acme.yaml", good)
	f, err := declared.Open(fs, clock)
	if err != nil || len(f.Faults()) > 0 {
		t.Fatal(err, f.Faults())
	}
	if m := milestone(t, f, "acme"); m != freight.Delivered {
		t.Fatalf("B is %s", m)
	}
	put(t, fs, "acme.yaml", strings.Replace(good, "B: delivered", "B: held", 1))
	if news := refresh(t, f); !strings.Contains(news, "acme@1 is in use") || milestone(t, f, "acme") != freight.Held {
		t.Errorf("the new meaning is not used: %q", news)
	}
	for name, text := range map[string]string{
		"no YAML": "name: [", "no program": strings.Replace(good, plain, ".a | {", 1), "another meaning than its sample's": strings.Replace(good, "B: delivered", "B: returned", 1),
	} {
		fs["acme.yaml"] = &fstest.MapFile{Data: []byte(text)}
		if news := refresh(t, f); !strings.Contains(news, "acme@1 stays in use") || milestone(t, f, "acme") != freight.Held || len(f.Faults()) != 1 {
			t.Errorf("%s: %q, faults %v", name, news, f.Faults())
		}
		if news := refresh(t, f); news != "" {
			t.Errorf("%s: it is told again: %q", name, news)
		}
	}
	put(t, fs, "acme.yaml", good)
	if refresh(t, f); milestone(t, f, "acme") != freight.Delivered || len(f.Faults()) > 0 {
		t.Errorf("mended, and yet faults %v", f.Faults())
	}
	delete(fs, "acme.yaml")
	if news := refresh(t, f); !strings.Contains(news, "gone") || milestone(t, f, "acme") != freight.Delivered {
		t.Errorf("a file that is gone: %q", news)
	}
}

func TestSamplesDecideWhetherAConnectorIsUsed(t *testing.T) {
	good := definition("json", plain)
	for name, c := range map[string]struct {
		change func(fstest.MapFS)
		want   string
	}{
		"no sample":                  {func(fs fstest.MapFS) { delete(fs, "acme.samples/one.json") }, "want a sample"},
		"nothing expected":           {func(fs fstest.MapFS) { delete(fs, "acme.samples/one.json.expected") }, "does not say what is expected"},
		"something else is expected": {func(fs fstest.MapFS) { fs["acme.samples/one.json.expected"] = &fstest.MapFile{Data: []byte("{}\n")} }, "event 1 is"},
		"more is expected":           {func(fs fstest.MapFS) { e := fs["acme.samples/one.json.expected"]; e.Data = append(e.Data, "{}\n"...) }, "event 2 is"},
	} {
		fs := fstest.MapFS{}
		put(t, fs, "acme.yaml", good)
		c.change(fs)
		f, err := declared.Open(fs, clock)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Find("acme")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want words about %q", name, err, c.want)
		}
	}
}

// TestSampleIsJudgedByWhenItWasReceived: what was still to come then has come since, and the connector is used as before.
func TestSampleIsJudgedByWhenItWasReceived(t *testing.T) {
	fs := fstest.MapFS{}
	good := definition("json", plain)
	put(t, fs, "acme.yaml", good)
	const in, out = "acme.samples/tomorrow.json", "acme.samples/tomorrow.json.expected"
	fs[in] = &fstest.MapFile{Data: []byte(`[{"n":"1","c":"A","t":"2026-11-20T08:00:00Z"},{"n":"1","c":"B","t":"2026-11-27T08:00:00Z"}]`)}
	both := strings.Replace(good, plain, `if type == "array" then .[] else . end | `+plain, 1)
	fs["acme.yaml"] = &fstest.MapFile{Data: []byte(both)}
	rs, err := declared.Try(fs, "acme.yaml", parse(t, both), noon)
	if err != nil || len(rs) != 2 || !strings.HasPrefix(string(rs[1].Got), "received: 2026-11-24T12:00:00Z\n") || strings.Count(string(rs[1].Got), string(freight.ReasonTimeImplausible)) != 1 {
		t.Fatalf("%+v, %v: want one event that is still to come", rs, err)
	}
	for day, now := range map[string]time.Time{"the day": noon, "a week later": noon.AddDate(0, 0, 7), "a year later": noon.AddDate(1, 0, 0)} {
		fs[out] = &fstest.MapFile{Data: rs[1].Got}
		if f, err := declared.Open(fs, func() time.Time { return now }); err != nil || len(f.Faults()) > 0 {
			t.Errorf("%s: faults %v, %v", day, f.Faults(), err)
		}
		again, err := declared.Try(fs, "acme.yaml", parse(t, both), now)
		if err != nil || again[1].Fault != nil || string(again[1].Got) != string(rs[1].Got) {
			t.Errorf("%s: it is judged anew: %+v, %v", day, again, err)
		}
	}
	_, undated, _ := strings.Cut(string(rs[1].Got), "\n")
	for name, c := range map[string]struct{ expected, want string }{
		"a time that is none":            {"received: yesterday\n" + undated, "want received: 2026-11-24T12:00:00Z"},
		"received when all had come":     {"received: 2026-12-01T00:00:00Z\n" + undated, "event 2 is"},
		"it does not say when, by today": {undated, "judged by today"},
	} {
		fs[out] = &fstest.MapFile{Data: []byte(c.expected)}
		f, err := declared.Open(fs, func() time.Time { return noon.AddDate(0, 0, 7) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Find("acme"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want words about %q", name, err, c.want)
		}
	}
}

// TestSampleOfAnEarlierReleaseIsStillUsed has no word about when it was received.
func TestSampleOfAnEarlierReleaseIsStillUsed(t *testing.T) {
	fs := fstest.MapFS{}
	put(t, fs, "acme.yaml", definition("json", plain))
	e := fs["acme.samples/one.json.expected"]
	_, rest, _ := strings.Cut(string(e.Data), "\n")
	e.Data = []byte(rest)
	if f, err := declared.Open(fs, clock); err != nil || len(f.Faults()) > 0 {
		t.Errorf("faults %v, %v", f.Faults(), err)
	}
}

func TestTwoVersionsLiveSideBySide(t *testing.T) {
	fs := fstest.MapFS{}
	one := definition("json", plain)
	put(t, fs, "acme.yaml", one)
	put(t, fs, "acme-2.yaml", strings.NewReplacer("version: 1", "version: 2", "B: delivered", "B: available_for_pickup").Replace(one))
	f, err := declared.Open(fs, clock)
	if err != nil || len(f.Faults()) > 0 {
		t.Fatal(err, f.Faults())
	}
	for name, want := range map[string]freight.Milestone{"acme@1": freight.Delivered, "acme@2": freight.AvailableForPickup, "acme": freight.AvailableForPickup} {
		if m := milestone(t, f, name); m != want {
			t.Errorf("%s: B is %s, want %s", name, m, want)
		}
	}
	for _, name := range []string{"acme@3", "acme@x", "acme@", "emca"} {
		if _, err := f.Find(name); err == nil {
			t.Errorf("%s was found", name)
		}
	}
	put(t, fs, "other.yaml", one)
	if refresh(t, f); len(f.Faults()) != 1 || !strings.Contains(f.Faults()[0].Error(), "acme@1 already") {
		t.Errorf("two files are acme@1: %v", f.Faults())
	}
}

func TestFolderIsWatchedUntilTheEnd(t *testing.T) {
	fs := fstest.MapFS{}
	good := definition("json", plain)
	put(t, fs, "acme.yaml", good)
	f, err := declared.Open(fs, clock)
	if err != nil {
		t.Fatal(err)
	}
	put(t, fs, "acme.yaml", strings.Replace(good, "B: delivered", "B: held", 1))
	ctx, cancel := context.WithCancel(t.Context())
	said, done := make(chan string), make(chan struct{})
	go func() {
		defer close(done)
		f.Watch(ctx, time.Millisecond, func(text string) { said <- text })
	}()
	if text := <-said; !strings.Contains(text, "acme@1 is in use") {
		t.Errorf("said %q", text)
	}
	cancel()
	<-done
	if milestone(t, f, "acme") != freight.Held {
		t.Error("what was said is not so")
	}
}

func TestSourceIsServedByAFileBeforeWhatIsWrittenInGo(t *testing.T) {
	fs := fstest.MapFS{}
	own := strings.Replace(definition("json", plain), "name: acme", "name: dhl", 1)
	put(t, fs, "dhl.yaml", own)
	f, err := declared.Open(fs, clock)
	if err != nil {
		t.Fatal(err)
	}
	all, err := declared.NewCatalog(false, f)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		scheme authn.Scheme
		reads  string
	}{
		"dhl":        {authn.HMAC, sample}, // the file's: it says github
		"easypost@1": {authn.HMAC, `{"object":"Tracker","tracking_code":"1","carrier":"USPS","status":"delivered","updated_at":"2026-11-20T08:00:00Z"}`},
		"ups@1":      {authn.Bearer, `{"trackingNumber":"1","gmtActivityDate":"20261120","gmtActivityTime":"130000","activityStatus":{"type":"D"}}`},
		"ups":        {authn.Bearer, `{"trackingNumber":"1","gmtActivityDate":"20261120","gmtActivityTime":"130000","activityStatus":{"type":"D"}}`},
	} {
		c, err := all.Find(name)
		if err != nil || c.Auth.Scheme != want.scheme {
			t.Errorf("%s: %+v, %v", name, c.Auth, err)
			continue
		}
		if in, err := c.Decode(delivery(want.reads), noon); err != nil || in[0].Scan.Milestone != freight.Delivered {
			t.Errorf("%s: %+v, %v", name, in, err)
		}
	}
	for _, name := range []string{"nobody", "ups@3", "ups@0"} {
		if _, err := all.Find(name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
