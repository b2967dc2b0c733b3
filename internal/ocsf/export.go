package ocsf

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"vigil/schema"
)

// Version is the version of the schema that exported events are checked against.
const Version = "1.9.0-dev"

// Origin is where an event came from.
type Origin struct {
	ID, Org, Source string
	Ingested        time.Time
}

// Export returns the event as an object of its class, ready to be encoded as JSON. An event that
// lacks what its class requires is exported as one of the class that this refines, at last as a
// Base Event. What has no place in the class is under unmapped, by its own name.
func Export(e *schema.Event, o Origin) map[string]any {
	uid := e.Int(schema.FOcsfClassUid)
	if uid == 0 {
		uid = ClassOf(e)
	}
	for c := classes[uid]; ; c = classes[c.instead] {
		b := &builder{e: e, out: map[string]any{}}
		if c == nil {
			c = classes[0]
		}
		b.class(c, o)
		if b.complete(c) || c.uid == 0 {
			b.rest()
			return b.out
		}
	}
}

// builder fills one object.
type builder struct {
	e     *schema.Event
	out   map[string]any
	taken [schema.NumFields]bool
}

// always are the fields that the object's head is made of.
var always = []schema.FieldID{schema.FTimestamp, schema.FOcsfClassUid, schema.FMessage, schema.FEventOutcome, schema.FEventModule}

func (b *builder) class(c *class, o Origin) {
	activity, name := c.activity(b.e)
	b.put("class_uid", c.uid)
	b.put("class_name", c.name)
	b.put("category_uid", c.category)
	b.put("category_name", categories[c.category])
	b.put("activity_id", activity)
	b.put("activity_name", name)
	b.put("type_uid", c.uid*100+activity)
	b.put("type_name", c.name+": "+name)
	b.head(o)
	sections := c.sections
	if c.pick != nil {
		sections = append(c.pick(b.e), sections...)
	}
	sections = slices.Concat(sections, common)
	for _, s := range sections {
		b.section(s)
	}
	b.prune(sections)
	if c.finish != nil {
		c.finish(b)
	}
	b.profiles()
}

// head sets what every class has.
func (b *builder) head(o Origin) {
	for _, f := range always {
		b.taken[f] = true
	}
	at := b.e.Time()
	if at.IsZero() {
		at = o.Ingested
	}
	b.put("time", at.UnixMilli())
	b.put("message", clip(b.e.Str(schema.FMessage)))
	id, severity := b.severity()
	b.put("severity_id", id)
	b.put("severity", severity)
	switch outcome := b.e.Str(schema.FEventOutcome); outcome {
	case "success":
		b.put("status_id", int64(1))
		b.put("status", "Success")
	case "failure":
		b.put("status_id", int64(2))
		b.put("status", "Failure")
	case "":
	default:
		b.put("status_id", int64(0))
		b.put("status", "Unknown")
	}
	b.put("raw_data", clip(schema.View(b.e.Raw)))
	b.put("metadata.version", Version)
	b.put("metadata.uid", o.ID)
	b.put("metadata.tenant_uid", o.Org)
	b.put("metadata.log_source", o.Source)
	if !o.Ingested.IsZero() {
		b.put("metadata.processed_time", o.Ingested.UnixMilli())
	}
	product := cmp.Or(b.e.Str(schema.FEventModule), "unknown")
	b.put("metadata.product.name", product)
	b.put("metadata.product.vendor_name", cmp.Or(vendors[product], product))
}

// vendors are the makers of the modules' products.
var vendors = map[string]string{"windows": "Microsoft", "azure": "Microsoft", "o365": "Microsoft", "microsoft": "Microsoft", "aws": "AWS", "gcp": "Google", "google": "Google", "google_workspace": "Google",
	"zeek": "Zeek", "suricata": "OISF", "okta": "Okta", "github": "GitHub", "kubernetes": "Kubernetes", "linux": "Linux", "cisco": "Cisco", "panw": "Palo Alto Networks", "iis": "Microsoft", "apache": "Apache", "nginx": "NGINX"}

// maxText bounds texts that can be as long as a record.
const maxText = 64 << 10

func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// severities are words of products, in small letters.
var severities = map[string]int64{"debug": 1, "trace": 1, "info": 1, "information": 1, "informational": 1, "notice": 1, "low": 2, "warn": 3, "warning": 3, "medium": 3, "moderate": 3,
	"error": 4, "err": 4, "high": 4, "critical": 5, "crit": 5, "alert": 5, "emergency": 6, "emerg": 6, "fatal": 6}

var severityNames = []string{"Unknown", "Informational", "Low", "Medium", "High", "Critical", "Fatal"}

// severity takes the word of the record; the number of Suricata counts the other way round, and
// those of other products mean something else in each.
func (b *builder) severity() (id int64, name string) {
	for _, f := range []schema.FieldID{schema.FLogLevel, schema.FLogSyslogSeverityName} {
		if id = severities[strings.ToLower(b.e.Str(f))]; id != 0 {
			return id, severityNames[id]
		}
	}
	if n := b.e.Int(schema.FEventSeverity); b.e.Str(schema.FEventDataset) == "suricata.alert" && n >= 1 && n <= 4 {
		id = 5 - n
	}
	return id, severityNames[id]
}

// section puts the fields of a section below its path.
func (b *builder) section(s section) {
	for _, r := range s.rows {
		if !b.e.Has(r.field) {
			continue
		}
		v := r.as(b.e, r.field)
		if v == nil {
			continue
		}
		path := r.path
		if s.at != "" {
			path = s.at + "." + r.path
		}
		if b.put(path, v) {
			b.taken[r.field] = true
		}
	}
}

// put sets a value at a dotted path; one that is there stays, and an empty text is none.
func (b *builder) put(path string, v any) bool {
	if v == "" {
		return false
	}
	at := b.out
	for {
		key, rest, deeper := strings.Cut(path, ".")
		if !deeper {
			if _, there := at[key]; there {
				return false
			}
			at[key] = v
			return true
		}
		next, ok := at[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[key] = next
		}
		at, path = next, rest
	}
}

// get is the value at a dotted path, nil when there is none.
func (b *builder) get(path string) any {
	var v any = b.out
	for key := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// profiles names the profiles whose attributes are used.
func (b *builder) profiles() {
	list := []string{}
	for _, p := range []struct{ attribute, profile string }{{"cloud", "cloud"}, {"device", "host"}, {"actor", "host"}} {
		if b.out[p.attribute] != nil && !slices.Contains(list, p.profile) {
			list = append(list, p.profile)
		}
	}
	if len(list) > 0 {
		b.put("metadata.profiles", list)
	}
}

// prune takes objects away that lack what their kind requires; their fields are unmapped then.
func (b *builder) prune(sections []section) {
	for _, s := range sections {
		k := kinds[s.kind]
		if s.at == "" || b.get(s.at) == nil {
			continue
		}
		for path, v := range k.defaults {
			b.put(s.at+"."+path, v)
		}
		if !b.any(s.at, k.oneOf) || !b.every(s.at, k.all) {
			b.drop(s.at, sections)
		}
	}
}

func (b *builder) any(at string, names []string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return b.get(at+"."+n) != nil })
}

func (b *builder) every(at string, names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return b.get(at+"."+n) == nil })
}

// drop removes an object, and what of its parents is empty then; the fields of the sections in
// it have no place any more.
func (b *builder) drop(at string, sections []section) {
	for _, s := range sections {
		if s.at == at || strings.HasPrefix(s.at, at+".") {
			for _, r := range s.rows {
				b.taken[r.field] = false
			}
		}
	}
	for path := at; path != ""; {
		i := strings.LastIndexByte(path, '.')
		parent := b.out
		if i >= 0 {
			parent, _ = b.get(path[:i]).(map[string]any)
		}
		delete(parent, path[i+1:])
		if i < 0 || len(parent) > 0 {
			return
		}
		path = path[:i]
	}
}

// complete says whether the object has what its class requires: of each line one.
func (b *builder) complete(c *class) bool {
	return !slices.ContainsFunc(c.requires, func(one []string) bool {
		return !slices.ContainsFunc(one, func(path string) bool { return b.get(path) != nil })
	})
}

// rest keeps what has no place in the class.
func (b *builder) rest() {
	unmapped := map[string]any{}
	for _, f := range b.e.Fields() {
		if b.taken[f] {
			continue
		}
		if f.Def().Multi {
			unmapped[f.String()] = texts(b.e, f)
		} else {
			unmapped[f.String()] = clip(b.e.Str(f))
		}
	}
	for _, x := range b.e.Extras() {
		unmapped[strings.ToValidUTF8(x.Name, "\uFFFD")] = clip(x.Value)
	}
	if len(unmapped) > 0 {
		b.out["unmapped"] = unmapped
	}
}
