package worker

import (
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// After a failover only some lanes may have had to be filled, and others say what
// somebody has found since: only a lane that is BUILDING is said to be filled, and it
// is said. The explorer meets this once in tens of thousands of schedules.
func TestOnlyBuildingLanesAreSaidToBeFilled(t *testing.T) {
	for _, c := range []struct{ first, second, want online.State }{
		{online.StateBuilding, online.StateBuilding, online.StateCatchingUp},
		{online.StateGap, online.StateBuilding, online.StateGap},
		{online.StateHalted, online.StateBuilding, online.StateHalted},
		{online.StateLive, online.StateBuilding, online.StateLive},
		{online.StateGap, online.StateLive, online.StateGap},
	} {
		t.Run(c.first.String()+" and "+c.second.String(), func(t *testing.T) {
			s := newMemoryStore()
			v := openView(t, activity(t), s, 2)
			lanes := generation.LaneIDs(2)
			s.lanes[lanes[0]].meta.State, s.lanes[lanes[1]].meta.State = c.first, c.second
			ok(t, new(Worker).sayFilled(t.Context(), v))
			if got := s.lanes[lanes[0]].meta.State; got != c.want {
				t.Errorf("the first lane is %s, want %s", got, c.want)
			}
			want := c.second
			if want == online.StateBuilding {
				want = online.StateCatchingUp
			}
			if got := s.lanes[lanes[1]].meta.State; got != want {
				t.Errorf("the second lane is %s, want %s", got, want)
			}
		})
	}
	s := newMemoryStore()
	v := openView(t, activity(t), s, 2)
	s.lanes[generation.LaneIDs(2)[1]].meta.State = online.StateLost
	if err := new(Worker).sayFilled(t.Context(), v); err == nil {
		t.Error("a LOST lane is said to be filled")
	}
}
