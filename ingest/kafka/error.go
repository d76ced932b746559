package kafka

import (
	"errors"
	"net"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/freshet/freshet/featurestore"
	"github.com/freshet/freshet/ingest/logrecord"
)

// codeOf gives the broker's error code, 0 for an error of another origin.
func codeOf(err error) kafkago.Error {
	var code kafkago.Error
	if errors.As(err, &code) {
		return code
	}
	return 0
}

// asError makes an error of a response's code; nil for 0.
func asError(code int16) error {
	if code == 0 {
		return nil
	}
	return kafkago.Error(code)
}

// isKinded reports whether an error has already got its final form.
func isKinded(err error) bool {
	var out *logrecord.OutOfRangeError
	return errors.As(err, &out) || errors.Is(err, featurestore.ErrInvalid) ||
		errors.Is(err, featurestore.ErrNotFound) || errors.Is(err, featurestore.ErrUnavailable)
}

// refused gives an error that does not pass its kind.
func refused(what string, err error) error {
	switch codeOf(err) {
	case kafkago.UnknownTopicOrPartition:
		return featurestore.NotFoundf("kafka: %s: %w", what, err)
	case 0:
		return featurestore.Unavailablef("kafka: %s: %w", what, err)
	default:
		return featurestore.Invalidf("kafka: %s: %w", what, err)
	}
}

// neverWritten says which errors of a produce request leave nothing behind, so
// that it may be sent again: the broker said so, or was never reached.
func neverWritten(err error) bool {
	switch codeOf(err) {
	case kafkago.UnknownTopicOrPartition, kafkago.LeaderNotAvailable, kafkago.NotLeaderForPartition,
		kafkago.NotEnoughReplicas, kafkago.BrokerNotAvailable:
		return true
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return true
	}
	var route *routeError
	return errors.As(err, &route)
}

// appendedError says that a leader has appended records, and cannot say whether they stay.
// It has no code of the broker's: what that would say of them is not so.
type appendedError struct{ err error }

func (e *appendedError) Error() string {
	return "whether the records stand in the log is not known: their leader had appended them, then: " + e.err.Error()
}

// routeError says that no leader is known to send a request to.
type routeError struct{ err error }

func (e *routeError) Error() string { return e.err.Error() }
func (e *routeError) Unwrap() error { return e.err }
