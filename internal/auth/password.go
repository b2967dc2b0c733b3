// Package auth knows who somebody is: passwords, session and API tokens, and the
// decision tokens that make an approval provable. What a role may do is in
// internal/auth/perm.
package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"vigil/internal/secret"
	"vigil/schema"
)

// The cost of a password hash: 46 MiB, one pass, one lane (OWASP's first choice).
const (
	argonMemory  = 46 << 10 // KiB
	argonTime    = 1
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16
)

// The length limits of a password, in characters and bytes.
const (
	MinPassword = 12
	MaxPassword = 1024
)

// HashPassword returns the argon2id hash in PHC form. A password that is too short
// or too long is an error of code Invalid.
func HashPassword(p secret.Value) (string, error) {
	plain := p.Reveal()
	if utf8.RuneCountInString(plain) < MinPassword || len(plain) > MaxPassword {
		return "", schema.E(schema.Invalid, fmt.Sprintf("a password needs %d to %d characters", MinPassword, MaxPassword), "four unrelated words make a good one")
	}
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails (crypto/rand)
	return encode(salt, derive(plain, salt, argonMemory, argonTime, argonThreads)), nil
}

func derive(plain string, salt []byte, memory, time uint32, threads uint8) []byte {
	return argon2.IDKey([]byte(plain), salt, time, memory, threads, argonKey)
}

func encode(salt, key []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads,
		b.EncodeToString(salt), b.EncodeToString(key))
}

// CheckPassword says whether the password belongs to the hash. With an empty hash
// (unknown user) it takes as long and answers no, so that names cannot be guessed
// by timing.
func CheckPassword(hash string, p secret.Value) bool {
	plain := p.Reveal()
	if len(plain) > MaxPassword {
		return false
	}
	h, ok := decode(hash)
	if !ok {
		derive(plain, make([]byte, argonSalt), argonMemory, argonTime, argonThreads)
		return false
	}
	return subtle.ConstantTimeCompare(h.key, derive(plain, h.salt, h.memory, h.time, h.threads)) == 1
}

type phc struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

func decode(hash string) (phc, bool) {
	var h phc
	f := strings.Split(hash, "$")
	if len(f) != 6 || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, false
	}
	if n, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); n != 3 || err != nil {
		return h, false
	}
	// A stored hash must not be able to make the server spend without bound.
	if h.memory > 1<<20 || h.time == 0 || h.time > 16 || h.threads == 0 {
		return h, false
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.DecodeString(f[4])
	h.key, err2 = base64.RawStdEncoding.DecodeString(f[5])
	return h, err1 == nil && err2 == nil && len(h.key) == argonKey
}

// NewToken makes a random token of 256 bits with a recognisable prefix ("vgl_") and
// the id under which it is stored.
func NewToken(prefix string) (token secret.Value, id string) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	plain := prefix + base64.RawURLEncoding.EncodeToString(b)
	return secret.New(plain), TokenID(plain)
}

// TokenID is the id of a session or API token: the hex SHA-256 of its text. The
// text itself is never stored.
func TokenID(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
