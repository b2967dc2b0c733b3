package normalise

import (
	"bytes"
	"encoding/json"
	"path"
	"strconv"
	"strings"
	"time"
)

// ocsfNames say which of our fields an attribute of OCSF is. The first that a document
// has counts; attributes without a row are not compared.
var ocsfNames = []struct{ theirs, ours string }{
	{"class_uid", "ocsf.class_uid"},
	{"src_endpoint.ip", "source.ip"}, {"src_endpoint.port", "source.port"}, {"dst_endpoint.ip", "destination.ip"}, {"dst_endpoint.port", "destination.port"},
	{"actor.user.name", "user.name"}, {"user.name", "user.name"}, {"device.hostname", "host.name"},
	{"api.operation", "event.action"}, {"http_request.url.path", "url.path"}, {"http_request.url.hostname", "url.domain"}, {"finding.title", "rule.name"}, {"finding_info.title", "rule.name"},
	{"http_request.http_method", "http.request.method"}, {"http_request.user_agent", "user_agent.original"}, {"query.hostname", "dns.question.name"}, {"query.type", "dns.question.type"},
	{"cloud.region", "cloud.region"}, {"cloud.account.uid", "cloud.account.id"}, {"cloud.account_uid", "cloud.account.id"}, {"metadata.uid", "event.id"}, {"process.pid", "process.pid"}, {"process.name", "process.name"}, {"process.cmd_line", "process.command_line"},
}

func readOCSF(line []byte) ([]pair, error) {
	var p struct {
		Path, Raw string
		Expected  json.RawMessage `json:"expected_ocsf"`
	}
	if err := decode(line, &p); err != nil {
		return nil, err
	}
	var quoted string
	if json.Unmarshal(p.Expected, &quoted) == nil {
		p.Expected = json.RawMessage(quoted)
	}
	var doc any
	if err := decode(p.Expected, &doc); err != nil {
		return nil, nil //nolint:nilerr // a few documents of the collection are no JSON
	}
	record := strings.TrimSpace(p.Raw)
	var list []json.RawMessage
	if json.Unmarshal([]byte(record), &list) == nil && len(list) > 0 {
		record = string(list[0])
	}
	var one bytes.Buffer
	if json.Compact(&one, []byte(record)) == nil {
		record = one.String() // a record is one line
	}
	return []pair{{format: ocsfFormat(p.Path), record: record, want: fromOCSF(flatten(doc))}}, nil
}

// ocsfFormat is vendor and product of "markdown/AWS/v1.1.0/WAF/Samples/waf.ocsf".
func ocsfFormat(file string) string {
	var words []string
	for _, w := range strings.Split(path.Dir(file), "/")[1:] {
		if !strings.EqualFold(w, "samples") && !(len(w) > 1 && w[0] == 'v' && w[1] >= '0' && w[1] <= '9') {
			words = append(words, w)
		}
	}
	return strings.Join(words, "/")
}

// fromOCSF names the attributes of a document as we name them.
func fromOCSF(d document) document {
	out := document{}
	for _, n := range ocsfNames {
		if v := d.first(n.theirs); v != "" && v != "-" && out.first(n.ours) == "" {
			out[n.ours] = []string{v}
		}
	}
	switch d.first("status") {
	case "Success":
		out["event.outcome"] = []string{"success"}
	case "Failure":
		out["event.outcome"] = []string{"failure"}
	}
	if t, ok := ocsfTime(d.first("time")); ok {
		out["@timestamp"] = []string{t.Format(time.RFC3339Nano)}
	}
	return out
}

// ocsfTime reads milliseconds; some documents have seconds.
func ocsfTime(text string) (time.Time, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return time.Time{}, false
	case n < 1e11:
		return time.Unix(n, 0).UTC(), true
	}
	return time.UnixMilli(n).UTC(), true
}
