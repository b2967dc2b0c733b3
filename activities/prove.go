package activities

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zip"
	"github.com/klauspost/compress/zstd"
	"go.temporal.io/sdk/activity"

	"vigil/internal/spool"
	"vigil/internal/store"
	"vigil/schema"
	"vigil/schema/flow"
)

// ProveStore is what a proof reads; *store.Store is one.
type ProveStore interface {
	Chunks(ctx context.Context, org, source string) ([]schema.Chunk, error)
	RowCounts(ctx context.Context, org, source string) (map[string]store.RowCount, error)
}

// Prove recounts sources. It shares no code with the readers and parsers that
// filled the store: it splits bytes at line ends, and event logs at their records, by
// itself.
type Prove struct {
	Store ProveStore
	Trail Trail
	Spool *spool.Dir // of this host; nil: it has none
	// Sources knows how to reach sources that are pulled again; nil: there are none.
	Sources SourceStore
}

// Proof is the outcome of recounting one source, as far as it is.
type Proof struct {
	flow.Proof
	org string
	def flow.IngestInput // how the source is reached, if it is one that is pulled
}

const maxProofProblems = 100

func (p *Proof) problem(format string, args ...any) {
	if len(p.Problems) < maxProofProblems {
		p.Problems = append(p.Problems, fmt.Sprintf(format, args...))
	}
}

// ProveSource proves the source of in.Key; the Proof is the result's document.
func (x *Prove) ProveSource(ctx context.Context, in flow.AdminInput) (flow.AdminResult, error) {
	p, err := x.prove(ctx, in.Org, in.Key)
	if err != nil {
		return flow.AdminResult{}, Retryable(err)
	}
	doc, err := json.Marshal(p)
	if err != nil {
		return flow.AdminResult{}, err
	}
	return flow.AdminResult{Doc: string(doc)}, Retryable(x.audit(ctx, in, p))
}

// audit leaves the proof in the audit trail: posture reads there when a source was
// last proved.
func (x *Prove) audit(ctx context.Context, in flow.AdminInput, p Proof) error {
	outcome := "ok"
	if !p.OK {
		outcome = "failed"
	}
	return x.Trail.record(ctx, schema.AuditRecord{Org: in.Org, ID: auditID("source.prove", activity.GetInfo(ctx).WorkflowExecution.RunID), Actor: by(in.By), Verb: "source.prove",
		Object: p.Source, Outcome: outcome, Details: map[string]string{"records": fmt.Sprint(p.Records), "chunks": fmt.Sprint(p.Chunks), "reread": fmt.Sprint(p.Reread), "problems": fmt.Sprint(len(p.Problems))}})
}

// prove adds up the source's bytes against the manifest and the manifest against
// the rows of the tables. Every difference names the chunk.
func (x *Prove) prove(ctx context.Context, org, source string) (Proof, error) {
	p := Proof{org: org, Proof: flow.Proof{Source: source, Problems: []string{}}}
	chunks, err := x.Store.Chunks(ctx, org, source)
	if err != nil {
		return p, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := x.unseen(ctx, &p, chunks); err != nil {
		return p, err
	}
	if len(chunks) == 0 && p.Waiting == 0 {
		return p, schema.E(schema.NotFound, "nothing of source "+source+" is committed", "ingest it first: vigil ingest --source "+source+" PATH")
	}
	rows, err := x.Store.RowCounts(ctx, org, source)
	if err != nil {
		return p, fmt.Errorf("counting rows: %w", err)
	}
	p.tables(chunks, rows)
	if err := x.reach(ctx, org, &p); err != nil {
		return p, err
	}
	if err := p.objects(ctx, chunks); err != nil {
		return p, err
	}
	p.OK = len(p.Problems) == 0
	return p, nil
}

// reach finds out how a source is reached that is pulled.
func (x *Prove) reach(ctx context.Context, org string, p *Proof) error {
	if x.Sources == nil {
		return nil
	}
	d, err := x.Sources.SourceDef(ctx, org, p.Source)
	if schema.CodeOf(err) == schema.NotFound {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the definition of the source: %w", err)
	}
	return json.Unmarshal(d.Doc, &p.def)
}

// tables compares manifest rows with stored rows, and finds rows of no chunk.
func (p *Proof) tables(chunks []schema.Chunk, rows map[string]store.RowCount) {
	known := map[string]bool{}
	for _, c := range chunks {
		known[c.ID] = true
		p.Chunks++
		p.Records += c.Records
		p.Events += c.Events
		p.Failures += c.Failures
		p.Bytes += c.Bytes
		have := rows[c.ID]
		if have.Events != c.Events || have.DistinctEvents != c.Events {
			p.problem("chunk %s (%s %d–%d): %d events are stored (%d distinct), the manifest says %d", c.ID, c.Object, c.From, c.To, have.Events, have.DistinctEvents, c.Events)
		}
		if have.Failures != c.Failures {
			p.problem("chunk %s (%s %d–%d): %d failures are stored, the manifest says %d", c.ID, c.Object, c.From, c.To, have.Failures, c.Failures)
		}
	}
	for id, have := range rows {
		if !known[id] {
			p.problem("chunk %s: %d events and %d failures are stored, but the manifest does not know it (it may be in flight)", id, have.Events, have.Failures)
		}
	}
}

// objects checks that the chunks of each object join without gap, and reads again
// the objects whose files are still there.
func (p *Proof) objects(ctx context.Context, chunks []schema.Chunk) error {
	byObject := map[string][]schema.Chunk{}
	var order []string
	for _, c := range chunks {
		key := fmt.Sprint(c.Epoch, c.Fingerprint)
		if byObject[key] == nil {
			order = append(order, key)
		}
		byObject[key] = append(byObject[key], c)
	}
	for _, key := range order {
		list := byObject[key]
		p.Objects++
		for i := 1; i < len(list); i++ {
			if list[i].From < list[i-1].To {
				p.problem("chunk %s (%s): starts at %d, inside the chunk before it, which ends at %d", list[i].ID, list[i].Object, list[i].From, list[i-1].To)
			}
		}
		err := p.reread(ctx, list)
		switch {
		case errors.Is(err, os.ErrNotExist): // sources may be gone; the tables were still compared
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			p.problem("%s: reading it again: %v", list[0].Object, err)
		default:
			p.Reread++
		}
	}
	return nil
}

// reread splits the object's bytes at line ends and compares each chunk's lines and
// hash with its manifest row.
func (p *Proof) reread(ctx context.Context, list []schema.Chunk) error {
	if _, _, ok := followedHead(list[0].Fingerprint); ok {
		return p.refollow(ctx, list)
	}
	switch object := list[0].Object; {
	case p.def.Kafka != nil && strings.HasPrefix(object, "kafka://"):
		return p.requeue(ctx, list)
	case p.def.S3 != nil && strings.HasPrefix(object, "s3://"):
		return p.refetch(ctx, list)
	default:
		return p.recountFile(ctx, object, list)
	}
}

// recountFile recounts a file, or a member of an archive, as its first bytes ask for.
func (p *Proof) recountFile(ctx context.Context, path string, list []schema.Chunk) error {
	r, closeAll, err := openAgain(path)
	if err != nil {
		return err
	}
	defer closeAll()
	in := bufio.NewReaderSize(r, 1<<20)
	if head, _ := in.Peek(8); string(head) == "VIGILSP1" {
		return p.respool(ctx, in, list)
	}
	if head, _ := in.Peek(4); string(head) == "PAR1" {
		return p.recountRows(in, list)
	}
	if isEventLog(in) {
		return p.eventLog(ctx, in, list)
	}
	if framedByElement(in) {
		return nil // element framing is proved by the tables alone
	}
	return p.recount(ctx, in, list)
}

// recount counts and hashes the lines of each chunk.
func (p *Proof) recount(ctx context.Context, in *bufio.Reader, list []schema.Chunk) error {
	at, i := int64(0), 0
	sum, lines := sha256.New(), int64(0)
	for i < len(list) {
		c := list[i]
		if at >= c.To {
			if c.From < c.To && (hex.EncodeToString(sum.Sum(nil)) != c.Hash || lines != c.Records+c.Skipped) {
				p.problem("chunk %s (%s %d–%d): the file holds %d lines there, the manifest %d, or their bytes differ", c.ID, c.Object, c.From, c.To, lines, c.Records+c.Skipped)
			}
			sum.Reset()
			lines = 0
			i++
			continue
		}
		activity.RecordHeartbeat(ctx, at)
		n, err := oneLine(in, sum)
		if n == 0 && err != nil {
			if last := list[len(list)-1]; last.Last && errors.Is(err, io.EOF) && at < last.To {
				p.problem("chunk %s (%s): the file ends at %d, the manifest at %d", c.ID, c.Object, at, last.To)
			}
			return nil
		}
		if at+n > c.From {
			lines++
		}
		at += n
	}
	if last := list[len(list)-1]; last.Last {
		if rest, err := io.Copy(io.Discard, in); err == nil && rest > 0 && last.Failures == 0 {
			p.problem("chunk %s (%s): %d bytes of the file behind it are in no chunk", last.ID, last.Object, rest)
		}
	}
	return nil
}

// oneLine reads to the next line end and hashes the line as the manifest does.
func oneLine(in *bufio.Reader, sum io.Writer) (n int64, err error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		n += int64(len(part))
		if len(line) <= 16<<20 {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if n == 0 {
			return 0, err
		}
		end := len(line)
		if end > 0 && line[end-1] == '\n' {
			end--
		}
		if end > 0 && line[end-1] == '\r' {
			end--
		}
		if n > 16<<20 {
			end = 64 << 10 // over-long lines are hashed by their head
		}
		_, _ = sum.Write(line[:min(end, len(line))])
		_, _ = sum.Write([]byte{'\n'})
		return n, nil
	}
}

// framedByElement says whether the document is one JSON array or UTF-16 text, which
// are not lines.
func framedByElement(in *bufio.Reader) bool {
	head, _ := in.Peek(512)
	for i, b := range head {
		switch b {
		case ' ', '\t', '\r', '\n':
			continue
		case 0xff, 0xfe, 0xef:
			return true
		case '<':
			rest := string(head[i:])
			return strings.HasPrefix(rest, "<Event") || strings.HasPrefix(rest, "<?xml")
		case '[':
			return i+1 < len(head) && (head[i+1] == '{' || head[i+1] == '\n' || head[i+1] == ' ')
		case '{':
			if i+1 < len(head) && (head[i+1] == '\n' || head[i+1] == '\r') {
				return true
			}
			var records = []byte(`"Records"`)
			return len(head) > i+20 && string(head[i+1:min(len(head), i+1+len(records))]) == string(records)
		default:
			return false
		}
	}
	return false
}

// openAgain opens path or archive!member with decompression, by its own means.
func openAgain(object string) (io.Reader, func(), error) {
	path, member := object, ""
	if _, err := os.Stat(path); err != nil {
		for i := range object {
			if object[i] == '!' {
				path, member = object[:i], object[i+1:]
				break
			}
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	var r io.Reader = f
	closers := func() { _ = f.Close() }
	if member != "" {
		z, err := zip.OpenReader(path)
		if err != nil {
			closers()
			return nil, nil, err
		}
		m, err := z.Open(member)
		if err != nil {
			_ = z.Close()
			closers()
			return nil, nil, err
		}
		r = m
		closers = func() { _ = m.Close(); _ = z.Close(); _ = f.Close() }
	}
	b := bufio.NewReaderSize(r, 1<<20)
	head, _ := b.Peek(4)
	switch {
	case len(head) > 1 && head[0] == 0x1f && head[1] == 0x8b:
		g, err := gzip.NewReader(b)
		if err != nil {
			closers()
			return nil, nil, err
		}
		return g, closers, nil
	case len(head) == 4 && head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd:
		z, err := zstd.NewReader(b)
		if err != nil {
			closers()
			return nil, nil, err
		}
		inner := closers
		return z, func() { z.Close(); inner() }, nil
	}
	return b, closers, nil
}
