package expr

import (
	"testing"

	"vigil/schema"
)

func event(pairs ...string) *schema.Event {
	e := &schema.Event{}
	e.Reset([]byte("the raw line"), 0)
	for i := 0; i < len(pairs); i += 2 {
		if f, ok := schema.Lookup(pairs[i]); ok {
			e.Set(f.ID, pairs[i+1])
		} else {
			e.AddExtra(pairs[i], pairs[i+1])
		}
	}
	return e
}

func TestEval(t *testing.T) {
	env, err := NewEnv(Options{Lists: map[string][]string{"admins": {"Alice", "bob"}}})
	if err != nil {
		t.Fatal(err)
	}
	e := event("process.command_line", `C:\Windows\powershell.exe -Enc AAAA`, "source.ip", "10.1.2.3", "source.port", "4444",
		"tags", "Alpha", "tags", "beta", "winlog.event_data.TargetObject", `HKLM\Run`, "aws.request.bucket.name", "b1",
		"user.name", "ALICE", "timestamp", "2024-05-06T07:08:09Z", "tls.established", "true", "threat.indicator.value", "10.1.2.3",
		"labels.score.d1", "0.75", "labels.threshold.d1", "0.7", "labels.odd-key", "v", "destination.ip", "::ffff:1.2.3.4")
	for src, want := range map[string]bool{
		`e.process.command_line.icontains('-enc ')`:                                    true,
		`e.process.command_line.icontains(['x', 'POWERSHELL'])`:                        true,
		`e.process.command_line.icontainsAll(['-enc', 'POWERSHELL'])`:                  true,
		`e.process.command_line.icontainsAll(['-enc', 'nothere'])`:                     false,
		`e.process.command_line.iendsWith('aaaa') && e.source.port == 4444`:            true,
		`e.process.command_line.istartsWith('c:\\windows\\')`:                          true,
		`e.process.command_line.ilike('c:\\*\\power?hell.exe *')`:                      true,
		`e.process.command_line.contains('-enc')`:                                      false,
		`e.process.command_line.matches('(?i)-enc\\s')`:                                true,
		`e.source.ip == '10.1.2.3' && cidr(e.source.ip, ['10.0.0.0/8'])`:               true,
		`cidr(e.destination.ip, '1.2.3.0/24') && e.destination.ip == '1.2.3.4'`:        true,
		`has(e.source.ip) && !has(e.client.ip) && has(e.source.port)`:                  true,
		`cidr(e.client.ip, '::/0')`:                                                    false,
		`e.source.port in [1, 4444] && e.source.port > 1024 && e.source.port != 5`:     true,
		`e.user.name in ['ALICE']`:                                                     true,
		`inList(e.user.name, 'admins')`:                                                true,
		`'beta' in e.tags && e.tags.ieq('alpha') && size(e.tags) == 2`:                 true,
		`e.tags.exists(t, t.startsWith('Al'))`:                                         true,
		`e.tags.exists(e, e == 'beta')`:                                                true,
		`e.winlog.event_data.TargetObject.icontains('\\run')`:                          true,
		`has(e.winlog.event_data.TargetObject) && !has(e.winlog.event_data.Other)`:     true,
		`e.winlog.event_data.Other == ''`:                                              true,
		`e.aws.request.bucket.name == 'b1' && has(e.aws.request.bucket.name)`:          true,
		`e.labels['odd-key'] == 'v' && e.labels.` + "`odd-key`" + ` == 'v'`:            true,
		`e.timestamp > timestamp('2024-01-01T00:00:00Z') && e.timestamp.getHours()==7`: true,
		`e.tls.established && e.raw.icontains('RAW')`:                                  true,
		`intel(e.source.ip) && !intel(e.client.ip) && !intel(e.user.name)`:             true,
		`score('d1') >= threshold('d1') && score('d2') < threshold('d2')`:              true,
		`e.user.name != 'x' && e.user.target.name != 'x'`:                              true,
	} {
		p, err := env.Compile(src, nil)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		got, err := p.Eval(&Input{Event: e})
		if err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", src, got, err, want)
		}
	}
	for _, src := range []string{`e.process.comand_line == 'x'`, `proces.name == 'x'`, `e.tags == 'x'`, `e.process`, `has(e.process)`, `e.source.port == '1'`,
		`e.user.name.icontains(e.user.id)`, `e.user.name.matches('(')`, `e.source.ip == '010.1.1.1'`, `inList(e.user.name, 'admin')`, `e.user.name.icontain('x')`,
		`true && `, `e.tags.exists(a, e.tags.exists(b, e.tags.exists(c, e.tags.exists(d, a+b==c+d))))`, `cidr(e.source.ip, '10.0.0.0/99')`, `1 + 2`} {
		_, err := env.Compile(src, nil)
		t.Logf("%s\n  -> %v", src, err)
		if err == nil {
			t.Errorf("%s compiled", src)
		}
	}
}
