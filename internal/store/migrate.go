package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"vigil/schema"
)

// Migrate applies the migrations that this database has not seen, in order. Each
// is applied once and checksummed: a changed file that was applied before is an
// error, because the tables would not be what the code believes.
func (s *Store) Migrate(ctx context.Context) error {
	for _, q := range []string{
		"CREATE DATABASE IF NOT EXISTS " + s.o.Database, "CREATE DATABASE IF NOT EXISTS vigil_private",
		"CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, hash String, applied DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = MergeTree ORDER BY number",
	} {
		if err := s.exec(ctx, q, nil); err != nil {
			return fmt.Errorf("preparing the database: %w", err)
		}
	}
	applied, err := s.applied(ctx)
	if err != nil {
		return fmt.Errorf("reading applied migrations: %w", err)
	}
	entries, err := fs.ReadDir(schema.Migrations, "clickhouse")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.migrate(ctx, e.Name(), applied); err != nil {
			return fmt.Errorf("migration %s: %w", e.Name(), err)
		}
	}
	return nil
}

func (s *Store) applied(ctx context.Context) (map[uint32]string, error) {
	out := map[uint32]string{}
	err := s.each(ctx, "SELECT number, hash FROM migrations", nil, func(r driver.Rows) error {
		var n uint32
		var hash string
		if err := r.Scan(&n, &hash); err != nil {
			return err
		}
		out[n] = hash
		return nil
	})
	return out, err
}

func (s *Store) migrate(ctx context.Context, name string, applied map[uint32]string) error {
	digits, _, _ := strings.Cut(name, "_")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return fmt.Errorf("the name does not start with a number: %w", err)
	}
	text, err := fs.ReadFile(schema.Migrations, "clickhouse/"+name)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	hash := hex.EncodeToString(sum[:])
	if have, ok := applied[uint32(n)]; ok {
		if have != hash {
			return schema.E(schema.Conflict, "it was applied with other content", "this database was made by another version of Vigil; use its own data folder")
		}
		return nil
	}
	for _, q := range statements(string(text)) {
		if err := s.exec(ctx, q, nil); err != nil {
			return err
		}
	}
	return s.insert(ctx, "migrations", "number, name, hash", "migration-"+digits, [][]any{{uint32(n), name, hash}})
}

// statements splits a migration at semicolons that end a line; comments go.
func statements(text string) []string {
	var out []string
	var b strings.Builder
	for line := range strings.Lines(text) {
		if i := strings.Index(line, "--"); i >= 0 {
			line = line[:i] + "\n"
		}
		b.WriteString(line)
		if strings.HasSuffix(strings.TrimSpace(line), ";") {
			out = append(out, strings.TrimSuffix(strings.TrimSpace(b.String()), ";"))
			b.Reset()
		}
	}
	if rest := strings.TrimSpace(b.String()); rest != "" {
		out = append(out, rest)
	}
	return out
}
