package playbook

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxWait bounds delays and timeouts, in milliseconds.
const maxWait = 30 * 24 * 3600 * 1000

// Types is the table of variable types: those of the standard, and hostname. Each row
// says whether a value has the type.
func Types() map[string]func(string) bool {
	hex := func(n int) func(string) bool {
		return func(v string) bool {
			return (n == 0 || len(v) == n) && strings.Trim(strings.ToLower(v), "0123456789abcdef") == ""
		}
	}
	number := func(v string) bool { _, err := strconv.ParseInt(v, 10, 64); return err == nil }
	decimal := func(v string) bool { _, err := strconv.ParseFloat(v, 64); return err == nil }
	uri := func(v string) bool { u, err := url.Parse(v); return err == nil && u.Scheme != "" }
	any := func(string) bool { return true }
	address := func(four bool) func(string) bool {
		return func(v string) bool {
			if p, err := netip.ParsePrefix(v); err == nil {
				return p.Addr().Is4() == four
			}
			a, err := netip.ParseAddr(v)
			return err == nil && a.Is4() == four
		}
	}
	return map[string]func(string) bool{"string": any, "dictionary": any, "hostname": any, "boolean": func(v string) bool { return v == "true" || v == "false" }, "integer": number, "long": number,
		"float": decimal, "ipv4-addr": address(true), "ipv6-addr": address(false), "mac-addr": regexp.MustCompile(`^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$`).MatchString,
		"md5-hash": hex(32), "sha1-hash": hex(40), "sha256-hash": hex(64), "hash": hex(0), "hexstring": hex(0), "iri": uri, "uri": uri,
		"uuid": regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString}
}

// Fits says whether a value can be that of a variable of the type. An address may be
// of either family where the document says ipv4-addr: alerts name both.
func Fits(typ, value string) error {
	fits, ok := Types()[typ]
	if typ == "ipv4-addr" {
		fits = func(v string) bool { return Types()["ipv4-addr"](v) || Types()["ipv6-addr"](v) }
	}
	if !ok || value == "" || fits(value) {
		return nil
	}
	return fmt.Errorf("%q is no %s", value, typ)
}

// variables checks names, types and values.
func (c *checker) variables(path []string, vars map[string]Variable) {
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		at := append(slices.Clone(path), name)
		v := vars[name]
		if !variableForm.MatchString(name) {
			c.fail(at, "write __name__", "no variable can be named %q", name)
		}
		if _, ok := Types()[v.Type]; !ok {
			c.fail(append(at, "type"), near(v.Type, slices.Sorted(maps.Keys(Types()))), "there is no type %q", v.Type)
		}
		if err := Fits(v.Type, v.Value); err != nil {
			c.fail(append(at, "value"), "", "the value of %s: %s", name, err)
		}
	}
}

// known finds names of variables that the playbook does not have.
func (c *checker) known(path []string, names []string) {
	all := c.d.variables()
	for _, name := range names {
		if _, ok := all[name]; !ok {
			c.fail(path, near(name, slices.Sorted(maps.Keys(all))), "there is no variable %s", name)
		}
	}
}

// fitting says which types of variables an input of a kind takes.
var fitting = map[string][]string{
	"ip": {"ipv4-addr", "ipv6-addr", "string"}, "hours": {"integer", "long", "string"}, "sha256": {"sha256-hash", "string"}, "url": {"uri", "iri", "string"},
}

var wholeRef = regexp.MustCompile(`^__([a-z][a-z0-9_]*?)__:value$`)

// kinds holds arguments that are one variable to the input's type.
func (c *checker) kinds(w func(...string) []string, cmd Command, v Verb) {
	all := c.d.variables()
	for _, name := range slices.Sorted(maps.Keys(cmd.Arguments)) {
		m := wholeRef.FindStringSubmatch(cmd.Arguments[name])
		want, limited := fitting[v.Kinds[name]]
		if m == nil || !limited {
			continue
		}
		if x, ok := all["__"+m[1]+"__"]; ok && !slices.Contains(want, x.Type) {
			c.fail(w("commands", "0", "arguments", name), "it takes "+strings.Join(want, ", "), "%s cannot take a variable of type %s", name, x.Type)
		}
	}
}

func (c *checker) switches(w func(...string) []string, s Step) {
	if len(s.Cases) == 0 {
		c.fail(w(), "name a step for each value, and one for default", "a switch-condition needs cases")
	}
	if !wholeRef.MatchString(s.SwitchOn) {
		c.fail(w("switch"), "write __name__:value", "a switch cannot be over %q", s.SwitchOn)
	}
	c.references(w("switch"), s.SwitchOn)
}

// http checks an HTTP start line, and that it leads somewhere: to a URL, or below the
// address of the step's target.
func (c *checker) http(w func(...string) []string, s Step, cmd Command) {
	f := strings.Fields(cmd.Command)
	ok := len(f) == 2 || len(f) == 3 && strings.HasPrefix(f[2], "HTTP")
	if !ok || !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, f[0]) {
		c.fail(w("commands", "0", "command"), "write POST https://…, or POST /path HTTP/1.1 with a target", "an %s command cannot be %q", cmd.Type, cmd.Command)
		return
	}
	if _, err := cmd.Body(); err != nil {
		c.fail(w("commands", "0", "content_b64"), "", "%s", err)
	}
	if !strings.Contains(f[1], "://") && !strings.HasPrefix(f[1], "__") {
		c.where(w, s, "http-api", "net-address")
	}
}

// where checks that the step has one target, of one of the types, with an address.
func (c *checker) where(w func(...string) []string, s Step, types ...string) {
	if len(s.Where) != 1 {
		c.fail(w(), "name one of target_definitions in targets", "the step needs exactly one target, this one has %d", len(s.Where))
		return
	}
	t, ok := c.d.Targets[s.Where[0]]
	if !ok {
		c.fail(w("targets"), near(s.Where[0], slices.Sorted(maps.Keys(c.d.Targets))), "there is no target %q", s.Where[0])
		return
	}
	if !slices.Contains(types, t.Type) || t.Base() == "" {
		c.fail(p("target_definitions", s.Where[0]), "of type "+strings.Join(types, " or ")+", with an address", "the target %s cannot be used here", s.Where[0])
	}
}

// URL is where an HTTP command goes: its own address, or its path below the target's.
func (d *Document) URL(s Step, cmd Command) (method, target string) {
	f := strings.Fields(cmd.Command)
	if len(f) < 2 {
		return "", ""
	}
	if strings.Contains(f[1], "://") || strings.HasPrefix(f[1], "__") || len(s.Where) == 0 {
		return f[0], f[1]
	}
	return f[0], d.Targets[s.Where[0]].Base() + "/" + strings.TrimPrefix(f[1], "/")
}
