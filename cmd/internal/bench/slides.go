//go:build unix

package main

import (
	"fmt"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// slides is the design that many stream processors have for sliding windows: for
// each window length a bucket for each slide, keyed by the window's end, and every
// event added to each bucket that it lies in. Its windows slide by the finest tile
// of ours, a minute: its answers are up to a minute old, where ours end at the
// instant of the read. Its sums are naive.
type slides struct {
	windows []slidingWindow
	n       int64
}

type slidingWindow struct {
	width, slide int64
	buckets      map[int64]*bucket // by the window's end
}

type bucket struct {
	count         int64
	sum, min, max float64
}

func newSlides(p *window.Plan) *slides {
	s := &slides{}
	seen := map[featurestore.Duration]bool{}
	for _, f := range p.Features() {
		if !seen[f.Width] {
			seen[f.Width] = true
			s.windows = append(s.windows, slidingWindow{width: int64(f.Width), slide: int64(p.DedupeTile()), buckets: map[int64]*bucket{}})
		}
	}
	return s
}

func (s *slides) feed(n int) {
	for range n {
		s.add(s.n*int64(featurestore.Second), cents(s.n).Double())
		s.n++
	}
}

func (s *slides) add(e int64, x float64) {
	for i := range s.windows {
		w := &s.windows[i]
		first := e/w.slide*w.slide + w.slide // the first end after the event
		for end := first; end-w.width <= e; end += w.slide {
			b := w.buckets[end]
			if b == nil {
				b = &bucket{min: x, max: x}
				w.buckets[end] = b
			}
			b.count++
			b.sum += x
			b.min, b.max = min(b.min, x), max(b.max, x)
		}
		delete(w.buckets, first-w.slide) // its window has ended
	}
}

// sameSums checks that both designs count alike, at an instant on every slide.
func sameSums() error {
	p := basicView(featurestore.Double, threeWindows()...)
	ours, theirs := newFeeder(p, featurestore.Second, cents), newSlides(p)
	ours.feed(7 * 3600)
	theirs.feed(7 * 3600)
	p.Settle(&ours.state)
	t := featurestore.Instant(7 * featurestore.Hour)
	cells := make([]featurestore.Cell, len(p.Features()))
	p.Read(&ours.state, t, cells)
	for i, w := range theirs.windows {
		got, b := cells[5*i:], w.buckets[int64(t)]
		if b == nil {
			return fmt.Errorf("the bucket of window %d is not there", i)
		}
		if got[0].Value.Int64() != b.count || got[3].Value.Double() != b.min || got[4].Value.Double() != b.max {
			return fmt.Errorf("window %d: ours count %v min %v max %v, theirs %+v", i, got[0].Value, got[3].Value, got[4].Value, *b)
		}
		if d := got[1].Value.Double() - b.sum; d > 1e-6 || d < -1e-6 {
			return fmt.Errorf("window %d: the sums are %v apart", i, d)
		}
	}
	return nil
}
