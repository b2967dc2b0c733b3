package ocsf_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vigil/internal/ocsf"
	"vigil/internal/parser"
	"vigil/internal/source"
	"vigil/internal/testdata"
	"vigil/schema"
)

// perObject bounds how many events of one file are checked.
const perObject = 150

// TestRecordings exports events of real recordings and holds each against the schema.
func TestRecordings(t *testing.T) {
	o, root := newOracle(t), testdata.Shared(t)
	seen, all := map[int64]int{}, 0
	problems := map[string]string{}
	for _, dir := range []string{"windows/sigma-regression", "zeek", "suricata", "cloud", "linux", "web", "netflow", "loghub-2k"} {
		for obj, err := range source.Objects(t.Context(), []string{filepath.Join(root, dir)}) {
			if err != nil {
				continue
			}
			eachEvent(t, obj, func(e *schema.Event) {
				all++
				got := encoded(t, ocsf.Export(e, ocsf.Origin{ID: e.ID.String(), Org: "main", Source: "test", Ingested: time.Unix(1_700_000_000, 0)}))
				n, _ := got["class_uid"].(json.Number).Int64()
				seen[n]++
				for _, p := range o.check(got) {
					if problems[p] == "" {
						problems[p] = obj.Name() + ": " + string(e.Raw[:min(len(e.Raw), 300)])
					}
				}
			})
		}
	}
	for p, where := range problems {
		t.Errorf("%s\n\t%s", p, where)
	}
	t.Logf("%d events, by class: %v", all, seen)
	if all < 10_000 {
		t.Errorf("only %d events were exported", all)
	}
	for _, uid := range []int64{1001, 1005, 1007, 2004, 3002, 4001, 4002, 4003, 6003, 201002} {
		if seen[uid] == 0 {
			t.Errorf("no event of class %d", uid)
		}
	}
}

// eachEvent parses the first records of an object.
func eachEvent(t *testing.T, obj source.Object, do func(*schema.Event)) {
	t.Helper()
	r, err := obj.Reader(0)
	if err != nil {
		return
	}
	defer func() { _ = r.Close() }()
	sample, err := r.Sample()
	if err != nil {
		return
	}
	format, _, err := parser.Detect(sample, obj.Name())
	if err != nil {
		return
	}
	p := format.New(parser.Options{Object: obj.Name(), BaseYear: 2020})
	var e schema.Event
	for n := 0; n < perObject; {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) || err != nil {
			return
		}
		if rec.Damage != nil || rec.Cut || rec.TooLong {
			continue
		}
		e.Reset(rec.Data, rec.Offset)
		if p.Parse(rec.Data, &e) == nil {
			e.ID = schema.EventIDAt(1, rec.Offset)
			do(&e)
			n++
		}
	}
}

// encoded is the object as its reader gets it.
func encoded(t testing.TB, v map[string]any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// event makes an event of names and values; an odd name with a dot that is no field is an extra.
func event(t *testing.T, values map[string]string) *schema.Event {
	t.Helper()
	e := &schema.Event{}
	e.Reset([]byte(`{"raw":"\xff"}`), 0)
	e.SetTime(schema.FTimestamp, time.UnixMilli(1_700_000_000_123))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if f, ok := schema.Lookup(name); ok {
			for v := range strings.SplitSeq(values[name], ",") {
				e.Set(f.ID, v)
			}
		} else {
			e.AddExtra(name, values[name])
		}
	}
	return e
}

// at is what stands at a dotted path.
func at(v any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case []any:
			i, _ := strconv.Atoi(key)
			if i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// TestExport: where things go, by class, and what an event that lacks something becomes.
func TestExport(t *testing.T) {
	o := newOracle(t)
	for name, c := range map[string]struct{ event, want map[string]string }{
		"http": {map[string]string{"event.dataset": "zeek.http", "event.category": "web", "source.ip": "192.0.2.1", "source.port": "5000", "destination.ip": "::ffff:198.51.100.2", "http.request.method": "post", "url.original": "/a?b", "http.response.status_code": "404",
			"source.geo.country_iso_code": "NL", "labels.x": "1", "network.direction": "inbound", "event.outcome": "failure", "source.asset.owner": "Ana"},
			map[string]string{"class_uid": "4002", "category_uid": "4", "activity_id": "6", "activity_name": "Post", "type_uid": "400206", "src_endpoint.ip": "192.0.2.1", "src_endpoint.port": "5000", "src_endpoint.location.country": "NL", "dst_endpoint.ip": "198.51.100.2",
				"http_request.url.url_string": "/a?b", "http_response.code": "404", "status_id": "2", "time": "1700000000123", "unmapped.labels.x": "<nil>", "metadata.product.vendor_name": "unknown", "raw_data": `{"raw":"\xff"}`}},
		"http without request":  {map[string]string{"event.dataset": "zeek.http", "event.category": "web", "source.ip": "192.0.2.1"}, map[string]string{"class_uid": "4001", "type_uid": "400106"}},
		"http without anything": {map[string]string{"event.dataset": "zeek.http", "event.category": "web", "url.domain": "x.example"}, map[string]string{"class_uid": "0", "activity_id": "0", "type_uid": "0"}},
		"process": {map[string]string{"event.dataset": "windows.sysmon", "event.category": "process", "event.type": "start", "host.name": "PC", "user.name": "ana", "process.pid": "7", "process.name": "cmd.exe", "process.executable": `C:\cmd.exe`, "process.hash.md5": "d41d8cd98f00b204e9800998ecf8427e", "process.parent.pid": "3", "process.parent.name": "explorer.exe"},
			map[string]string{"class_uid": "1007", "activity_name": "Launch", "device.hostname": "PC", "device.type_id": "0", "actor.user.name": "ana", "actor.process.name": "explorer.exe", "process.pid": "7", "process.parent_process.pid": "3", "process.file.hashes.0.algorithm": "MD5", "metadata.profiles.0": "host"}},
		"process accessed": {map[string]string{"event.dataset": "windows.sysmon", "event.category": "process", "event.type": "access", "host.name": "PC", "process.pid": "7", "process.name": "evil.exe", "process.target.pid": "9", "process.target.executable": "lsass.exe"},
			map[string]string{"class_uid": "1007", "activity_id": "3", "process.pid": "9", "process.path": "lsass.exe", "actor.process.name": "evil.exe"}},
		"process without a host": {map[string]string{"event.category": "process", "process.pid": "7", "process.name": "x"}, map[string]string{"class_uid": "0"}},
		"logon": {map[string]string{"event.category": "authentication", "event.type": "start", "event.outcome": "success", "user.name": "SYSTEM", "user.target.name": "ana", "user.target.domain": "CORP", "source.ip": "192.0.2.1", "host.name": "DC", "service.name": "kerberos"},
			map[string]string{"class_uid": "3002", "activity_id": "1", "user.name": "ana", "user.domain": "CORP", "actor.user.name": "SYSTEM", "service.name": "kerberos", "status": "Success"}},
		"logon at a host": {map[string]string{"event.category": "authentication", "event.action": "gate-open", "user.name": "ana", "host.name": "gate7"}, map[string]string{"class_uid": "3002", "activity_id": "99", "dst_endpoint.hostname": "gate7"}},
		"dns": {map[string]string{"event.dataset": "zeek.dns", "event.category": "network", "source.ip": "192.0.2.1", "dns.question.name": "x.example", "dns.answers.data": "192.0.2.7,y.example"},
			map[string]string{"class_uid": "4003", "activity_id": "2", "query.hostname": "x.example", "answers.1.rdata": "y.example"}},
		"alert": {map[string]string{"event.dataset": "suricata.alert", "event.category": "intrusion_detection", "event.severity": "1", "rule.name": "ET X", "rule.id": "2000", "source.ip": "192.0.2.1"},
			map[string]string{"class_uid": "2004", "severity": "High", "finding_info.title": "ET X", "finding_info.analytic.uid": "2000", "evidences.0.src_endpoint.ip": "192.0.2.1"}},
		"api": {map[string]string{"event.dataset": "aws.cloudtrail", "event.action": "RunInstances", "event.type": "creation", "cloud.provider": "aws", "cloud.account.id": "1", "user.name": "ana", "source.ip": "192.0.2.1", "cloud.service.name": "ec2.amazonaws.com"},
			map[string]string{"class_uid": "6003", "activity_name": "Create", "api.operation": "RunInstances", "api.service.name": "ec2.amazonaws.com", "cloud.account.uid": "1", "metadata.profiles.0": "cloud"}},
		"registry value": {map[string]string{"event.dataset": "windows.sysmon", "event.category": "registry", "event.action": "registry-value-set", "host.name": "PC", "user.name": "ana", "registry.path": `HKLM\a\b`, "registry.value": "b", "registry.data.strings": "1"},
			map[string]string{"class_uid": "201002", "activity_name": "Set", "reg_value.path": `HKLM\a\b`, "reg_value.data": "1"}},
		"account":            {map[string]string{"event.category": "iam", "event.type": "creation", "user.name": "admin", "user.target.name": "new"}, map[string]string{"class_uid": "3001", "activity_name": "Create", "user.name": "new", "actor.user.name": "admin"}},
		"registry key":       {map[string]string{"event.category": "registry", "event.type": "deletion", "host.name": "PC", "process.pid": "1", "registry.path": "HKLM"}, map[string]string{"class_uid": "201001", "activity_id": "4", "reg_key.path": "HKLM", "actor.process.pid": "1"}},
		"told by the parser": {map[string]string{"ocsf.class_uid": "4001", "event.category": "process", "source.ip": "192.0.2.1"}, map[string]string{"class_uid": "4001"}},
		"an unknown class":   {map[string]string{"ocsf.class_uid": "77", "user.name": "ana"}, map[string]string{"class_uid": "0", "actor.user.name": "ana"}},
	} {
		got := encoded(t, ocsf.Export(event(t, c.event), ocsf.Origin{ID: "i", Org: "main", Source: "s"}))
		for _, p := range o.check(got) {
			t.Errorf("%s: %s", name, p)
		}
		for path, want := range c.want {
			if v := fmt.Sprint(at(got, path)); v != want {
				t.Errorf("%s: %s = %s, want %s", name, path, v, want)
			}
		}
		kept(t, name, c.event, got)
	}
}

// kept: every value of the event is somewhere in the object.
func kept(t *testing.T, name string, values map[string]string, got map[string]any) {
	t.Helper()
	b, _ := json.Marshal(got)
	for field, v := range values {
		if field == "ocsf.class_uid" || field == "event.outcome" || field == "destination.ip" {
			continue // written another way
		}
		for part := range strings.SplitSeq(v, ",") {
			q, _ := json.Marshal(part)
			if !bytes.Contains(b, q) && !bytes.Contains(b, []byte(":"+part)) && !strings.EqualFold(part, fmt.Sprint(got["activity_name"])) {
				t.Errorf("%s: %s is lost: %s", name, field, b)
			}
		}
	}
}
