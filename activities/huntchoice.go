package activities

import (
	"errors"
	"fmt"
	"strings"

	"vigil/internal/expr"
	"vigil/rules"
	"vigil/rules/chsql"
	"vigil/schema"
	"vigil/schema/flow"
)

// chosen is the rules of a hunt.
type chosen struct {
	rules   []*rules.Rule
	skipped []string
}

// version names the content of the rules.
func (c chosen) version() string {
	if len(c.rules) == 1 {
		return c.rules[0].Version
	}
	parts := []string{"hunt"}
	for _, r := range c.rules {
		parts = append(parts, r.ID, r.Version)
	}
	return schema.HashID(parts...)
}

// choose finds the rules that a hunt names or brings along.
func choose(set *rules.Set, in flow.HuntInput) (chosen, error) {
	ways := 0
	for _, given := range []bool{in.Rule != "", len(in.Rules) > 0, in.YAML != "", in.When != ""} {
		if given {
			ways++
		}
	}
	var c chosen
	var err error
	switch {
	case ways == 0:
		return c, schema.E(schema.Invalid, "a hunt needs a rule", `its id in "rule", ids or patterns in "rules", its document in "yaml", or a condition in "when"`)
	case ways > 1:
		return c, schema.E(schema.Invalid, "the hunt names a rule and brings another", "give one of rule, rules, yaml and when")
	case in.Rule != "":
		c.rules, err = named(set, []string{in.Rule})
	case len(in.Rules) > 0:
		c.rules, err = named(set, in.Rules)
	case in.When != "":
		var r *rules.Rule
		r, err = rules.AdHoc(in.When, in.Datasets)
		c.rules = []*rules.Rule{r}
	default:
		c.rules, err = documents(in.YAML)
	}
	if err != nil {
		return c, err
	}
	return c, c.check(set, in)
}

// check refuses what cannot be asked, and leaves out of many rules those that cannot.
func (c *chosen) check(set *rules.Set, in flow.HuntInput) error {
	var ok []*rules.Rule
	for _, r := range c.rules {
		err := askable(set, r, in.Raise)
		if err == nil {
			ok = append(ok, r)
			continue
		}
		if len(c.rules) == 1 || in.YAML != "" {
			return err
		}
		c.skipped = append(c.skipped, err.Error())
	}
	if len(ok) == 0 {
		return schema.E(schema.Invalid, "none of the rules can be asked of stored events", c.skipped[0])
	}
	if len(ok) == 1 {
		if _, err := chsql.Where(ok[0]); err != nil {
			return err
		}
	}
	c.rules, c.skipped = ok, c.skipped[:min(len(c.skipped), maxProblemLines)]
	return nil
}

// askable refuses a rule that a hunt cannot ask, or whose hits it cannot raise.
func askable(set *rules.Set, r *rules.Rule, raise bool) error {
	if r.Query != nil {
		return schema.E(schema.Invalid, "rule "+r.ID+" is a query over windows of events, which a hunt cannot ask",
			"what it finds in stored events: `vigil rules diff DIR --days N`; its query alone: `vigil search 'sql: …'`. Windows that late events touch are asked by themselves")
	}
	if !raise {
		return nil
	}
	if loaded, ok := set.Rule(r.ID); !ok || loaded.Version != r.Version {
		return schema.E(schema.Conflict, "rule "+r.ID+" is not in use as it is written here, so it cannot raise alerts",
			"hunt without raise, or put the rule in force with `vigil rules deploy`")
	}
	if !r.Runs() {
		return schema.E(schema.Conflict, "rule "+r.ID+" is a draft, and drafts raise nothing", "hunt without raise, or set its status to test")
	}
	return nil
}

// named finds rules in use by ids and patterns. Patterns find only rules that are run.
func named(set *rules.Set, names []string) ([]*rules.Rule, error) {
	var out []*rules.Rule
	seen := map[string]bool{}
	add := func(r *rules.Rule) {
		if !seen[r.ID] {
			seen[r.ID] = true
			out = append(out, r)
		}
	}
	for _, name := range names {
		if !strings.Contains(name, "*") {
			r, ok := set.Rule(name)
			if !ok {
				return nil, schema.E(schema.NotFound, fmt.Sprintf("there is no rule %q", name), near(name, set))
			}
			add(r)
			continue
		}
		m, err := expr.NewMatcher("ilike", []string{name})
		if err != nil {
			return nil, schema.E(schema.Invalid, fmt.Sprintf("%q is no pattern", name), "* stands for any text", err)
		}
		before := len(out)
		for _, r := range set.Rules() {
			if set.Runs(r) && m(r.ID) {
				add(r)
			}
		}
		if len(out) == before {
			return nil, schema.E(schema.NotFound, fmt.Sprintf("no rule in use fits %q", name), "`vigil rules list` shows them")
		}
	}
	return out, nil
}

// documents reads the rules that a hunt brings along.
func documents(text string) ([]*rules.Rule, error) {
	if len(text) > maxHuntYAML {
		return nil, schema.E(schema.Invalid, fmt.Sprintf("the rules have %d bytes, the limit is %d", len(text), maxHuntYAML), "")
	}
	list, errs := rules.Parse("rule.yaml", []byte(text), rules.Options{})
	if len(errs) > 0 {
		return nil, schema.E(schema.Invalid, errors.Join(errs[:min(len(errs), 10)]...).Error(), "`vigil rules check FILE` says the same")
	}
	if len(list) == 0 {
		return nil, schema.E(schema.Invalid, "the document holds no rule", "")
	}
	return list, nil
}

func near(id string, set *rules.Set) string {
	var ids []string
	for _, r := range set.Rules() {
		ids = append(ids, r.ID)
	}
	if n := schema.Nearest(id, ids); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return "`vigil rules list` shows them"
}
