package cluster

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

// Keyring is the file of the codec's keys: the active one encrypts, all decrypt.
type Keyring struct {
	Active string            `json:"active"`
	Keys   map[string]string `json:"keys"` // id -> base64 of 32 bytes
}

type codec struct {
	active    string
	sealers   map[string]cipher.AEAD
	namespace string
}

var _ converter.PayloadCodec = (*codec)(nil)

const (
	encodingKey   = "encoding"
	encrypted     = "binary/encrypted"
	keyIDMetadata = "encryption-key-id"
)

// LoadCodec reads a key ring and makes the codec that encrypts payloads with AES-256-GCM. What it seals is bound
// to its key and namespace. Payloads in the clear pass when read, so that keys can be introduced.
func LoadCodec(path, namespace string) (converter.PayloadCodec, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("codec keys: %w", err)
	}
	var ring Keyring
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&ring); err != nil { // its words could hold a part of a key
		return nil, fmt.Errorf(`codec keys: %s is no key ring: want {"active": "k2", "keys": {"k1": "...", "k2": "..."}}, each key base64 of 32 bytes`, path)
	}
	c := &codec{active: ring.Active, sealers: map[string]cipher.AEAD{}, namespace: namespace}
	for id, text := range ring.Keys {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != 32 {
			return nil, fmt.Errorf("codec keys: key %q of %s is not base64 of 32 bytes", id, path)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("codec keys: %w", err)
		}
		if c.sealers[id], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("codec keys: %w", err)
		}
	}
	if c.sealers[c.active] == nil {
		return nil, fmt.Errorf("codec keys: active key %q is not among the keys of %s", ring.Active, path)
	}
	return c, nil
}

func (c *codec) bound(id string) []byte { return []byte(c.namespace + "|" + id) }

// Encode implements converter.PayloadCodec.
func (c *codec) Encode(ps []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(ps))
	for i, p := range ps {
		clear, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("codec: %w", err)
		}
		seal := c.sealers[c.active]
		nonce := make([]byte, seal.NonceSize())
		if _, err := rand.Read(nonce); err != nil {
			return nil, fmt.Errorf("codec: %w", err)
		}
		out[i] = &commonpb.Payload{
			Metadata: map[string][]byte{encodingKey: []byte(encrypted), keyIDMetadata: []byte(c.active)},
			Data:     seal.Seal(nonce, nonce, clear, c.bound(c.active)),
		}
	}
	return out, nil
}

// Decode implements converter.PayloadCodec.
func (c *codec) Decode(ps []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(ps))
	for i, p := range ps {
		if string(p.GetMetadata()[encodingKey]) != encrypted {
			out[i] = p
			continue
		}
		clear, err := c.open(p)
		if err != nil {
			return nil, err
		}
		out[i] = clear
	}
	return out, nil
}

func (c *codec) open(p *commonpb.Payload) (*commonpb.Payload, error) {
	id := string(p.GetMetadata()[keyIDMetadata])
	seal := c.sealers[id]
	if seal == nil {
		return nil, fmt.Errorf("codec: key %q is not in the key ring: keep old keys in it as long as histories are kept", id)
	}
	data := p.GetData()
	if len(data) < seal.NonceSize() {
		return nil, errors.New("codec: payload is too short")
	}
	clear, err := seal.Open(nil, data[:seal.NonceSize()], data[seal.NonceSize():], c.bound(id))
	if err != nil {
		return nil, errors.New("codec: payload was not sealed by this key for this namespace")
	}
	out := &commonpb.Payload{}
	if err := proto.Unmarshal(clear, out); err != nil {
		return nil, fmt.Errorf("codec: %w", err)
	}
	return out, nil
}
