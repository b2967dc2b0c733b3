package enrich

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"vigil/internal/tables"
	"vigil/schema"
)

// expect runs a part over events and compares the fields named in want; "" means absent.
func expect(t *testing.T, p Part, name string, fields, want map[schema.FieldID]string) {
	t.Helper()
	e := event(fields)
	p.Enrich(e)
	for f, v := range want {
		if got, _ := e.Get(f.String()); got != v {
			t.Errorf("%s: %s = %q, want %q", name, f, got, v)
		}
	}
}

func TestDomains(t *testing.T) {
	const q, r, s, tld = schema.FDnsQuestionName, schema.FDnsQuestionRegisteredDomain, schema.FDnsQuestionSubdomain, schema.FDnsQuestionTopLevelDomain
	for name, want := range map[string][3]string{
		"www.example.com":           {"example.com", "www", "com"},
		"A.B.Example.CO.UK.":        {"example.co.uk", "a.b", "co.uk"},
		"example.com":               {"example.com", "", "com"},
		"co.uk":                     {"", "", "co.uk"},
		"x.github.io":               {"x.github.io", "", "github.io"},
		"host.corp.local":           {"corp.local", "host", "local"},
		"4.3.2.1.in-addr.arpa":      {"1.in-addr.arpa", "4.3.2", "in-addr.arpa"},
		"localhost":                 {},
		"192.0.2.1":                 {},
		"[2001:db8::1]":             {},
		"":                          {},
		".":                         {},
		"a..com":                    {},
		".com":                      {},
		strings.Repeat("a.", 200):   {},
		"xn--85x722f.xn--55qx5d.cn": {"xn--85x722f.xn--55qx5d.cn", "", "xn--55qx5d.cn"},
		"食狮.公司.cn":                  {"公司.cn", "食狮", "cn"},
		"bücher.example":            {"bücher.example", "", "example"},
		"_ldap._tcp.dc.corp.test":   {"corp.test", "_ldap._tcp.dc", "test"},
	} {
		expect(t, Domains(), name, map[schema.FieldID]string{q: name, schema.FUrlDomain: name}, map[schema.FieldID]string{r: want[0], s: want[1], tld: want[2],
			schema.FUrlRegisteredDomain: want[0], schema.FUrlSubdomain: want[1], schema.FUrlTopLevelDomain: want[2]})
	}
	expect(t, Domains(), "told by the record", map[schema.FieldID]string{q: "www.example.com", r: "told.example"}, map[schema.FieldID]string{r: "told.example", s: ""})
}

// TestCommunityID holds the ids to those that the specification's baseline gives.
func TestCommunityID(t *testing.T) {
	for _, c := range []struct{ proto, src, sport, dst, dport, want string }{
		{"tcp", "128.232.110.120", "34855", "66.35.250.204", "80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"tcp", "66.35.250.204", "80", "128.232.110.120", "34855", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"TCP", "::ffff:66.35.250.204", "80", "128.232.110.120", "34855", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"udp", "192.168.1.52", "54585", "8.8.8.8", "53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{"sctp", "192.168.170.8", "7", "192.168.170.56", "80", "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
		{"icmp", "192.168.0.89", "8", "192.168.0.1", "0", "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{"icmp", "192.168.0.1", "0", "192.168.0.89", "8", "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{"icmp", "fe80::200:86ff:fe05:80da", "135", "fe80::260:97ff:fe07:69ea", "0", "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
		{"tcp", "128.232.110.120", "34855", "2001:db8::1", "80", ""},
		{"tcp", "128.232.110.120", "", "66.35.250.204", "80", ""},
		{"tcp", "128.232.110.120", "99999", "66.35.250.204", "80", ""},
		{"quic", "128.232.110.120", "1", "66.35.250.204", "80", ""},
	} {
		fields := map[schema.FieldID]string{schema.FEventDataset: "zeek.conn", schema.FNetworkTransport: c.proto, schema.FSourceIP: c.src, schema.FSourcePort: c.sport, schema.FDestinationIP: c.dst, schema.FDestinationPort: c.dport}
		expect(t, CommunityID(), c.proto+" "+c.src, fields, map[schema.FieldID]string{schema.FNetworkCommunityID: c.want})
		fields[schema.FNetworkCommunityID] = "1:told"
		expect(t, CommunityID(), c.proto+" told", fields, map[schema.FieldID]string{schema.FNetworkCommunityID: "1:told"})
	}
	icmp := map[schema.FieldID]string{schema.FEventDataset: "cisco.asa", schema.FNetworkTransport: "icmp", schema.FSourceIP: "192.0.2.1", schema.FSourcePort: "8", schema.FDestinationIP: "192.0.2.2", schema.FDestinationPort: "0"}
	expect(t, CommunityID(), "ports that are no types", icmp, map[schema.FieldID]string{schema.FNetworkCommunityID: ""})
}

func TestUserAgents(t *testing.T) {
	const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.6367.91 Safari/537.36"
	p := UserAgents()
	for range 2 { // read, and remembered
		expect(t, p, "Chrome", map[schema.FieldID]string{schema.FUserAgentOriginal: chrome},
			map[schema.FieldID]string{schema.FUserAgentName: "Chrome", schema.FUserAgentVersion: "124.0.6367.91", schema.FUserAgentOsName: "Windows"})
	}
	expect(t, p, "told", map[schema.FieldID]string{schema.FUserAgentOriginal: chrome, schema.FUserAgentName: "CHROME"}, map[schema.FieldID]string{schema.FUserAgentName: "CHROME"})
	expect(t, p, "curl", map[schema.FieldID]string{schema.FUserAgentOriginal: "curl/8.5.0"}, map[schema.FieldID]string{schema.FUserAgentName: "curl", schema.FUserAgentVersion: "8.5.0"})
	expect(t, p, "iPhone", map[schema.FieldID]string{schema.FUserAgentOriginal: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1"},
		map[schema.FieldID]string{schema.FUserAgentName: "Safari", schema.FUserAgentOsName: "iOS", schema.FUserAgentDeviceName: "iPhone"})
	expect(t, p, "none", map[schema.FieldID]string{schema.FUserAgentOriginal: "-"}, map[schema.FieldID]string{schema.FUserAgentName: ""})
	expect(t, p, "too long", map[schema.FieldID]string{schema.FUserAgentOriginal: strings.Repeat("curl/8 ", 1000)}, map[schema.FieldID]string{schema.FUserAgentName: ""})
	u := p.(*userAgents)
	for i := range 3 * maxAgents {
		p.Enrich(event(map[schema.FieldID]string{schema.FUserAgentOriginal: "x/" + strings.Repeat("y", i%1000) + strings.Repeat("z", i/1000)}))
	}
	if len(u.seen) > maxAgents {
		t.Errorf("%d user agents are remembered", len(u.seen))
	}
}

// table builds one table.
func table(t testing.TB, name string, body []byte) Part {
	t.Helper()
	k, err := tables.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	tab, err := k.Check(body)
	if err != nil {
		t.Fatal(err)
	}
	return Table(tab)
}

func TestAssetsOfEvents(t *testing.T) {
	p := table(t, tables.AssetTable, []byte("name,ip,id,mac,criticality,owner,department,tags\ndc01,10.0.0.1,S-1-5-9,00:1b:44:11:3a:b7,critical,Ana,IT,tier0 dc\nnet,10.2.0.0/16,,,low,,,\nshop.example,,,,high,Ben,,\n"))
	for name, fields := range map[string]map[schema.FieldID]string{
		"name": {schema.FHostName: "DC01.corp.example"}, "hostname": {schema.FHostName: "?", schema.FHostHostname: "dc01"}, "computer": {schema.FWinlogComputerName: "DC01"},
		"id": {schema.FHostID: "S-1-5-9"}, "address": {schema.FHostIP: "10.0.0.1"}, "hardware": {schema.FHostMac: "00-1B-44-11-3A-B7"},
	} {
		expect(t, p, name, fields, map[schema.FieldID]string{schema.FHostAssetName: "dc01", schema.FHostAssetCriticality: "critical", schema.FHostAssetOwner: "Ana",
			schema.FHostAssetDepartment: "IT", schema.FHostAssetTags: "tier0,dc", schema.FSourceAssetName: ""})
	}
	expect(t, p, "ends", map[schema.FieldID]string{schema.FSourceIP: "10.2.3.4", schema.FDestinationDomain: "SHOP.example", schema.FDestinationIP: "198.51.100.1"},
		map[schema.FieldID]string{schema.FSourceAssetName: "net", schema.FSourceAssetCriticality: "low", schema.FSourceAssetOwner: "", schema.FDestinationAssetName: "shop.example",
			schema.FDestinationAssetOwner: "Ben", schema.FHostAssetName: ""})
	expect(t, p, "hardware of an end", map[schema.FieldID]string{schema.FSourceMac: "001B.4411.3AB7"}, map[schema.FieldID]string{schema.FSourceAssetName: "dc01"})
	expect(t, p, "unknown", map[schema.FieldID]string{schema.FHostName: "other", schema.FSourceIP: "10.9.9.9"}, map[schema.FieldID]string{schema.FHostAssetName: "", schema.FSourceAssetName: ""})
}

func TestIdentitiesOfEvents(t *testing.T) {
	p := table(t, tables.IdentityTable, []byte("name,domain,id,email,full_name,department,criticality,privileged,tags\nana,CORP,S-1-5-7,ana@corp.example,Ana Ng,IT,high,yes,admin\nben,,,,Ben O,,low,,\n"))
	for name, fields := range map[string]map[schema.FieldID]string{
		"name": {schema.FUserName: "ANA", schema.FUserDomain: "corp"}, "qualified": {schema.FUserName: `CORP\ana`}, "id": {schema.FUserName: "?", schema.FUserID: "S-1-5-7"}, "email": {schema.FUserEmail: "ana@CORP.example"},
	} {
		expect(t, p, name, fields, map[schema.FieldID]string{schema.FUserIdentityName: "ana", schema.FUserIdentityCriticality: "high", schema.FUserIdentityDepartment: "IT",
			schema.FUserIdentityPrivileged: "true", schema.FUserIdentityTags: "admin", schema.FUserFullName: "Ana Ng"})
	}
	expect(t, p, "target", map[schema.FieldID]string{schema.FUserName: "ben", schema.FUserTargetName: "ana"},
		map[schema.FieldID]string{schema.FUserIdentityName: "ben", schema.FUserIdentityPrivileged: "", schema.FUserTargetIdentityName: "ana", schema.FUserTargetIdentityPrivileged: "true"})
	expect(t, p, "another domain", map[schema.FieldID]string{schema.FUserName: "ana", schema.FUserDomain: "LAB"}, map[schema.FieldID]string{schema.FUserIdentityName: ""})
}

func TestHashesOfEvents(t *testing.T) {
	sha, md5 := strings.Repeat("ab", 32), strings.Repeat("cd", 16)
	p := table(t, tables.HashTable, []byte("hash,name,owner,status\n"+sha+",agent.exe,Acme,allowed\n"+md5+",miner,,denied\n"))
	expect(t, p, "both", map[schema.FieldID]string{schema.FProcessHashSha256: strings.ToUpper(sha), schema.FFileHashSha256: strings.Repeat("0", 64), schema.FFileHashMd5: md5},
		map[schema.FieldID]string{schema.FProcessKnownName: "agent.exe", schema.FProcessKnownOwner: "Acme", schema.FProcessKnownStatus: "allowed", schema.FFileKnownName: "miner", schema.FFileKnownStatus: "denied"})
	expect(t, p, "unknown", map[schema.FieldID]string{schema.FProcessHashMd5: sha}, map[schema.FieldID]string{schema.FProcessKnownName: "agent.exe"})
	expect(t, p, "none", map[schema.FieldID]string{schema.FProcessHashMd5: "nonsense"}, map[schema.FieldID]string{schema.FProcessKnownName: ""})
}

// geoDB is a small database of one place.
func geoDB(t testing.TB) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test", RecordSize: 24, IncludeReservedNetworks: true, Description: map[string]string{"en": "made for a test"}})
	if err != nil {
		t.Fatal(err)
	}
	_, n, err := net.ParseCIDR("198.51.100.0/24")
	if err == nil {
		err = w.Insert(n, mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("NL")}, "city": mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Delft")}},
			"autonomous_system_number": mmdbtype.Uint32(64500), "autonomous_system_organization": mmdbtype.String("Example Net")})
	}
	var b bytes.Buffer
	if err == nil {
		_, err = w.WriteTo(&b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPlaces(t *testing.T) {
	p := table(t, tables.GeoTable, geoDB(t))
	expect(t, p, "both ends", map[schema.FieldID]string{schema.FSourceIP: "198.51.100.7", schema.FDestinationIP: "203.0.113.1"},
		map[schema.FieldID]string{schema.FSourceGeoCountryIsoCode: "NL", schema.FSourceGeoCityName: "Delft", schema.FSourceAsNumber: "64500", schema.FSourceAsOrganizationName: "Example Net",
			schema.FDestinationGeoCountryIsoCode: "", schema.FDestinationAsNumber: ""})
	expect(t, p, "told", map[schema.FieldID]string{schema.FDestinationIP: "198.51.100.7", schema.FDestinationGeoCountryIsoCode: "DE", schema.FDestinationAsNumber: "1"},
		map[schema.FieldID]string{schema.FDestinationGeoCountryIsoCode: "DE", schema.FDestinationAsNumber: "1", schema.FDestinationGeoCityName: "Delft"})
}

// everything is all enrichments over tables of n rows.
func everything(t testing.TB, n int) Part {
	var rows, people strings.Builder
	rows.WriteString("name,ip,criticality,owner,tags\n")
	people.WriteString("name,privileged\n")
	for i := range n {
		n := string(appendInt(nil, i))
		rows.WriteString("host" + n + ",10." + string(appendInt(nil, i>>14)) + "." + string(appendInt(nil, i>>7&127)) + "." + string(appendInt(nil, i&127)) + ",high,Ana,a b\n")
		people.WriteString("user" + n + ",no\n")
	}
	return All(BuiltIn(), table(t, tables.AssetTable, []byte(rows.String())), table(t, tables.IdentityTable, []byte(people.String())), table(t, tables.GeoTable, geoDB(t)),
		table(t, tables.HashTable, []byte("hash\n"+strings.Repeat("ab", 32)+"\n")))
}

func appendInt(b []byte, n int) []byte {
	if n >= 10 {
		b = appendInt(b, n/10)
	}
	return append(b, byte('0'+n%10))
}

// rich fills e as a parser would with what every part looks at.
func rich(e *schema.Event) {
	e.Reset([]byte("raw"), 0)
	for _, p := range []struct {
		f schema.FieldID
		v string
	}{{schema.FSourceIP, "10.1.2.3"}, {schema.FDestinationIP, "198.51.100.4"}, {schema.FSourcePort, "5555"}, {schema.FDestinationPort, "443"}, {schema.FNetworkTransport, "tcp"}, {schema.FHostName, "HOST77.corp.example"},
		{schema.FEventDataset, "zeek.http"}, {schema.FUrlDomain, "WWW.intranet.corp.example"}, {schema.FDnsQuestionName, "cdn.corp.example"}, {schema.FUserName, "USER9"},
		{schema.FUserAgentOriginal, "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0"}, {schema.FProcessHashSha256, strings.ToUpper(hash64)}} {
		e.Set(p.f, p.v)
	}
}

var hash64 = strings.Repeat("ab", 32)

// TestTablesAllocateNothing: an event that hits every table costs no allocation once the
// event's buffers have grown.
func TestTablesAllocateNothing(t *testing.T) {
	p, e := everything(t, 20_000), &schema.Event{}
	run := func() { rich(e); p.Enrich(e) }
	run()
	base := testing.AllocsPerRun(200, func() { rich(e) })
	if n := testing.AllocsPerRun(200, run); n > base {
		t.Errorf("%v allocations an event, filling it alone %v", n, base)
	}
	for _, f := range []schema.FieldID{schema.FHostAssetName, schema.FSourceAssetName, schema.FUserIdentityName, schema.FDestinationGeoCityName, schema.FNetworkCommunityID, schema.FUrlSubdomain, schema.FUserAgentOsName} {
		if !e.Has(f) {
			t.Errorf("%s is not set", f)
		}
	}
}

// BenchmarkParts is the cost per event of each part on an event that hits it, beside that
// of filling the event ("none").
func BenchmarkParts(b *testing.B) {
	geo := table(b, tables.GeoTable, geoDB(b))
	for _, c := range []struct {
		name string
		part Part
	}{{"none", All()}, {"domains", Domains()}, {"community", CommunityID()}, {"agents", UserAgents()}, {"geo", geo}, {"everything", everything(b, 100_000)}} {
		b.Run(c.name, func(b *testing.B) {
			e := &schema.Event{}
			b.ReportAllocs()
			for b.Loop() {
				rich(e)
				c.part.Enrich(e)
			}
		})
	}
}

// FuzzBuiltIn: whatever stands in a record, the parts without tables take it.
func FuzzBuiltIn(f *testing.F) {
	f.Add("www.example.co.uk", "curl/8", "tcp", "10.0.0.1", "443")
	f.Add("..", "Mozilla/5.0 (", "ICMP", "::1", "-1")
	p := BuiltIn()
	f.Fuzz(func(t *testing.T, name, agent, transport, address, port string) {
		e := event(map[schema.FieldID]string{schema.FDnsQuestionName: name, schema.FUrlDomain: name, schema.FUserAgentOriginal: agent, schema.FNetworkTransport: transport,
			schema.FSourceIP: address, schema.FDestinationIP: address, schema.FSourcePort: port, schema.FDestinationPort: port, schema.FEventDataset: "zeek.conn"})
		p.Enrich(e)
		if r := e.Str(schema.FDnsQuestionRegisteredDomain); r != "" && !strings.HasSuffix(small(strings.TrimSuffix(name, ".")), r) {
			t.Fatalf("%q of %q", r, name)
		}
	})
}

func small(v string) string {
	b := []byte(v)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}
