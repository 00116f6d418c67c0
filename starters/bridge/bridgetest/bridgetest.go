// Package bridgetest is what the tests of the bridge and of its command have in common.
package bridgetest

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// SecretOf is a signing secret made of one letter; it opens nothing.
func SecretOf(letter string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 32)))
}

// within bounds how long Until waits, on a machine that has other things to do.
const within = time.Minute

// Until waits for something to be so, and fails the test if it does not come.
func Until(t testing.TB, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}
