// Package secret holds values that redact themselves wherever they are printed.
package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

const redacted = "[redacted]"

// Value is a secret. It prints as "[redacted]" through fmt, slog and encoding/json;
// only Reveal shows it. The zero Value is the empty secret.
//
// It holds a pointer, because fmt cannot call methods on unexported fields and
// would print a plain string found there.
type Value struct{ s *string }

// New makes a secret of s.
func New(s string) Value { return Value{&s} }

// FromRef resolves a reference: "env:NAME" reads the environment, "file:/path" a
// file (one trailing newline is dropped). Anything else is an error, so that plain
// secrets never stand in settings.
func FromRef(ref string) (Value, error) {
	kind, name, ok := strings.Cut(ref, ":")
	if !ok {
		return Value{}, fmt.Errorf("secret reference %q: want env:NAME or file:/path", redacted)
	}
	switch kind {
	case "env":
		v, set := os.LookupEnv(name)
		if !set {
			return Value{}, fmt.Errorf("secret reference env:%s: the variable is not set", name)
		}
		return New(v), nil
	case "file":
		b, err := os.ReadFile(name)
		if err != nil {
			return Value{}, fmt.Errorf("secret reference file:%s: %w", name, err)
		}
		return New(strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")), nil
	default:
		return Value{}, fmt.Errorf("secret reference of kind %q: want env:NAME or file:/path", kind)
	}
}

// Derive makes a secret of another for one use; it tells nothing of the other, nor of those for
// other uses.
func Derive(of Value, use string) Value {
	h := hmac.New(sha256.New, []byte(of.Reveal()))
	h.Write([]byte(use))
	return New(hex.EncodeToString(h.Sum(nil)))
}

// Reveal returns the secret itself.
func (v Value) Reveal() string {
	if v.s == nil {
		return ""
	}
	return *v.s
}

// Empty says whether there is no secret.
func (v Value) Empty() bool { return v.Reveal() == "" }

// String hides the secret.
func (v Value) String() string { return redacted }

// GoString hides the secret from %#v.
func (v Value) GoString() string { return redacted }

// Format hides the secret from every verb of fmt.
func (v Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue hides the secret from slog.
func (v Value) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides the secret from encoding/json and the like.
func (v Value) MarshalText() ([]byte, error) { return []byte(redacted), nil }
