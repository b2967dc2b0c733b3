package worker

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"vigil/schema"
)

func payload(t testing.TB, v any) *commonpb.Payload {
	p, err := converter.GetDefaultDataConverter().ToPayload(v)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCodec(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "payload.keys")
	c, err := OpenCodec(path)
	if err != nil {
		t.Fatal(err)
	}
	plain := payload(t, "the token of the EDR")
	first, err := c.Encode([]*commonpb.Payload{plain})
	if err != nil || bytes.Contains(first[0].Data, []byte("EDR")) {
		t.Fatalf("not encrypted: %v", err)
	}
	again, _ := c.Encode([]*commonpb.Payload{plain})
	if bytes.Equal(first[0].Data, again[0].Data) {
		t.Error("the same payload encrypts to the same bytes")
	}
	other, err := OpenCodec(path) // another process
	if err != nil {
		t.Fatal(err)
	}
	if err := Rotate(path); err != nil {
		t.Fatal(err)
	}
	rotated, err := OpenCodec(path)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := rotated.Encode([]*commonpb.Payload{plain})
	if string(first[0].Metadata[metaKey]) == string(second[0].Metadata[metaKey]) {
		t.Error("the rotated key is not used")
	}
	for name, codec := range map[string]*Codec{"old process": other, "new process": rotated} {
		got, err := codec.Decode([]*commonpb.Payload{first[0], second[0], plain})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, p := range got {
			var s string
			if err := converter.GetDefaultDataConverter().FromPayload(p, &s); err != nil || s != "the token of the EDR" {
				t.Errorf("%s: %q %v", name, s, err)
			}
		}
	}
	bad := &commonpb.Payload{Metadata: first[0].Metadata, Data: bytes.Clone(first[0].Data)}
	bad.Data[len(bad.Data)-1] ^= 1
	moved := &commonpb.Payload{Metadata: second[0].Metadata, Data: first[0].Data}
	unknown := &commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encrypted), metaKey: []byte("ffff")}, Data: first[0].Data}
	short := &commonpb.Payload{Metadata: first[0].Metadata, Data: []byte{1}}
	for _, p := range []*commonpb.Payload{bad, moved, unknown, short} {
		if _, err := c.Decode([]*commonpb.Payload{p}); err == nil {
			t.Error("a changed payload was taken")
		}
	}
}

func TestCodecKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "payload.keys")
	if _, err := OpenCodec(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCodec(path); schema.CodeOf(err) != schema.Denied {
		t.Errorf("a readable key file: %v", err)
	}
	for _, text := range []string{"", "x", "a AAAA\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Chmod(path, 0o600)
		if _, err := OpenCodec(path); schema.CodeOf(err) != schema.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzCodecDecode(f *testing.F) {
	c, err := OpenCodec(filepath.Join(f.TempDir(), "payload.keys"))
	if err != nil {
		f.Fatal(err)
	}
	good, _ := c.Encode([]*commonpb.Payload{payload(f, "x")})
	f.Add(good[0].Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := c.Decode([]*commonpb.Payload{{Metadata: good[0].Metadata, Data: data}}); err == nil && !bytes.Equal(data, good[0].Data) {
			t.Error("something else was opened")
		}
	})
}
