package plant

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/freshet/freshet/ingest/logrecord"
)

// Producer is a transactional producer of one partition.
type Producer struct {
	k         *Kafka
	id        string
	topic     string
	partition int
	session   *kafkago.ProducerSession
	sequence  int32
}

// Transactional makes a producer with a transactional id of its own.
func (k *Kafka) Transactional(ctx context.Context, topic string, partition int) (*Producer, error) {
	p := &Producer{k: k, id: fmt.Sprintf("%s.%d", topic, partition), topic: topic, partition: partition}
	return p, p.until(ctx, func() error {
		res, err := k.admin.InitProducerID(ctx, &kafkago.InitProducerIDRequest{TransactionalID: p.id, TransactionTimeoutMs: 60_000, ProducerID: -1, ProducerEpoch: -1})
		if err != nil {
			return err
		}
		p.session = res.Producer
		return res.Error
	})
}

// until retries what a coordinator refuses while it starts or still ends the
// last transaction.
func (p *Producer) until(ctx context.Context, do func() error) error {
	var last error
	err := poll(ctx, 30*time.Second, func() (bool, error) {
		if last = do(); last == nil {
			return true, nil
		}
		var code kafkago.Error
		if errors.As(last, &code) && (code.Temporary() || code == kafkago.ConcurrentTransactions || code == kafkago.GroupCoordinatorNotAvailable) {
			return false, nil
		}
		return false, last
	})
	if err != nil {
		return fmt.Errorf("transaction %s: %w", p.id, errors.Join(err, last))
	}
	return nil
}

// Write appends records inside the transaction and gives the offset of the first.
func (p *Producer) Write(ctx context.Context, records []logrecord.Record) (int64, error) {
	err := p.until(ctx, func() error {
		res, err := p.k.admin.AddPartitionsToTxn(ctx, &kafkago.AddPartitionsToTxnRequest{
			TransactionalID: p.id, ProducerID: p.session.ProducerID, ProducerEpoch: p.session.ProducerEpoch,
			Topics: map[string][]kafkago.AddPartitionToTxn{p.topic: {{Partition: p.partition}}},
		})
		if err != nil {
			return err
		}
		return res.Topics[p.topic][0].Error
	})
	if err != nil {
		return 0, err
	}
	batch, err := p.batch(records)
	if err != nil {
		return 0, err
	}
	var base int64
	err = p.until(ctx, func() error {
		res, err := p.k.admin.RawProduce(ctx, &kafkago.RawProduceRequest{
			Topic: p.topic, Partition: p.partition, RequiredAcks: kafkago.RequireAll, TransactionalID: p.id,
			RawRecords: protocol.RawRecordSet{Reader: bytes.NewReader(batch)},
		})
		if err != nil {
			return err
		}
		base = res.BaseOffset
		return res.Error
	})
	p.sequence += int32(len(records))
	return base, err
}

// The places of a record batch that the library leaves empty.
const (
	batchCRC        = 17
	batchAttributes = 21
	batchProducer   = 43
	transactional   = 0x10
)

// batch writes a set of one record batch, behind its size, and puts the producer's
// state into the header.
func (p *Producer) batch(records []logrecord.Record) ([]byte, error) {
	list := make([]protocol.Record, len(records))
	for i := range records {
		list[i] = protocol.Record{Time: time.UnixMicro(int64(records[i].LogTime)), Key: protocol.NewBytes(records[i].Key), Value: protocol.NewBytes(records[i].Value)}
	}
	var out bytes.Buffer
	set := protocol.RecordSet{Version: 2, Records: protocol.NewRecordReader(list...)}
	if _, err := set.WriteTo(&out); err != nil {
		return nil, err
	}
	sized := out.Bytes()
	b := sized[4:] // behind the size of the set
	be := binary.BigEndian
	be.PutUint16(b[batchAttributes:], be.Uint16(b[batchAttributes:])|transactional)
	be.PutUint64(b[batchProducer:], uint64(p.session.ProducerID))
	be.PutUint16(b[batchProducer+8:], uint16(p.session.ProducerEpoch))
	be.PutUint32(b[batchProducer+10:], uint32(p.sequence))
	be.PutUint32(b[batchCRC:], crc32.Checksum(b[batchAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	return sized, nil
}

// Commit and Abort end the transaction.
func (p *Producer) Commit(ctx context.Context) error { return p.end(ctx, true) }

// Abort ends the transaction; what it wrote never counts.
func (p *Producer) Abort(ctx context.Context) error { return p.end(ctx, false) }

func (p *Producer) end(ctx context.Context, commit bool) error {
	return p.until(ctx, func() error {
		res, err := p.k.admin.EndTxn(ctx, &kafkago.EndTxnRequest{
			TransactionalID: p.id, ProducerID: p.session.ProducerID, ProducerEpoch: p.session.ProducerEpoch, Committed: commit,
		})
		if err != nil {
			return err
		}
		return res.Error
	})
}
