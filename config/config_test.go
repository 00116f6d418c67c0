package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.yaml.in/yaml/v3"

	"waybill/config"
)

const example = "example.yaml"

// leaf is a key with a value of its own.
type leaf struct {
	key  string
	kind reflect.Type
	at   []int
}

// leaves lists every key of a type, in its own tag; a list's keys stand under its own.
func leaves(t reflect.Type, tag, under string) (ls []leaf) {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		key := strings.TrimPrefix(under+"."+f.Tag.Get(tag), ".")
		kind := f.Type
		if kind.Kind() == reflect.Slice {
			kind = kind.Elem()
		}
		if kind.Kind() != reflect.Struct || kind == reflect.TypeFor[config.Secret]() || kind.Name() == "Money" {
			ls = append(ls, leaf{key, f.Type, []int{i}})
			continue
		}
		for _, l := range leaves(kind, tag, key) {
			if f.Type.Kind() == reflect.Slice {
				l.at = nil // has no one place
			} else if l.at != nil {
				l.at = append([]int{i}, l.at...)
			}
			ls = append(ls, l)
		}
	}
	return ls
}

// has reports whether a key was written: in a list, in its first element.
func has(said any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	if list, ok := said.([]any); ok {
		return len(list) > 0 && has(list[0], path)
	}
	m, ok := said.(map[string]any)
	if !ok {
		return false
	}
	under, ok := m[path[0]]
	return ok && has(under, path[1:])
}

func load(t *testing.T, path string) *config.Config {
	t.Helper()
	c, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExampleIsGoodForEveryBinary(t *testing.T) {
	c := load(t, example)
	for name, check := range map[string]func() error{"worker": c.ForWorker, "bridge": c.ForBridge, "store": c.ForStore, "odoo": c.ForOdoo} {
		if err := check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := config.LoadPolicies(filepath.Join("..", c.Policies.File)); err != nil {
		t.Errorf("the policies it names: %v", err)
	}
}

func TestExampleHasEveryKey(t *testing.T) {
	b, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]any
	if err := yaml.Unmarshal(b, &said); err != nil {
		t.Fatal(err)
	}
	ls := leaves(reflect.TypeFor[config.Config](), "mapstructure", "")
	if len(ls) < 40 {
		t.Fatalf("only %d keys were found: the test proves nothing", len(ls))
	}
	for _, l := range ls {
		if !has(said, strings.Split(l.key, ".")) {
			t.Errorf("%s is not in %s: write it there, with its unit", l.key, example)
		}
	}
}

// TestExampleMeansWhatItSays follows one value of each form from the text to where it is used.
func TestExampleMeansWhatItSays(t *testing.T) {
	c := load(t, example)
	got := []any{c.Tenant, c.Odoo.Timeout, c.Odoo.MaxConnections, c.Bridge.Sources[0].Documents, c.Bridge.Sources[0].PerSecond, c.Approvers[0].Limit.String(), c.Odoo.ReleasedSince, len(c.Bridge.Sources[0].Secrets)}
	want := []any{"acme", 100 * time.Second, 8, true, 50.0, "500.00 USD", "2026-11-24T00:00:00Z", 1}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
	t.Setenv("TMS_TOKEN", "t0ken")
	if v, err := c.TMS.Token.Reveal(); v != "t0ken" || err != nil {
		t.Errorf("token %q, %v", v, err)
	}
	if q := c.Queue("odoo-post"); q.Concurrency != 2 || q.PerSecond != 12 {
		t.Errorf("%+v", q)
	}
	if q := load(t, "").Queue("odoo-post"); q.Concurrency != 2 || q.PerSecond != 12 {
		t.Errorf("by default posting is %+v: more workers would take Odoo from people", q)
	}
	if q := c.Queue("billing"); q.Concurrency != 8 {
		t.Errorf("a queue that is not listed: %+v", q)
	}
}

// TestTheEnvironmentOverridesEveryScalarKey sets each key's variable to something the file does not say.
func TestTheEnvironmentOverridesEveryScalarKey(t *testing.T) {
	n := 0
	for _, l := range leaves(reflect.TypeFor[config.Config](), "mapstructure", "") {
		if l.at == nil || l.kind.Kind() == reflect.Slice {
			continue
		}
		n++
		t.Run(l.key, func(t *testing.T) {
			text, want := "elsewhere", any("elsewhere")
			switch l.kind.Kind() {
			case reflect.Int64:
				text, want = "77s", 77*time.Second
			case reflect.Int:
				text, want = "7", 7
			case reflect.Bool:
				text, want = "true", true
			case reflect.Struct:
				want = config.SecretOf(text)
			}
			for _, path := range []string{example, ""} {
				t.Setenv("WAYBILL_"+strings.ToUpper(strings.ReplaceAll(l.key, ".", "_")), text)
				got := reflect.ValueOf(load(t, path)).Elem().FieldByIndex(l.at).Interface()
				if s, ok := got.(config.Secret); ok {
					got, _ = s.Reveal()
					want = text
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("file %q: %v, want %v", path, got, want)
				}
			}
		})
	}
	if n < 30 {
		t.Errorf("only %d keys were tried", n)
	}
}

func TestWorkerSaysAllThatIsWrongAtOnce(t *testing.T) {
	path := write(t, "w.yaml", `tenant: ACME-DE
tenat: acme
store: {url: "sqlite:x.db"}
odoo:
  url: https://boss:pw1234@odoo.example.com/web
  usr: x
  status: {login: s, password: 12345}
  money: {login: ""}
  timeout: 5s
  max_connections: 33
  freight_product: ""
  released_since: yesterday
  scan_every: 10
billing: {url: ftp://b, token: t, timeout: soon}
tms: {url: "https://tms?x=1", timeout: 3m}
finance: https://finance.example.com
relay: {idle: 1ms, gather: 200}
queues:
  - {name: odoo-past, concurrency: 0}
  - {name: billing, concurrency: 1.5, per_second: .inf}
  - {name: tms, concurrency: 1}
  - {name: tms, concurrency: 1}
  - {name: waybill, concurrency: 1, per_second: 5}
worker: {cached_stories: 0, story_pollers: 1, activity_pollers: 0}
approvers:
  - {id: "a|b", public_key: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA, limit: 500, cumulative: 1.00 EUR}
  - {id: ann, public_key: short, limit: 5.00 USD, cumulative: 9.00 EUR, role: boss}
metrics: {listen: "9480"}
log: {level: loud, format: xml}
`)
	err := load(t, path).ForWorker()
	wantAll(t, err, path,
		`$F: tenat: there is no such key; config/example.yaml has every key`, `$F: odoo.usr: there is no such key`,
		`$F: odoo.status.password: want a text: write it in quotes`, `$F: odoo.scan_every: want a duration with its unit, such as 250ms, 20s or 48h`,
		`$F: billing.timeout: want a duration with its unit`, `$F: finance: expected a map`, `$F: relay.gather: want a duration with its unit`,
		`$F: queues[1].concurrency: want a whole number`, `$F: queues[1].per_second: want a number`, `$F: approvers[0].limit: want a text: write it in quotes`, `$F: approvers[1].role: there is no such key`,
		`$F: tenant: "ACME-DE": want 1 to 20 lower-case letters or digits`,
		`$F: odoo.url: "https://boss:xxxxx@odoo.example.com/web": want an http or https URL without a path`,
		`$F: odoo.money.login: "": want the login of a user in Odoo`, `$F: odoo.money.password: "": want a password or API key, file:PATH or env:NAME`, `$F: odoo.db`,
		`$F: odoo.timeout: "5s": want a duration from 10s to 1m55s`, `$F: odoo.max_connections: "33": want 1 to 32`, `$F: odoo.freight_product`, `$F: odoo.released_since: "yesterday": want a time such as`,
		`$F: billing.url: "ftp://b": want an http or https URL`, `$F: tms.url: "https://tms?x=1"`, `$F: tms.token: "": want a token, file:PATH or env:NAME`, `$F: tms.timeout: "3m0s": want a duration from 1s to 2m0s`,
		`$F: relay.idle: "1ms": want a duration from 10ms to 1m0s`,
		`$F: queues[0].name: "odoo-past": want one of billing, finance, odoo-post, odoo-status, record, tms, waybill, wms, once`, `$F: queues[0].concurrency: "0": want 1 to 1000`, `$F: queues[3].name: "tms": want one of`,
		`$F: queues[4].per_second: "5": want 0: steps of stories have no rate`, `$F: queues[4].concurrency: "1": want 2 to 1000`,
		`$F: worker.cached_stories: "0": want 2 to 100000`, `$F: worker.story_pollers: "1": want 2 to 100`, `$F: worker.activity_pollers: "0": want 1 to 100`,
		`$F: policies.file: "": want the path`,
		`$F: approvers[0].id: "a|b": want an id of its own without '|'`, `AAAA": want the 43 characters that waybill approver keygen prints: it is a weak key`, `$F: approvers[0].cumulative`,
		`$F: approvers[1].public_key: "short": want the 43 characters that waybill approver keygen prints: it is not 43 characters of base64url`, `$F: approvers[1].cumulative: "9.00 EUR": want an amount over zero in the currency of limit`,
		`$F: metrics.listen: "9480": want host:port`, `$F: log.level: "loud": want debug, info, warn or error`, `$F: log.format: "xml": want json or console`)
	if strings.Contains(err.Error(), "pw1234") || strings.Contains(err.Error(), "12345") {
		t.Error("a password was printed")
	}
	if again := load(t, path).ForWorker(); again.Error() != err.Error() {
		t.Error("said in another order the second time")
	}
}

func TestAFaultInTheEnvironmentIsSaidToBeThere(t *testing.T) {
	t.Setenv("WAYBILL_ODOO_TIMEOUT", "100")
	t.Setenv("WAYBILL_LOG_LEVEL", "loud")
	err := load(t, example).ForWorker()
	wantAll(t, err, example,
		"environment variable WAYBILL_ODOO_TIMEOUT: odoo.timeout: want a duration with its unit",
		`environment variable WAYBILL_LOG_LEVEL: log.level: "loud": want debug`)
}

func TestAFileThatCannotBeReadIsNamed(t *testing.T) {
	for name, path := range map[string]string{"missing": filepath.Join(t.TempDir(), "none.yaml"), "not YAML": write(t, "x.yaml", "tenant: [a\nodoo: }"), "a key twice": write(t, "y.yaml", "tenant: a\ntenant: b\n")} {
		if _, err := config.Load(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNothingIsReadAsWhatItIsNot holds what viper's weak typing would let through.
func TestNothingIsReadAsWhatItIsNot(t *testing.T) {
	for text, key := range map[string]string{
		"tenant: 0123":                                 "tenant",                      // octal: 83
		"tenant: true":                                 "tenant",                      // "1"
		"relay: {gather: 200}":                         "relay.gather",                // 200 ns
		"odoo: {max_connections: 8.5}":                 "odoo.max_connections",        // 8
		"odoo: {max_connections: true}":                "odoo.max_connections",        // 1
		"odoo: {max_connections: 0x10}":                "",                            // 16, and meant so
		"bridge: {sources: [{documents: yes}]}":        "bridge.sources[0].documents", // a text
		"bridge: {sources: [{documents: 1}]}":          "bridge.sources[0].documents",
		"bridge: {sources: [{secrets: whsec_x}]}":      "", // one, not in a list
		"billing: {token: 1234}":                       "billing.token",
		"approvers: [{limit: 5.00}]":                   "approvers[0].limit", // no currency
		`approvers: [{limit: "5,00 USD"}]`:             "approvers[0].limit",
		"odoo: {released_since: 2026-11-24T00:00:00Z}": "", // YAML has times
		"ODOO: {DB: x}":                                "", // viper knows no case of keys
	} {
		err := load(t, write(t, "c.yaml", text)).ForWorker()
		if err == nil {
			t.Fatal("an almost empty file is good for nothing")
		}
		said := ""
		for _, line := range strings.Split(err.Error(), "\n") {
			if strings.Contains(line, ": want a ") && !strings.Contains(line, `": want`) || strings.Contains(line, "want true or false") || strings.Contains(line, "money ") || strings.Contains(line, "want a text") {
				said += line
			}
		}
		if (said != "") != (key != "") || !strings.Contains(said, key) {
			t.Errorf("%s: said %q, want it about %q", text, said, key)
		}
	}
	if c := load(t, write(t, "c.yaml", "odoo: {released_since: 2026-11-24T00:00:00Z}")); c.Odoo.ReleasedSince != "2026-11-24T00:00:00Z" {
		t.Errorf("released since %q", c.Odoo.ReleasedSince)
	}
}

// TestNoKeyIsAMap holds because viper makes the keys of maps lower case: ACME-DE would become another customer.
func TestNoKeyIsAMap(t *testing.T) {
	for _, l := range leaves(reflect.TypeFor[config.Config](), "mapstructure", "") {
		if strings.Contains(l.kind.String(), "map[") {
			t.Errorf("%s is a %s: make it a list with the name as a key of each", l.key, l.kind)
		}
	}
}

func TestASecretIsReadWhereItIsKeptAndAnewEachTime(t *testing.T) {
	path := write(t, "secret", "one\n")
	t.Setenv("WB_TEST_SECRET", "two")
	file, env := config.SecretOf("file:"+path), config.SecretOf("env:WB_TEST_SECRET")
	reveal := func(s config.Secret) string {
		v, err := s.Reveal()
		if err != nil {
			t.Error(err)
		}
		return v
	}
	if got := []string{reveal(config.SecretOf("zero")), reveal(file), reveal(env)}; strings.Join(got, " ") != "zero one two" {
		t.Errorf("%v", got)
	}
	if err := os.WriteFile(path, []byte("three"), 0o600); err != nil {
		t.Fatal(err)
	}
	if reveal(file) != "three" {
		t.Error("a rotated secret was not read again")
	}
	if err := os.WriteFile(path, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]config.Secret{"is empty": file, "WB_TEST_NONE": config.SecretOf("env:WB_TEST_NONE"), path + "x": config.SecretOf("file:" + path + "x")} {
		if v, err := s.Reveal(); err == nil || v != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%q, %v; want %s in it", v, err, want)
		}
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	const word = "hunter2hunter2"
	type hidden struct{ inner config.Secret } // fmt may look at this field, not call its methods
	c := load(t, example)
	c.Odoo.Money.Password = config.SecretOf(word)
	c.Bridge.Sources[0].Secrets = append(c.Bridge.Sources[0].Secrets, config.SecretOf(word))
	s := config.SecretOf(word)
	var out bytes.Buffer
	for _, v := range []any{s, &s, *c, c, c.Odoo, c.Bridge.Sources, hidden{s}, &hidden{s}, []config.Secret{s}, map[string]config.Secret{"k": s}, fmt.Errorf("with %v", s)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08.3f", "%t", "%c", "%U", "%p", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
		y, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(y)
	}
	for _, e := range []zapcore.EncoderConfig{zap.NewProductionEncoderConfig(), zap.NewDevelopmentEncoderConfig()} {
		for _, enc := range []zapcore.Encoder{zapcore.NewJSONEncoder(e), zapcore.NewConsoleEncoder(e)} {
			log := zap.New(zapcore.NewCore(enc, zapcore.AddSync(&out), zap.DebugLevel))
			log.Info("config", zap.Any("all", c), zap.Reflect("reflected", *c), zap.Any("secret", s), zap.Stringer("stringer", s), zap.Any("hidden", hidden{s}), zap.Inline(zapcore.ObjectMarshalerFunc(func(e zapcore.ObjectEncoder) error { return e.AddReflected("x", s) })))
			log.Sugar().Infof("%v %+v %#v", c, s, s)
		}
	}
	for _, form := range []string{word, fmt.Sprintf("%x", word), fmt.Sprintf("%X", word)} {
		if i := strings.Index(out.String(), form); i >= 0 {
			t.Errorf("printed: %s", out.String()[max(0, i-60):i+len(form)])
		}
	}
	if !strings.Contains(out.String(), "***") {
		t.Error("nothing says that there is a secret")
	}
}
