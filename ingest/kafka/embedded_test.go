package kafka_test

import (
	"testing"

	"github.com/freshet/freshet/ingest/kafka/embedded"
)

// TestEmbedded runs the suite on the embedded log.
func TestEmbedded(t *testing.T) {
	dir := t.TempDir()
	var b *embedded.Broker
	start := func(t *testing.T) string {
		var err error
		if b, err = embedded.Start(dir, embedded.Options{}); err != nil {
			t.Fatal(err)
		}
		return b.Addr()
	}
	under := &broker{addr: start(t), restart: func(t *testing.T) string {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		return start(t)
	}}
	t.Cleanup(func() { b.Close() })
	suite(t, under)
}
