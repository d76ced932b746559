package kafka_test

import (
	"errors"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/freshet/freshet/ingest/kafka"
	"github.com/freshet/freshet/ingest/logrecord"
)

// txnProducer speaks the transactional side of the protocol, as a Java producer
// would.
type txnProducer struct {
	t        *testing.T
	log      *kafka.Client
	client   *kafkago.Client
	topic    string
	id       string
	session  *kafkago.ProducerSession
	sequence int32
}

func newTxnProducer(t *testing.T, b *broker, log *kafka.Client, topic, id string) *txnProducer {
	transport := &kafkago.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p := &txnProducer{t: t, log: log, topic: topic, id: id,
		client: &kafkago.Client{Addr: kafkago.TCP(b.addr), Transport: transport}}
	p.until(func() error {
		res, err := p.client.InitProducerID(t.Context(), &kafkago.InitProducerIDRequest{TransactionalID: id, TransactionTimeoutMs: 60_000, ProducerID: -1, ProducerEpoch: -1})
		if err != nil {
			return err
		}
		p.session = res.Producer
		return res.Error
	})
	return p
}

// until retries what a coordinator refuses while it starts or still ends the
// last transaction.
func (p *txnProducer) until(f func() error) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		var code kafkago.Error
		if !errors.As(err, &code) || !code.Temporary() && code != kafkago.ConcurrentTransactions && code != kafkago.GroupCoordinatorNotAvailable {
			p.t.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-p.t.Context().Done():
			p.t.Fatal(err)
		}
	}
}

func (p *txnProducer) write(values ...string) {
	p.t.Helper()
	p.until(func() error {
		res, err := p.client.AddPartitionsToTxn(p.t.Context(), &kafkago.AddPartitionsToTxnRequest{
			TransactionalID: p.id, ProducerID: p.session.ProducerID, ProducerEpoch: p.session.ProducerEpoch,
			Topics: map[string][]kafkago.AddPartitionToTxn{p.topic: {{Partition: 0}}},
		})
		if err != nil {
			return err
		}
		return res.Topics[p.topic][0].Error
	})
	var records []logrecord.Record
	for i, v := range values {
		records = append(records, value(i, v))
	}
	if _, err := p.log.ProduceTxn(p.t.Context(), p.topic, 0, kafka.Txn{
		ID: p.id, Producer: int64(p.session.ProducerID), Epoch: int16(p.session.ProducerEpoch), Sequence: p.sequence,
	}, records); err != nil {
		p.t.Fatal(err)
	}
	p.sequence += int32(len(values))
}

// end ends the transaction and waits for its marker, which a coordinator writes
// after it has answered.
func (p *txnProducer) end(commit bool) {
	p.t.Helper()
	before := p.written()
	defer func() {
		p.until(func() error {
			if p.written() == before {
				return kafkago.ConcurrentTransactions
			}
			return nil
		})
	}()
	p.until(func() error {
		res, err := p.client.EndTxn(p.t.Context(), &kafkago.EndTxnRequest{
			TransactionalID: p.id, ProducerID: p.session.ProducerID, ProducerEpoch: p.session.ProducerEpoch, Committed: commit,
		})
		if err != nil {
			return err
		}
		return res.Error
	})
}

// written is the end of the log, committed or not.
func (p *txnProducer) written() int64 {
	p.t.Helper()
	b, err := p.log.Peek(p.t.Context(), p.topic, 0, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	defer b.Release()
	return b.HighWatermark
}

// testTransactions: only committed records come, in order, and the position
// moves over markers and aborted records, also where a fetch begins at one.
func testTransactions(t *testing.T, b *broker) {
	c := open(t, b)
	topic := create(t, c, 1)
	one := newTxnProducer(t, b, c, topic, topic+".one")
	two := newTxnProducer(t, b, c, topic, topic+".two")
	one.write("a0", "a1") // 0 1
	two.write("b2")       // 2
	produce(t, c, topic, 0, value(3, "p3"))
	one.end(false)  // 4
	two.write("b5") // 5
	two.end(true)   // 6
	one.write("a7") // 7
	one.end(true)   // 8
	two.write("b9") // 9
	two.end(false)  // 10
	end := int64(11)
	want := map[int64]string{2: "b2", 3: "p3", 5: "b5", 7: "a7"}
	for from := range end {
		got := readTo(t, c, topic, 0, from, end)
		n := 0
		for _, g := range got {
			if w, ok := want[g.Offset]; !ok || w != string(g.Value) {
				t.Errorf("from %d: offset %d is %q, want %q", from, g.Offset, g.Value, w)
			}
			n++
		}
		for offset := range want {
			if offset >= from {
				n--
			}
		}
		if n != 0 {
			t.Errorf("from %d: %d records too many or too few", from, n)
		}
	}
	bounds, err := c.Bounds(t.Context(), topic, 0)
	if err != nil || bounds.End != end {
		t.Errorf("bounds %+v, %v", bounds, err)
	}
	// An open transaction holds the end back.
	one.write("a11")
	if bounds, err := c.Bounds(t.Context(), topic, 0); err != nil || bounds.End != end {
		t.Errorf("with an open transaction: bounds %+v, %v", bounds, err)
	}
	if written := one.written(); written <= end {
		t.Errorf("with an open transaction the log is written up to %d", written)
	}
	one.end(true)
	if got := readTo(t, c, topic, 0, end, end+2); len(got) != 1 || string(got[0].Value) != "a11" {
		t.Errorf("after the commit: %d records", len(got))
	}
}
