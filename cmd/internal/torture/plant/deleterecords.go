package plant

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// DeleteRecords drops what stands before an offset, as retention would. The
// request is written by hand (API 21, version 1): our client library has none.
func (k *Kafka) DeleteRecords(ctx context.Context, topic string, partition int32, before int64) error {
	c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", k.Broker.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // the answer was read, or the error says why not
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	be := binary.BigEndian
	b := []byte{0, 0, 0, 0, 0, 21, 0, 1, 0, 0, 0, 1, 0xff, 0xff} // size, key, version, correlation, no client id
	b = be.AppendUint32(b, 1)
	b = append(be.AppendUint16(b, uint16(len(topic))), topic...)
	b = be.AppendUint32(b, 1)
	b = be.AppendUint32(b, uint32(partition))
	b = be.AppendUint64(b, uint64(before))
	b = be.AppendUint32(b, 15_000)
	be.PutUint32(b, uint32(len(b)-4))
	if _, err := c.Write(b); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return err
	}
	answer := make([]byte, be.Uint32(size[:]))
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	if len(answer) < 2 {
		return fmt.Errorf("deleting records of %s: the answer is cut off", topic)
	}
	if code := be.Uint16(answer[len(answer)-2:]); code != 0 { // the error stands last
		return fmt.Errorf("deleting records of %s/%d before %d: the broker says %d", topic, partition, before, code)
	}
	return nil
}
