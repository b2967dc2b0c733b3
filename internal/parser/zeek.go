package parser

import (
	"bytes"
	"path"
	"slices"
	"strings"

	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// zeekBool writes T and F as JSON does, so that both layouts give equal events.
func zeekBool(v string) string {
	switch v {
	case "T":
		return "true"
	case "F":
		return "false"
	}
	return v
}

func zeekAnswer(e *schema.Event, v string) {
	e.Add(schema.FDnsAnswersData, v)
	if looksLikeIP(v) {
		e.Add(schema.FDnsResolvedIP, v)
	}
}

// looksLikeIP is cheap: digits and dots, or hex with colons.
func looksLikeIP(v string) bool {
	dots, colons := 0, 0
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case c == '.':
			dots++
		case c == ':':
			colons++
		case c >= '0' && c <= '9':
		case (c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') && (colons > 0 || len(v) > 4 && strings.IndexByte(v, ':') >= 0):
		default:
			return false
		}
	}
	return dots == 3 && colons == 0 || colons > 1
}

func setURLOriginal(e *schema.Event, v string) {
	e.SetStr(schema.FUrlOriginal, v)
	p, q, _ := strings.Cut(v, "?")
	e.SetStr(schema.FUrlPath, p)
	e.SetStr(schema.FUrlQuery, q)
}

// finish sets what every Zeek event has.
func (p *zeekPlan) finish(e *schema.Event) {
	constants(e, p.set)
	e.SetStr(schema.FEventDataset, p.dataset)
	if e.Has(schema.FSourceIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FSourceIP))
	}
	if e.Has(schema.FDestinationIP) {
		e.Add(schema.FRelatedIP, e.Str(schema.FDestinationIP))
	}
}

// zeekPlan is the ready mapping of one kind.
type zeekPlan struct {
	dataset string
	set     []mapping.Constant
	tree    *node
	table   table
	prefix  string
}

// zeekPlans makes plans when a kind is first seen. Kinds are names from the input:
// their number is bounded.
type zeekPlans struct {
	*mapper
	made map[string]*zeekPlan
}

func newZeekPlans(o Options) *zeekPlans {
	return &zeekPlans{mapper: mapperOf("zeek", o, nil), made: map[string]*zeekPlan{}}
}

func (z *zeekPlans) plan(kind string) *zeekPlan {
	if p, ok := z.made[kind]; ok {
		return p
	}
	if len(z.made) > 500 || !zeekName(kind) {
		kind = "unknown"
		if p, ok := z.made[kind]; ok {
			return p
		}
	}
	kind = strings.Clone(kind)
	k := z.Kinds[strings.TrimPrefix(kind, "open_")]
	t := z.section(z.table(), k)
	p := &zeekPlan{dataset: "zeek." + kind, prefix: "zeek." + kind, table: t, set: slices.Concat(z.Set, k.Set)}
	p.tree = t.tree()
	z.made[kind] = p
	return p
}

func zeekName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c != '_' && c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && len(s) < 64
}

// kindOfObject takes the kind from a file name: "logs/conn.log.gz" is conn.
func kindOfObject(object string) string {
	if i := strings.LastIndexByte(object, '!'); i >= 0 {
		object = object[i+1:]
	}
	name := strings.ToLower(path.Base(strings.ReplaceAll(object, `\`, "/")))
	name = strings.TrimPrefix(name, "original")
	name = strings.TrimPrefix(name, "zeek-")
	name, _, _ = strings.Cut(name, ".")
	return name
}

// zeekJSON reads Zeek's JSON lines.
type zeekJSON struct {
	w      walker
	plans  *zeekPlans
	object string
}

func newZeekJSON(o Options) Parser {
	return &zeekJSON{plans: newZeekPlans(o), object: kindOfObject(o.Object)}
}

func detectZeekJSON(sample []byte, object string) (int, string) {
	if !startsObject(sample) {
		return 0, ""
	}
	line, _, _ := bytes.Cut(sample, []byte("\n"))
	switch {
	case bytes.Contains(line, []byte(`"_path"`)) && bytes.Contains(line, []byte(`"ts"`)):
		return 90, "JSON with _path and ts"
	case bytes.Contains(line, []byte(`"ts"`)) && (bytes.Contains(line, []byte(`"uid"`)) || bytes.Contains(line, []byte(`"id.orig_h"`))):
		return 85, "JSON with ts and uid"
	case bytes.Contains(line, []byte(`"_path"`)) && bytes.Contains(line, []byte(`"_write_ts"`)):
		return 90, "JSON with _path and _write_ts"
	}
	if _, ok := document("zeek").Kinds[kindOfObject(object)]; ok && (bytes.Contains(line, []byte(`"ts"`)) || bytes.Contains(line, []byte(`"fingerprint"`))) {
		return 80, "JSON in a file named like a Zeek log"
	}
	return 0, ""
}

// Parse implements Parser.
func (p *zeekJSON) Parse(raw []byte, e *schema.Event) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return ErrSkip
	}
	plan := p.plans.plan(p.kind(raw))
	p.w.root, p.w.prefix = plan.tree, plan.prefix
	if err := p.w.walk(raw, e); err != nil {
		return err
	}
	plan.finish(e)
	return nil
}

// kind is the record's _path, else the object's name, else a guess by its keys.
func (p *zeekJSON) kind(raw []byte) string {
	if _, after, ok := bytes.Cut(raw, []byte(`"_path"`)); ok {
		rest := bytes.TrimLeft(after, " :\t")
		if len(rest) > 1 && rest[0] == '"' {
			if j := bytes.IndexByte(rest[1:], '"'); j > 0 {
				return schema.View(rest[1 : j+1])
			}
		}
	}
	if _, ok := p.plans.Kinds[strings.TrimPrefix(p.object, "open_")]; ok {
		return p.object
	}
	switch {
	case bytes.Contains(raw, []byte(`"conn_state"`)):
		return "conn"
	case bytes.Contains(raw, []byte(`"qtype`)):
		return "dns"
	case bytes.Contains(raw, []byte(`"status_code"`)), bytes.Contains(raw, []byte(`"trans_depth"`)):
		return "http"
	case bytes.Contains(raw, []byte(`"cipher"`)):
		return "ssl"
	}
	return p.object
}

// zeekTSV reads Zeek's tab-separated logs by their own header.
type zeekTSV struct {
	plans   *zeekPlans
	object  string
	sep     byte
	set     string
	unset   string
	empty   string
	plan    *zeekPlan
	columns []zeekColumn
	names   interner
}

// zeekColumn is one column of the header.
type zeekColumn struct {
	to    *target
	extra string
	list  bool
	bool  bool
}

func newZeekTSV(o Options) Parser {
	return &zeekTSV{plans: newZeekPlans(o), object: kindOfObject(o.Object), sep: '\t', set: ",", unset: "-", empty: "(empty)"}
}

func detectZeekTSV(sample []byte, _ string) (int, string) {
	if bytes.HasPrefix(sample, []byte("#separator")) || bytes.HasPrefix(sample, []byte("#fields\t")) || bytes.Contains(sample, []byte("\n#fields\t")) {
		return 98, "Zeek's #fields header"
	}
	return 0, ""
}
