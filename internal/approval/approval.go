// Package approval signs decisions and reads signed ones: compact JWS with Ed25519, the approver's id as kid.
// Who may decide what is not its concern.
package approval

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"filippo.io/edwards25519"
	"github.com/go-jose/go-jose/v4"

	"waybill/workflows/freight"
)

// Key is an approver's own key. The private part never leaves the person's machine.
type Key struct {
	Approver string
	private  ed25519.PrivateKey
}

// NewKey makes a key for an approver.
func NewKey(approver string) (Key, error) {
	if approver == "" {
		return Key{}, errors.New("approval: approver id is empty")
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("approval: make key: %w", err)
	}
	return Key{approver, private}, nil
}

// Public is the key's public part, base64url without padding, 43 characters: what the configuration holds.
func (k Key) Public() string {
	return base64.RawURLEncoding.EncodeToString(k.private.Public().(ed25519.PublicKey))
}

// Save writes the key to a file only its owner can read; it never overwrites one.
func (k Key) Save(path string) error {
	b, err := json.Marshal(jose.JSONWebKey{Key: k.private, KeyID: k.Approver, Algorithm: string(jose.EdDSA)})
	if err != nil {
		return fmt.Errorf("approval: encode key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("approval: save key: %w", err)
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// Load reads a key that Save wrote. A file that others can read is refused.
func Load(path string) (Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Key{}, fmt.Errorf("approval: read key: %w; make one with waybill approver keygen", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("approval: key file %s can be read by others: chmod 600 it", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("approval: read key: %w", err)
	}
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(b, &jwk); err != nil {
		return Key{}, fmt.Errorf("approval: key file %s: it is no JWK", path)
	}
	private, ok := jwk.Key.(ed25519.PrivateKey)
	if !ok || jwk.KeyID == "" {
		return Key{}, fmt.Errorf("approval: key file %s holds no Ed25519 private key with an approver's id", path)
	}
	return Key{jwk.KeyID, private}, nil
}

// Sign makes the signed document of a decision.
func (k Key) Sign(d freight.Decision) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: k.private, KeyID: k.Approver}}, nil)
	if err != nil {
		return "", fmt.Errorf("approval: signer: %w", err)
	}
	b, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("approval: encode decision: %w", err)
	}
	object, err := signer.Sign(b)
	if err != nil {
		return "", fmt.Errorf("approval: sign: %w", err)
	}
	return object.CompactSerialize()
}

// PublicKey reads the public part of a key as Public writes it. A key of small order, such as all zeros, is refused:
// anyone can make a signature that it takes for its own.
func PublicKey(text string) (ed25519.PublicKey, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, errors.New("it is not 43 characters of base64url")
	}
	point, err := new(edwards25519.Point).SetBytes(raw)
	if err != nil {
		return nil, errors.New("it is no point on the curve of Ed25519")
	}
	if new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return nil, errors.New("it is a weak key, made by no generator")
	}
	return raw, nil
}

// Read checks a signed decision against the public key that keyOf has for its approver, and returns it. The
// approver named inside is the one whose key signed.
func Read(jws string, keyOf func(approver string) (public string, ok bool)) (freight.Decision, error) {
	var d freight.Decision
	object, err := jose.ParseSignedCompact(jws, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return d, errors.New("it is no decision signed with Ed25519: use waybill dispute approve or reject")
	}
	kid := object.Signatures[0].Header.KeyID
	public, ok := keyOf(kid)
	if !ok {
		return d, fmt.Errorf("approver %q is not known: add the public key to approvers in the worker's configuration", kid)
	}
	key, err := PublicKey(public)
	if err != nil {
		return d, fmt.Errorf("the public key of approver %q in the configuration is not one: %w", kid, err)
	}
	b, err := object.Verify(key)
	if err != nil {
		return d, fmt.Errorf("the signature is not that of approver %q: sign with the key whose public part is configured", kid)
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return d, fmt.Errorf("the signed document is no decision: %w", err)
	}
	if d.Approver != kid {
		return d, fmt.Errorf("the document names approver %q, the key is that of %q", d.Approver, kid)
	}
	return d, nil
}
