package featurestore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/freshet/freshet/featurestore"
)

func TestParseInstant(t *testing.T) {
	for text, want := range map[string]featurestore.Instant{
		"1970-01-01T00:00:00Z":        0,
		"1969-12-31T23:59:59.999999Z": -1,
		"2024-03-10T02:30:00-05:00":   1710055800000000,
		"2013-01-01T05:17:00.5+00:00": 1357017420500000,
		"0001-01-01T00:00:00Z":        featurestore.MinInstant,
		"9999-12-31T23:59:59.999999Z": featurestore.MaxInstant,
	} {
		if got, err := featurestore.ParseInstant(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "2013", "2013-01-01T05:17:00,1234567Z", "2013-01-01T05:17:00.1234567Z", "0000-01-01T00:00:00Z",
		"9999-12-31T23:59:59-01:00", "2013-01-01T5:17:00Z", "2016-12-31T23:59:60Z", "2013-02-30T00:00:00Z", "2013-01-01T24:00:00Z",
	} {
		if got, err := featurestore.ParseInstant(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
	if _, err := featurestore.ParseInstant("2024-03-10 02:30:00"); !errors.Is(err, featurestore.ErrNoZone) {
		t.Errorf("a time without a zone: %v", err)
	}
	ny, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := featurestore.ParseInstantIn("2024-03-10 03:30:00", ny); err != nil || got != 1710055800000000 {
		t.Errorf("in New York: %d, %v", got, err)
	}
}

func TestFloorGoesDownBeforeTheEpoch(t *testing.T) {
	for _, c := range []struct{ at, want featurestore.Instant }{{-1, -60e6}, {0, 0}, {59e6, 0}, {60e6, 60e6}, {-60e6, -60e6}} {
		if got := c.at.Floor(featurestore.Minute); got != c.want {
			t.Errorf("floor(%d) = %d, want %d", c.at, got, c.want)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]featurestore.Duration{"90s": 90 * featurestore.Second, "30d": 30 * featurestore.Day, "0s": 0, "5ms": 5000} {
		got, err := featurestore.ParseDuration(text)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
		if again, err := featurestore.ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("%q is written %q", text, got)
		}
	}
	for _, text := range []string{"", "1", "1.5h", "-1s", "1w", "h", "1h30m", "99999999999999999d"} {
		if got, err := featurestore.ParseDuration(text); err == nil {
			t.Errorf("%q was read as %s", text, got)
		}
	}
}

func TestDecimals(t *testing.T) {
	for text, want := range map[string]int64{"0.10": 10, "-0.05": -5, "12": 1200, "99999999.99": 9999999999, "0": 0} {
		got, err := featurestore.ParseDecimal(text, 10, 2)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
		if again, err := featurestore.ParseDecimal(featurestore.FormatDecimal(got, 2), 10, 2); err != nil || again != got {
			t.Errorf("%q is written %q", text, featurestore.FormatDecimal(got, 2))
		}
	}
	for _, text := range []string{"", ".5", "5.", "1e2", "0.001", "123456789.00", "+1", "--1", " 1"} {
		if got, err := featurestore.ParseDecimal(text, 10, 2); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}
