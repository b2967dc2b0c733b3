package rulesql

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"vigil/integration/chtest"
	"vigil/internal/expr"
	"vigil/internal/parser"
	"vigil/internal/standalone/clickhouse"
	"vigil/internal/store"
	"vigil/internal/testdata"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/rules/library"
	"vigil/schema"
)

func TestMain(m *testing.M) { chtest.Main(m) }

// database is a real engine with the events table.
type database struct {
	engine *clickhouse.Engine
	store  *store.Store
	chunks int
}

func open(t *testing.T) *database {
	t.Helper()
	s, e := chtest.Open(t)
	return &database{engine: e, store: s}
}

// insert stores the batch as a chunk of its own.
func (d *database) insert(t *testing.T, source string, b *store.Batch) {
	t.Helper()
	d.chunks++
	if err := d.store.InsertEvents(t.Context(), "main", source, schema.HashID(source, fmt.Sprint(d.chunks)), time.Now(), b); err != nil {
		t.Fatalf("inserting %s: %v", source, err)
	}
}

// ids returns the ids of the events of the source for which the condition holds.
func (d *database) ids(source string, where chsql.Expr) ([]string, error) {
	sql := "SELECT lower(hex(id)) FROM vigil.events WHERE source = " + chsql.Quote(source) + " AND (" + where.Inline() + ") ORDER BY id"
	q := url.Values{"user": {d.engine.User}, "password": {d.engine.Password.Reveal()}, "max_query_size": {"10000000"}}
	res, err := http.Post("http://"+d.engine.HTTPAddr+"/?"+q.Encode(), "text/plain", strings.NewReader(sql))
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s\n%s", res.Status, out, sql)
	}
	return strings.Fields(string(out)), nil
}

// recordings hold at least one event for each rule of the library.
func recordings() []string {
	const m = "mordor/windows/"
	return []string{
		"cloud/cloudtrail-stratus-2023-07-10.jsonl.gz", "linux/auth.log.gz", "suricata/first-org-conf-2015.alerts.jsonl.gz", "suricata/honeypot-2018.alerts.jsonl.gz",
		"suricata/slips-mixed-eve.jsonl.gz", "web/scan-acunetix.log.gz", "web/apache-combined.log.gz",
		m + "execution/empire_launcher_vbs.jsonl.zst", m + "defense_evasion/empire_launcher_sct_regsvr32.jsonl.zst", m + "defense_evasion/psh_cmstp_execution_bypassuac.jsonl.zst",
		m + "defense_evasion/covenant_installutil.jsonl.zst", m + "defense_evasion/covenant_lolbin_wuauclt_createremotethread.jsonl.zst", m + "defense_evasion/empire_wmic_add_user_backdoor.jsonl.zst",
		m + "defense_evasion/cmd_bitsadmin_download_psh_script.jsonl.zst", m + "defense_evasion/cmd_netsh_fw_mod_open_ports.jsonl.zst", m + "lateral_movement/schtask_create.jsonl.zst",
		m + "other/aptsimulator_cobaltstrike.jsonl.zst", m + "credential_access/cmd_lsass_memory_dumpert_syscalls.jsonl.zst", m + "credential_access/psh_lsass_memory_dump_comsvcs.jsonl.zst",
		m + "defense_evasion/empire_dllinjection_LoadLibrary_CreateRemoteThread.jsonl.zst", m + "credential_access/empire_shell_reg_dump_sam.jsonl.zst",
		m + "lateral_movement/mimikatz_CVE-2020-1472_Unauthenticated_NetrServerAuthenticate2.jsonl.zst", m + "credential_access/empire_dcsync_dcerpc_drsuapi_DsGetNCChanges.jsonl.zst",
		m + "discovery/empire_getsession_dcerpc_smb_srvsvc_NetSessEnum.jsonl.zst", m + "persistence/empire_schtasks_creation_standard_user.jsonl.zst",
		m + "defense_evasion/psh_disable_eventlog_service_startuptype_modification.jsonl.zst", m + "persistence/empire_persistence_registry_modification_run_keys_elevated_user.jsonl.zst",
		m + "defense_evasion/reg_stop_event_logging_controlset001_minint_key.jsonl.zst", m + "persistence/cmd_userinitmprlogonscript_batch.jsonl.zst",
		m + "privilege_escalation/empire_uac_shellapi_fodhelper.jsonl.zst", m + "defense_evasion/empire_monologue_netntlm_downgrade.jsonl.zst", m + "persistence/covenant_persiststartup.jsonl.zst",
		m + "persistence/covenant_persistwmi.jsonl.zst", m + "lateral_movement/covenant_sc_query_dcerpc_smb_svcctl.jsonl.zst", "zeek/slips-samples.zip!port-scans/horizontal/conn.log",
		"zeek/slips-samples.zip!test14-malicious-zeek-dir/http.log", "zeek/slips-samples.zip!test10-mixed-zeek-dir/notice.log", "zeek/slips-samples.zip!test9-mixed-zeek-dir/dns.log",
		"zeek/apt29-day1.zip!SCRANTON/http.log", "zeek/wrccdc-2018/json/ssl.json.zst", "zeek/wrccdc-2018/json/dce_rpc.json.zst", "zeek/wrccdc-2018/json/rdp.json.zst",
	}
}

// TestLibraryEquality asks each rule of the library of real events and of the events of
// the rules' own tests, by the interpreter without any index and by SQL, and compares the
// ids.
func TestLibraryEquality(t *testing.T) {
	root := testdata.Shared(t)
	db := open(t)
	set, errs := rules.Load(library.FS)
	if len(errs) > 0 {
		t.Fatal(errors.Join(errs...))
	}
	want := map[string][]string{}
	events, hits := 0, 0
	ref := set.Reference()
	batch := store.NewBatch()
	take := func(e *schema.Event) {
		events++
		for _, h := range ref.Evaluate(e, nil) {
			want[h.Rule.ID] = append(want[h.Rule.ID], e.ID.String())
			hits++
		}
		batch.Append(e)
	}
	for _, name := range recordings() {
		eachEvent(t, root, name, func(e *schema.Event) {
			if e.Int(schema.FDestinationBytes) == 34266 { // as a model and a feed would
				e.AddExtra(expr.ScorePrefix+"zeek-conn-iforest", "0.8")
				e.AddExtra(expr.ThresholdPrefix+"zeek-conn-iforest", "0.7")
				e.Add(schema.FThreatIndicatorValue, "195.113.214.221")
			}
			take(e)
		})
		if batch.Bytes() > 64<<20 {
			db.insert(t, "real", batch)
			batch.Reset()
		}
	}
	for _, e := range testEvents(t, set) {
		take(e)
	}
	db.insert(t, "real", batch)
	for _, r := range set.Rules() {
		if r.Kind == rules.Aggregate {
			continue // it has no condition over one event: its SQL is tested by deployments
		}
		where, err := chsql.Where(r)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			continue
		}
		got, err := db.ids("real", where)
		if err != nil {
			t.Errorf("%s: %v", r.ID, err)
			continue
		}
		slices.Sort(want[r.ID])
		if !slices.Equal(got, want[r.ID]) {
			t.Errorf("%s: SQL finds %d events, the interpreter %d\n%s", r.ID, len(got), len(want[r.ID]), where.Inline())
		}
		if len(got) == 0 {
			t.Errorf("%s: nothing to compare", r.ID)
		}
	}
	t.Logf("%d rules over %d events: %d hits", len(set.Rules()), events, hits)
}

// testEvents makes the events of the inline tests of a set's rules.
func testEvents(t *testing.T, set *rules.Set) (out []*schema.Event) {
	t.Helper()
	for _, r := range set.Rules() {
		for _, c := range r.Tests {
			if c.Event != nil {
				c.Events = append(c.Events, c.Event)
			}
			events, err := r.TestEvents(c)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				e.ID = schema.EventIDAt(12, int64(len(out)))
				out = append(out, e)
			}
		}
	}
	return out
}

// eachEvent parses a recording and calls do for each event.
func eachEvent(t *testing.T, root, name string, do func(e *schema.Event)) {
	t.Helper()
	r, done := openRecording(t, root, name)
	defer done()
	in := bufio.NewReaderSize(r, 1<<20)
	sample, _ := in.Peek(64 << 10)
	format, _, err := parser.Detect(sample, name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	p := format.New(parser.Options{Object: filepath.Base(name), BaseYear: 2020})
	var e schema.Event
	object := schema.ObjectHash("main", "real", 1, name)
	for offset := int64(0); ; {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			raw := bytes.TrimRight(line, "\r\n")
			e.Reset(raw, offset)
			e.ID = schema.EventIDAt(object, offset)
			offset += int64(len(line))
			if p.Parse(raw, &e) == nil {
				do(&e)
			}
		}
		if err != nil {
			return
		}
	}
}

func openRecording(t *testing.T, root, name string) (io.Reader, func()) {
	t.Helper()
	archive, member, isZip := strings.Cut(name, "!")
	path := filepath.Join(root, archive)
	if isZip {
		z, err := zip.OpenReader(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := z.Open(member)
		if err != nil {
			t.Fatal(err)
		}
		return f, func() { _ = z.Close() }
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var r io.Reader = f
	switch filepath.Ext(path) {
	case ".zst":
		r, err = zstd.NewReader(f)
	case ".gz":
		r, err = gzip.NewReader(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r, func() { _ = f.Close() }
}
