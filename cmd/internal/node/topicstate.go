package node

import (
	"context"
	"slices"

	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline/history"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/worker"
)

// TopicState is what the topic of a source is now, against what its views have
// applied under the newest generation of its log.
type TopicState struct {
	Source     string            `json:"source"`
	Topic      string            `json:"topic"`
	Generation uint32            `json:"generation"`
	Lost       int64             `json:"not_at_rest"` // offsets that were applied and are not at rest
	Partitions []worker.LogState `json:"partitions"`
}

// Gap is the first partition that its views cannot go on with; nil for none.
func (t *TopicState) Gap() *worker.LogState {
	for i := range t.Partitions {
		if t.Partitions[i].Gap != "" {
			return &t.Partitions[i]
		}
	}
	return nil
}

// InspectTopic looks at the log of a source. It needs the online store and the log.
func (p *Parts) InspectTopic(ctx context.Context, project *definition.Project, s *definition.StreamSource) (*TopicState, error) {
	logs, err := p.Registry.Sources(ctx)
	if err != nil {
		return nil, err
	}
	list, err := p.Registry.Generations(ctx)
	if err != nil {
		return nil, err
	}
	readers := slices.DeleteFunc(list, func(g registry.Generation) bool {
		v := project.StreamView(g.View)
		return v == nil || !slices.ContainsFunc(v.Bindings, func(b definition.Binding) bool { return b.Source.Name == s.Name })
	})
	out := &TopicState{Source: s.Name, Topic: s.Topic, Generation: registry.Newest(logs, s.Name)}
	x := worker.Inspector{Project: p.Settings.Project, Log: p.Log, Online: p.Online, History: p.History(history.JoinedFiles)}
	if out.Partitions, err = x.Inspect(ctx, s, out.Generation, readers); err != nil {
		return nil, err
	}
	for i := range out.Partitions {
		out.Lost += out.Partitions[i].Unarchived
	}
	return out, nil
}
