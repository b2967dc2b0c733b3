package rulesql

import (
	"slices"
	"testing"

	"vigil/internal/expr"
	"vigil/internal/store"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/schema"
)

// oddEvents are events at the edges of the language: absent values, zero, both
// address families, other scripts, lists, quotes and line ends.
func oddEvents() [][][2]string {
	return [][][2]string{
		{},
		{{"user.name", "Alice"}, {"source.ip", "10.1.2.3"}, {"source.port", "443"}, {"tags", "Alpha"}, {"tags", "beta"}, {"timestamp", "2024-05-06T07:08:09Z"}},
		{{"user.name", "ALICE"}, {"source.ip", "::ffff:10.1.2.3"}, {"source.port", "0"}, {"tags", "x"}, {"timestamp", "1999-12-31T23:59:59.5Z"}},
		{{"user.name", "Äöü ß"}, {"source.ip", "2001:DB8::1"}, {"destination.ip", "::"}, {"process.command_line", "line1\nline2 Ünïcode"}},
		{{"user.name", "äÖÜ ß"}, {"source.ip", "fe80::1"}, {"destination.ip", "0.0.0.0"}, {"process.command_line", `C:\Windows\System32\cmd.exe /c "it's"`}},
		{{"user.name", "it's"}, {"host.ip", "10.0.0.1"}, {"host.ip", "2001:db8::5"}, {"tags", "10.0.0.1"}, {"tls.established", "true"}},
		{{"user.name", "K"}, {"user.target.name", "k"}, {"labels.score.d1", "0.75"}, {"labels.threshold.d1", "0.7"}, {"winlog.event_data.TargetObject", `HKLM\Run`}},
		{{"user.name", "bob"}, {"user.target.name", "BOB"}, {"labels.score.d1", "text"}, {"threat.indicator.value", "Bob"}, {"threat.indicator.value", "10.9.9.9"}, {"source.ip", "10.9.9.9"}},
		{{"source.bytes", "-5"}, {"destination.bytes", "9000000000"}, {"raw", `{"a": "B\t"}`}, {"tls.established", "false"}, {"event.severity", "3"}},
		{{"aws.request.bucket.name", "b1"}, {"labels.odd-key", "v"}, {"labels.count", "42"}, {"source.address", "10.1.2.3"}, {"timestamp", "2024-01-07T00:00:00Z"}},
	}
}

// conditions use every function and operator that has SQL.
func conditions() []string {
	return []string{
		`has(e.user.name)`, `!has(e.user.name)`, `has(e.source.ip)`, `has(e.destination.ip)`, `has(e.source.port)`, `has(e.tls.established)`, `has(e.tags)`, `has(e.timestamp)`,
		`has(e.winlog.event_data.TargetObject)`, `has(e.raw)`, `e.user.name == ''`, `e.user.name != ''`, `e.user.name == 'Alice'`, `e.user.name != 'Alice'`,
		`e.user.name in ['Alice', 'bob']`, `!(e.user.name in ['Alice'])`, `e.user.name in []`, `e.user.name.ieq('aLICE')`, `e.user.name.ieq(['', 'bob'])`, `e.user.name.ieq('äöü SS')`, `e.user.name.ieq('ÄÖÜ ß')`, `e.user.name.ieq('k')`,
		`e.user.name.ieq(e.user.target.name)`, `has(e.user.name) && e.user.name == e.user.target.name`, `e.user.name < 'b'`,
		`e.process.command_line.icontains('WINDOWS')`, `e.process.command_line.icontains(['nothing', 'SYSTEM32'])`, `e.process.command_line.icontains(['ÜNÏ', 'zz'])`, `e.process.command_line.icontainsAll(['cmd', '/C'])`,
		`e.process.command_line.istartsWith(['c:\\', 'x'])`, `e.process.command_line.iendsWith("IT'S\"")`, `e.process.command_line.iendsWith('ünïCODE')`, `e.process.command_line.ilike('*\\system??\\*')`, `e.process.command_line.ilike('line1*')`,
		`e.process.command_line.matches('line1.line2')`, `e.process.command_line.matches('(?s)line1.line2')`, `e.process.command_line.matches('^C:\\\\W')`, `e.process.command_line.matches('(?i)c:\\\\windows')`, `e.process.command_line.matches('(?m)^line2')`,
		`e.process.command_line.contains('cmd')`, `e.process.command_line.contains('CMD')`, `e.process.command_line.startsWith('C:')`, `e.process.command_line.endsWith('"')`, `e.user.name == "it's"`, `size(e.user.name) == 5`, `size(e.tags) == 2`, `size(e.tags) > 0`,
		`e.source.ip == '10.1.2.3'`, `e.source.ip != '10.1.2.3'`, `e.source.ip == ''`, `e.source.ip in ['2001:db8::1', '10.9.9.9']`, `e.source.ip.startsWith('10.')`, `e.source.ip.icontains('db8')`, `e.source.ip == e.source.address`,
		`cidr(e.source.ip, '10.0.0.0/8')`, `cidr(e.source.ip, ['2001:db8::/32', 'fe80::/10'])`, `cidr(e.source.ip, '0.0.0.0/0')`, `cidr(e.source.ip, '::/0')`, `!cidr(e.source.ip, '::/0')`, `cidr(e.destination.ip, '0.0.0.0/8')`, `cidr(e.source.ip, '10.1.2.3')`,
		`cidr(e.source.ip, '10.1.2.0/23')`, `cidr(e.source.ip, 'fe80::/64')`, `cidr(e.source.address, '10.1.0.0/16')`, `cidr(e.host.ip, '10.0.0.0/24')`, `cidr(e.host.ip, '2001:db8::/48')`, `cidr(e.user.name, '10.0.0.0/8')`,
		`e.source.port == 443`, `e.source.port != 443`, `e.source.port in [1, 443]`, `e.source.port > 442 && e.source.port <= 443`, `e.source.port == 0`, `e.source.bytes < 0`, `e.destination.bytes > 8999999999`, `e.source.bytes + e.destination.bytes > 100`, `e.source.bytes * 2 == -10`,
		`e.source.port - 1 >= 442`, `double(e.source.port) > 442.5`, `e.tls.established`, `!e.tls.established`, `e.tls.established == false`, `e.tls.established ? e.user.name == "it's" : e.user.name == 'Alice'`, `(e.source.port > 1 ? e.source.port : 7) == 7`,
		`'Alpha' in e.tags`, `'alpha' in e.tags`, `!('x' in e.tags)`, `e.tags.ieq('ALPHA')`, `e.tags.icontains(['LPH', 'q'])`, `e.tags.istartsWith('b')`, `e.tags.ilike('?eta')`, `e.tags.exists(t, t.startsWith('Al'))`, `e.tags.all(t, t != 'x')`,
		`e.tags.exists(t, e.tags.ieq('beta') && t == 'Alpha')`, `cidr(e.source.ip, '::ffff:10.1.0.0/112')`, `cidr(e.tags, '10.0.0.0/8')`, `e.tags.exists(e, e == 'beta')`, `e.host.ip.exists(h, cidr(h, '10.0.0.0/8') && h.endsWith('1'))`, `['Alice', 'bob'].exists(n, n == e.user.name)`,
		`e.timestamp > timestamp('2000-01-01T00:00:00Z')`, `e.timestamp == timestamp('1999-12-31T23:59:59.5Z')`, `e.timestamp.getHours() == 7`, `e.timestamp.getDayOfWeek() == 0`, `e.timestamp.getFullYear() == 2024`, `e.timestamp.getMonth() == 11`,
		`e.timestamp.getDate() == 31`, `e.timestamp.getDayOfMonth() == 6`, `e.timestamp.getMinutes() == 8`, `e.timestamp.getSeconds() == 59`,
		`e.winlog.event_data.TargetObject.icontains('\\RUN')`, `e.aws.request.bucket.name == 'b1'`, `e.labels['odd-key'] == 'v'`, `e.raw.icontains('"b')`, `e.raw.matches('B.t')`,
		`intel(e.user.name)`, `intel(e.source.ip)`, `!intel(e.user.name)`, `intel(e.tags)`, `score('d1') >= threshold('d1')`, `score('d1') > 0.5`, `score('d2') < threshold('d2')`, `score('d1') == 0.0`, `inList(e.user.name, 'people')`, `inList(e.tags, 'people')`,
		`(e.user.name + '/' + e.user.target.name).icontains('/k')`, `string(e.source.port).startsWith('44')`, `e.labels.count.matches('^-?[0-9]{1,18}$') && int(e.labels.count) >= 42`, `e.labels.` + "`odd-key`" + `.ieq('V')`,
		`true`, `false || e.user.name == 'bob'`,
	}
}

// TestLanguageEquality asks each condition of each odd event both ways.
func TestLanguageEquality(t *testing.T) {
	db := open(t)
	env, err := expr.NewEnv(expr.Options{Lists: map[string][]string{"people": {"alice", "Beta"}}})
	if err != nil {
		t.Fatal(err)
	}
	var events []*schema.Event
	batch := store.NewBatch()
	for i, fields := range oddEvents() {
		e, err := rules.NewEvent(fields)
		if err != nil {
			t.Fatal(err)
		}
		e.ID = schema.EventIDAt(7, int64(i))
		events = append(events, e)
		batch.Append(e)
	}
	db.insert(t, "odd", batch)
	for _, src := range conditions() {
		p, err := env.Compile(src, nil)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		var want []string
		for _, e := range events {
			ok, err := p.Eval(&expr.Input{Event: e})
			if err != nil {
				t.Errorf("%s: %v", src, err)
			}
			if ok {
				want = append(want, e.ID.String())
			}
		}
		where, err := chsql.Condition(p)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		got, err := db.ids("odd", where)
		if err != nil {
			t.Errorf("%s: %v", src, err)
		} else if !slices.Equal(got, want) {
			t.Errorf("%s: SQL %v, interpreter %v\n%s", src, short(got), short(want), where.Inline())
		}
	}
}

func short(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id[len(id)-2:]
	}
	return out
}
