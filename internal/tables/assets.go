package tables

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"vigil/schema"
)

// Asset is one machine, or one network of machines.
type Asset struct {
	Name, Criticality, Owner, Department string
	ID, OS                               string
	Aliases, Tags, MACs                  []string
	Networks                             []netip.Prefix // addresses are networks of one
	Facts                                map[string]string
}

// Assets looks machines up.
type Assets struct {
	list   []*Asset
	names  map[string]*Asset
	labels map[string]*Asset // first labels; nil: several machines have it
	ids    map[string]*Asset
	macs   map[string]*Asset
	addrs  map[netip.Addr]*Asset
	nets   map[netip.Prefix]*Asset
	bits   [2][]int // lengths of the networks of IPv4 and IPv6, longest first
}

func assetSheet() *sheet[Asset] {
	return &sheet[Asset]{key: "name", columns: []column[Asset]{
		text("name", func(a *Asset) *string { return &a.Name }),
		texts("aliases", func(a *Asset) *[]string { return &a.Aliases }),
		{"ip", takeNetworks},
		{"mac", takeMACs},
		text("id", func(a *Asset) *string { return &a.ID }),
		text("os", func(a *Asset) *string { return &a.OS }),
		choice("criticality", func(a *Asset) *string { return &a.Criticality }, criticalities...),
		text("owner", func(a *Asset) *string { return &a.Owner }),
		text("department", func(a *Asset) *string { return &a.Department }),
		texts("tags", func(a *Asset) *[]string { return &a.Tags }),
	}, fact: func(a *Asset, column, cell string) {
		if a.Facts == nil {
			a.Facts = map[string]string{}
		}
		a.Facts[column] = cell
	}}
}

func takeNetworks(a *Asset, cell string) error {
	for _, v := range listOf(cell) {
		if p, err := netip.ParsePrefix(v); err == nil {
			a.Networks = append(a.Networks, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()).Masked())
			continue
		}
		ip, err := netip.ParseAddr(v)
		if err != nil {
			return fmt.Errorf("%q is no address and no network", v)
		}
		ip = ip.Unmap().WithZone("")
		a.Networks = append(a.Networks, netip.PrefixFrom(ip, ip.BitLen()))
	}
	return nil
}

func takeMACs(a *Asset, cell string) error {
	for _, v := range listOf(cell) {
		m, err := net.ParseMAC(v)
		if err != nil {
			return fmt.Errorf("%q is no hardware address", v)
		}
		a.MACs = append(a.MACs, m.String())
	}
	return nil
}

func parseAssets(body []byte) (*Assets, error) {
	t := &Assets{names: map[string]*Asset{}, labels: map[string]*Asset{}, ids: map[string]*Asset{}, macs: map[string]*Asset{},
		addrs: map[netip.Addr]*Asset{}, nets: map[netip.Prefix]*Asset{}}
	lines := map[*Asset]int{}
	err := assetSheet().parse(body, func(row *Asset, line int) error {
		a := *row
		lines[&a] = line
		if len(a.Name) > maxKey {
			return fmt.Errorf("the name has more than %d bytes", maxKey)
		}
		if other, what := t.put(&a); other != nil {
			return fmt.Errorf("%s is already that of %s in line %d", what, other.Name, lines[other])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i := range t.bits {
		slices.SortFunc(t.bits[i], func(a, b int) int { return b - a })
	}
	return t, nil
}

// put indexes an asset; when another has one of its keys, that one and the key.
func (t *Assets) put(a *Asset) (other *Asset, what string) {
	t.list = append(t.list, a)
	for _, n := range append([]string{a.Name}, a.Aliases...) {
		k := folded(n)
		if o := t.names[k]; o != nil && o != a {
			return o, "the name " + n
		}
		t.names[k] = a
		if l := string(firstLabel([]byte(k))); l != "" {
			if o, ok := t.labels[l]; ok && o != a {
				t.labels[l] = nil
			} else {
				t.labels[l] = a
			}
		}
	}
	if k := folded(a.ID); k != "" {
		if o := t.ids[k]; o != nil {
			return o, "the id " + a.ID
		}
		t.ids[k] = a
	}
	for _, m := range a.MACs {
		if o := t.macs[m]; o != nil && o != a {
			return o, "the hardware address " + m
		}
		t.macs[m] = a
	}
	for _, p := range a.Networks {
		if o := t.network(p, a); o != nil {
			return o, p.String()
		}
	}
	return nil, ""
}

// network indexes a network or an address; another asset that has the same is returned.
func (t *Assets) network(p netip.Prefix, a *Asset) *Asset {
	if p.IsSingleIP() {
		if o := t.addrs[p.Addr()]; o != nil && o != a {
			return o
		}
		t.addrs[p.Addr()] = a
		return nil
	}
	if o := t.nets[p]; o != nil && o != a {
		return o
	}
	t.nets[p] = a
	if b := &t.bits[family(p.Addr())]; !slices.Contains(*b, p.Bits()) {
		*b = append(*b, p.Bits())
	}
	return nil
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// Len implements Table.
func (t *Assets) Len() int { return len(t.list) }

// Name finds a machine by name or alias. A name with a domain finds a machine that has none in the
// table; a bare name finds the only machine whose name starts with it.
func (t *Assets) Name(name string) *Asset {
	var buf key
	k := buf.fold(name)
	if k == nil {
		return nil
	}
	if a := t.names[string(k)]; a != nil {
		return a
	}
	if l := firstLabel(k); l != nil {
		return t.names[string(l)]
	}
	return t.labels[string(k)]
}

// ID finds a machine by its id.
func (t *Assets) ID(id string) *Asset {
	var buf key
	return t.ids[string(buf.fold(id))]
}

// MAC finds a machine by a hardware address in any usual spelling.
func (t *Assets) MAC(mac string) *Asset {
	if len(t.macs) == 0 || len(mac) < 12 || len(mac) > 23 {
		return nil
	}
	var buf key
	return t.macs[string(canonicalMAC(buf[:0], mac))]
}

// canonicalMAC writes six or eight octets with colons; nothing when it is no such address.
func canonicalMAC(dst []byte, mac string) []byte {
	n := 0
	for i := 0; i < len(mac); i++ {
		c := mac[i] | 0x20
		switch {
		case mac[i] == ':' || mac[i] == '-' || mac[i] == '.':
			continue
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
		default:
			return nil
		}
		if n > 0 && n%2 == 0 {
			dst = append(dst, ':')
		}
		if mac[i] <= '9' {
			c = mac[i]
		}
		dst = append(dst, c)
		n++
	}
	return dst
}

// Addr finds a machine by address: itself, else the smallest network around it.
func (t *Assets) Addr(a netip.Addr) *Asset {
	if !a.IsValid() {
		return nil
	}
	a = a.Unmap()
	if x := t.addrs[a]; x != nil {
		return x
	}
	for _, bits := range t.bits[family(a)] {
		if p, err := a.Prefix(bits); err == nil {
			if x := t.nets[p]; x != nil {
				return x
			}
		}
	}
	return nil
}

// Entities implements Table.
func (t *Assets) Entities() []schema.Entity {
	out := make([]schema.Entity, len(t.list))
	for i, a := range t.list {
		facts := map[string]string{}
		maps.Copy(facts, a.Facts)
		var nets []string
		for _, p := range a.Networks {
			if p.IsSingleIP() {
				nets = append(nets, p.Addr().String())
			} else {
				nets = append(nets, p.String())
			}
		}
		for k, v := range map[string]string{"aliases": strings.Join(a.Aliases, " "), "ip": strings.Join(nets, " "), "mac": strings.Join(a.MACs, " "), "id": a.ID, "os": a.OS,
			"department": a.Department, "tags": strings.Join(a.Tags, " ")} {
			if v != "" {
				facts[k] = v
			}
		}
		out[i] = schema.Entity{Kind: "asset", Name: a.Name, Criticality: a.Criticality, Owner: a.Owner, Facts: facts}
	}
	return out
}
