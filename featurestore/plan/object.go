package plan

import (
	"fmt"
	"slices"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/transforms/window"
)

var kinds = []string{"Entity", "StreamSource", "BatchSource", "StreamView", "BatchView", "OnDemandView", "FeatureService", "Test"}

func kindRank(kind string) int { return slices.Index(kinds, kind) }

// objects renders each definition of a project; nil gives none.
func objects(p *definition.Project) map[string]object {
	all := map[string]object{}
	if p == nil {
		return all
	}
	users := consumers(p)
	add := func(o object, m definition.Meta) {
		o.name = m.Name
		o.services = users[m.Name]
		o.rest = fmt.Appendf(o.rest, "|%s|%s|%v|%v", m.Description, m.Owner, m.Tags, m.Deprecated)
		all[o.kind+"/"+o.name] = o
	}
	for _, e := range p.Entities {
		add(object{kind: "Entity", meaning: fields(e.Keys)}, e.Meta)
	}
	for _, s := range p.StreamSources {
		add(object{kind: "StreamSource", meaning: streamMeaning(s), fields: kept(s), rest: fmt.Appendf(nil, "%s|%s|%s", s.Topic, s.Connection, history(s.History))}, s.Meta)
	}
	for _, s := range p.BatchSources {
		add(object{kind: "BatchSource", meaning: fmt.Appendf(fields(s.Fields), "%s|%s|%v", timeSpec(&s.Timestamp), timeSpec(s.AvailableAt), s.Delay), rest: fmt.Appendf(nil, "%v|%v", s.Files, s.Format)}, s.Meta)
	}
	for _, v := range p.StreamViews {
		o := object{kind: "StreamView", meaning: v.Hash[:], stored: true}
		for _, f := range v.Features {
			o.columns = append(o.columns, column{f.Name, f.Type.String()})
			o.unbounded = o.unbounded || f.Kind == window.Lifetime || f.Kind == window.Rows || f.Kind == window.Session
		}
		add(o, v.Meta)
	}
	for _, v := range p.BatchViews {
		o := object{kind: "BatchView", meaning: v.Hash[:], rest: []byte(v.Schedule.Text), stored: true}
		for _, f := range v.Features {
			o.columns = append(o.columns, column{f.Name, f.Type.String()})
		}
		add(o, v.Meta)
	}
	for _, v := range p.OnDemandViews {
		o := object{kind: "OnDemandView", meaning: v.Hash[:]}
		for _, f := range v.Features {
			o.columns = append(o.columns, column{f.Name, f.Type.String()})
		}
		add(o, v.Meta)
	}
	for _, s := range p.Services {
		o := object{kind: "FeatureService", meaning: s.Hash[:], rest: fmt.Appendf(nil, "%v|%v|%v|%v", sample(s.Log), s.MaxAge, s.OnStale, s.Models)}
		for _, c := range s.Columns {
			o.columns = append(o.columns, column{c.Name, c.Type.String()})
		}
		add(o, s.Meta)
	}
	return all
}

func streamMeaning(s *definition.StreamSource) []byte {
	where := ""
	if s.Where != nil {
		where = s.Where.Canonical()
	}
	return fmt.Appendf(fields(s.Fields), "%s|%s|%d|%d|%v|%v|%s", s.Format, timeSpec(&s.Timestamp), s.EventID, s.Sequence, s.AllowedLateness, s.ApplyDelay, where)
}

// kept are the fields with which events of a source come to rest.
func kept(s *definition.StreamSource) (out []column) {
	for _, f := range s.Fields {
		out = append(out, column{f.Name, f.Type.String()})
	}
	return out
}

func timeSpec(t *definition.TimeSpec) string {
	if t == nil {
		return "none"
	}
	return fmt.Sprint(t.Origin, t.Name, t.Format, t.Layout, t.Zone)
}

// history renders what stands behind the pointers, never their addresses.
func history(h *definition.History) string {
	if h == nil {
		return "none"
	}
	text := fmt.Sprint(h.Files, h.Format, timeSpec(h.AvailableAt))
	if h.Cutover != nil {
		text += " cutover " + h.Cutover.String()
	}
	if h.Positions != nil {
		text += fmt.Sprintf(" positions %q %q", h.Positions.Partition, h.Positions.Offset)
	}
	return text
}

func sample(log *float64) string {
	if log == nil {
		return "off"
	}
	return fmt.Sprint(*log)
}

func fields(list []definition.Field) (b []byte) {
	for _, f := range list {
		b = fmt.Appendf(b, "%s %s %v;", f.Name, f.Type, f.PII)
	}
	return b
}

// consumers maps each definition's name to the services that feel a change of it.
func consumers(p *definition.Project) map[string][]string {
	users := map[string][]string{}
	use := func(name, service string) {
		if !slices.Contains(users[name], service) {
			users[name] = append(users[name], service)
		}
	}
	for _, s := range p.Services {
		for _, o := range s.OnDemand {
			use(o.Name, s.Name)
		}
		for _, r := range s.Roles {
			use(r.View, s.Name)
			for _, up := range upstream(p, r.View) {
				use(up, s.Name)
			}
		}
	}
	return users
}

// upstream are the entity and the sources of a stored view.
func upstream(p *definition.Project, view string) (names []string) {
	for _, v := range p.StreamViews {
		if v.Name == view {
			names = append(names, v.Entity.Name)
			for _, b := range v.Bindings {
				names = append(names, b.Source.Name)
			}
		}
	}
	for _, v := range p.BatchViews {
		if v.Name == view {
			names = append(names, v.Entity.Name, v.Source.Name)
		}
	}
	return names
}
