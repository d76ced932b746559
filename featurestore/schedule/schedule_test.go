package schedule

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct{ text, at, prev, next string }{
		{"hourly", "2013-01-01T05:00:00Z", "2013-01-01T05:00:00Z", "2013-01-01T06:00:00Z"},
		{"hourly", "2013-01-01T05:59:59.999999Z", "2013-01-01T05:00:00Z", "2013-01-01T06:00:00Z"},
		{"daily", "2013-01-01T23:00:00Z", "2013-01-01T00:00:00Z", "2013-01-02T00:00:00Z"},
		{"daily", "1969-12-31T23:00:00Z", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"},
		{"30 6 * * *", "2013-01-01T06:29:59Z", "2012-12-31T06:30:00Z", "2013-01-01T06:30:00Z"},
		{"*/15 8-9 * * 1-5", "2013-01-05T12:00:00Z", "2013-01-04T09:45:00Z", "2013-01-07T08:00:00Z"},
		{"0 0 29 2 *", "2013-01-01T00:00:00Z", "2012-02-29T00:00:00Z", "2016-02-29T00:00:00Z"},
		{"0 12 13 * 5", "2013-01-14T00:00:00Z", "2013-01-13T12:00:00Z", "2013-01-18T12:00:00Z"},
		{"5,10 0 * * 7", "2013-01-09T00:00:00Z", "2013-01-06T00:10:00Z", "2013-01-13T00:05:00Z"},
	} {
		s, err := Parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		at, err := featurestore.ParseInstant(c.at)
		if err != nil {
			t.Fatal(err)
		}
		if prev, _ := s.Prev(at); prev.String() != c.prev {
			t.Errorf("%s: tick at or before %s is %s, want %s", c.text, c.at, prev, c.prev)
		}
		if next, _ := s.Next(at); next.String() != c.next {
			t.Errorf("%s: tick after %s is %s, want %s", c.text, c.at, next, c.next)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, text := range []string{"weekly", "60 * * * *", "* * * *", "5-1 * * * *", "*/0 * * * *", "a * * * *", "0 0 0 * *", "1-x * * * *"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
	if s, err := Parse(""); err != nil || !s.Empty() {
		t.Errorf("no schedule: %v, %v", s, err)
	}
}

// Prev and Next are inverse: the tick before the next one is the previous one.
func TestPrevAndNextAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"hourly", "daily", "17 3 * * *", "*/7 */5 * * *", "0 6 1,15 * *", "59 23 * 2 0", "1 1 31 * 3"}).Draw(t, "schedule")
		s, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		at := featurestore.Instant(rapid.Int64Range(-4e15, 4e15).Draw(t, "at"))
		prev, ok1 := s.Prev(at)
		next, ok2 := s.Next(at)
		if !ok1 || !ok2 || prev > at || next <= at {
			t.Fatalf("prev %s, next %s of %s", prev, next, at)
		}
		if again, _ := s.Next(prev); again != next {
			t.Fatalf("after %s comes %s, not %s", prev, again, next)
		}
		if back, _ := s.Prev(next - 1); back != prev {
			t.Fatalf("before %s comes %s, not %s", next, back, prev)
		}
	})
}
