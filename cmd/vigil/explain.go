package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unsafe"

	"github.com/spf13/cobra"

	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/schema"
)

// explainFlags are what `vigil explain` is asked for.
type explainFlags struct {
	format  string
	line    int
	records int
	year    int
}

func newExplainCmd(a *app) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use: "explain PATH", Short: "Show how a file is recognised and which field came from where", Args: cobra.ExactArgs(1),
		Example: "  vigil explain /var/log/auth.log\n  vigil explain Security.evtx --line 40\n  vigil explain logs.zip --format cef -o json",
		Long: `Reads the first records of a file, of a folder's files or of an archive's members, and
shows which formats want it and why, and for each record the fields that come out, the
place in the record where each value stands, what could not be mapped, and the values
that did not fit their field. Nothing is stored, and no Vigil need be running.
Exit code 3 when a record shown is no event.`,
		RunE: func(c *cobra.Command, args []string) error { return a.explain(c, args[0], f) },
	}
	cmd.Flags().StringVar(&f.format, "format", "", "parse as this format instead of the one that is detected")
	cmd.Flags().IntVar(&f.line, "line", 0, "show this record only (1 is the first)")
	cmd.Flags().IntVar(&f.records, "records", 1, "how many records to show of each file")
	cmd.Flags().IntVar(&f.year, "year", 2000, "year of timestamps that carry none")
	return cmd
}

// candidate is a format that wants the file.
type candidate struct {
	Format string `json:"format"`
	Sure   int    `json:"sure"` // 0–100
	Why    string `json:"why"`
}

// explained is one value and where it came from.
type explained struct {
	Field string `json:"field"`
	Value string `json:"value"`
	From  string `json:"from"`
}

// explainedRecord is one record, taken apart.
type explainedRecord struct {
	Line     int         `json:"line"`
	Offset   int64       `json:"offset"`
	Raw      string      `json:"raw"`
	Outcome  string      `json:"outcome"` // event, header, skipped, or why it is none
	Fields   []explained `json:"fields,omitempty"`
	Extras   []explained `json:"extras,omitempty"` // kept under their own names
	Warnings int         `json:"warnings"`         // values that did not fit their field
}

// explanation is what is known about one object.
type explanation struct {
	Object     string            `json:"object"`
	Candidates []candidate       `json:"candidates"`
	Format     string            `json:"format"`
	Records    []explainedRecord `json:"records"`
}

func (a *app) explain(c *cobra.Command, path string, f explainFlags) error {
	formats, err := a.formats()
	if err != nil {
		return err
	}
	all := []explanation{}
	bad := 0
	for o, err := range source.Objects(c.Context(), []string{path}) {
		if err != nil {
			fmt.Fprintln(a.err, "vigil:", err)
			bad++
			continue
		}
		x, err := explainObject(o, f, formats)
		if err != nil {
			fmt.Fprintf(a.err, "vigil: %s: %v\n", o.Name(), err)
			bad++
			continue
		}
		if f.line > 0 && len(x.Records) == 0 {
			fmt.Fprintf(a.err, "vigil: %s has no record %d\n", o.Name(), f.line)
			bad++
		}
		for _, r := range x.Records {
			if !slices.Contains([]string{"event", "header", "skipped"}, r.Outcome) {
				bad++
			}
		}
		if a.output == "json" || a.output == "ndjson" {
			all = append(all, x)
			continue
		}
		a.printExplanation(x)
	}
	if a.output == "json" || a.output == "ndjson" {
		if err := a.json(all); err != nil {
			return err
		}
	}
	if bad > 0 {
		return exit(3, nil)
	}
	return nil
}

// explainObject reads an object as the pipeline would.
func explainObject(o source.Object, f explainFlags, formats parser.Set) (explanation, error) {
	x := explanation{Object: o.Name(), Candidates: []candidate{}, Records: []explainedRecord{}}
	r, err := o.Reader(0)
	if err != nil {
		return x, err
	}
	defer func() { _ = r.Close() }()
	sample, err := r.Sample()
	if err != nil {
		return x, err
	}
	for _, format := range formats {
		if sure, why := format.Detect(sample, o.Name()); sure > 0 {
			x.Candidates = append(x.Candidates, candidate{format.Name, sure, why})
		}
	}
	slices.SortStableFunc(x.Candidates, func(a, b candidate) int { return b.Sure - a.Sure })
	if f.format == "" && len(x.Candidates) == 0 {
		return x, errors.New("no format recognises it; name one with --format, if you know what it is")
	}
	x.Format = f.format
	if x.Format == "" {
		x.Format = x.Candidates[0].Format
	}
	format, err := formats.ByName(x.Format)
	if err != nil {
		return x, err
	}
	p := format.New(parser.Options{Object: o.Name(), BaseYear: f.year})
	for n := 1; f.line > 0 && n <= f.line || f.line <= 0 && len(x.Records) < f.records; n++ {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return x, nil
		}
		if err != nil {
			return x, err
		}
		got := explainRecord(p, rec)
		got.Line = n
		if f.line <= 0 || n == f.line {
			x.Records = append(x.Records, got)
		}
	}
	return x, nil
}

func explainRecord(p parser.Parser, rec source.Record) explainedRecord {
	raw := bytes.Clone(rec.Data)
	x := explainedRecord{Offset: rec.Offset, Raw: string(raw[:min(len(raw), 4096)]), Outcome: "event"}
	if rec.Damage != nil {
		x.Outcome = rec.Damage.Error()
		return x
	}
	var e schema.Event
	e.Reset(raw, rec.Offset)
	switch err := p.Parse(raw, &e); {
	case errors.Is(err, parser.ErrHeader):
		x.Outcome = "header"
	case errors.Is(err, parser.ErrSkip):
		x.Outcome = "skipped"
	case err != nil:
		x.Outcome = err.Error()
	}
	x.Warnings = e.Warnings
	for _, f := range e.Fields() {
		value := e.Str(f)
		from := origin(raw, value)
		if f.Def().Multi {
			value = strings.Join(e.List(f), ", ")
		}
		x.Fields = append(x.Fields, explained{f.String(), strings.Clone(value), from})
	}
	for _, extra := range e.Extras() {
		x.Extras = append(x.Extras, explained{extra.Name, strings.Clone(extra.Value), origin(raw, extra.Value)})
	}
	return x
}

// origin says where in the record a value stands. Values that parsers took as they are
// share the record's memory, so their place is exact; others are looked for.
func origin(raw []byte, value string) string {
	if value == "" || len(raw) == 0 {
		return ""
	}
	at, exact := -1, false
	first := uintptr(unsafe.Pointer(unsafe.SliceData(raw)))
	if v := uintptr(unsafe.Pointer(unsafe.StringData(value))); v >= first && v+uintptr(len(value)) <= first+uintptr(len(raw)) {
		at, exact = int(v-first), true
	} else {
		at = standing(raw, value)
	}
	switch {
	case at < 0:
		return "set by the parser, or converted"
	case exact:
		return fmt.Sprintf("bytes %d–%d, after %q", at, at+len(value), before(raw, at))
	default:
		return fmt.Sprintf("as at byte %d, after %q", at, before(raw, at))
	}
}

// standing is where a value stands as a word of its own, -1 for nowhere.
func standing(raw []byte, value string) int {
	for from := 0; from < len(raw); {
		i := bytes.Index(raw[from:], []byte(value))
		if i < 0 {
			return -1
		}
		at := from + i
		end := at + len(value)
		if (at == 0 || !isWord(raw[at-1])) && (end == len(raw) || !isWord(raw[end])) {
			return at
		}
		from = at + 1
	}
	return -1
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// before is what stands before a value: its key, as a rule.
func before(raw []byte, at int) string {
	return strings.ToValidUTF8(string(raw[max(0, at-16):at]), "·")
}

func (a *app) printExplanation(x explanation) {
	fmt.Fprintf(a.out, "%s\n", visible(x.Object))
	for _, c := range x.Candidates {
		chosen := " "
		if c.Format == x.Format {
			chosen = "*"
		}
		fmt.Fprintf(a.out, " %s %-12s %3d %%  %s\n", chosen, c.Format, c.Sure, c.Why)
	}
	for _, r := range x.Records {
		fmt.Fprintf(a.out, "\nrecord %d at offset %d: %s", r.Line, r.Offset, visible(r.Outcome))
		if r.Warnings > 0 {
			fmt.Fprintf(a.out, ", %d values do not fit their field (kept under labels)", r.Warnings)
		}
		fmt.Fprintf(a.out, "\n  %s\n", visible(short(r.Raw, 400)))
		var rows [][]any
		for _, f := range r.Fields {
			rows = append(rows, []any{f.Field, short(f.Value, 80), f.From})
		}
		for _, f := range r.Extras {
			rows = append(rows, []any{f.Field, short(f.Value, 80), f.From + " (no field of ours)"})
		}
		if len(rows) > 0 {
			_ = a.table([]string{"field", "value", "from"}, rows)
		}
	}
	fmt.Fprintln(a.out)
}

func visible(s string) string { return clean([]string{s})[0] }

func short(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
