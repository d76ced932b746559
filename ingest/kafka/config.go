// Package kafka is the one client path to a log that speaks Kafka's protocol:
// a real broker and the embedded one alike. It implements logrecord.Log on the
// low level of segmentio/kafka-go: that library dials, authenticates, routes to
// leaders and frames requests; this package reads and writes record batches
// itself, because the library's readers hide control markers, hand out aborted
// records, and give the producer's time on topics with LogAppendTime.
//
// It never decodes a payload and keeps no position: positions
// stand in the online store. It joins a group only to learn which partitions are
// this process's; who reads them is the worker's.
package kafka

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/freshet/freshet/featurestore"
)

// Compression is a codec of record batches, by Kafka's number.
type Compression int8

// The codecs.
const (
	Uncompressed Compression = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// Config is what a Client needs. Zero values take the defaults of withDefaults.
type Config struct {
	Brokers  []string // host:port, any of the cluster
	ClientID string   // default "freshet"
	TLS      *tls.Config
	SASL     SASL

	FetchBytes    int           // of one fetch; default 2 MiB
	MaxWait       time.Duration // a fetch with nothing new returns after this; default 500 ms
	MaxBatchBytes int           // a record batch may unpack to this and no more; default 64 MiB
	Compression   Compression   // of what is produced
	ProduceBytes  int           // of one produced batch before compression; default 900 KB, below the broker's 1 MB
	RetryFor      time.Duration // of errors that pass, before ErrUnavailable; default 30 s
	Timeout       time.Duration // of one request; default 10 s

	// Clock is read when a fetch is sent. It must not be nil.
	Clock func() featurestore.Instant
}

// SASL is how to authenticate; the zero SASL does not.
type SASL struct {
	Mechanism string // "", PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	User      string
	Password  string
}

// String hides the password.
func (s SASL) String() string { return fmt.Sprintf("%s %s:***", s.Mechanism, s.User) }

// GoString hides the password.
func (s SASL) GoString() string { return s.String() }

func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "":
		return nil, nil
	case "PLAIN":
		return plain.Mechanism{Username: s.User, Password: s.Password}, nil
	case "SCRAM-SHA-256":
		return scram.Mechanism(scram.SHA256, s.User, s.Password)
	case "SCRAM-SHA-512":
		return scram.Mechanism(scram.SHA512, s.User, s.Password)
	}
	return nil, featurestore.Invalidf("kafka: unknown SASL mechanism %q: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", s.Mechanism)
}

func (c Config) withDefaults() Config {
	c.ClientID = orDefault(c.ClientID, "freshet")
	c.FetchBytes = orDefault(c.FetchBytes, 2<<20)
	c.MaxWait = orDefault(c.MaxWait, 500*time.Millisecond)
	c.MaxBatchBytes = orDefault(c.MaxBatchBytes, 64<<20)
	c.ProduceBytes = orDefault(c.ProduceBytes, 900_000)
	c.RetryFor = orDefault(c.RetryFor, 30*time.Second)
	c.Timeout = orDefault(c.Timeout, 10*time.Second)
	return c
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

func (c Config) validate() error {
	switch {
	case len(c.Brokers) == 0:
		return featurestore.Invalidf("kafka: no brokers: name at least one host:port")
	case c.Clock == nil:
		return featurestore.Invalidf("kafka: no clock")
	case c.FetchBytes < 1<<10 || c.FetchBytes > 1<<30:
		return featurestore.Invalidf("kafka: fetch size %d must be 1 KiB to 1 GiB", c.FetchBytes)
	case c.MaxBatchBytes < 1<<10 || c.MaxBatchBytes > 1<<30:
		return featurestore.Invalidf("kafka: batch size %d must be 1 KiB to 1 GiB", c.MaxBatchBytes)
	case c.MaxWait >= c.Timeout:
		return featurestore.Invalidf("kafka: a fetch waits %s, but a request may take %s only", c.MaxWait, c.Timeout)
	case c.Compression < Uncompressed || c.Compression > Zstd:
		return featurestore.Invalidf("kafka: unknown compression %d", c.Compression)
	}
	return nil
}
