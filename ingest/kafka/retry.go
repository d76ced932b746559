package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/freshet/freshet/featurestore"
)

// passes says which errors pass by themselves for a request that may be sent
// twice without harm: everything but a clear refusal.
func passes(err error) bool {
	switch code := codeOf(err); code {
	case 0:
		return true
	case kafkago.OffsetOutOfRange, kafkago.MessageSizeTooLarge, kafkago.InvalidTopic,
		kafkago.TopicAuthorizationFailed, kafkago.GroupAuthorizationFailed, kafkago.ClusterAuthorizationFailed,
		kafkago.SASLAuthenticationFailed, kafkago.UnsupportedSASLMechanism, kafkago.UnsupportedVersion,
		kafkago.InvalidReplicationFactor, kafkago.PolicyViolation, kafkago.InvalidConfiguration, kafkago.InvalidPartitionNumber:
		return false
	default:
		return true
	}
}

// closedOften is how often in a row brokers may close a connection until they are
// taken at their word: they want TLS, or no TLS, or another login. With the pauses in
// between that takes five seconds.
const closedOften = 11

// passesAtFirst is passes for a first connection: a certificate that one of the two
// does not trust, and a port that speaks another protocol, do not become right by waiting.
func passesAtFirst() func(error) bool {
	closed := 0
	return func(err error) bool {
		var untrusted *tls.CertificateVerificationError
		switch {
		case errors.As(err, &untrusted), refusedByAlert(err), strings.Contains(err.Error(), "expecting TLS"):
			return false
		case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			closed = 0
			return passes(err)
		}
		closed++
		return closed < closedOften
	}
}

// refusedByAlert reports whether the other side has ended the handshake and said why:
// our certificate, or that there is none, most often. Its own faults may pass.
func refusedByAlert(err error) bool {
	var remote *net.OpError
	return errors.As(err, &remote) && remote.Op == "remote error" && !strings.Contains(remote.Error(), "internal error")
}

// retry calls f until it succeeds, until its error does not pass, or until the
// budget is spent; then it is ErrUnavailable. Each call gets a context with the
// request timeout.
func (c *Client) retry(ctx context.Context, what string, again func(error) bool, f func(context.Context) error) error {
	budget, cancel := context.WithTimeout(ctx, c.cfg.RetryFor)
	defer cancel()
	pause := 10 * time.Millisecond
	for {
		call, done := context.WithTimeout(budget, c.cfg.Timeout)
		err := f(call)
		done()
		if err == nil {
			return nil
		}
		if isKinded(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !again(err) {
			return refused(what, err)
		}
		if !wait(budget, pause) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return featurestore.Unavailablef("kafka: %s: gave up after %s: %w", what, c.cfg.RetryFor, err)
		}
		pause = min(2*pause, time.Second)
	}
}

// wait pauses; false means that ctx ended before.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// retryTopic is retry for a request about one topic. The transport's picture of
// the cluster may be older than the topic, so a topic that it does not know is
// looked up; ErrNotFound where the cluster does not know it either.
func (c *Client) retryTopic(ctx context.Context, what, topic string, again func(error) bool, f func(context.Context) error) error {
	return c.retry(ctx, what, again, func(ctx context.Context) error {
		err := f(ctx)
		if codeOf(err) != kafkago.UnknownTopicOrPartition && !errors.Is(err, protocol.ErrNoTopic) && !errors.Is(err, protocol.ErrNoPartition) {
			return err
		}
		meta, metaErr := c.metadata(ctx, topic)
		if metaErr != nil || len(meta.Brokers) == 0 {
			return err
		}
		for _, t := range meta.Topics {
			if t.Name == topic && t.ErrorCode == 0 && !errors.Is(err, protocol.ErrNoPartition) {
				return err
			}
		}
		return featurestore.NotFoundf("kafka: %s: the cluster does not have it", what)
	})
}
