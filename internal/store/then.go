package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vigil/schema"
)

// PinsAt returns what the newest chunk that was committed at a time had been made with: that
// held then. The zero Pins when nothing was committed.
func (s *Store) PinsAt(ctx context.Context, org string, at time.Time) (schema.Pins, error) {
	var p schema.Pins
	_, err := s.row(ctx, `SELECT rule_set, intel, models, tables, committed FROM chunks FINAL WHERE org = {org:String} AND committed <= {at:DateTime64(6)} ORDER BY committed DESC, id LIMIT 1`,
		P{"org": org, "at": at.UTC()}, &p.RuleSet, &p.Intel, &p.Models, &p.Tables, &p.Since)
	if err != nil {
		return p, fmt.Errorf("reading what held: %w", err)
	}
	p.Since = p.Since.UTC()
	return p, nil
}

// IndicatorsOf returns the indicators of a version of the set whose value is one of these, in
// small letters.
func (s *Store) IndicatorsOf(ctx context.Context, org, version string, values []string, at time.Time) ([]schema.ThenIndicator, error) {
	out := []schema.ThenIndicator{}
	parts, err := s.IntelSet(ctx, org, version)
	if err != nil {
		return out, err
	}
	want := map[string]bool{}
	for _, v := range values {
		want[strings.ToLower(v)] = true
	}
	for _, feed := range slices.Sorted(maps.Keys(parts)) {
		bodies, err := s.IntelPart(ctx, org, parts[feed])
		if err != nil {
			return out, err
		}
		for _, b := range bodies {
			var entries []struct {
				Type       string `json:"t"`
				Value      string `json:"v"`
				Name       string `json:"n"`
				Confidence int    `json:"c"`
				From       int64  `json:"f"`
				Until      int64  `json:"u"`
				Revoked    bool   `json:"r"`
			}
			if err := json.Unmarshal([]byte(b), &entries); err != nil {
				return out, fmt.Errorf("a stored indicator set is damaged: %w", err)
			}
			for _, e := range entries {
				if !want[strings.ToLower(e.Value)] || e.Revoked || e.From > at.Unix() || e.Until != 0 && e.Until <= at.Unix() {
					continue
				}
				i := schema.ThenIndicator{Feed: feed, Type: e.Type, Value: e.Value, Name: e.Name, Confidence: e.Confidence}
				if e.Until != 0 {
					i.Until = time.Unix(e.Until, 0).UTC()
				}
				out = append(out, i)
			}
		}
	}
	return out, nil
}

// ExceptionsAt returns the exceptions that held at a time.
func (s *Store) ExceptionsAt(ctx context.Context, org string, at time.Time) ([]schema.Exception, error) {
	all, err := docs[schema.Exception](ctx, s, "SELECT doc FROM exceptions FINAL WHERE org = {org:String} ORDER BY id", P{"org": org})
	if err != nil {
		return nil, fmt.Errorf("reading exceptions: %w", err)
	}
	return slices.DeleteFunc(all, func(e schema.Exception) bool {
		return e.Created.After(at) || !e.Expires.After(at) || !e.Ended.IsZero() && !e.Ended.After(at)
	}), nil
}
