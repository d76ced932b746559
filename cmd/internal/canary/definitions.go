package canary

import (
	"encoding/binary"
	"fmt"

	"github.com/freshet/freshet/featurestore/definition"
)

// View is the canary's view, and Source its source. Users may have the same names:
// the number of its generation is none of theirs.
const (
	View   = "freshet_canary"
	Source = "freshet_canary"
)

// What a key's records give, in the order of features.
const (
	cellCount = iota
	cellFirst
	cellNewest
	cellTotal
	cells
)

// features are read back: their references, in the order above.
var features = []string{View + ".n", View + ".first", View + ".newest", View + ".total"}

// text is the canary's definition. A window of four hours holds each series whole,
// for as long as it is looked at: see seriesFor and watchedFor.
const text = `kind: Entity
name: freshet_canary_key
keys: [{name: part, type: int64}, {name: series, type: int64}, {name: probe, type: int64}]
---
kind: StreamSource
name: freshet_canary
kafka: {topic: %q}
format: json
timestamp: {field: at, format: unix_ms}
allowed_lateness: 1d
fields: {part: int64, series: int64, probe: int64, seq: int64}
---
kind: StreamView
name: freshet_canary
entity: freshet_canary_key
source: freshet_canary
features:
  - {name: n, agg: count, window: 4h}
  - {name: first, agg: min(seq), window: 4h}
  - {name: newest, agg: max(seq), window: 4h}
  - {name: total, agg: sum(seq), window: 4h}
`

// defined gives the definitions over a topic.
func defined(topic string) ([]definition.File, *definition.Project, error) {
	files := []definition.File{{Path: "canary.yaml", Data: fmt.Appendf(nil, text, topic)}}
	project, problems := definition.Load(files)
	if project == nil {
		return nil, nil, fmt.Errorf("the canary's definitions: %w", problems)
	}
	return files, project, nil
}

// generationOf numbers the generation by its meaning: a release that computes
// otherwise has lanes of its own, and two releases side by side do not meet. The
// numbers lie above any that a registry gives.
func generationOf(v *definition.StreamView) uint32 {
	return 1<<31 | binary.BigEndian.Uint32(v.Hash[:])>>1
}
