package worker

import (
	"github.com/freshet/freshet/featurestore/columnar"
	"github.com/freshet/freshet/featurestore/offline"
)

// closedArchive stands for an archive that a person must mend, as where a manifest of
// it is damaged: what feeds it halts, and says why. Other sources go on.
type closedArchive struct{ why error }

func (u closedArchive) Hold(offline.Partition) error                   { return u.why }
func (u closedArchive) Release(offline.Partition) error                { return nil }
func (u closedArchive) Next(offline.Partition) (offset int64, ok bool) { return 0, false }
func (u closedArchive) First(offline.Partition) int64                  { return 0 }
func (u closedArchive) Begin(offline.Partition, int64) error           { return u.why }
func (u closedArchive) Append(*columnar.Events) error                  { return u.why }
func (u closedArchive) Consumed(offline.Partition, int64) error        { return u.why }
func (u closedArchive) Seal() (durable func() error)                   { return u.Close }
func (u closedArchive) Close() error                                   { return nil }
