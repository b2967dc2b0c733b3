package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"vigil/internal/parser"
	"vigil/internal/parser/custom"
	"vigil/internal/tables"
	"vigil/schema"
	"vigil/schema/flow"
)

// maxFormats is how many documents a folder of custom formats may hold.
const maxFormats = 500

// FormatFiles reads the documents of a folder of custom formats; none when there is no such
// folder.
func FormatFiles(dir string) ([]custom.File, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(names) > maxFormats {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("%s holds %d formats, more than %d", dir, len(names), maxFormats), "")
	}
	var out []custom.File
	for _, name := range names {
		text, err := readSome(name, custom.MaxFile+1) // one that is too long is told as such
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, custom.File{Name: filepath.Base(name), Text: text})
	}
	return out, nil
}

func readSome(path string, limit int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit))
	return string(b), err
}

// formatCache is what is known of custom formats.
type formatCache struct {
	files   []custom.File // that were read last
	hash    string        // of the set that they make; "": they make none
	stored  string        // org NUL hash that was stored last
	decoded []decodedSet  // newest use last
}

type decodedSet struct {
	hash string
	set  *custom.Set
}

// keptFormats is how many sets a process keeps.
const keptFormats = 3

// formatVersion reads the folder, and stores the set that it makes before it names it.
func (x *LiveTables) formatVersion(ctx context.Context, org string) (string, error) {
	if x.FormatDir == "" {
		return "", nil
	}
	files, err := FormatFiles(x.FormatDir)
	if err != nil {
		return "", err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	c := &x.formats
	if slices.Equal(files, c.files) && (c.hash == "" || c.stored == org+"\x00"+c.hash) {
		return c.hash, nil
	}
	set, errs := custom.Load(files)
	for _, err := range errs {
		x.Log.Error("a custom format is not used", "error", err)
	}
	body, err := set.Encode()
	if err != nil {
		return "", err
	}
	hash := ""
	if body != nil {
		hash = tables.Hash(body)
		if err := x.Store.PutTableBody(ctx, org, hash, body); err != nil {
			return "", err
		}
	}
	c.files, c.hash, c.stored = files, hash, org+"\x00"+hash
	return hash, nil
}

// Formats are the formats of a plan: the custom ones that it pins, before the built-in ones.
func (x *LiveTables) Formats(ctx context.Context, org string, plan flow.IngestPlan) (parser.Set, error) {
	pins, err := tables.ParsePins(plan.Tables)
	if err != nil {
		return nil, err
	}
	hash := pins[tables.FormatTable]
	if hash == "" {
		return parser.Formats(), nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, d := range x.formats.decoded {
		if d.hash == hash {
			x.formats.decoded = append(slices.Delete(x.formats.decoded, i, i+1), d)
			return d.set.All(), nil
		}
	}
	body, err := tableBody(ctx, x.Store, org, hash)
	if err != nil {
		return nil, err
	}
	set, err := custom.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("the pinned formats %s: %w", hash, err)
	}
	d := append(x.formats.decoded, decodedSet{hash, set})
	x.formats.decoded = slices.Clone(d[max(0, len(d)-keptFormats):])
	return set.All(), nil
}
