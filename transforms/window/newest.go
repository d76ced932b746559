package window

import "github.com/freshet/freshet/featurestore"

// NewestBefore is the greatest event time before t that is applied, pending rows
// included; ok is false for none. t is past every folded event (see TooOld).
func (p *Plan) NewestBefore(s *State, t featurestore.Instant) (e featurestore.EventTime, ok bool) {
	if s.plan == nil {
		return 0, false
	}
	newest := s.newest
	if n := s.heldBefore(int64(t)); n > 0 {
		newest = max(newest, int64(s.held[n-1].order.Time))
	}
	return featurestore.EventTime(newest), newest != never
}
