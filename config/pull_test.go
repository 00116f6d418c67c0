package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPullSaysAllThatIsWrong(t *testing.T) {
	path := write(t, "p.yaml", `bridge:
  sources:
    - {name: own, owner: a}
    - {name: parcels, owner: a, connector: easypost}
pull:
  - {source: own, token: t}
  - {source: parcels, url: "https://api.example.com/track", number: order, carriers: [{name: ups}], after: 100ms, per_second: -1, timeout: 2m}
  - {source: parcels, url: "https://u:pw1234@api.example.com/track/{number}", token: t, after: 1h, after_silent: 2h, until: 1m}
silence: {after: 5m}
`)
	var ours []error
	for _, line := range strings.Split(load(t, path).ForWorker().Error(), "\n") {
		if strings.Contains(line, ": pull[") || strings.Contains(line, ": silence.") {
			ours = append(ours, errors.New(line))
		}
	}
	wantAll(t, errors.Join(ours...), path,
		`$F: pull[0].source: "own": want the name of one of bridge.sources that has a connector, or whose url`,
		`$F: pull[1].url: "https://api.example.com/track": want {number} where the number goes`, `$F: pull[1].token: "": want a token`, `$F: pull[1].number: "order": want tracking, pro or bol`,
		`$F: pull[1].carriers[0].carrier: "": want the code of a carrier`, `$F: pull[1].after: "100ms": want a duration from 1s`, `$F: pull[1].after_silent: "100ms": want`, `$F: pull[1].per_second: "-1"`, `$F: pull[1].timeout: "2m0s"`,
		`$F: pull[2].source: "parcels": want`, `$F: pull[2].url: "https://u:xxxxx@api.example.com/track/number": want an http or https URL`, `$F: pull[2].after_silent: "2h0m0s": want a duration from 1s to 1h0m0s`, `$F: pull[2].until: "1m0s"`,
		`$F: silence.after: "5m0s": want 0s, or a duration from 20m0s to 168h0m0s`)
}

func TestNobodyIsAskedUnlessItIsConfigured(t *testing.T) {
	c := load(t, "")
	if len(c.Pull) != 0 || c.Silence.After != 0 {
		t.Errorf("%+v, %+v", c.Pull, c.Silence)
	}
	p := load(t, example).Pull[0].Settled()
	if p.After != 12*time.Hour || p.AfterSilent != time.Hour || p.Until != 14*24*time.Hour || p.PerSecond != 1 {
		t.Errorf("%+v", p)
	}
}

func TestTendersSayAllThatIsWrong(t *testing.T) {
	path := write(t, "t.yaml", `bridge:
  sources:
    - {name: tms, owner: a}
    - {name: parcels, owner: a, connector: easypost}
targets: [{name: alps, kind: tms, url: "https://alps.example.com", token: t}, {name: books, kind: billing, url: "https://books.example.com", token: t}]
pull: [{source: tms, url: "https://tms.example.com/events/{number}", token: t}]
tenders:
  - {source: tms}
  - {source: tms, tms: alps}
  - {source: parcels, tms: books, after: 1ms, until: 1m, per_second: -1}
  - {source: other}
`)
	var ours []error
	for _, line := range strings.Split(load(t, path).ForWorker().Error(), "\n") {
		if strings.Contains(line, ": pull[") || strings.Contains(line, ": tenders[") {
			ours = append(ours, errors.New(line))
		}
	}
	wantAll(t, errors.Join(ours...), path,
		`$F: tenders[2].source: "parcels": want the name of one of bridge.sources that has no connector`, `$F: tenders[2].tms: "books": want nothing for tms, or the name of one of targets of kind tms`,
		`$F: tenders[2].after: "1ms"`, `$F: tenders[2].until: "1m0s"`, `$F: tenders[2].per_second: "-1"`,
		`$F: tenders[3].source: "other": want`, `$F: tenders[3].tms: "": want`)
}
