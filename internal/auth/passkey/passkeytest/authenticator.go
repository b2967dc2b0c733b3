// Package passkeytest is an authenticator in software, for tests: it does what a
// browser and its security key do, and what they never should.
package passkeytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// Key is a security key with one passkey, in a browser at Origin.
type Key struct {
	Origin string
	// RPID overrides what the options ask for; "" does not.
	RPID string
	// Challenge overrides what the options ask to sign; nil does not.
	Challenge []byte
	// Unverified leaves out that it knows its user.
	Unverified bool
	Count      uint32 // of the next signature; 0 never counts

	id, user []byte
	private  *ecdsa.PrivateKey
}

// New makes an authenticator without a passkey yet.
func New(origin string) (*Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	k := &Key{Origin: origin, private: private, id: make([]byte, 32), Count: 1}
	_, _ = rand.Read(k.id) // never fails (crypto/rand)
	return k, nil
}

// ID is the id of the passkey, base64url.
func (k *Key) ID() string { return text(k.id) }

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

type creation struct {
	Challenge string                `json:"challenge"`
	RP        struct{ ID string }   `json:"rp"`
	User      struct{ ID string }   `json:"user"`
	Exclude   []struct{ ID string } `json:"excludeCredentials"`
}

// Create answers navigator.credentials.create.
func (k *Key) Create(options []byte) ([]byte, error) {
	var o creation
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, err
	}
	for _, e := range o.Exclude {
		if e.ID == k.ID() {
			return nil, fmt.Errorf("InvalidStateError: it is registered already")
		}
	}
	user, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		return nil, err
	}
	k.user = user
	public, err := k.public()
	if err != nil {
		return nil, err
	}
	data := k.authData(o.RP.ID, 0x40)
	data = append(data, make([]byte, 16)...) // no model
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.id)))
	data = append(append(data, k.id...), public...)
	object, err := webauthncbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"id": k.ID(), "rawId": k.ID(), "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": text(k.clientData("webauthn.create", o.Challenge)), "attestationObject": text(object), "transports": []string{"usb"}}})
}

func (k *Key) public() ([]byte, error) {
	p, err := k.private.PublicKey.ECDH()
	if err != nil {
		return nil, err
	}
	xy := p.Bytes()[1:]
	return webauthncbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: xy[:32], -3: xy[32:]})
}

func (k *Key) authData(rpID string, flags byte) []byte {
	if k.RPID != "" {
		rpID = k.RPID
	}
	sum := sha256.Sum256([]byte(rpID))
	flags |= 0x01
	if !k.Unverified {
		flags |= 0x04
	}
	data := append(sum[:], flags)
	data = binary.BigEndian.AppendUint32(data, k.Count)
	if k.Count > 0 {
		k.Count++
	}
	return data
}

func (k *Key) clientData(kind, challenge string) []byte {
	if k.Challenge != nil {
		challenge = text(k.Challenge)
	}
	b, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": k.Origin, "crossOrigin": false}) // strings cannot fail
	return b
}

// Get answers navigator.credentials.get.
func (k *Key) Get(options []byte) ([]byte, error) {
	var o struct {
		Challenge string `json:"challenge"`
		RPID      string `json:"rpId"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, err
	}
	data, client := k.authData(o.RPID, 0), k.clientData("webauthn.get", o.Challenge)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	sig, err := ecdsa.SignASN1(rand.Reader, k.private, digest[:])
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"id": k.ID(), "rawId": k.ID(), "type": "public-key", "clientExtensionResults": map[string]any{},
		"response": map[string]any{"clientDataJSON": text(client), "authenticatorData": text(data), "signature": text(sig), "userHandle": text(k.user)}})
}
