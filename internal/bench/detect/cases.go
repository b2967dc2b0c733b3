package detect

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"vigil/internal/play"
	"vigil/schema"
)

// Case is one test of another engine's rules: records, and whether something in them is
// to be reported.
type Case struct {
	Set   string   `json:"set"`  // panther, wazuh, crowdsec
	Kind  string   `json:"kind"` // what the set calls the kind of log
	Name  string   `json:"name"`
	Fire  bool     `json:"fire"`
	Rules []string `json:"rules"` // of ours that raised an alert
	Known bool     `json:"known"` // the records are of a data set that rules of ours are about

	records []string
}

// Sums of cases by set and kind of log.
type CaseRow struct {
	Set    string `json:"set"`
	Kind   string `json:"kind"`
	Fire   int    `json:"fire"`   // cases in which something is to be reported
	Fired  int    `json:"fired"`  // and a rule of ours does
	Silent int    `json:"silent"` // cases that are to stay silent
	False  int    `json:"false"`  // and in which a rule of ours raises an alert of at least medium severity
}

// loud is the level from which Wazuh calls an event important; quiet is up to where it is routine.
const (
	loud  = 10
	quiet = 3
)

// caseFiles are the collections of tests, and how a line of each is read.
var caseFiles = []struct {
	set  string
	read func(line []byte) (Case, bool, error)
}{{"panther", readPanther}, {"wazuh", readWazuh}, {"crowdsec", readCrowdSec}}

func readPanther(line []byte) (Case, bool, error) {
	var row struct {
		RuleID   string   `json:"rule_id"`
		Kind     string   `json:"kind"`
		LogTypes []string `json:"log_types"`
		Test     string
		Expected bool
		Event    json.RawMessage
	}
	err := json.Unmarshal(line, &row)
	if len(row.LogTypes) == 0 || row.Kind == "policy" { // a policy looks at the state of a resource, not at an event
		return Case{}, false, err
	}
	return Case{Kind: row.LogTypes[0], Name: row.RuleID + ": " + row.Test, Fire: row.Expected, records: []string{string(row.Event)}}, true, err
}

func readWazuh(line []byte) (Case, bool, error) {
	var row struct {
		File, Section, Level string
		Logs                 []struct{ Kind, Line string }
	}
	if err := json.Unmarshal(line, &row); err != nil {
		return Case{}, false, err
	}
	c := Case{Kind: strings.TrimSuffix(row.File, ".ini"), Name: row.Section}
	level, err := strconv.Atoi(row.Level)
	c.Fire = level >= loud
	for _, l := range row.Logs {
		if l.Kind == "pass" {
			c.records = append(c.records, l.Line)
		}
	}
	return c, len(c.records) > 0 && (c.Fire || level <= quiet), err
}

func readCrowdSec(line []byte) (Case, bool, error) {
	var row struct {
		Test           string
		LogType        string            `json:"log_type"`
		ExpectedAlerts []json.RawMessage `json:"expected_alerts"` // null: a test of the parser alone
		LogLines       []string          `json:"log_lines"`
	}
	err := json.Unmarshal(line, &row)
	return Case{Kind: row.LogType, Name: row.Test, Fire: len(row.ExpectedAlerts) > 0, records: row.LogLines}, row.ExpectedAlerts != nil, err
}

// cases reads all tests below data.
func cases(data string) ([]Case, error) {
	var out []Case
	for _, f := range caseFiles {
		text, err := unpacked(filepath.Join(data, "detection-tests", f.set+".jsonl.gz"))
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(text) {
			c, ok, err := f.read(line)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.set, err)
			}
			if c.Set = f.set; ok {
				out = append(out, c)
			}
		}
	}
	return out, nil
}

// unpacked is the text of a gzip file.
func unpacked(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// Cases runs our rules, and no others, over the tests of other engines. What another
// engine looks for in one event need not be what a rule of ours is about: the figures say
// how much of what others report ours would report too.
func Cases(ctx context.Context, data string) ([]Case, error) {
	x, err := New(data, false)
	if err != nil {
		return nil, err
	}
	list, err := cases(data)
	if err != nil {
		return nil, err
	}
	err = parallel(len(list), func(i int) error {
		c := &list[i]
		f, err := x.watch(ctx, play.Lines(fmt.Sprintf("%s-%d.log", c.Set, i), c.records))
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		c.Known = x.about(f.Datasets)
		for _, a := range f.Alerts {
			if c.Fire || atLeast(a.Alert, schema.Medium) {
				c.Rules = append(c.Rules, a.Alert.Rule)
			}
		}
		slices.Sort(c.Rules)
		c.Rules = slices.Compact(c.Rules)
		return nil
	})
	return list, err
}

// about says whether rules of ours are made for events of one of the data sets.
func (x *Engine) about(datasets []string) bool {
	for _, r := range x.own.Rules() {
		for _, d := range r.Datasets {
			if d == "*" || d == genericJSON {
				continue
			}
			prefix, open := strings.CutSuffix(d, "*")
			if slices.ContainsFunc(datasets, func(have string) bool { return have == d || open && strings.HasPrefix(have, prefix) }) {
				return true
			}
		}
	}
	return false
}

// genericJSON is the data set of objects of no known product.
const genericJSON = "generic.json"

// CaseRows sums cases by set and kind of log; known only those whose records our rules are about.
func CaseRows(list []Case, known bool) []CaseRow {
	var out []CaseRow
	at := map[[2]string]int{}
	for _, c := range list {
		if known && !c.Known {
			continue
		}
		key := [2]string{c.Set, c.Kind}
		if _, ok := at[key]; !ok {
			at[key] = len(out)
			out = append(out, CaseRow{Set: c.Set, Kind: c.Kind})
		}
		out[at[key]].add(c)
	}
	slices.SortFunc(out, byText(func(r CaseRow) string { return r.Set + "/" + r.Kind }))
	return out
}

func (r *CaseRow) add(c Case) {
	hit := len(c.Rules) > 0
	switch {
	case c.Fire && hit:
		r.Fire, r.Fired = r.Fire+1, r.Fired+1
	case c.Fire:
		r.Fire++
	case hit:
		r.Silent, r.False = r.Silent+1, r.False+1
	default:
		r.Silent++
	}
}

// SumOf adds up the rows of one set.
func SumOf(rows []CaseRow, set string) CaseRow {
	sum := CaseRow{Set: set, Kind: "all"}
	for _, r := range rows {
		if r.Set == set {
			sum.Fire, sum.Fired, sum.Silent, sum.False = sum.Fire+r.Fire, sum.Fired+r.Fired, sum.Silent+r.Silent, sum.False+r.False
		}
	}
	return sum
}
