package worker

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"vigil/schema"
)

// Payloads of workflows are encrypted with AES-256-GCM under the first key of a key
// file; the others still open what was written under them. What is not encrypted
// passes, so that encryption can be turned on over existing histories, and people can
// start workflows with plain input by the stock CLI.
const (
	encrypted = "binary/encrypted"
	metaKey   = "encryption-key-id"
)

// Codec encrypts and decrypts payloads. It is safe for concurrent use.
type Codec struct {
	path   string
	mu     sync.RWMutex
	active string
	keys   map[string]cipher.AEAD
}

// OpenCodec reads the key file, or creates it (0600) with one key.
func OpenCodec(path string) (*Codec, error) {
	c := &Codec{path: path}
	err := c.load()
	if errors.Is(err, fs.ErrNotExist) {
		if err = addKey(path, ""); err == nil || errors.Is(err, fs.ErrExist) {
			err = c.load()
		}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Rotate puts a new key before the others: from now on it encrypts. Processes that run
// read the file again when they meet its id; older keys stay as long as histories do.
func Rotate(path string) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the payload keys: %w", err)
	}
	return addKey(path, string(old))
}

// addKey writes a file of a new key and the old ones. A first file is linked to its
// place, so that of two processes that start at once both use the same.
func addKey(path, old string) error {
	key := make([]byte, 32)
	id := make([]byte, 4)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	_, _ = rand.Read(id)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("writing the payload keys: %w", err)
	}
	tmp := fmt.Sprintf("%s.%d.new", path, os.Getpid())
	text := hex.EncodeToString(id) + " " + base64.StdEncoding.EncodeToString(key) + "\n" + old
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing the payload keys: %w", err)
	}
	defer func() { _ = os.Remove(tmp) }()
	put := os.Rename
	if old == "" {
		put = os.Link
	}
	if err := put(tmp, path); err != nil {
		return fmt.Errorf("writing the payload keys: %w", err)
	}
	return nil
}

func (c *Codec) load() error {
	b, err := os.ReadFile(c.path)
	if err != nil {
		return fmt.Errorf("reading the payload keys: %w", err)
	}
	if fi, err := os.Stat(c.path); err == nil && fi.Mode().Perm()&0o077 != 0 {
		return schema.E(schema.Denied, "the payload keys "+c.path+" can be read by others", "chmod 600, and rotate them: vigil keys rotate")
	}
	active, keys := "", map[string]cipher.AEAD{}
	for line := range strings.Lines(string(b)) {
		id, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != 32 || id == "" {
			return schema.E(schema.Invalid, "the payload keys "+c.path+" are damaged", "restore them from a backup: histories need them")
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return fmt.Errorf("reading the payload keys: %w", err)
		}
		if keys[id], err = cipher.NewGCM(block); err != nil {
			return fmt.Errorf("reading the payload keys: %w", err)
		}
		if active == "" {
			active = id
		}
	}
	if active == "" {
		return schema.E(schema.Invalid, "the payload keys "+c.path+" are empty", "restore them from a backup: histories need them")
	}
	c.mu.Lock()
	c.active, c.keys = active, keys
	c.mu.Unlock()
	return nil
}

func (c *Codec) key(id string) (string, cipher.AEAD, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if id == "" {
		id = c.active
	}
	k, ok := c.keys[id]
	return id, k, ok
}

// Encode implements the payload codec of the Temporal SDK.
func (c *Codec) Encode(in []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(in))
	id, k, _ := c.key("")
	for i, p := range in {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("encoding a payload: %w", err)
		}
		nonce := make([]byte, k.NonceSize(), k.NonceSize()+len(plain)+k.Overhead())
		_, _ = rand.Read(nonce) // never fails (crypto/rand)
		out[i] = &commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encrypted), metaKey: []byte(id)}, Data: k.Seal(nonce, nonce, plain, []byte(id))}
	}
	return out, nil
}

// Decode implements the payload codec of the Temporal SDK.
func (c *Codec) Decode(in []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(in))
	for i, p := range in {
		if string(p.Metadata[converter.MetadataEncoding]) != encrypted {
			out[i] = p
			continue
		}
		plain, err := c.open(string(p.Metadata[metaKey]), p.Data)
		if err != nil {
			return nil, err
		}
		out[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(plain, out[i]); err != nil {
			return nil, fmt.Errorf("reading a payload: %w", err)
		}
	}
	return out, nil
}

func (c *Codec) open(id string, data []byte) ([]byte, error) {
	_, k, ok := c.key(id)
	if !ok || id == "" { // another process has rotated the keys
		if err := c.load(); err != nil {
			return nil, err
		}
		_, k, ok = c.key(id)
	}
	if !ok || id == "" {
		return nil, schema.E(schema.Denied, fmt.Sprintf("no key %q opens this payload", id), "all processes share the folder keys")
	}
	if len(data) < k.NonceSize() {
		return nil, schema.E(schema.Invalid, "an encrypted payload is cut", "")
	}
	plain, err := k.Open(nil, data[:k.NonceSize()], data[k.NonceSize():], []byte(id))
	if err != nil {
		return nil, schema.E(schema.Invalid, "an encrypted payload was changed", "", err)
	}
	return plain, nil
}

// Encrypt makes a client encrypt what it writes, failures too.
func (c *Codec) Encrypt(o *client.Options) {
	o.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c)
	o.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: o.DataConverter, EncodeCommonAttributes: true})
}
