// Package parser turns the bytes of one record into an event. Each format is a row
// of Formats; each mapping is a YAML document in mapping/. It does no I/O and
// reads no clock, and filling an event allocates nothing but for text that has to be
// unescaped.
//
// Where to look:
//
//   - parser.go has the table of formats, detection, and what a parser must do. Adding a
//     format is a file, a row there, a golden (testdata/FORMAT.log), a row in the families
//     of fuzz_test.go, and one in realSamples of internal/bench/normalise.
//   - mapping/*.yaml say which value goes to which field; mappings.go makes tables of
//     setters of them, converters.go is the table of code that they call by name.
//   - json.go walks JSON along a tree made from a table, jsontext.go reads its texts and
//     skips what nobody asks for; mapped.go makes a whole format of
//     a mapping and a last look. Most cloud formats are such a file each.
//   - kv.go reads key=value pairs, kv_products.go tells whose they are; cef.go, leef.go and
//     auditd.go build on it, device.go is what headers of CEF and LEEF have in common.
//   - named.go gives what code takes out of a line (access.go, weberror.go, elb.go, netfilter.go)
//     to a mapping by name; sentences.go applies what mappings say of sentences (programs.yaml,
//     postfix.yaml, cisco.yaml).
//   - syslog.go and syslog5424.go read headers; syslog_programs.go tells which program speaks,
//     ssh.go, mail.go, netfilter.go, cisco_text.go have the code for what theirs say;
//     headless.go recognises the same without a header.
//   - windows.go (JSON), windows_xml.go and windows_kinds.go (what event ids mean) share one
//     tree; zeek.go and zeek_tsv.go another.
//   - csvrow.go splits rows, values.go reads times and numbers, aliases.go has what loggers
//     of no known product call the basics.
//   - settle.go and classify.go finish every event: related values, and the OCSF class.
package parser
