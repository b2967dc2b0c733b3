//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vigil/internal/localca"
)

// clientRecords is how many records each foreign client sends.
const clientRecords = 500

// fetched runs a script of .ci that fetches a tool and prints where it is. Without the
// tool a test is skipped on a user's machine, and fails in CI.
func fetched(t *testing.T, script string) string {
	t.Helper()
	var errs bytes.Buffer
	c := exec.Command(filepath.Join(repoRoot(t), ".ci", script))
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		missing(t, fmt.Sprintf("%s: %v: %s", script, err, tail(errs.String(), 500)))
	}
	return strings.TrimSpace(string(out))
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// installed finds a program, or a module of one, that Debian installs.
func installed(t *testing.T, pkg string, anyOf ...string) {
	t.Helper()
	for _, path := range anyOf {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	missing(t, fmt.Sprintf("%s is not installed (apt-get install %s)", anyOf[0], pkg))
}

// daemon runs a program until the test ends, and shows what it said when the test failed.
func daemon(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	out := &lockedBuffer{}
	c.Stdout, c.Stderr, c.Env = out, out, append(os.Environ(), env...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(10*time.Second, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(name), tail(out.String(), 3000))
		}
	})
}

// write puts a file of a test's own folder down.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// drip writes numbered lines to a file that a shipper follows, at the pace of the other
// clients.
func drip(t *testing.T, path, name string) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = f.Close() }()
	for n := range clientRecords {
		if _, err := fmt.Fprintf(f, "%s g0 n%d\n", name, n); err != nil {
			t.Error(err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// shipper is a row of the table: a program of others that sends to a source.
type shipper struct {
	source, kind string
	exact        bool   // its records have ids: a re-send is known, and stored once
	gives        string // it gives up while the receiver is away, for this reason: it sends afterwards
	says         string // what its records start with; default: the source
}

// shippers is the table source × client that docs/receivers.md shows.
var shippers = []shipper{
	{source: "elastic-js", kind: "bulk", exact: true},
	{source: "rsyslog", kind: "bulk", exact: true},
	{source: "syslogng", kind: "bulk", exact: true},
	{source: "splunk-js", kind: "hec"},
	{source: "winston", kind: "hec"},
	{source: "otel-js", kind: "otlp"},
	{source: "otel-go-grpc", kind: "otlp"},
	{source: "collector-bulk", kind: "bulk", says: "afterwards", gives: "v0.120 of the exporter drops what it cannot connect for"},
	{source: "collector-hec", kind: "hec", says: "collector"},
	{source: "collector-grpc", kind: "otlp", says: "collector"},
	{source: "collector-http", kind: "otlp", says: "collector"},
}

// TestClients lets programs of others send, as they are, while Vigil is killed with -9 in
// the middle. Whoever sends ids has every record stored once; whoever does not has every
// record stored at least once.
func TestClients(t *testing.T) {
	scripts, collector, ng := fetched(t, "fetch-clients"), fetched(t, "fetch-collector"), fetched(t, "fetch-syslog-ng")
	installed(t, "rsyslog-elasticsearch", "/usr/lib/x86_64-linux-gnu/rsyslog/omelasticsearch.so", "/usr/lib/rsyslog/omelasticsearch.so")
	rows, relays := shippers, os.Getenv("VIGIL_COLLECTOR") != "0"
	if !relays {
		t.Log("VIGIL_COLLECTOR=0: the rows of the OpenTelemetry Collector are skipped")
		rows = slices.DeleteFunc(slices.Clone(rows), func(c shipper) bool { return strings.HasPrefix(c.source, "collector-") })
	}
	addr, grpc := freeAddr(t), freeAddr(t)
	v := NewVigil(t, "--receive", addr, "--receive-grpc", grpc)
	v.Start()
	url, tokens := "http://"+addr, map[string]string{}
	for _, c := range rows {
		tokens[c.source] = pushToken(v, c.source, c.kind)
	}
	_, port, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	daemon(t, nil, "rsyslogd", "-n", "-f", write(t, dir, "rsyslog.conf", rsyslogBulk(dir, port, tokens["rsyslog"])), "-i", filepath.Join(dir, "rsyslog.pid"))
	syslogNG(t, ng, dir, write(t, dir, "syslog-ng.conf", syslogNGBulk(ng, dir, url, tokens["syslogng"])))
	relay, relayBulk := freeAddr(t), freeAddr(t)
	if relays {
		daemon(t, nil, filepath.Join(collector, "collector"), "--config", write(t, dir, "collector.yaml", collectorConfig(relay, relayBulk, url, grpc, tokens)))
		Eventually(t, "the collector listens", time.Minute, func() bool {
			c, err := net.Dial("tcp", relayBulk)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		})
	}

	var sending sync.WaitGroup
	run := func(source string, env []string, name string, args ...string) {
		sending.Go(func() {
			c := exec.Command(name, args...)
			c.Env = append(os.Environ(), env...)
			if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: %v\n%s", source, err, tail(string(out), 2000))
			}
		})
	}
	for source, script := range map[string]string{"elastic-js": "elastic.mjs", "splunk-js": "splunk.mjs", "winston": "winston.mjs", "otel-js": "otel.mjs"} {
		run(source, nil, "node", filepath.Join(scripts, script), url, tokens[source], source, fmt.Sprint(clientRecords))
	}
	send := func(source, endpoint, token string) {
		run(source, []string{"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://" + endpoint, "OTEL_EXPORTER_OTLP_LOGS_HEADERS=authorization=Bearer " + token},
			filepath.Join(collector, "send"), "-count", fmt.Sprint(clientRecords), "-name", source, "-pause", "10ms")
	}
	send("otel-go-grpc", grpc, tokens["otel-go-grpc"])
	if relays {
		send("collector", relay, "")
	}
	for source, file := range map[string]string{"rsyslog": "rsyslog.log", "syslogng": "syslog-ng.log"} {
		sending.Go(func() { drip(t, filepath.Join(dir, file), source) })
	}

	time.Sleep(2500 * time.Millisecond)
	v.Kill()
	time.Sleep(500 * time.Millisecond)
	v.Start()
	if relays {
		send("afterwards", relayBulk, "")
	}
	sending.Wait()
	for _, c := range rows {
		t.Run(c.source, func(t *testing.T) { c.check(t, v) })
	}
}

var numbered = regexp.MustCompile(`([a-z-]+) g0 n(\d+)\b`)

// check holds what is stored of a client against the contract of its protocol.
func (c shipper) check(t *testing.T, v *Vigil) {
	if c.says == "" {
		c.says = c.source
	}
	var p proof
	for end := time.Now().Add(25 * time.Second); p.Records < clientRecords && time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		p = proved(v, c.source)
	}
	if c.exact && p.Records != clientRecords {
		t.Errorf("%d records are stored of %d with ids", p.Records, clientRecords)
	}
	seen := map[string]bool{}
	out := v.MustRun("-o", "ndjson", "search", fmt.Sprintf("source:%q", c.source), "--from", "2020-01-01T00:00:00Z", "--limit", "1000")
	for _, m := range numbered.FindAllStringSubmatch(out, -1) {
		if m[1] == c.says {
			seen[m[2]] = true
		}
	}
	if len(seen) != clientRecords || p.Records < clientRecords {
		t.Errorf("%d of the %d records are found, %d are proved", len(seen), clientRecords, p.Records)
	}
	if c.gives != "" {
		t.Log("not sent through the kill: " + c.gives)
	}
	t.Logf("%d sent, %d stored, %d of them suspected as re-sends", clientRecords, p.Records, p.Suspected)
}

// proof is what `vigil prove` says of a source.
type proof struct {
	Status                      string
	Records, Suspected, Waiting int64
}

// proved proves a source; of one that cannot be proved now there are no records.
func proved(v *Vigil, source string) proof {
	out, err := v.Run("-o", "json", "prove", source)
	var got []proof
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || len(got) != 1 || got[0].Status != "proved" {
		return proof{}
	}
	return got[0]
}

func rsyslogBulk(dir, port, token string) string {
	return fmt.Sprintf(`global(workDirectory=%q)
module(load="imfile" mode="inotify")
module(load="omelasticsearch")
input(type="imfile" File=%q Tag="t:")
template(name="doc" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}
template(name="id" type="string" string="%%uuid%%")
action(type="omelasticsearch" server="http://localhost" serverport=%q uid="vigil" pwd=%q searchIndex="logs" template="doc" bulkmode="on" bulkid="id" dynbulkid="on"
  writeoperation="create" queue.type="LinkedList" queue.dequeueBatchSize="25" action.resumeRetryCount="-1" action.resumeInterval="1")
`, dir, filepath.Join(dir, "rsyslog.log"), port, token)
}

// syslogNG runs the unpacked syslog-ng with a configuration.
func syslogNG(t *testing.T, root, dir, conf string) {
	t.Helper()
	lib := filepath.Join(root, "usr/lib/syslog-ng")
	write(t, dir, "syslog-ng.log", "")
	daemon(t, []string{"LD_LIBRARY_PATH=" + strings.Join([]string{lib, filepath.Join(root, "usr/lib/x86_64-linux-gnu"), filepath.Join(root, "lib/x86_64-linux-gnu")}, ":")},
		filepath.Join(root, "usr/sbin/syslog-ng"), "-F", "--no-caps", "--module-path="+filepath.Join(lib, "3.38"), "-f", conf,
		"--persist-file="+filepath.Join(dir, "ng.persist"), "--pidfile="+filepath.Join(dir, "ng.pid"), "--control="+filepath.Join(dir, "ng.ctl"))
}

func syslogNGBulk(root, dir, url, token string) string {
	return fmt.Sprintf(`@version: 3.38
@include %q
options { use-uniqid(yes); };
source s { file(%q follow-freq(0.1) flags(no-parse)); };
destination vigil {
  elasticsearch-http(url("%s/_bulk") index("logs") type("") custom-id("${UNIQID}") workers(1) batch-lines(25) timeout(10) time-reopen(1)
    user("vigil") password(%q) template("$(format-json message=${MESSAGE} @timestamp=${ISODATE})"));
};
log { source(s); destination(vigil); flags(flow-control); };
`, filepath.Join(root, "usr/share/syslog-ng/include/scl/elasticsearch/elastic-http.conf"), filepath.Join(dir, "syslog-ng.log"), url, token)
}

func collectorConfig(listen, listenBulk, url, grpc string, tokens map[string]string) string {
	retry := "    retry_on_failure: {enabled: true, initial_interval: 300ms, max_interval: 2s, max_elapsed_time: 0s}\n"
	return fmt.Sprintf(`receivers:
  otlp: {protocols: {grpc: {endpoint: %q}}}
  otlp/bulk: {protocols: {grpc: {endpoint: %q}}}
exporters:
  elasticsearch:
    endpoint: %q
    headers: {Authorization: "ApiKey %s"}
    logs_index: logs
    mapping: {mode: ecs}
    retry: {enabled: true, max_retries: 200, initial_interval: 200ms, max_interval: 1s}
    flush: {interval: 200ms}
  splunk_hec:
    endpoint: "%s/services/collector"
    token: %q
%s  otlp:
    endpoint: %q
    tls: {insecure: true}
    headers: {authorization: "Bearer %s"}
%s  otlphttp:
    endpoint: %q
    headers: {authorization: "Bearer %s"}
%sservice:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp], exporters: [splunk_hec, otlp, otlphttp]}
    logs/bulk: {receivers: [otlp/bulk], exporters: [elasticsearch]}
`, listen, listenBulk, url, tokens["collector-bulk"], url, tokens["collector-hec"], retry, grpc, tokens["collector-grpc"], retry, url, tokens["collector-http"], retry)
}

// TestSyslogClients lets syslog-ng send by UDP, TCP and TLS, and rsyslog by TLS.
func TestSyslogClients(t *testing.T) {
	ng := fetched(t, "fetch-syslog-ng")
	installed(t, "rsyslog-gnutls", "/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so", "/usr/lib/rsyslog/lmnsd_gtls.so")
	plain, secure := freeAddr(t), freeAddr(t)
	dir := t.TempDir()
	certs, err := localca.Ensure(filepath.Join(dir, "tls"), []string{"localhost", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	v := NewVigil(t, "--receive", "localhost:0", "--receive-grpc", "localhost:0", "--syslog", plain, "--syslog-tls", secure, "--tls-cert", certs.Cert, "--tls-key", certs.Key)
	v.Start()
	_, plainPort, _ := net.SplitHostPort(plain)
	_, securePort, _ := net.SplitHostPort(secure)
	conf := fmt.Sprintf(`@version: 3.38
source s { file(%q follow-freq(0.1) flags(no-parse) program-override("ng")); };
destination udp { network("127.0.0.1" transport("udp") port(%s) template("<13>${ISODATE} h ng-udp: ${MESSAGE}\n")); };
destination tcp { network("127.0.0.1" transport("tcp") port(%s) template("<13>${ISODATE} h ng-tcp: ${MESSAGE}\n")); };
destination tls { syslog("localhost" transport("tls") port(%s) tls(ca-file(%q) peer-verify(required-trusted))); };
log { source(s); destination(udp); destination(tcp); destination(tls); };
`, filepath.Join(dir, "syslog-ng.log"), plainPort, plainPort, securePort, certs.CA)
	syslogNG(t, ng, dir, write(t, dir, "syslog-ng.conf", conf))
	daemon(t, nil, "rsyslogd", "-n", "-i", filepath.Join(dir, "rsyslog.pid"), "-f", write(t, dir, "rsyslog.conf", fmt.Sprintf(`global(workDirectory=%q defaultNetstreamDriverCAFile=%q)
module(load="imfile")
input(type="imfile" File=%q Tag="rsyslog-tls:")
action(type="omfwd" target="localhost" port=%q protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"
  StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/certvalid")
`, dir, certs.CA, filepath.Join(dir, "rsyslog.log"), securePort)))
	drip(t, filepath.Join(dir, "rsyslog.log"), "rsyslog")
	drip(t, filepath.Join(dir, "syslog-ng.log"), "ng")
	var got []struct{ Records, Failures, Dropped int64 }
	Eventually(t, "everything that was sent four times", time.Minute, func() bool {
		return json.Unmarshal([]byte(v.MustRun("-o", "json", "sources", "list")), &got) == nil && len(got) == 1 && got[0].Records+got[0].Dropped >= 4*clientRecords
	})
	if p := proved(v, "syslog"); p.Records != got[0].Records || got[0].Records != 4*clientRecords-got[0].Dropped || got[0].Failures != 0 {
		t.Errorf("%+v, proved %d of %d", got[0], p.Records, 4*clientRecords)
	}
}
