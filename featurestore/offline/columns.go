package offline

import (
	"context"

	"github.com/freshet/freshet/featurestore/columnar"
)

// ColumnStream is a Stream whose events can be had by column, which costs a fraction
// where files hold them so. Both ways go on where the other one stands.
type ColumnStream interface {
	Stream

	// NextColumns empties to, which is of the stream's source, and fills it with the
	// next events of one partition: about as many as most, where there are as many.
	// The batch has no Events. It is Next otherwise.
	NextColumns(ctx context.Context, to *columnar.Events, most int) (Batch, error)
}

// ByColumn gives the events of a stream by column, which it closes.
func ByColumn(s Stream) ColumnStream {
	if c, ok := s.(ColumnStream); ok {
		return c
	}
	return &byColumn{Stream: s}
}

// byColumn copies events.
type byColumn struct {
	Stream
	ahead *Batch // that Next gave, of another partition than the one before
	err   error  // likewise
}

// Next implements Stream.
func (c *byColumn) Next(ctx context.Context) (Batch, error) {
	if c.err != nil {
		return Batch{}, c.err
	}
	if b := c.ahead; b != nil {
		c.ahead = nil
		return *b, nil
	}
	return c.Stream.Next(ctx)
}

// NextColumns implements ColumnStream.
func (c *byColumn) NextColumns(ctx context.Context, to *columnar.Events, most int) (Batch, error) {
	to.Reset()
	first, err := c.Next(ctx)
	if err != nil {
		return Batch{}, err
	}
	out := Batch{Partition: first.Partition}
	for b := first; ; {
		out.Through = b.Through
		for i := range b.Events {
			if err := to.Append(&b.Events[i]); err != nil {
				return Batch{}, err
			}
		}
		if to.Len() >= most {
			return out, nil
		}
		if b, err = c.Next(ctx); err != nil {
			c.err = err // later: what is there comes first
			return out, nil
		}
		if b.Partition != out.Partition {
			c.ahead = &b
			return out, nil
		}
	}
}
