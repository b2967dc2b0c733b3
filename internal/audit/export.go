package audit

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"vigil/schema"
)

// Export is the first line of an exported trail: the signed heads at the time of
// the export and the public key they verify with. The other lines are records.
type Export struct {
	Format string `json:"format"` // always ExportFormat
	Org    string `json:"org"`
	Public string `json:"public_key"`
	Heads  []Head `json:"heads"`
}

// ExportFormat marks the first line of an export.
const ExportFormat = "vigil-audit-1"

// maxLine bounds a line of an export, in bytes.
const maxLine = 8 << 20

// ReadExport calls head for the first line and record for every other one.
func ReadExport(r io.Reader, head func(Export) error, record func(schema.AuditRecord) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; sc.Scan(); n++ {
		if n == 1 {
			var e Export
			if err := json.Unmarshal(sc.Bytes(), &e); err != nil || e.Format != ExportFormat {
				return schema.E(schema.Invalid, "this is no audit export", "make one with `vigil audit export`", err)
			}
			if err := head(e); err != nil {
				return err
			}
			continue
		}
		var a schema.AuditRecord
		if err := json.Unmarshal(sc.Bytes(), &a); err != nil {
			return schema.E(schema.Invalid, fmt.Sprintf("line %d of the export is no audit record", n), "", err)
		}
		if err := record(a); err != nil {
			return err
		}
	}
	return sc.Err()
}
