package kafka

import (
	"errors"
	"testing"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/freshet/freshet/featurestore"
)

// A leader that has appended records and then lost its lead answers as one that never had
// it, but for the offset: nothing is sent again then, and nobody is told that nothing was
// written.
func TestWhatWasAppendedIsNotSentAgain(t *testing.T) {
	for _, code := range []kafkago.Error{kafkago.NotLeaderForPartition, kafkago.UnknownTopicOrPartition, kafkago.LeaderNotAvailable} {
		never := (&produceResponse{code: int16(code), base: -1}).failed()
		if !neverWritten(never) {
			t.Errorf("%v without an offset leaves nothing behind", code)
		}
		maybe := (&produceResponse{code: int16(code), base: 1344}).failed()
		if maybe == nil || neverWritten(maybe) {
			t.Errorf("%v with an offset is sent again", code)
		}
		if err := refused("produce", maybe); !errors.Is(err, featurestore.ErrUnavailable) {
			t.Errorf("%v with an offset: %v", code, err)
		}
	}
	if err := (&produceResponse{base: 1344}).failed(); err != nil {
		t.Errorf("what stands: %v", err)
	}
}
