package parser

import "vigil/schema"

// named gives what a format's code takes out of a record to the rows of its mapping, by
// the names that the mapping has for the parts.
type named struct {
	parts map[string]setter
	close func(e *schema.Event)
}

func namedOf(name string, o Options) named {
	m := mapperOf(name, o, nil)
	n := named{map[string]setter{}, m.closing(m.Section)}
	for part, to := range m.table() {
		n.parts[part] = to.put()
	}
	return n
}

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
