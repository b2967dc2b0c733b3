package source

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const parquetMagic = "PAR1"

// What a Parquet file may ask of memory. Sizes and counts in it are only claims, and the
// library makes room for them before it looks at the bytes; so they are vetted first.
const (
	maxFooter     = 64 << 20 // bytes
	maxPage       = 256 << 20
	maxPageValues = 16 << 20
	maxColumns    = 4096
)

// rowFrame frames the rows of a Parquet file. A record is a row, rendered as a JSON
// object; its offset is the row's number and its size 1. Rows are read a page a column
// at a time, so memory is bounded by the pages and not by the file.
type rowFrame struct {
	in     io.ReaderAt
	size   int64
	file   *parquet.File
	layout *layout
	rows   parquet.Rows
	group  int   // next row group
	row    int64 // number of the next row
	skip   int64 // rows to pass over in the next group
	buf    []parquet.Row
	have   []parquet.Row // of buf, not handed out yet
	out    []byte
	spill  *os.File // what was spilled because it is compressed; nil otherwise
}

// parquet frames the object by rows. A file is read in place; what is compressed or in an
// archive is unpacked to an unnamed file first, because rows lie scattered.
func (r *Reader) parquet(head []byte) error {
	f := &rowFrame{buf: make([]parquet.Row, 64)}
	if in, ok := r.r.base.(io.ReaderAt); ok {
		size, err := r.r.base.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		f.in, f.size = in, size
	} else if err := f.unpack(io.MultiReader(bytes.NewReader(head), r.r)); err != nil {
		return err
	}
	if err := f.open(); err != nil {
		return errors.Join(fmt.Errorf("reading the Parquet file: %w", err), f.Close())
	}
	r.rows = f
	return nil
}

// stored is the share of the file that the rows handed out are of.
func (f *rowFrame) stored() int64 {
	return int64(float64(f.size) * min(float64(f.row)/max(float64(f.file.NumRows()), 1), 1))
}

func (f *rowFrame) unpack(in io.Reader) (err error) {
	if f.spill, err = os.CreateTemp("", "vigil-parquet-"); err != nil {
		return err
	}
	_ = os.Remove(f.spill.Name())
	if f.size, err = io.Copy(f.spill, in); err != nil {
		return errors.Join(err, f.spill.Close())
	}
	f.in = f.spill
	return nil
}

// Close ends reading.
func (f *rowFrame) Close() error {
	var errs []error
	if f.rows != nil {
		errs = append(errs, f.rows.Close())
	}
	if f.spill != nil {
		errs = append(errs, f.spill.Close())
	}
	return errors.Join(errs...)
}

func (f *rowFrame) open() (err error) {
	defer caught(&err)
	var tail [8]byte
	if _, err := f.in.ReadAt(tail[:], f.size-8); err != nil {
		return fmt.Errorf("its end is missing: %w", err)
	}
	if n := int64(binary.LittleEndian.Uint32(tail[:])); n > min(maxFooter, f.size-12) {
		return fmt.Errorf("its footer claims %d bytes of a file of %d", n, f.size)
	}
	f.file, err = parquet.OpenFile(f.in, f.size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true), parquet.ReadBufferSize(32<<10))
	if err != nil {
		return err
	}
	f.layout, err = newLayout(f.file.Root())
	return err
}

// next hands out the next row.
func (f *rowFrame) next() (rec Record, err error) {
	defer caught(&err)
	for len(f.have) == 0 {
		if f.rows == nil {
			if f.group >= len(f.file.RowGroups()) {
				return Record{}, io.EOF
			}
			if err := f.openGroup(); err != nil {
				return Record{}, fmt.Errorf("row group %d (row %d on): %w", f.group, f.row, err)
			}
			f.group++
		}
		n, err := f.rows.ReadRows(f.buf)
		f.have = f.buf[:n]
		if n > 0 {
			continue // an error comes again
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return Record{}, fmt.Errorf("row %d: %w", f.row, err)
		}
		err = f.rows.Close()
		f.rows = nil
		if err != nil {
			return Record{}, err
		}
	}
	f.out, err = f.layout.render(f.out[:0], f.have[0])
	f.have = f.have[1:]
	rec = Record{Data: f.out, Offset: f.row, Size: 1, Weight: int64(len(f.out)), Damage: err}
	if len(rec.Data) > MaxRecord {
		rec.TooLong, rec.Data = true, rec.Data[:keptHead]
	}
	f.row++
	return rec, nil
}

func (f *rowFrame) openGroup() error {
	if err := f.vet(f.group); err != nil {
		return err
	}
	f.rows = f.file.RowGroups()[f.group].Rows()
	skip := f.skip
	f.skip = 0
	if skip == 0 {
		return nil
	}
	return f.rows.SeekToRow(skip)
}

// to goes to a row by its number.
func (f *rowFrame) to(row int64) error {
	f.row, f.skip = row, row
	for ; f.group < len(f.file.RowGroups()); f.group++ {
		n := f.file.RowGroups()[f.group].NumRows()
		if f.skip < n {
			return nil
		}
		f.skip -= n
	}
	if f.skip > 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// sample is the first rows as lines.
func (f *rowFrame) sample() ([]byte, error) {
	again := rowFrame{in: f.in, size: f.size, file: f.file, layout: f.layout, buf: make([]parquet.Row, 16)}
	defer func() { _ = again.Close() }()
	var out []byte
	for len(out) < 16<<10 {
		rec, err := again.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		out = append(append(out, rec.Data[:min(len(rec.Data), 64<<10)]...), '\n')
	}
	return out, nil
}

// vet walks the page headers of a row group.
func (f *rowFrame) vet(group int) error {
	g := f.file.Metadata().RowGroups[group]
	for i := range g.Columns {
		m := &g.Columns[i].MetaData
		at := m.DataPageOffset
		if d := m.DictionaryPageOffset; d > 0 && d < at {
			at = d
		}
		end := at + m.TotalCompressedSize
		if at < 0 || m.TotalCompressedSize < 0 || end > f.size {
			return fmt.Errorf("column %d claims to lie outside the file", i)
		}
		if err := vetPages(io.NewSectionReader(f.in, at, end-at)); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

func vetPages(in *io.SectionReader) error {
	var protocol thrift.CompactProtocol
	b := bufio.NewReaderSize(in, 512)
	for at := int64(0); at < in.Size(); {
		if _, err := in.Seek(at, io.SeekStart); err != nil {
			return err
		}
		b.Reset(in)
		var h format.PageHeader
		if err := thrift.NewDecoder(protocol.NewReader(b)).Decode(&h); err != nil {
			return fmt.Errorf("the page at %d: %w", at, err)
		}
		pos, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		at = pos - int64(b.Buffered()) + int64(h.CompressedPageSize)
		values := max(h.DataPageHeader.V.NumValues, h.DataPageHeaderV2.V.NumValues, h.DictionaryPageHeader.V.NumValues)
		switch {
		case h.CompressedPageSize < 0 || at > in.Size():
			return errors.New("a page reaches beyond its column")
		case h.UncompressedPageSize < 0 || h.UncompressedPageSize > maxPage || h.CompressedPageSize > maxPage:
			return fmt.Errorf("a page claims %d bytes, more than the %d that are read", h.UncompressedPageSize, maxPage)
		case values < 0 || values > maxPageValues:
			return fmt.Errorf("a page claims %d values, more than the %d that are read", values, maxPageValues)
		}
	}
	return nil
}

// caught makes an error of a panic: the library panics on some files that are damaged.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("the file is damaged: %v", p)
	}
}
