package conformance

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/transforms/window"
)

// windowJSON is a window that is not a text; exactly one of its fields is set.
type windowJSON struct {
	Rows     *int64        `json:"rows"`
	Session  *sessionJSON  `json:"session"`
	Tumbling *string       `json:"tumbling"`
	Hopping  *hoppingJSON  `json:"hopping"`
	Calendar *calendarJSON `json:"calendar"`
	Series   *seriesJSON   `json:"series"`
}

type (
	sessionJSON struct {
		Gap string `json:"gap"`
	}
	hoppingJSON struct {
		Size string `json:"size"`
		Step string `json:"step"`
	}
	calendarJSON struct {
		Unit     string `json:"unit"`
		Zone     string `json:"zone"`
		Complete bool   `json:"complete"`
	}
	seriesJSON struct {
		Window string `json:"window"`
		Step   string `json:"step"`
		Count  int64  `json:"count"`
	}
)

// readWindow reads a window into the feature and gives its text in the
// definition language.
func readWindow(raw json.RawMessage, f *window.Feature) (text string, err error) {
	if len(raw) > 0 && raw[0] == '"' {
		if text = literal(raw); text == "lifetime" {
			f.Kind = window.Lifetime
			return text, nil
		}
		f.Kind = window.Trailing
		f.Width, err = featurestore.ParseDuration(text)
		return f.Width.String(), err
	}
	var w windowJSON
	if err := strict(raw, &w); err != nil {
		return "", fmt.Errorf("window: %w", err)
	}
	durations := func(width, step string) {
		if f.Width, err = featurestore.ParseDuration(width); err == nil && step != "" {
			f.Step, err = featurestore.ParseDuration(step)
		}
	}
	switch {
	case w.Rows != nil:
		f.Kind, f.Count = window.Rows, *w.Rows
		text = fmt.Sprintf("{rows: %d}", f.Count)
	case w.Session != nil:
		f.Kind = window.Session
		durations(w.Session.Gap, "")
		text = fmt.Sprintf("{session: {gap: %s}}", f.Width)
	case w.Tumbling != nil:
		f.Kind = window.Tumbling
		durations(*w.Tumbling, "")
		text = fmt.Sprintf("{tumbling: %s}", f.Width)
	case w.Hopping != nil:
		f.Kind = window.Hopping
		durations(w.Hopping.Size, w.Hopping.Step)
		text = fmt.Sprintf("{hopping: {size: %s, step: %s}}", f.Width, f.Step)
	case w.Series != nil:
		f.Kind, f.Count = window.Series, w.Series.Count
		durations(w.Series.Window, w.Series.Step)
		text = fmt.Sprintf("{series: {window: %s, step: %s, count: %d}}", f.Width, f.Step, f.Count)
	case w.Calendar != nil:
		return w.Calendar.read(f)
	default:
		return "", fmt.Errorf("a window is a text, or one of rows, session, tumbling, hopping, calendar, series")
	}
	return text, err
}

func (j *calendarJSON) read(f *window.Feature) (text string, err error) {
	units := map[string]window.Unit{"day": window.Day, "week": window.Week, "month": window.Month}
	f.Kind, f.Unit, f.Complete = window.Calendar, units[j.Unit], j.Complete
	if f.Unit == 0 {
		return "", fmt.Errorf("unknown unit %q", j.Unit)
	}
	if f.Zone, err = time.LoadLocation(j.Zone); err != nil {
		return "", err
	}
	return fmt.Sprintf("{calendar: {unit: %s, zone: %s, complete: %t}}", j.Unit, j.Zone, j.Complete), nil
}
