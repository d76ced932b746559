package settings

import "fmt"

// Ingest says how the ingester behaves.
type Ingest struct {
	DeadLetters DeadLetters `yaml:"dead_letters,omitempty"`
}

// DeadLetters is when a source's bad records are too many, so that its views
// halt: both at least AtLeast, and more than Share of its last 10,000. Zero
// values take the defaults, 100 and 0.01; AtLeast -1 never halts.
type DeadLetters struct {
	AtLeast int     `yaml:"at_least,omitempty"`
	Share   float64 `yaml:"share,omitempty"`

	// Topic copies each letter to <topic>.<project>.dlq as well, with the headers
	// of Kafka Connect.
	Topic bool `yaml:"topic,omitempty"`
}

func (i *Ingest) validate() error {
	d := &i.DeadLetters
	if d.AtLeast < -1 {
		return fmt.Errorf("ingest.dead_letters.at_least: %d is neither a number of records nor -1 (never)", d.AtLeast)
	}
	if d.Share < 0 || d.Share > 1 {
		return fmt.Errorf("ingest.dead_letters.share: %g is no share, write 0.01 for one in a hundred", d.Share)
	}
	return nil
}
