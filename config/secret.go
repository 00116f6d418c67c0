package config

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// Secret is a password, token or key. It is written as it is, as file:PATH or as env:NAME, and never printed: not by
// any verb of fmt, not as JSON, not inside a struct whose fields fmt may only look at. The zero value is none.
type Secret struct{ from *string }

// SecretOf makes a secret of its written form.
func SecretOf(from string) Secret { return Secret{&from} }

// UnmarshalText reads the written form.
func (s *Secret) UnmarshalText(b []byte) error {
	*s = SecretOf(string(b))
	return nil
}

func (s Secret) written() string {
	if s.from == nil {
		return ""
	}
	return *s.from
}

// Stated reports whether there is one.
func (s Secret) Stated() bool { return s.written() != "" }

// String says that there is a secret, and nothing of it.
func (s Secret) String() string {
	if !s.Stated() {
		return ""
	}
	return "***"
}

// Format hides the secret from every verb and flag of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) } // fmt keeps no error

// MarshalJSON hides the secret.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Reveal reads the secret where it is kept, anew each time, so that it can be rotated. One that is empty there is
// an error.
func (s Secret) Reveal() (string, error) {
	if path, ok := strings.CutPrefix(s.written(), "file:"); ok {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}
		if v := strings.TrimSpace(string(b)); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("secret: file %s is empty", path)
	}
	if name, ok := strings.CutPrefix(s.written(), "env:"); ok {
		v := os.Getenv(name)
		if v == "" {
			return "", fmt.Errorf("secret: environment variable %s is empty", name)
		}
		return v, nil
	}
	return s.written(), nil
}
