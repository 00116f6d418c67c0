package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"waybill/internal/approval"
	"waybill/internal/console"
	"waybill/internal/console/consoletest"
	"waybill/starters/waybill/cli"
)

// waybill runs the command as a person would.
func waybill(t *testing.T, args ...string) (code int, out, words string) {
	t.Helper()
	return consoletest.Program{Command: cli.Command}.Run(t, args...)
}

func TestKeygenMakesAKeyOnlyItsOwnerCanRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "approver.key")
	code, out, words := waybill(t, "approver", "keygen", "ann", "--key", path)
	if code != console.Done || !strings.Contains(words, path) {
		t.Fatalf("exit %d, words %q", code, words)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	k, err := approval.Load(path)
	if err != nil || out != "id: ann\npublic_key: "+k.Public()+"\n" {
		t.Errorf("printed %q, the key is %s of %s, %v", out, k.Public(), k.Approver, err)
	}
	if strings.Contains(out+words, private(t, path)) {
		t.Error("the private part was printed")
	}
}

func private(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var jwk struct{ D string }
	if err := json.Unmarshal(b, &jwk); err != nil || jwk.D == "" {
		t.Fatalf("no private part in the key file: %v", err)
	}
	return jwk.D
}

func TestKeygenNeverOverwritesAKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "approver.key")
	waybill(t, "approver", "keygen", "ann", "--key", path)
	before := private(t, path)
	code, out, words := waybill(t, "approver", "keygen", "ann", "--key", path)
	if code != console.Failed || out != "" || !strings.Contains(words, "is not overwritten") || !strings.Contains(words, "--key") {
		t.Errorf("exit %d, out %q, words %q", code, out, words)
	}
	if private(t, path) != before {
		t.Error("the key was overwritten")
	}
}

func TestKeygenForProgramsSaysWhatTheConfigurationNeeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "approver.key")
	_, out, _ := waybill(t, "--json", "approver", "keygen", "ann", "--key", path)
	k, err := approval.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	got := consoletest.FromJSON[map[string]string](t, out)
	for key, want := range map[string]string{"id": "ann", "public_key": k.Public(), "file": path} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q", key, got[key], want)
		}
	}
}

func TestTheKeyOfAnApproverIsInTheirOwnConfigurationFolder(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("WAYBILL_APPROVER_KEY", "")
	if code, _, words := waybill(t, "approver", "keygen", "ann"); code != console.Done {
		t.Fatal(words)
	}
	if _, err := approval.Load(filepath.Join(home, ".config", "waybill", "approver.key")); err != nil {
		t.Error(err)
	}
	other := filepath.Join(home, "other.key")
	t.Setenv("WAYBILL_APPROVER_KEY", other)
	if code, _, words := waybill(t, "approver", "keygen", "ann"); code != console.Done {
		t.Fatal(words)
	}
	if _, err := approval.Load(other); err != nil {
		t.Errorf("WAYBILL_APPROVER_KEY: %v", err)
	}
}

// nowhere is an address at which nobody listens, so that a command that gets as far as connecting fails, not hangs.
func nowhere(t *testing.T) {
	t.Helper()
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
}

func TestMisuseSaysWhatIsWrongBeforeAnythingIsTried(t *testing.T) {
	nowhere(t)
	for _, tt := range []struct{ args, words string }{
		{"", "say which"},
		{"shipments", `unknown command "shipments"`},
		{"list --sate transit", "unknown flag: --sate"},
		{"list acme-1", "unknown command"},
		{"list --limit x", "want a number from 1"},
		{"list --limit 0", "want a number from 1"},
		{"list --stage Transit", "want one of fulfilment, transit, proof,"},
		{"exception list --kind pod", "want one of address_problem,"},
		{"exception resolve acme-7 1 --action forget --reason r", "want one of retry, waive, dismiss, cancel"},
		{"status", "accepts 1 arg(s), received 0"},
		{"release 7", `"tenant" not set`},
		{"cancel acme-7", `"reason" not set`},
		{"dispute approve acme-7/1", `"reason" not set`},
		{"dispute reject acme-7/1 --reason r --amount 1", "unknown flag: --amount"},
		{"exception resolve acme-7 --action retry --reason r", "accepts 2 arg(s), received 1"},
		{"exception resolve acme-7 1 --reason r", `"action" not set`},
		{"exception assign tms PRO1 acme-7", `"reason" not set`},
		{"exception assign tms PRO1 acme 7 --reason r", "accepts 3 arg(s), received 4"},
		{"exception discard tms PRO1 acme-7 --reason r", "accepts 2 arg(s), received 3"},
		{"approver keygen", "accepts 1 arg(s), received 0"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			code, out, words := waybill(t, strings.Fields(tt.args)...)
			if code != console.Misused || out != "" && tt.args != "" || !strings.Contains(words, tt.words) || !strings.Contains(words, "--help") {
				t.Errorf("exit %d, out %q, words %q; want %q", code, out, words, tt.words)
			}
		})
	}
}

func TestWithoutTemporalItSaysWhichAddressWasTriedAndHowToSetIt(t *testing.T) {
	nowhere(t)
	code, out, words := waybill(t, "list")
	if code != console.Failed || out != "" || !strings.Contains(words, "127.0.0.1:1") || !strings.Contains(words, "set TEMPORAL_ADDRESS") {
		t.Errorf("exit %d, out %q, words %q", code, out, words)
	}
}

func TestEachCommandIsThereOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cli.Command(&console.Console{}).Commands() {
		if seen[c.Name()] {
			t.Errorf("%s is there twice", c.Name())
		}
		seen[c.Name()] = true
	}
	for _, want := range []string{"list", "status", "release", "cancel", "dispute", "exception", "approver", "connector"} {
		if !seen[want] {
			t.Errorf("there is no %s", want)
		}
	}
}

func TestTheShellCompletesWhatHasFewValues(t *testing.T) {
	for args, want := range map[string]string{
		"__complete list --stage ":               "settlement",
		"__complete list --exception ":           "charges_missing",
		"__complete exception list --kind ":      "charges_missing",
		"__complete exception list --kind unma":  "unmatched",
		"__complete exception resolve --action ": "dismiss",
		"__complete dispute ":                    "approve",
		"completion bash":                        "__start_waybill",
	} {
		code, out, words := waybill(t, strings.Split(args, " ")...)
		if code != console.Done || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d, %q, %q; want %s in it", args, code, out, words, want)
		}
	}
}
