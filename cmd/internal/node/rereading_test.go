package node

import (
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
	"github.com/freshet/freshet/ingest/worker"
)

// A generation for which fields are read again says so while it is not filled, and how
// far that is; afterwards, and of another one, nobody is told.
func TestRereadingShows(t *testing.T) {
	id := online.Generation{Project: "p", View: "spend", Number: 2}
	by := map[online.Generation]worker.Rereading{id: {Rows: 40, OfRows: 100, Files: 1, OfFiles: 3}}
	for _, c := range []struct {
		name, phase string
		id          online.Generation
		shows       bool
	}{
		{"filling", PhaseFilling, id, true},
		{"another", PhaseFilling, online.Generation{Project: "p", View: "spend", Number: 1}, false},
		{"catching up, while it is checked", PhaseCatchingUp, id, false},
	} {
		s := GenerationStatus{View: "spend", Generation: 2, State: string(registry.Building), Fill: &FillStatus{Phase: c.phase, Records: 5, Of: 9}}
		s.Fill.pace(featurestore.Instant(time.Second.Microseconds()))
		s.Fill.reread(by, c.id)
		if f := s.Fill; (f.Reread != nil) != c.shows || (f.Phase == PhaseRereading) != c.shows {
			t.Errorf("%s: %+v", c.name, f)
		} else if c.shows && (*f.Reread != RereadStatus{Rows: 40, Of: 100} || f.PerSecond != 0 || fillReason(&s) != "fields that history lacks are read again from the log") {
			t.Errorf("%s: %+v, %q", c.name, *f.Reread, fillReason(&s))
		}
	}
	var none *FillStatus // of a batch view
	none.reread(by, id)
}
