// Package history archives the decoded events of a source to Parquet, by
// position: sealed files, then a manifest that says which ranges of offsets are
// complete. A crash at any point loses nothing and leaves nothing twice: what
// the manifest does not list is removed at the next start and fed again.
//
// It decodes nothing and decides nothing about lateness; it is fed by the
// worker that consumes the log.
package history

import (
	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
	"github.com/freshet/freshet/featurestore/offline"
)

// Durability says what a sealed file survives.
type Durability uint8

// Durabilities.
const (
	SurvivesPowerLoss Durability = iota // files and folders are fsynced
	SurvivesCrash                       // the process may die, the machine may not
)

// Options are the settings of a writer.
type Options struct {
	Dir        string // the offline folder
	Source     *definition.StreamSource
	Durability Durability
	SealRows   int   // rows buffered over all partitions before a seal; 0 is 131,072
	SealBytes  int64 // estimated bytes buffered before a seal; 0 is 128 MiB
}

// Writer archives the events of one source. Its methods are for one goroutine;
// it seals in another, which Close stops. One writer a source and folder at a
// time: a second is refused.
type Writer struct{}

// Open reads the manifest, removes what it does not list and starts the writer.
func Open(o Options) (*Writer, error) { panic("history: being built") }

// Next is the offset after the last complete range of a partition: from there
// the log must be fed again. ok is false for a partition never archived.
func (w *Writer) Next(p offline.Partition) (offset int64, ok bool) { panic("history: being built") }

// Begin says that the feed of a partition starts at an offset: from there on,
// what is appended and consumed is complete. It comes before the first Append of
// a partition. Offsets that are archived already are skipped; an offset beyond
// Next leaves a gap that Complete of the reader shows.
func (w *Writer) Begin(p offline.Partition, offset int64) error { panic("history: being built") }

// Append archives an event, which is copied. Offsets of a partition ascend; one
// that was consumed before (a rewind) is skipped. It blocks while two full
// buffers wait to be sealed. Source of the position is not looked at.
func (w *Writer) Append(ev *featurestore.Event) error { panic("history: being built") }

// Consumed says that every offset of a partition up to and with through has been
// seen: those without an event (dead letters, control records) are complete too.
func (w *Writer) Consumed(p offline.Partition, through int64) error { panic("history: being built") }

// Flush seals all that was appended and returns when it is durable and listed.
func (w *Writer) Flush() error { panic("history: being built") }

// Close flushes and stops the writer. It is idempotent.
func (w *Writer) Close() error { panic("history: being built") }
