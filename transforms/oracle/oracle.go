package oracle

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// Mode says which rows a reading may know of.
type Mode uint8

// The modes of point-in-time reads.
const (
	Available Mode = iota // what serving could have known: a + delay < t
	EventTime             // what had happened: e < t - delay; of changes, what had changed
	Exact                 // what a state with this applied list had taken in
)

// Reading is one read of one entity. In every mode only rows with e < At count;
// the delay cuts rows and never moves a window's start.
type Reading struct {
	At      featurestore.Instant
	Mode    Mode
	Delay   featurestore.Duration // Available: the source's apply_delay; EventTime: --delay
	Applied featurestore.Applied  // Exact: rows up to these offsets
}

// Read computes every feature of a view for one entity, with defaults applied.
// rows are all rows of the entity that any log or file holds, each once, in any
// order. The error is for an aggregate the oracle does not know.
func Read(c window.Config, rows []window.Row, r Reading) ([]featurestore.Cell, error) {
	return Judge(c, rows).Read(r)
}

// Read computes every feature of the entity, with defaults applied.
func (e *Entity) Read(r Reading) ([]featurestore.Cell, error) {
	k := e.know(r)
	cells := make([]featurestore.Cell, len(e.config.Features))
	for i := range e.config.Features {
		f := &e.config.Features[i]
		cell, err := emptyCell(f, featurestore.NotFound)
		switch {
		case err != nil:
		case r.Mode == Exact && k.tooOld(r.At):
			cell = featurestore.Cell{Status: featurestore.TooOld}
		case !k.found(e.config, r.At):
		default:
			cell, err = k.feature(f)
		}
		if err != nil {
			return nil, fmt.Errorf("feature %q: %w", f.Name, err)
		}
		if cell.Value.IsNull() && !cell.Status.HidesDefault() {
			cell.Value = f.Default
		}
		cells[i] = cell
	}
	return cells, nil
}

// present is a value that events gave: a null among them is EMPTY.
func present(v featurestore.Value) featurestore.Cell {
	if v.IsNull() {
		return featurestore.Cell{Status: featurestore.Empty}
	}
	return featurestore.Cell{Value: v, Status: featurestore.Present}
}

// approximate weakens a value that a cap cut; no other status is hidden by it.
func approximate(c featurestore.Cell, cut bool) featurestore.Cell {
	if cut && c.Status == featurestore.Present {
		c.Status = featurestore.Approximate
	}
	return c
}
