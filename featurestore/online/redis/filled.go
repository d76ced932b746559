package redis

import (
	"context"
	"maps"
	"slices"

	"github.com/freshet/freshet/featurestore/online"
)

// Filled makes BUILDING lanes CATCHING_UP that stand where they were filled to.
func (s *Store) Filled(ctx context.Context, g online.Generation, through []map[online.Partition]int64) error {
	if err := g.Check(); err != nil {
		return err
	}
	calls := make([]call, len(through))
	for i, l := range g.LaneIDs(uint16(len(through))) {
		c := call{keys: []string{string(l.AppendWatermarksKey(nil)), string(l.AppendMetaKey(nil))}}
		for _, p := range slices.SortedFunc(maps.Keys(through[i]), online.Partition.Compare) {
			c.args = append(c.args, p.AppendField(nil), online.AppendWatermarkHead(nil, through[i][p]))
		}
		calls[i] = c
	}
	cmds := s.run(ctx, s.filledScript, calls)
	if err := s.firstError("saying that "+g.String()+" is filled", cmds); err != nil {
		return err
	}
	return stateError(g, online.StateCatchingUp, cmds)
}
