package settings

import (
	"fmt"
	"regexp"
	"time"

	"github.com/freshet/freshet/featurestore"
)

// Ingest says how the ingester behaves.
type Ingest struct {
	DeadLetters DeadLetters `yaml:"dead_letters,omitempty"`

	// KeepPrevious is how long the generation of a view that was taken over from is
	// written on, for `freshet switch`; 0s retires it at once.
	KeepPrevious Duration `yaml:"keep_previous"`
	Audit        Audit    `yaml:"audit"`
	Archive      Archive  `yaml:"archive"`
	Canary       Canary   `yaml:"canary"`
}

// Archive is how the events at rest are kept.
type Archive struct {
	// RestWithin is how long an applied event may wait until it is at rest; at least 1s.
	RestWithin Duration `yaml:"rest_within"`
	// Every is how often small files are merged and old ones dropped; 0s is never.
	Every Duration `yaml:"every"`
	// FileMiB is how large a merged file becomes, at most.
	FileMiB int64 `yaml:"file_mib"`
	// KeepReplaced is how long a file that was merged or dropped stays, for those who
	// read it.
	KeepReplaced Duration `yaml:"keep_replaced"`
	// Retention is how long events are kept, counted back from the newest of their
	// source; 0s keeps all. What a view still reads is kept longer.
	Retention Duration `yaml:"retention"`
	// RetentionOf is the retention of some sources, by name.
	RetentionOf map[string]Duration `yaml:"retention_of,omitempty"`
}

// RetentionFor is the retention of a source; 0 keeps all.
func (a *Archive) RetentionFor(source string) featurestore.Duration {
	if d, said := a.RetentionOf[source]; said {
		return featurestore.Duration(d)
	}
	return featurestore.Duration(a.Retention)
}

func (a *Archive) validate() error {
	if a.RestWithin.Std() < time.Second {
		return fmt.Errorf("ingest.archive.rest_within: %s is not a second or more", featurestore.Duration(a.RestWithin))
	}
	if a.FileMiB < 1 || a.FileMiB > 4096 {
		return fmt.Errorf("ingest.archive.file_mib: %d is no size of a file, write 1 to 4096", a.FileMiB)
	}
	return nil
}

// Canary is how often the ingester writes numbered records of its own to Kafka and
// reads them back as lookups would; 0s is never. Topic is where, by default
// freshet.<project>.canary; Partitions is what the topic gets where the ingester
// makes it: as many ingesters can take part.
type Canary struct {
	Every      Duration `yaml:"every"`
	Topic      string   `yaml:"topic,omitempty"`
	Partitions int      `yaml:"partitions,omitempty"`
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]*$`)

// maxCanaryPartitions bounds what a canary may cost.
const maxCanaryPartitions = 64

func (c *Canary) validate() error {
	if c.Every.Std() < 0 || c.Every.Std() > 0 && c.Every.Std() < time.Second {
		return fmt.Errorf("ingest.canary.every: %s is neither a second or more nor 0s (never)", featurestore.Duration(c.Every))
	}
	if !topicName.MatchString(c.Topic) {
		return fmt.Errorf("ingest.canary.topic: %q: a topic has letters, digits, dots, underscores and hyphens", c.Topic)
	}
	if c.Partitions < 1 || c.Partitions > maxCanaryPartitions {
		return fmt.Errorf("ingest.canary.partitions: %d is not 1 to %d", c.Partitions, maxCanaryPartitions)
	}
	return nil
}

// Audit is how often the ingester compares stored entities with history, one in a
// thousand each time; 0s is never.
type Audit struct {
	Every Duration `yaml:"every"`
}

// Duration is a length as people write it: 90s, 5m, 24h, 30d.
type Duration featurestore.Duration

// UnmarshalText reads one number and one unit.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := featurestore.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// MarshalText writes the duration in the largest unit that divides it.
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(featurestore.Duration(d).String()), nil
}

// Std converts to the standard library's duration.
func (d Duration) Std() time.Duration { return featurestore.Duration(d).Std() }

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
	if err := i.Archive.validate(); err != nil {
		return err
	}
	return i.Canary.validate()
}
