package ocsf_test

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vigil/internal/ocsf"
	"vigil/internal/testdata"
)

// definition is an attribute, as the schema's files write it.
type definition struct {
	Type        string         `json:"type"`
	IsArray     bool           `json:"is_array"`
	Requirement string         `json:"requirement"`
	Enum        map[string]any `json:"enum"`
	profile     string         // that it comes with; "": always there
}

// kindOf is a class or an object with all that it inherits.
type kindOf struct {
	attributes  map[string]definition
	constraints map[string][]string
	uid         int64
	category    int64
}

// oracle is the schema in the form in which the project publishes it, compiled.
type oracle struct {
	files      map[string]map[string]any
	dictionary map[string]definition
	types      map[string]map[string]any
	classes    map[int64]kindOf
	objects    map[string]kindOf
	patterns   map[string]*regexp.Regexp
}

func newOracle(t *testing.T) *oracle {
	t.Helper()
	o := &oracle{files: map[string]map[string]any{}, dictionary: map[string]definition{}, types: map[string]map[string]any{}, classes: map[int64]kindOf{}, objects: map[string]kindOf{}, patterns: map[string]*regexp.Regexp{}}
	z, err := zip.OpenReader(filepath.Join(testdata.Shared(t), "schemas", "ocsf-schema.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	for _, f := range z.File {
		if path.Ext(f.Name) != ".json" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		var v map[string]any
		if err == nil {
			err = json.Unmarshal(b, &v)
		}
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		o.files[f.Name] = v
	}
	if v := o.files["version.json"]["version"]; v != ocsf.Version {
		t.Fatalf("the schema is of version %v, we say %s", v, ocsf.Version)
	}
	o.compile(t)
	return o
}

func (o *oracle) compile(t *testing.T) {
	t.Helper()
	for _, name := range []string{"dictionary.json", "extensions/windows/dictionary.json"} {
		maps.Copy(o.dictionary, o.attributes(o.files[name]["attributes"], ""))
		if types, ok := o.files[name]["types"].(map[string]any); ok {
			for n, v := range types["attributes"].(map[string]any) {
				o.types[n] = v.(map[string]any)
			}
		}
	}
	events, objects := map[string]string{}, map[string][]string{}
	for _, file := range slices.Sorted(maps.Keys(o.files)) {
		name, _ := o.files[file]["name"].(string)
		switch {
		case strings.HasPrefix(file, "events/"), strings.HasPrefix(file, "extensions/windows/events/"):
			events[name] = file
		case strings.HasPrefix(file, "objects/"):
			objects[name] = append([]string{file}, objects[name]...)
		case strings.HasPrefix(file, "extensions/windows/objects/"):
			if name == "" {
				name, _ = o.files[file]["extends"].(string)
			}
			objects[name] = append(objects[name], file)
		}
	}
	for name := range objects {
		o.objects[name] = o.object(name, objects)
	}
	for name, file := range events {
		k := o.class(name, events)
		if strings.HasPrefix(file, "extensions/windows/") && k.uid%1000 != 0 {
			k.uid += 2 * 100_000
		}
		o.classes[k.uid] = k
	}
	if len(o.classes) < 50 || len(o.objects) < 100 || len(o.types) < 15 {
		t.Fatalf("%d classes, %d objects, %d types: the schema is not read whole", len(o.classes), len(o.objects), len(o.types))
	}
}

// attributes reads definitions, with those of the profiles that are included.
func (o *oracle) attributes(v any, profile string) map[string]definition {
	out := map[string]definition{}
	list, _ := v.(map[string]any)
	if include, ok := list["$include"].([]any); ok {
		for _, file := range include {
			p := o.files[file.(string)]
			maps.Copy(out, o.attributes(p["attributes"], p["name"].(string)))
		}
	}
	for name, raw := range list {
		m, ok := raw.(map[string]any)
		if !ok {
			continue
		}
		b, _ := json.Marshal(m)
		d := definition{profile: profile}
		_ = json.Unmarshal(b, &d)
		if p, there := m["profile"]; there {
			d.profile, _ = p.(string)
		}
		out[name] = d
	}
	return out
}

// over lays attributes over those that are inherited.
func over(base, more map[string]definition) map[string]definition {
	out := maps.Clone(base)
	if out == nil {
		out = map[string]definition{}
	}
	for name, d := range more {
		old := out[name]
		if d.Requirement == "" {
			d.Requirement = old.Requirement
		}
		if old.Enum != nil {
			enum := maps.Clone(old.Enum)
			maps.Copy(enum, d.Enum)
			d.Enum = enum
		}
		out[name] = d
	}
	return out
}

func (o *oracle) class(name string, events map[string]string) kindOf {
	f := o.files[events[name]]
	var k kindOf
	if base, ok := f["extends"].(string); ok {
		k = o.class(base, events)
	}
	k.attributes = over(k.attributes, o.attributes(f["attributes"], ""))
	k.constrain(f)
	if category, ok := f["category"].(string); ok {
		uid := o.files["categories.json"]["attributes"].(map[string]any)[category]
		k.category = 0
		if c, ok := uid.(map[string]any); ok {
			k.category = int64(c["uid"].(float64))
		}
	}
	k.uid = k.category * 1000
	if uid, ok := f["uid"].(float64); ok {
		k.uid += int64(uid)
	} else if name != "base_event" {
		k.uid = -1 // abstract
	}
	return k
}

func (o *oracle) object(name string, objects map[string][]string) kindOf {
	var k kindOf
	for _, file := range objects[name] {
		f := o.files[file]
		if base, _ := f["extends"].(string); base != "" && base != name && len(objects[base]) > 0 {
			b := o.object(base, objects)
			k.attributes = over(k.attributes, b.attributes)
			if k.constraints == nil {
				k.constraints = b.constraints
			}
		}
		k.attributes = over(k.attributes, o.attributes(f["attributes"], ""))
		k.constrain(f)
	}
	return k
}

func (k *kindOf) constrain(f map[string]any) {
	c, ok := f["constraints"].(map[string]any)
	if !ok {
		return
	}
	k.constraints = map[string][]string{}
	for how, names := range c {
		for _, n := range names.([]any) {
			k.constraints[how] = append(k.constraints[how], n.(string))
		}
	}
}

// check returns what is wrong with an exported event.
func (o *oracle) check(event map[string]any) (problems []string) {
	uid, _ := event["class_uid"].(json.Number)
	n, _ := uid.Int64()
	k, ok := o.classes[n]
	if !ok {
		return []string{"there is no class " + uid.String()}
	}
	profiles := map[string]bool{}
	if m, ok := event["metadata"].(map[string]any); ok {
		list, _ := m["profiles"].([]any)
		for _, p := range list {
			profiles[p.(string)] = true
		}
	}
	problems = o.kind("", k, event, profiles)
	activity, _ := event["activity_id"].(json.Number)
	if a, err := activity.Int64(); err != nil || fmt.Sprint(event["type_uid"]) != fmt.Sprint(n*100+a) {
		problems = append(problems, fmt.Sprintf("type_uid %v of class %d, activity %v", event["type_uid"], n, activity))
	}
	if fmt.Sprint(event["category_uid"]) != fmt.Sprint(k.category) {
		problems = append(problems, fmt.Sprintf("category_uid %v, want %d", event["category_uid"], k.category))
	}
	return problems
}

func (o *oracle) kind(at string, k kindOf, v map[string]any, profiles map[string]bool) (problems []string) {
	for name, value := range v {
		d, ok := k.attributes[name]
		if !ok {
			problems = append(problems, at+name+": there is no such attribute")
			continue
		}
		if d.profile != "" && !profiles[d.profile] {
			problems = append(problems, at+name+": it comes with the profile "+d.profile)
		}
		problems = append(problems, o.value(at+name, d, name, value, profiles)...)
	}
	for name, d := range k.attributes {
		if _, there := v[name]; d.Requirement == "required" && !there && (d.profile == "" || profiles[d.profile]) && !(d.profile == "cloud" && !profiles["cloud"]) {
			problems = append(problems, at+name+": is required")
		}
	}
	for how, names := range k.constraints {
		n := 0
		for _, name := range names {
			if _, there := v[name]; there {
				n++
			}
		}
		if len(names) > 0 && (how == "at_least_one" && n == 0 || how == "just_one" && n != 1) {
			problems = append(problems, fmt.Sprintf("%s: %s of %v", at, how, names))
		}
	}
	return problems
}

func (o *oracle) value(at string, d definition, name string, v any, profiles map[string]bool) []string {
	dict := o.dictionary[name]
	if d.Type == "" {
		d.Type, d.IsArray = dict.Type, dict.IsArray
	}
	enum := maps.Clone(dict.Enum)
	if enum == nil {
		enum = map[string]any{}
	}
	maps.Copy(enum, d.Enum)
	if name == "class_uid" || name == "category_uid" {
		enum = nil // these follow from the file that defines the class; check compares them
	}
	if !d.IsArray {
		return o.one(at, d.Type, enum, v, profiles)
	}
	list, ok := v.([]any)
	if !ok {
		return []string{at + ": is no list"}
	}
	var problems []string
	for i, x := range list {
		problems = append(problems, o.one(fmt.Sprintf("%s[%d]", at, i), d.Type, enum, x, profiles)...)
	}
	return problems
}

func (o *oracle) one(at, typ string, enum map[string]any, v any, profiles map[string]bool) []string {
	if len(enum) > 0 && (typ == "integer_t" || typ == "long_t") {
		if _, ok := enum[fmt.Sprint(v)]; !ok {
			return []string{fmt.Sprintf("%s: %v is not in the enumeration", at, v)}
		}
	}
	if !strings.HasSuffix(typ, "_t") {
		m, ok := v.(map[string]any)
		switch {
		case !ok:
			return []string{at + ": is no object"}
		case typ == "object":
			return nil
		}
		k, ok := o.objects[typ]
		if !ok {
			return []string{at + ": there is no object " + typ}
		}
		return o.kind(at+".", k, m, profiles)
	}
	return o.scalar(at, typ, v)
}

func (o *oracle) scalar(at, typ string, v any) []string {
	for {
		t, ok := o.types[typ]
		if !ok {
			return []string{at + ": there is no type " + typ}
		}
		if expr, ok := t["regex"].(string); ok {
			re := o.patterns[expr]
			if re == nil {
				re = regexp.MustCompile(expr)
				o.patterns[expr] = re
			}
			if s, _ := v.(string); !re.MatchString(s) {
				return []string{fmt.Sprintf("%s: %.60q is no %s", at, v, typ)}
			}
		}
		if n, ok := t["max_len"].(float64); ok && typ != "string_t" {
			if s, _ := v.(string); len(s) > int(n) {
				return []string{at + ": too long for " + typ}
			}
		}
		if r, ok := t["range"].([]any); ok {
			n, _ := v.(json.Number).Float64()
			if n < r[0].(float64) || n > r[1].(float64) {
				return []string{fmt.Sprintf("%s: %v is out of range", at, v)}
			}
		}
		base, ok := t["type"].(string)
		if !ok {
			break
		}
		typ = base
	}
	ok := false
	switch typ {
	case "string_t":
		_, ok = v.(string)
	case "integer_t", "long_t":
		n, isNumber := v.(json.Number)
		_, err := n.Int64()
		ok = isNumber && err == nil
	case "boolean_t":
		_, ok = v.(bool)
	case "float_t":
		_, ok = v.(json.Number)
	case "json_t":
		ok = true
	}
	if !ok {
		return []string{fmt.Sprintf("%s: %v is no %s", at, v, typ)}
	}
	return nil
}
