package parser

import (
	"vigil/internal/parser/mapping"
	"vigil/schema"
)

// named gives what a format's code takes out of a record to the rows of its mapping, by
// the names that the mapping has for the parts.
type named struct {
	parts   map[string]setter
	dataset string // where the code does not say it
	always  []mapping.Constant
	close   func(e *schema.Event) // sets what every event gets, and applies the rows of fields
}

func namedOf(name string, o Options) named { return mapperOf(name, o, nil).parts() }

// parts makes the rows of the document's own keys ready for code that names them.
func (m *mapper) parts() named {
	n := named{map[string]setter{}, m.Dataset, m.Set, m.closing(m.Section)}
	for part, to := range m.table() {
		n.parts[part] = to.put()
	}
	return n
}

// open sets what every event gets, where that is to stand before what its parts mean.
func (n *named) open(e *schema.Event) { constants(e, n.always) }

// put sets what a part means; an empty one means nothing.
func (n *named) put(e *schema.Event, part, v string) {
	if set := n.parts[part]; set != nil && v != "" {
		set(e, v)
	}
}

// putAddress sets an address by its part, and what stands behind it as NAME_port; what is
// no address is passed over.
func (n *named) putAddress(e *schema.Event, part, host, port string) {
	if looksLikeIP(host) {
		n.put(e, part, host)
		n.put(e, part+"_port", port)
	}
}

// putRequest sets the parts of a request line: GET /index.html HTTP/1.1.
func (n *named) putRequest(e *schema.Event, line string) {
	method, uri, version, ok := requestLine(line)
	if !ok {
		n.put(e, "request", line)
		return
	}
	n.put(e, "method", method)
	n.put(e, "version", version)
	n.put(e, "uri", uri)
}
