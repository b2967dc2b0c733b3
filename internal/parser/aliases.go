package parser

import (
	"strings"
	"time"

	"vigil/schema"
)

func plainUser(e *schema.Event, v string) {
	if v == "-" || e.Has(schema.FUserName) {
		return
	}
	if strings.Contains(v, "@") {
		mailbox(true)(e, v)
		return
	}
	accountName(e, v)
}

func userMail(e *schema.Event, v string) {
	if e.Has(schema.FUserEmail) {
		return
	}
	e.SetStr(schema.FUserEmail, v)
	if _, domain, ok := strings.Cut(v, "@"); ok && !e.Has(schema.FUserDomain) {
		e.SetStr(schema.FUserDomain, domain)
	}
}

func weakOutcome(e *schema.Event, v string) {
	if o := outcomeOf(v); o != "" && !e.Has(schema.FEventOutcome) {
		e.SetStr(schema.FEventOutcome, o)
	}
}

// anyProtocol tells transports from the protocols above them.
func anyProtocol(e *schema.Event, v string) {
	switch strings.ToLower(v) {
	case "tcp", "udp", "icmp", "igmp", "gre", "esp", "sctp", "1", "6", "17", "47", "58":
		setProto(e, v)
	default:
		lowered(schema.FNetworkProtocol)(e, v)
	}
}

// addAliases adds the names in the styles source_ip, sourceIp, SourceIP, source-ip and
// the like. Rows that are there stay.
func addAliases(t table, zone *time.Location) {
	m := mapperOf("aliases", Options{Zone: zone}, nil)
	for i := range m.Aliases {
		to := m.target(&m.Aliases[i])
		for _, name := range m.Aliases[i].From {
			for _, key := range styles(name) {
				if _, ok := t[key]; !ok {
					t[key] = to
				}
			}
		}
	}
}

// aliasTree is the key tree of ECS names, with the aliases at the top of a document and
// one level below.
func aliasTree(zone *time.Location) *node {
	root, names := genericTable(zone).tree(), table{}
	addAliases(names, zone)
	known := names.tree()
	root.lend(known)
	root.down("event").lend(known)
	root.down("*").kids = known.kids
	return root
}

// lend gives n the targets of another node's keys, where it has none of its own.
func (n *node) lend(from *node) {
	for key, kid := range from.kids {
		switch own := n.kids[key]; {
		case own == nil:
			n.kids[key] = kid
		case own.to == nil:
			own.to = kid.to
		}
	}
}

// styles writes the words of a name as products do.
func styles(name string) []string {
	words := strings.Fields(name)
	pascal, camel, acronyms := "", "", ""
	for i, w := range words {
		title := strings.ToUpper(w[:1]) + w[1:]
		pascal += title
		switch {
		case i == 0:
			camel = w
		default:
			camel += title
		}
		switch w {
		case "ip", "id", "url", "uri", "dns", "http", "sha256", "md5", "sha1":
			title = strings.ToUpper(w)
		}
		acronyms += title
	}
	half := words[0] + acronyms[len(words[0]):] // sourceIP
	snake := strings.Join(words, "_")
	if len(words) == 1 {
		return []string{snake, pascal, acronyms, strings.ToUpper(snake)}
	}
	return []string{snake, camel, pascal, acronyms, half, strings.Join(words, "-"), strings.ToUpper(snake), strings.Join(words, ""), strings.Join(words, " ")}
}
