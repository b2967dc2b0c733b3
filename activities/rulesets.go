package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"vigil/internal/store"
	"vigil/rules"
	"vigil/schema"
)

// RuleStore keeps rule sets and what decides which one is in force; *store.Store is one.
type RuleStore interface {
	PutRuleVersions(ctx context.Context, org string, list []schema.RuleVersion) error
	KnownRuleVersions(ctx context.Context, org string) (map[string]bool, error)
	RuleVersion(ctx context.Context, org, rule, version string) (schema.RuleVersion, error)
	PutRuleSet(ctx context.Context, org string, set store.RuleSet) error
	RuleSet(ctx context.Context, org, hash string) (store.RuleSet, []schema.RuleVersion, error)
	RuleDeployments(ctx context.Context, org string, limit int) ([]schema.RuleDeployment, error)
	ActiveExceptions(ctx context.Context, org string) ([]schema.Exception, error)
	RuleSwitches(ctx context.Context, org string) ([]store.RuleSwitch, error)
	PutRuleSwitch(ctx context.Context, org string, x store.RuleSwitch) error
	PutNotes(ctx context.Context, notes ...schema.Note) error
}

// RuleSets hands out rule sets. The set in force is worked out for each plan: what was
// deployed last (or the rule files of this process), with the exceptions of now and
// without the rules that are switched off. It is stored before a plan pins its hash, so
// that every process can load it, at any time later. There is no shared counter and no
// message to lose: who changes something changes rows, and the next plan sees them.
// It is safe for concurrent use.
type RuleSets struct {
	Store RuleStore
	Local *rules.Set // of the rule files of this process

	mu       sync.Mutex
	now      map[string]ruled       // by org
	kept     []ruled                // newest use last
	versions map[string]*rules.Rule // by org NUL rule NUL version
}

// ruled is a set of an org; key tells what it was laid of.
type ruled struct {
	org, key string
	set      *rules.Set
}

// keptRuleSets is how many sets a process keeps beside those in force.
const keptRuleSets = 3

// Now returns an org's set in force as this process saw it last; it asks nobody.
func (x *RuleSets) Now(org string) *rules.Set {
	x.mu.Lock()
	defer x.mu.Unlock()
	if n, ok := x.now[org]; ok {
		return n.set
	}
	return x.Local
}

// Watch looks now and then for another set in force of each of the orgs, until ctx ends.
func (x *RuleSets) Watch(ctx context.Context, orgs func(context.Context) ([]string, error), every time.Duration, failed func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := x.look(ctx, orgs); err != nil && ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (x *RuleSets) look(ctx context.Context, orgs func(context.Context) ([]string, error)) error {
	all, err := orgs(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, org := range all {
		if _, err := x.InForce(ctx, org); err != nil {
			errs = append(errs, fmt.Errorf("of %s: %w", org, err))
		}
	}
	return errors.Join(errs...)
}

// InForce returns the set in force; its hash can be pinned.
func (x *RuleSets) InForce(ctx context.Context, org string) (*rules.Set, error) {
	deployed, err := x.Store.RuleDeployments(ctx, org, 1)
	if err != nil {
		return nil, fmt.Errorf("looking for the rule set in force: %w", err)
	}
	exceptions, err := x.Store.ActiveExceptions(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("reading exceptions: %w", err)
	}
	switches, err := x.Store.RuleSwitches(ctx, org)
	if err != nil {
		return nil, fmt.Errorf("reading switched-off rules: %w", err)
	}
	base := ""
	if len(deployed) > 0 {
		base = deployed[0].Set
	}
	key := forceKey(org, base, exceptions, switches)
	x.mu.Lock()
	now := x.now[org]
	x.mu.Unlock()
	if now.set != nil && now.key == key {
		return now.set, nil
	}
	set, err := x.lay(ctx, org, base, exceptions, switches)
	if err != nil {
		return nil, err
	}
	if err := x.Record(ctx, org, set); err != nil {
		return nil, err
	}
	x.mu.Lock()
	if x.now == nil {
		x.now = map[string]ruled{}
	}
	x.now[org] = ruled{org, key, set}
	x.mu.Unlock()
	x.keep(org, set)
	return set, nil
}

func forceKey(org, base string, exceptions []schema.Exception, switches []store.RuleSwitch) string {
	parts := []string{org, base}
	for _, e := range exceptions {
		parts = append(parts, "exception", e.ID, e.Rule, e.When)
	}
	for _, s := range switches {
		parts = append(parts, "switch", s.Rule, s.Version, fmt.Sprint(s.Off), s.Reason)
	}
	return schema.HashID(parts...)
}

// lay makes the set in force.
func (x *RuleSets) lay(ctx context.Context, org, base string, exceptions []schema.Exception, switches []store.RuleSwitch) (*rules.Set, error) {
	set := x.Local
	if base != "" {
		var err error
		if set, err = x.Set(ctx, org, base); err != nil {
			return nil, err
		}
	}
	o := rules.Overlay{Off: map[string]string{}}
	for _, e := range exceptions {
		c, err := rules.NewException(e.ID, e.Rule, e.When)
		if err != nil {
			return nil, fmt.Errorf("exception %s: %w", e.ID, err)
		}
		o.Exceptions = append(o.Exceptions, c)
	}
	for _, s := range switches {
		if r, ok := set.Rule(s.Rule); ok && s.Off && r.Version == s.Version {
			o.Off[s.Rule] = s.Reason
		}
	}
	return set.With(o), nil
}

// storedOverlay is an overlay as it is stored.
type storedOverlay struct {
	Lists      map[string][]string `json:"lists,omitempty"`
	Exceptions []*rules.Exception  `json:"exceptions,omitempty"`
	Off        map[string]string   `json:"off,omitempty"`
}

// Record stores a set under its hash. What is stored already stays.
func (x *RuleSets) Record(ctx context.Context, org string, set *rules.Set) error {
	known, err := x.Store.KnownRuleVersions(ctx, org)
	if err != nil {
		return fmt.Errorf("reading stored rules: %w", err)
	}
	var fresh []schema.RuleVersion
	all := map[string]string{}
	for _, r := range set.Rules() {
		all[r.ID] = r.Version
		if !known[r.ID+"\x00"+r.Version] {
			fresh = append(fresh, schema.RuleVersion{Rule: r.ID, Version: r.Version, Title: r.Title, Kind: string(r.Kind), Severity: r.Severity, Enabled: r.Runs(),
				Attack: r.Attack, Dataset: strings.Join(r.Datasets, " "), YAML: r.YAML, File: r.File})
		}
	}
	if err := x.Store.PutRuleVersions(ctx, org, fresh); err != nil {
		return err
	}
	o := set.Overlay()
	doc, err := json.Marshal(storedOverlay{Lists: set.Lists(), Exceptions: o.Exceptions, Off: o.Off})
	if err != nil {
		return err
	}
	return x.Store.PutRuleSet(ctx, org, store.RuleSet{Hash: set.Hash(), Rules: all, Overlay: string(doc)})
}

// Set returns the set of a hash, whatever is in force by now.
func (x *RuleSets) Set(ctx context.Context, org, hash string) (*rules.Set, error) {
	x.mu.Lock()
	if n := x.now[org]; n.set != nil && n.set.Hash() == hash {
		defer x.mu.Unlock()
		return n.set, nil
	}
	for _, k := range x.kept {
		if k.org == org && k.set.Hash() == hash {
			defer x.mu.Unlock()
			return k.set, nil
		}
	}
	x.mu.Unlock()
	s, err := x.load(ctx, org, hash)
	if err != nil {
		return nil, fmt.Errorf("loading rule set %s: %w", hash, err)
	}
	x.keep(org, s)
	return s, nil
}

func (x *RuleSets) keep(org string, s *rules.Set) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.kept = append(x.kept, ruled{org: org, set: s})
	x.kept = append([]ruled(nil), x.kept[max(0, len(x.kept)-keptRuleSets):]...)
}

// load rebuilds a stored set and holds it against its hash.
func (x *RuleSets) load(ctx context.Context, org, hash string) (*rules.Set, error) {
	stored, list, err := x.Store.RuleSet(ctx, org, hash)
	if err != nil {
		return nil, err
	}
	var o storedOverlay
	if err := json.Unmarshal([]byte(stored.Overlay), &o); err != nil {
		return nil, fmt.Errorf("its overlay is damaged: %w", err)
	}
	files := make([]rules.File, len(list))
	for i, v := range list {
		files[i] = rules.File{Name: v.File, Text: v.YAML}
	}
	set, errs := rules.LoadFiles(rules.Options{Lists: o.Lists}, files...)
	if len(errs) > 0 {
		return nil, fmt.Errorf("its rules are not readable any more: %w", errors.Join(errs...))
	}
	overlay := rules.Overlay{Off: o.Off}
	for _, e := range o.Exceptions {
		c, err := rules.NewException(e.ID, e.Rule, e.When)
		if err != nil {
			return nil, fmt.Errorf("exception %s: %w", e.ID, err)
		}
		overlay.Exceptions = append(overlay.Exceptions, c)
	}
	if set = set.With(overlay); set.Hash() != hash {
		return nil, schema.E(schema.Internal, "what is stored of the rule set makes another one", "report this")
	}
	return set, nil
}

// Version returns one version of a rule, in force or not.
func (x *RuleSets) Version(ctx context.Context, org, rule, version string) (*rules.Rule, error) {
	if r, ok := x.Now(org).Rule(rule); ok && r.Version == version {
		return r, nil
	}
	key := org + "\x00" + rule + "\x00" + version
	x.mu.Lock()
	r := x.versions[key]
	x.mu.Unlock()
	if r != nil {
		return r, nil
	}
	v, err := x.Store.RuleVersion(ctx, org, rule, version)
	if err != nil {
		return nil, err
	}
	list, errs := rules.Parse(v.File, []byte(v.YAML), rules.Options{Lists: x.Now(org).Lists()})
	if len(errs) > 0 || len(list) != 1 || list[0].Version != version {
		return nil, schema.E(schema.Internal, "version "+version+" of rule "+rule+" is not readable any more", "", errors.Join(errs...))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.versions) >= maxVersions {
		clear(x.versions)
	}
	if x.versions == nil {
		x.versions = map[string]*rules.Rule{}
	}
	x.versions[key] = list[0]
	return list[0], nil
}

// SwitchOff takes a rule version out of evaluation and says so; the next plan is without
// it. A version that was switched on again by a deployment of another one stays off.
func (x *RuleSets) SwitchOff(ctx context.Context, org string, r *rules.Rule, reason string) error {
	switches, err := x.Store.RuleSwitches(ctx, org)
	if err != nil {
		return err
	}
	s := store.RuleSwitch{Rule: r.ID, Version: r.Version, Off: true, Reason: reason, Time: time.Now().UTC(), Revision: 1}
	for _, old := range switches {
		if old.Rule != r.ID || old.Version != r.Version {
			continue
		}
		if old.Off {
			return nil
		}
		s.Revision = old.Revision + 1
	}
	if err := x.Store.PutRuleSwitch(ctx, org, s); err != nil {
		return fmt.Errorf("switching off rule %s: %w", r.ID, err)
	}
	return x.Store.PutNotes(ctx, note(org, "rules", "disabled", r.ID, map[string]any{"reason": reason}, time.Now()))
}

// maxVersions bounds the rule versions out of force that a process keeps.
const maxVersions = 1000
