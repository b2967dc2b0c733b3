package parser

import (
	"strings"
	"time"

	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// converter is code that mappings call by name.
type converter struct {
	mapping.Converter
	make func(to []schema.FieldID, zone *time.Location) setter
}

// The kinds of field that converters ask for.
func texts(role string) mapping.Want {
	return mapping.Want{Role: role, Kinds: []schema.Kind{schema.Keyword, schema.LowCard, schema.Text}}
}

func kinds(role string, k ...schema.Kind) mapping.Want { return mapping.Want{Role: role, Kinds: k} }

// own is a converter that sets fields of its own.
func own(name, doc string, set setter) converter {
	return converter{mapping.Converter{Name: name, Doc: doc}, func([]schema.FieldID, *time.Location) setter { return set }}
}

// one is a converter into one field.
func one(name, doc string, want mapping.Want, set func(schema.FieldID) setter) converter {
	return converter{mapping.Converter{Name: name, Doc: doc, Takes: []mapping.Want{want}}, func(to []schema.FieldID, _ *time.Location) setter { return set(to[0]) }}
}

// two is a converter into two fields.
func two(name, doc string, a, b mapping.Want, set func(a, b schema.FieldID) setter) converter {
	return converter{mapping.Converter{Name: name, Doc: doc, Takes: []mapping.Want{a, b}}, func(to []schema.FieldID, _ *time.Location) setter { return set(to[0], to[1]) }}
}

// three is a converter into three fields.
func three(name, doc string, a, b, c mapping.Want, set func(a, b, c schema.FieldID) setter) converter {
	return converter{mapping.Converter{Name: name, Doc: doc, Takes: []mapping.Want{a, b, c}}, func(to []schema.FieldID, _ *time.Location) setter { return set(to[0], to[1], to[2]) }}
}

// Ends of connections, which many converters set.
var (
	anAddress = kinds("address", schema.IP)
	aPort     = kinds("port", schema.Long)
)

// converters is the table of code that mappings call by name.
var converters = []converter{
	// addresses and what is written beside them
	two("address", "an IP address to the first field, anything else but - to the second", anAddress, texts("name"), addressOf),
	two("endpoint", "an IP address, also with a port behind it, where the first field is not set: 192.0.2.1:443, [::1]:443", anAddress, aPort, firstIP),
	two("ip-or-mac", "an IP address to the first field, a hardware address to the second", anAddress, texts("mac"), flowAddress),
	one("ip", "an IP address; other values are passed over", anAddress, ipOnly),
	one("name", "a name; IP addresses are passed over", texts("name"), nameOnly),
	one("port", "a port or number in which 0 stands for none", aPort, portUnlessZero),
	two("address-in-text", "the first address of a sentence, with the port behind it: closed by 192.0.2.1 port 22", anAddress, aPort, endpoint),
	three("peer", "who is at the other end, as sshd writes it: 192.0.2.1 port 22, invalid user pi 192.0.2.1 port 22", texts("user"), anAddress, aPort, sshPeer(false)),
	three("login-peer", "peer, where a user stands first in any case: root from 192.0.2.1 port 22", texts("user"), anAddress, aPort, sshPeer(true)),
	two("cisco-end", "the first address of a sentence of a Cisco device: inside:192.0.2.1/80", anAddress, aPort, ciscoEnd),
	{mapping.Converter{Name: "cisco-ends", Doc: "the first two addresses of such a sentence", Takes: []mapping.Want{anAddress, aPort, kinds("other address", schema.IP), kinds("other port", schema.Long)}},
		func(to []schema.FieldID, _ *time.Location) setter { return ciscoEnds(to[0], to[1], to[2], to[3]) }},
	own("client-ip", "the client: an IP address to source.ip, a name to source.address", clientIP),
	own("weak-client-ip", "client-ip, where source.ip is not set", weakClientIP),
	own("caller", "a process, or where somebody came from: ssh(192.0.2.1) → process.name, source.ip", setCaller),
	own("dns-answer", "an answer: dns.answers.data, and dns.resolved_ip when it is an address", zeekAnswer),
	own("protocol", "a transport protocol as number or name (network.transport); of udp/dns the second is network.protocol", setProto),
	own("any-protocol", "network.transport for the names and numbers of transports, network.protocol for others", anyProtocol),
	own("direction", "network.direction in ECS's words", setDirection),
	// times
	{mapping.Converter{Name: "cef-time", Doc: "times as CEF allows them: Unix milliseconds, Jan 02 2006 15:04:05 with fraction and zone", Takes: []mapping.Want{kinds("time", schema.Date)}},
		func(to []schema.FieldID, zone *time.Location) setter { return cefTime(to[0], zone) }},
	{mapping.Converter{Name: "flow-start", Doc: "the start of a flow: timestamp and event.start"}, func(_ []schema.FieldID, zone *time.Location) setter { return flowStart(zone) }},
	one("clf-time", "a time as access logs write it: 17/May/2015:10:05:03 +0000", kinds("time", schema.Date), commonTime),
	own("sysmon-time", "Sysmon's UtcTime: timestamp; what is no time is passed over", utcTime),
	one("seconds", "seconds, with a fraction, as nanoseconds", kinds("duration", schema.Long), secondsOf),
	// people
	own("account", `a user, not -; of DOMAIN\name both parts: user.domain, user.name`, accountName),
	own("any-user", "account, or an e-mail address as user", plainUser),
	own("mailbox", "an e-mail address as user.name, user.email and user.domain, where user.name is not set", mailbox(true)),
	own("mailbox-name", "mailbox, with the part before the @ as user.name", mailbox(false)),
	own("user-mail", "user.email and user.domain, where they are not set", userMail),
	own("account-in-parentheses", `account, where a domain and a user stand in parentheses: 192.0.2.1/80(CORP\ana)`, ciscoIdentity),
	// mail
	three("mail-peer", "the other end of a mail's way: mx.corp.example[192.0.2.1]:25", anAddress, aPort, texts("name"), mailPeer),
	two("mail-address", "an e-mail address, and its domain where that is not set", texts("address"), texts("domain"), mailAddress),
	one("helo", "the name that a mail client gives itself, where none has been looked up", texts("name"), helo),
	// processes and files
	own("image", "the path of a program: process.executable and process.name, where they are not set", setImage),
	own("parent-image", "the path of the parent program", setParent),
	own("hashes", "SHA1=…,MD5=…,SHA256=…,IMPHASH=… of a program", setHashes),
	own("file", "a path: file.path, file.name, file.extension", setFile),
	own("file-name", "a file name, or a path where one is written in its place", setFileName),
	own("file-hash", "a hash of a file, told by its length", setFileHash),
	own("dll", "a path: dll.path, dll.name", setDLL),
	own("registry", `HKLM\…\value: registry.path, hive, key, value`, setRegistry),
	own("osquery-path", "a path of a program or a file, by what stands beside it", osqueryPath),
	one("base-name", "the last part of a path", texts("name"), func(f schema.FieldID) setter {
		return func(e *schema.Event, v string) { e.SetStr(f, base(v)) }
	}),
	one("after-slash", "what stands behind the last /; nothing where there is none", texts("name"), afterSlash),
	// the web
	own("web-address", "a URL taken apart: url.original, scheme, domain, port, path, query", webAddress),
	own("request-uri", "a path with its query: url.original, url.path, url.query", setURLOriginal),
	own("host-and-path", "a URL that is written without its scheme", hostAndPath),
	one("plus-blanks", "+ for a blank, as IIS writes text", texts("text"), plusBlanks),
	one("country-code", "a country as its two letters; other values are passed over", texts("country"), countryCode),
	// outcomes
	own("verdict", "what a rule of a firewall has decided, by the words in it: event.type denied or allowed", setVerdict),
	own("outcome", "the words that products have for success and failure; an HTTP status; others are kept as labels.status", setOutcome),
	own("weak-outcome", "such words, where event.outcome is not set", weakOutcome),
	own("azure-result", "resultType of Azure: words, and numbers of which 0 is success", azureResult),
	own("audit-result", "yes and no of the Linux audit daemon", auditResult),
	// what single products write
	one("audit-text", "text that the Linux audit daemon may have written in hex", texts("text"), auditName),
	own("audit-command", "a command line as the audit daemon writes it", auditTitle),
	own("audit-path", "a path as the audit daemon writes it", auditPath),
	own("panos-text", "the sentence of a PAN-OS system log, with the user and address in it", panosText),
	own("panos-misc", "a URL, or a file name", panosMisc),
	one("not-number", "text that is no number", texts("text"), notNumber),
}

// Converters are the converters, for those who check mappings.
func Converters() []mapping.Converter {
	out := make([]mapping.Converter, len(converters))
	for i := range converters {
		out[i] = converters[i].Converter
	}
	return out
}

// converterOf finds a converter that a checked mapping names.
func converterOf(name string) converter {
	for _, c := range converters {
		if c.Name == name {
			return c
		}
	}
	panic("parser: there is no converter " + name)
}

// ipOnly is an address field for values that may be something else.
func ipOnly(f schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if looksLikeIP(v) {
			e.Set(f, v)
		}
	}
}

// nameOnly is a field for values that may be an address.
func nameOnly(f schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if !looksLikeIP(v) {
			e.SetStr(f, v)
		}
	}
}

func countryCode(f schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if len(v) == 2 {
			e.SetStr(f, v)
		}
	}
}

func afterSlash(f schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if i := strings.LastIndexByte(v, '/'); i >= 0 {
			e.SetStr(f, v[i+1:])
		}
	}
}

// secondsOf is a duration field in nanoseconds.
func secondsOf(f schema.FieldID) setter {
	return func(e *schema.Event, v string) {
		if micro, ok := epochTime(v); ok {
			e.SetInt(f, micro*1000)
		}
	}
}
