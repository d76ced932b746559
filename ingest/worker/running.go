package worker

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/online"
	"github.com/freshet/freshet/featurestore/registry"
)

// running is a generation that is kept up to date.
type running struct {
	view   *View
	state  registry.GenerationState
	since  featurestore.Instant // in this state
	full   bool                 // filled from history, where that was needed
	broken bool                 // it cannot be filled
	damage bool                 // because what it is filled from must be mended
	lacks  bool                 // because something that was at rest is not any more: it goes on once that is mended or accepted
	why    string               // it does not get on; "" where it does
	tries  int                  // to fill it, that have found a part away

	rereading *Rereading // how far fields are read again for it; nil where they are not

	outlived bool   // its view has another meaning by now: it does not take over
	waits    string // why it does not, or not yet, though it is ready; "" where nothing keeps it

	checked bool                 // a sample of it, as it was filled last, is what its records say
	recheck featurestore.Instant // when a check that could not be made is tried again

	// far is what is known of the others' partitions, from when this one first asked.
	far   map[online.Partition]farEnd
	own   map[online.Partition]ownEnd // of this process's, when it looked last
	asked online.State                // that its lanes had then
}
