package tables

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"vigil/schema"
)

const assetCSV = `name,aliases,ip,mac,id,os,criticality,owner,department,tags,rack
DC01.corp.example,dc,10.0.0.1 fd00::1,00-1B-44-11-3A-B7,S-1-5-21-1,Windows Server,critical,Ana,IT,domain-controller;tier0,R7
ws01,,10.0.1.0/24,,,,low,Ben,Sales,,
printers,,10.0.1.128/25,,,,,Caro,,iot,
web.shop.example,,,,,,high,,,,
web.intranet.example,,,,,,medium,,,,
`

func TestAssets(t *testing.T) {
	k, err := ByName(AssetTable)
	if err != nil {
		t.Fatal(err)
	}
	tab, err := k.Check([]byte("\uFEFF" + assetCSV))
	if err != nil {
		t.Fatal(err)
	}
	a := tab.(*Assets)
	if a.Len() != 5 {
		t.Errorf("%d rows", a.Len())
	}
	for what, c := range map[string]struct {
		got  *Asset
		want string
	}{
		"full name":            {a.Name("dc01.CORP.example"), "DC01.corp.example"},
		"bare name":            {a.Name("DC01"), "DC01.corp.example"},
		"alias":                {a.Name("DC"), "DC01.corp.example"},
		"name with domain":     {a.Name("WS01.corp.example"), "ws01"},
		"several of that name": {a.Name("web"), ""},
		"unknown":              {a.Name("nobody"), ""},
		"empty":                {a.Name(""), ""},
		"too long":             {a.Name(strings.Repeat("x", 1000)), ""},
		"an address as name":   {a.Name("10.0.0.1"), ""},
		"address":              {a.Addr(netip.MustParseAddr("10.0.0.1")), "DC01.corp.example"},
		"mapped address":       {a.Addr(netip.MustParseAddr("::ffff:10.0.0.1")), "DC01.corp.example"},
		"IPv6":                 {a.Addr(netip.MustParseAddr("fd00::1")), "DC01.corp.example"},
		"network":              {a.Addr(netip.MustParseAddr("10.0.1.5")), "ws01"},
		"smaller network":      {a.Addr(netip.MustParseAddr("10.0.1.200")), "printers"},
		"no address":           {a.Addr(netip.Addr{}), ""},
		"outside":              {a.Addr(netip.MustParseAddr("10.0.2.1")), ""},
		"mac":                  {a.MAC("001b.4411.3ab7"), "DC01.corp.example"},
		"mac with colons":      {a.MAC("00:1B:44:11:3A:B7"), "DC01.corp.example"},
		"no mac":               {a.MAC("zz:1B:44:11:3A:B7"), ""},
		"id":                   {a.ID("s-1-5-21-1"), "DC01.corp.example"},
	} {
		name := ""
		if c.got != nil {
			name = c.got.Name
		}
		if name != c.want {
			t.Errorf("%s: %q, want %q", what, name, c.want)
		}
	}
	e := a.Entities()[0]
	if e.Kind != "asset" || e.Criticality != "critical" || e.Owner != "Ana" || e.Facts["rack"] != "R7" || e.Facts["ip"] != "10.0.0.1 fd00::1" || e.Facts["mac"] != "00:1b:44:11:3a:b7" {
		t.Errorf("%+v", e)
	}
}

func TestIdentities(t *testing.T) {
	tab, err := kind(t, IdentityTable).Check([]byte(`name;domain;id;email;full_name;department;manager;criticality;privileged;tags
ana;CORP corp.example;S-1-5-21-7;ana@corp.example;Ana Ng;IT;Zoe;high;yes;admins
ana;LAB;;;Ana Ode;Lab;;low;no;
ben;;;ben@corp.example;;;;;x;
`))
	if err != nil {
		t.Fatal(err)
	}
	x := tab.(*Identities)
	for what, c := range map[string]struct {
		got  *Identity
		want string
	}{
		"in the domain":       {x.Name("ANA", "corp"), "Ana Ng"},
		"in the other":        {x.Name("ana", "LAB"), "Ana Ode"},
		"two, and no domain":  {x.Name("ana", ""), ""},
		"another domain":      {x.Name("ana", "ELSE"), ""},
		"qualified":           {x.Name(`LAB\ana`, ""), "Ana Ode"},
		"by address":          {x.Name("ana@corp.example", ""), "Ana Ng"},
		"id":                  {x.ID("S-1-5-21-7"), "Ana Ng"},
		"email":               {x.Email("ANA@corp.example"), "Ana Ng"},
		"nobody":              {x.Name("carl", ""), ""},
		"not even a name":     {x.Name(`\`, ""), ""},
		"unbound in a domain": {x.Name("nobody", "CORP"), ""},
	} {
		name := ""
		if c.got != nil {
			name = c.got.FullName
		}
		if name != c.want {
			t.Errorf("%s: %q, want %q", what, name, c.want)
		}
	}
	if list := x.Entities(); list[0].Name != `CORP\ana` || list[1].Name != `LAB\ana` || list[2].Name != "ben" || list[0].Owner != "Zoe" {
		t.Errorf("%+v", list)
	}
	if b := x.Name("ben", "ANY"); b == nil || !b.Privileged {
		t.Errorf("an identity without domain is in every domain: %+v", b)
	}
}

func kind(t testing.TB, name string) Kind {
	t.Helper()
	k, err := ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestHashes(t *testing.T) {
	sha := strings.Repeat("Ab", 32)
	tab, err := kind(t, HashTable).Check([]byte("hash,name,owner,status\n" + sha + " d41d8cd98f00b204e9800998ecf8427e,agent.exe,Acme,allowed\n"))
	if err != nil {
		t.Fatal(err)
	}
	x := tab.(*Hashes)
	if k := x.Find(strings.ToLower(sha)); k == nil || k.Owner != "Acme" || k != x.Find("D41D8CD98F00B204E9800998ECF8427E") || x.Find("") != nil {
		t.Errorf("%+v", k)
	}
}

// TestProblems: what is wrong is told with its line and column, all of it at once.
func TestProblems(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                     {"the file is empty"},
		"ip,owner\n":                           {"line 1, column 1: the column name is missing"},
		"name,critcality\n":                    {`line 1, column 6: there is no column "critcality"; is it criticality?`},
		"name,name\n":                          {"line 1, column 6: the column name is there twice"},
		"name,,ip\n":                           {"line 1, column 6: the column has no name"},
		"name,ip\nx\n":                         {"line 2, column 1: 1 cells, but 2 columns"},
		"name,ip\n,10.0.0.1\n":                 {"line 2, column 1: name is empty"},
		"name,ip,criticality\nx,10.0.0,hgh\n":  {`line 2, column 3: ip: "10.0.0" is no address and no network`, `line 2, column 10: criticality: "hgh" is not one of low, medium, high, critical`},
		"name,mac\nx,abc\n":                    {`line 2, column 3: mac: "abc" is no hardware address`},
		"name\nx\nX\n":                         {"line 3, column 1: the name X is already that of x in line 2"},
		"name,ip\nx,10.0.0.1\ny,10.0.0.1/32\n": {"line 3, column 1: 10.0.0.1/32 is already that of x in line 2"},
		"name,ip\nx,\"10.0.0.1\ny,10.0.0.2\n":  {"line 3, column 12: extraneous or missing"},
		"name,note\n\xff,x\n":                  {"no UTF-8"},
		"name,note\nx," + strings.Repeat("y", 5000): {"line 2, column 3: note: 5000 bytes, more than 4096"},
		"name\n" + strings.Repeat("z", 300) + "\n":  {"the name has more than 256 bytes"},
	} {
		_, err := kind(t, AssetTable).Check([]byte(text))
		if schema.CodeOf(err) != schema.Invalid {
			t.Errorf("%.40q: %v", text, err)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%.40q: %v, want %s", text, err, w)
			}
		}
	}
	many := "name,ip\n" + strings.Repeat("x,nonsense\n", 50)
	if _, err := kind(t, AssetTable).Check([]byte(many)); err == nil || !strings.Contains(err.Error(), "and 30 more") {
		t.Errorf("%v", err)
	}
	for name, text := range map[string]string{IdentityTable: "name,privileged\nx,maybe\n", HashTable: "hash\nabc\n", GeoTable: "no database", ASNTable: ""} {
		if _, err := kind(t, name).Check([]byte(text)); schema.CodeOf(err) != schema.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ByName("nothing"); schema.CodeOf(err) != schema.NotFound {
		t.Error(err)
	}
}

// database writes a small MaxMind DB.
func database(t testing.TB, kind string, records map[string]mmdbtype.Map) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, RecordSize: 24, Description: map[string]string{"en": "made for a test"}})
	if err != nil {
		t.Fatal(err)
	}
	for network, r := range records {
		_, n, err := net.ParseCIDR(network)
		if err == nil {
			err = w.Insert(n, r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGeo(t *testing.T) {
	body := database(t, "Test-City", map[string]mmdbtype.Map{
		"1.2.3.0/24":     {"country": mmdbtype.Map{"iso_code": mmdbtype.String("DE")}, "city": mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("Bonn")}}},
		"9.9.0.0/16":     {"registered_country": mmdbtype.Map{"iso_code": mmdbtype.String("US")}},
		"2a00:1450::/32": {"country": mmdbtype.String("IE"), "asn": mmdbtype.String("AS15169"), "as_name": mmdbtype.String("Google")},
		"8.8.8.0/24":     {"autonomous_system_number": mmdbtype.Uint32(15169), "autonomous_system_organization": mmdbtype.String("GOOGLE")},
	})
	tab, err := kind(t, GeoTable).Check(body)
	if err != nil || tab.Len() != 4 {
		t.Fatalf("%v", err)
	}
	f := tab.(*Geo).Finder()
	for a, want := range map[string]Place{"1.2.3.4": {Country: "DE", City: "Bonn"}, "9.9.9.9": {Country: "US"}, "::ffff:9.9.9.9": {Country: "US"},
		"2a00:1450::1": {Country: "IE", ASN: 15169, Organization: "Google"}, "8.8.8.8": {ASN: 15169, Organization: "GOOGLE"}, "7.7.7.7": {}, "10.0.0.1": {}, "127.0.0.1": {}} {
		got := Place{}
		if p := f.Find(netip.MustParseAddr(a)); p != nil {
			got = *p
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", a, got, want)
		}
	}
	if _, err := kind(t, GeoTable).Check(body[:len(body)/2]); schema.CodeOf(err) != schema.Invalid {
		t.Errorf("half a database: %v", err)
	}
	loop := bytes.Clone(body)
	copy(loop, []byte{0, 0, 0, 0, 0, 0}) // the root is below itself
	if _, err := kind(t, GeoTable).Check(loop); err == nil || !strings.Contains(err.Error(), "leads back") {
		t.Errorf("a tree that leads back: %v", err)
	}
	useless := database(t, "Test-None", map[string]mmdbtype.Map{"1.2.3.0/24": {"speed": mmdbtype.String("fast")}})
	if _, err := kind(t, GeoTable).Check(useless); err == nil || !strings.Contains(err.Error(), "neither country") {
		t.Errorf("%v", err)
	}
}

func TestPins(t *testing.T) {
	p := Pins{"geo": "b", "assets": "a", "asn": ""}
	back, err := ParsePins(p.String())
	if p.String() != "assets=a,geo=b" || err != nil || back.String() != p.String() {
		t.Errorf("%s %v %v", p, back, err)
	}
	if _, err := ParsePins("assets"); err == nil {
		t.Error("damaged pins are taken")
	}
	if p, err := ParsePins(""); err != nil || len(p) != 0 {
		t.Errorf("%v %v", p, err)
	}
}

// FuzzTables: no file makes a look-up panic, and what is refused says why.
func FuzzTables(f *testing.F) {
	f.Add(uint8(0), []byte(assetCSV))
	f.Add(uint8(1), []byte("name,domain\nana,CORP\n"))
	f.Add(uint8(2), []byte("hash,status\nd41d8cd98f00b204e9800998ecf8427e,denied\n"))
	f.Add(uint8(3), database(f, "T", map[string]mmdbtype.Map{"1.2.3.0/24": {"country": mmdbtype.String("DE")}}))
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		k := Kinds()[int(n)%len(Kinds())]
		tab, err := k.Check(body)
		if err != nil {
			if schema.CodeOf(err) != schema.Invalid {
				t.Fatalf("%v", err)
			}
			return
		}
		text := string(body[:min(len(body), 300)])
		a := netip.AddrFrom4([4]byte{1, 2, 3, n})
		switch x := tab.(type) {
		case *Assets:
			_, _, _, _ = x.Name(text), x.ID(text), x.MAC(text), x.Addr(a)
		case *Identities:
			_, _, _ = x.Name(text, text), x.ID(text), x.Email(text)
		case *Hashes:
			_ = x.Find(text)
		case *Geo:
			_ = x.Finder().Find(a)
		}
		for _, e := range tab.Entities() {
			if e.Name == "" {
				t.Fatal("an entity without a name")
			}
		}
	})
}
