package sigma

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"vigil/rules"
	"vigil/schema"
)

// maxArchive bounds the rule text of an archive, in bytes.
const maxArchive = 512 << 20

// FromFS reads the rule files (.yml, .yaml) of a folder or a zip archive.
func FromFS(sys fs.FS) ([]File, error) {
	var out []File
	err := fs.WalkDir(sys, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("reading Sigma rules: %w", err)
		}
		if e.IsDir() || !isRule(p) {
			return nil
		}
		f, err := sys.Open(p)
		if err != nil {
			return fmt.Errorf("reading Sigma rules: %w", err)
		}
		defer func() { _ = f.Close() }()
		return add(&out, p, f)
	})
	return out, err
}

// FromTar reads the rule files of an unpacked tar stream.
func FromTar(r io.Reader) ([]File, error) {
	var out []File
	size := int64(0)
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, schema.E(schema.Invalid, "reading the archive", "it must be a tar archive, plain or packed by gzip, or a zip", err)
		}
		if size += h.Size; size > maxArchive {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("the archive has more than %d MiB", maxArchive>>20), "import a folder instead")
		}
		if h.Typeflag != tar.TypeReg || !isRule(h.Name) {
			continue
		}
		if err := add(&out, path.Clean(h.Name), t); err != nil {
			return nil, err
		}
	}
}

// add reads one file, one byte beyond the limit so that it is refused and not cut.
func add(out *[]File, name string, r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, rules.MaxFile+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	*out = append(*out, File{name, text})
	return nil
}

func isRule(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	base := path.Base(name)
	return (ext == ".yml" || ext == ".yaml") && !strings.HasPrefix(base, ".")
}
