package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNeverPrinted tries the ways in which a secret usually escapes.
func TestNeverPrinted(t *testing.T) {
	const plain = "hunter2-plain"
	v := New(plain)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v, "in", struct{ V Value }{v})
	j, err := json.Marshal(map[string]any{"v": v, "p": &v})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	all.WriteString(log.String() + string(j))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		all.WriteString(fmt.Sprintf(verb, v) + fmt.Sprintf(verb, struct{ V, hidden Value }{v, v}) + fmt.Sprintf(verb, &v))
	}
	if strings.Contains(all.String(), plain) || strings.Contains(all.String(), fmt.Sprintf("%x", plain)) {
		t.Errorf("the secret escaped: %s", all.String())
	}
	if v.Reveal() != plain {
		t.Error("Reveal does not return the secret")
	}
}

// TestFromRef reads references and refuses plain text without repeating it.
func TestFromRef(t *testing.T) {
	t.Setenv("VIGIL_SECRET_TEST", "a")
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"env:VIGIL_SECRET_TEST": "a", "file:" + path: "b"} {
		v, err := FromRef(ref)
		if err != nil || v.Reveal() != want {
			t.Errorf("%s: %q, %v", ref, v.Reveal(), err)
		}
	}
	for _, bad := range []string{"hunter2", "env:VIGIL_NOT_SET_ANYWHERE", "file:/no/such", "vault:x"} {
		if _, err := FromRef(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
