package kafka

import (
	"context"
	"net"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/sasl"

	"github.com/freshet/freshet/ingest/logrecord"
)

// metadataTTL bounds how long a topic made or moved elsewhere stays unknown to
// the transport; errors of that kind are retried for longer than this.
const metadataTTL = 2 * time.Second

// Client is a logrecord.Log. It is safe for concurrent use.
type Client struct {
	cfg       Config
	addr      net.Addr
	mechanism sasl.Mechanism
	transport *kafkago.Transport
	batches   chan *logrecord.Batch // released ones, to be used again
}

var _ logrecord.Log = (*Client)(nil)

// Open connects and waits, up to Config.RetryFor, until a broker answers.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	mechanism, err := cfg.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg:       cfg,
		addr:      kafkago.TCP(cfg.Brokers...),
		mechanism: mechanism,
		batches:   make(chan *logrecord.Batch, 8),
	}
	c.transport = c.newTransport(nil)
	if err := c.ping(ctx); err != nil {
		c.transport.CloseIdleConnections()
		return nil, err
	}
	return c, nil
}

// ping waits for a broker that is registered with its cluster: an open port is
// not readiness.
func (c *Client) ping(ctx context.Context) error {
	return c.retry(ctx, "connect to "+strings.Join(c.cfg.Brokers, ","), passesAtFirst(), func(ctx context.Context) error {
		meta, err := c.metadata(ctx, "")
		if err != nil {
			return err
		}
		if len(meta.Brokers) == 0 {
			return kafkago.BrokerNotAvailable
		}
		return nil
	})
}

// newTransport makes a transport of its own: it caches metadata, of the named
// topics only, or of all.
func (c *Client) newTransport(topics []string) *kafkago.Transport {
	return &kafkago.Transport{
		ClientID:       c.cfg.ClientID,
		TLS:            c.cfg.TLS,
		SASL:           c.mechanism,
		DialTimeout:    5 * time.Second,
		MetadataTTL:    metadataTTL,
		MetadataTopics: topics,
	}
}

// Close closes the connections. Readers must be closed before.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// roundTrip sends one request, with the client's timeout.
func (c *Client) roundTrip(ctx context.Context, req protocol.Message) (protocol.Message, error) {
	return c.transport.RoundTrip(ctx, c.addr, req)
}
