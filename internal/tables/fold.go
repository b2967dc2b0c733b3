package tables

import "strings"

// maxKey is the length up to which names are looked up.
const maxKey = 256

// key is a name as it is looked up: ASCII letters small, all else as it is.
type key [maxKey]byte

// fold puts s into k; nil when it is empty or too long to be in a table.
func (k *key) fold(s string) []byte {
	if s == "" || len(s) > maxKey {
		return nil
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		k[i] = c
	}
	return k[:len(s)]
}

// folded is the key of a table's own name.
func folded(s string) string {
	var k key
	return string(k.fold(s))
}

// firstLabel is what stands before the first dot of a host name; "" when there is none,
// or when it cannot be a name by itself (addresses).
func firstLabel(name []byte) []byte {
	for i, c := range name {
		switch {
		case c == '.' && i > 0:
			if strings.Trim(string(name[:i]), "0123456789") == "" {
				return nil
			}
			return name[:i]
		case c == ':':
			return nil
		}
	}
	return nil
}
