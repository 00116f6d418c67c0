package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"waybill/starters/bridge/bridgetest"
)

// connector writes a connector into the house's folder, with what proves its deliveries.
func (h *house) connector(name, auth string) {
	h.t.Helper()
	if err := os.MkdirAll(filepath.Join(h.dir, "connectors", name+".samples"), 0o750); err != nil {
		h.t.Fatal(err)
	}
	h.write("connectors/"+name+".samples/none.json", "[]")
	h.write("connectors/"+name+".samples/none.json.expected", "refused: the program of "+name+"@1: expected an object but got: array ([])\n")
	h.write("connectors/"+name+".yaml", "name: "+name+"\nversion: 1\nowner: o\ncontact: c\ncontent: json\nauth: "+auth+"\ncarrier: ACME\nprogram: '{tracking: .n, code: .c, at: .at}'\ncodes: {A: picked_up}\n")
}

const mannered = `    - {name: acme, owner: o, connector: acme, secrets: ["file:%[1]s/agreed"]}
    - {name: beta, owner: o, connector: beta, secrets: [one]}
    - {name: own-proof, owner: o, connector: easypost@1, auth: {profile: bearer, header: X-Token, id: /id, answer: 204}, content_types: [text/plain], secrets: [token-1, token-2]}
    - {name: ours, owner: o, auth: {profile: basic}, secrets: ["tms:pass word"]}
    - {name: listed, owner: o, connector: landmark, auth: {profile: none+ip, allow: [198.51.100.0/24]}, max_bytes: 20}
  proxies: [127.0.0.1]
connectors: {folder: %[1]s/connectors, look_every: 1s}
`

func newPartners(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, "127.0.0.1:0", "")
	h.write("agreed", "one\ntwo\n")
	h.connector("acme", "{profile: hmac, header: X-Sign}")
	h.connector("beta", "{profile: hmac, header: X-Sign}")
	b, err := os.ReadFile(h.file)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "sources: [{name: carrier", "sources:\n    - {name: carrier", 1)
	text = strings.Replace(text, `/carrier"]}]`, "/carrier\"]}\n"+fmt.Sprintf(mannered, h.dir), 1)
	h.write("waybill.yaml", text)
	return h
}

// post sends a body with headers, and returns the status and what was said.
func post(t *testing.T, url, source, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/events/"+source, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func signed(secret, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

func TestConfiguredSourcesAreEachTakenInTheirOwnManner(t *testing.T) {
	h := newPartners(t)
	url, _, _ := h.run()
	const body = `{"id":"evt_7","n":"P1"}`
	basic := func(s string) string {
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth("tms", s)
		return r.Header.Get("Authorization")
	}
	for _, c := range []struct {
		name, source, body string
		headers            []string
		want               int
	}{
		{"signed with the first secret", "acme", body, []string{"X-Sign", signed("one", body)}, http.StatusAccepted},
		{"signed with the second, again", "acme", body, []string{"X-Sign", signed("two", body)}, http.StatusAccepted},
		{"signed with another", "acme", body, []string{"X-Sign", signed("three", body)}, http.StatusUnauthorized},
		{"by Standard Webhooks, which it does not use", "acme", body, []string{"webhook-id", "1"}, http.StatusUnauthorized},
		{"its own token and type, answered with its status", "own-proof", body, []string{"X-Token", "token-2", "Content-Type", "text/plain"}, http.StatusNoContent},
		{"its own token, and a type it does not send", "own-proof", body, []string{"X-Token", "token-2"}, http.StatusUnsupportedMediaType},
		{"our own events, proved by a password", "ours", string(event(7)), []string{"Authorization", basic("pass word")}, http.StatusAccepted},
		{"what is none of our events, proved by a password", "ours", body, []string{"Authorization", basic("pass word")}, http.StatusUnprocessableEntity},
		{"a wrong password", "ours", string(event(7)), []string{"Authorization", basic("password")}, http.StatusUnauthorized},
		{"from its address, by the proxy", "listed", "<a/>", []string{"X-Forwarded-For", "198.51.100.9", "Content-Type", "text/xml"}, http.StatusAccepted},
		{"from another, which says it is for it", "listed", "<a/>", []string{"X-Forwarded-For", "198.51.100.9, 203.0.113.9", "Content-Type", "text/xml"}, http.StatusUnauthorized},
		{"longer than it may be", "listed", "<a>" + strings.Repeat("x", 20) + "</a>", []string{"X-Forwarded-For", "198.51.100.9", "Content-Type", "text/xml"}, http.StatusRequestEntityTooLarge},
		{"none of the configured ones", "nobody", body, nil, http.StatusUnauthorized},
	} {
		if got, said := post(t, url, c.source, c.body, c.headers...); got != c.want {
			t.Errorf("%s: answered %d %s, want %d", c.name, got, said, c.want)
		}
	}
	h.want(http.StatusAccepted, url, "evt-1", bridgetest.SecretOf("c"))
	var kept []string
	for _, d := range h.kept() {
		kept = append(kept, fmt.Sprintf("%s %s %s", d.Source, d.State, d.ID))
	}
	hash := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(body)))
	for i, want := range []string{"carrier pending evt-1", "listed pending sha256:", "ours dead " + hash + "#", "ours pending sha256:", "own-proof pending evt_7", "acme pending " + hash} {
		if len(kept) != 6 || !strings.HasPrefix(kept[i], want) {
			t.Errorf("kept are %q, want %s at %d", kept, want, i)
		}
	}
}

// TestStrangerCannotTellWhichSourcesThereAre: an answer says nothing of a source before a delivery is verified.
func TestStrangerCannotTellWhichSourcesThereAre(t *testing.T) {
	h := newPartners(t)
	url, _, _ := h.run()
	cut := func(s string) string { return s[:strings.Index(s, `"instance"`)] }
	for _, headers := range [][]string{nil, {"X-Sign", "00"}, {"Authorization", "Basic eDp5"}, {"Content-Type", "text/xml"}, {"Content-Type", "image/png"}, {"webhook-id", "1", "webhook-timestamp", "1", "webhook-signature", "v1,x"}} {
		status, said := post(t, url, "nobody", "{}", headers...)
		for _, source := range []string{"acme", "own-proof", "ours", "listed", "carrier"} {
			if s, text := post(t, url, source, "{}", headers...); s != status || cut(text) != cut(said) {
				t.Errorf("%v: %s answers %d %s, and one that is not there %d %s", headers, source, s, text, status, said)
			}
		}
	}
}

func TestProofOfANewVersionIsAskedForWithoutARestartAndABrokenOneIsNot(t *testing.T) {
	h := newPartners(t)
	url, _, _ := h.run()
	const body = `{"n":"P1"}`
	takes := func(source, header string) bool {
		status, _ := post(t, url, source, body, header, signed("one", body))
		return status == http.StatusAccepted
	}
	if !takes("acme", "X-Sign") || takes("acme", "X-New-Sign") {
		t.Fatal("the first version is not what is asked for")
	}
	h.connector("acme", "{profile: hmac, header: X-New-Sign}")
	bridgetest.Until(t, "the new proof", func() bool { return takes("acme", "X-New-Sign") && !takes("acme", "X-Sign") })
	h.connector("acme", "{profile: hmac, header: X-Broken, signed: nothing}")
	h.connector("beta", "{profile: hmac, header: X-New-Sign}")
	bridgetest.Until(t, "the folder is looked at again", func() bool { return takes("beta", "X-New-Sign") })
	if !takes("acme", "X-New-Sign") {
		t.Error("a broken version took the place of the last one")
	}
}

func TestSourceThatCannotBeServedIsNamedBeforeAnyIs(t *testing.T) {
	for name, c := range map[string]struct{ source, want string }{
		"no connector of that name": {`connector: nobody`, "there is no connector nobody"},
		"no such provider":          {`connector: gls, auth: nobody`, `no provider "nobody"`},
		"a misspelt key":            {`connector: gls, auth: {profile: hmac, haeder: X}`, "haeder"},
		"a body nobody covers":      {`connector: gls, auth: {profile: hmac, header: X, signed: "{timestamp}"}`, "auth.signed"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, "127.0.0.1:0", "")
			h.write("waybill.yaml", fmt.Sprintf("store: {url: \"sqlite:%s/waybill.db\"}\nbridge: {sources: [{name: x, owner: o, secrets: [s], %s}]}\n", h.dir, c.source))
			for _, args := range [][]string{{"--config", h.file}, {"--config", h.file, "--check"}} {
				err := run(t.Context(), args, io.Discard)
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "bridge.sources[0].") {
					t.Errorf("%v: %v", args, err)
				}
			}
		})
	}
	h := newHouse(t, "127.0.0.1:0", "")
	h.write("waybill.yaml", fmt.Sprintf("store: {url: \"sqlite:%s/waybill.db\"}\nbridge: {sources: [{name: x, owner: o, connector: gls}, {name: y, owner: o, connector: dpd, secrets: [nameless]}]}\n", h.dir))
	err := run(t.Context(), []string{"--config", h.file, "--check"}, io.Discard)
	for _, want := range []string{"bridge.sources[0].secrets of x: want the secret", "bridge.sources[1].secrets[0] of y: want user:password"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}
