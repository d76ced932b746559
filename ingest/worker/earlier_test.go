package worker

import "testing"

// Where a store fails over to an older copy, and the log is lost with what that copy
// lacks, the way on is `accept-new-topic`: what is at rest of the old log counts then, once,
// in the view that answers and in one that is built later. Of a log that was cut off, the
// records up to the cut count under the old log alone.
func TestEarlierLogIsFilledFromRest(t *testing.T) {
	for name, c := range map[string]struct{ kept, others, partitions int }{
		"made anew": {0, 5, 2}, "cut off": {15, 12, 2}, "cut off and shorter": {15, 3, 2}, "with fewer partitions": {0, 5, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p, view := newActivity(t)
			_, after := p.loseBoth(view, c.partitions, c.kept, c.others)
			p.start()
			p.goOn(view, "clicks", after, c.kept)
		})
	}
}
