package definition_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/featurestore/definition"
)

func instant(t testing.TB, s string) featurestore.Instant {
	t.Helper()
	at, err := featurestore.ParseInstant(s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestSchedule(t *testing.T) {
	for _, c := range []struct{ schedule, at, latest, next string }{
		{"hourly", "2013-01-01T05:59:59.999999Z", "2013-01-01T05:00:00Z", "2013-01-01T06:00:00Z"},
		{"hourly", "2013-01-01T06:00:00Z", "2013-01-01T06:00:00Z", "2013-01-01T07:00:00Z"},
		{"daily", "2013-01-01T00:00:00Z", "2013-01-01T00:00:00Z", "2013-01-02T00:00:00Z"},
		{"daily", "2013-01-01T00:00:00.000001Z", "2013-01-01T00:00:00Z", "2013-01-02T00:00:00Z"},
		{"30 6 * * 1-5", "2013-01-05T12:00:00Z", "2013-01-04T06:30:00Z", "2013-01-07T06:30:00Z"},
		{"0 0 29 2 *", "2013-01-01T00:00:00Z", "2012-02-29T00:00:00Z", "2016-02-29T00:00:00Z"},
		{"0 0 29 2 *", "1903-01-01T00:00:00Z", "1896-02-29T00:00:00Z", "1904-02-29T00:00:00Z"},
		{"*/20 22,23 * * *", "2013-01-01T22:39:00Z", "2013-01-01T22:20:00Z", "2013-01-01T22:40:00Z"},
		{"*/20 22,23 * * *", "2013-01-01T01:00:00Z", "2012-12-31T23:40:00Z", "2013-01-01T22:00:00Z"},
		{"0 12 13 * 5", "2013-09-12T00:00:00Z", "2013-09-06T12:00:00Z", "2013-09-13T12:00:00Z"},  // either day
		{"0 12 */2 * 5", "2013-09-14T00:00:00Z", "2013-09-13T12:00:00Z", "2013-09-27T12:00:00Z"}, // a step is no restriction: both
		{"5/30 0 * * 7", "2013-01-06T00:20:00Z", "2013-01-06T00:05:00Z", "2013-01-06T00:35:00Z"},
		{"59 23 31 12 *", "1960-01-01T00:00:00Z", "1959-12-31T23:59:00Z", "1960-12-31T23:59:00Z"},
	} {
		s, err := definition.ParseSchedule(c.schedule)
		if err != nil {
			t.Fatal(err)
		}
		at := instant(t, c.at)
		if got, ok := s.Latest(at); !ok || got != instant(t, c.latest) {
			t.Errorf("%q: latest at %s is %s, want %s", c.schedule, c.at, got, c.latest)
		}
		if got, ok := (definition.Schedule{Text: c.schedule}).Next(at); !ok || got != instant(t, c.next) {
			t.Errorf("%q: next after %s is %s, want %s", c.schedule, c.at, got, c.next)
		}
	}
	if _, ok := (definition.Schedule{}).Latest(0); ok {
		t.Error("no schedule has a tick")
	}
}

// Ticks, Latest and Next agree with each other, and with the calendar.
func TestScheduleLaws(t *testing.T) {
	texts := []string{"hourly", "daily", "*/7 * * * *", "15 3 1,15 * *", "0 6 * * 1", "0 0 1 1 *", "30 12 10-20/3 6-8 *"}
	rapid.Check(t, func(t *rapid.T) {
		s, err := definition.ParseSchedule(rapid.SampledFrom(texts).Draw(t, "schedule"))
		if err != nil {
			t.Fatal(err)
		}
		at := featurestore.InstantOf(time.Date(rapid.IntRange(1950, 2050).Draw(t, "year"), 1, rapid.IntRange(1, 366).Draw(t, "day"), rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), 0, rapid.IntRange(0, 1).Draw(t, "ns")*1000, time.UTC))
		latest, _ := s.Latest(at)
		next, _ := s.Next(at)
		if latest > at || next <= at {
			t.Fatalf("latest %s, next %s around %s", latest, next, at)
		}
		if again, _ := s.Latest(next); again != next {
			t.Fatalf("the latest at the tick %s is %s", next, again)
		}
		if again, _ := s.Latest(next - 1); again != latest {
			t.Fatalf("the latest before the tick %s is %s, not %s", next, again, latest)
		}
		if ticks := s.Ticks(latest, next+1); len(ticks) != 2 || ticks[0] != latest || ticks[1] != next {
			t.Fatalf("ticks from %s to %s: %v", latest, next, ticks)
		}
	})
}
