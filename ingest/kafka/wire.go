package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// Fetch and Produce carry megabytes, so their requests and responses are
// written and read here, straight from and into our own buffers. The library
// lets a message do so by being a protocol.RawExchanger; everything else about
// the connection stays the library's.

// correlation is the id of every raw request: a connection carries one at a time.
const correlation = 1

var errShort = errors.New("the answer is cut short")

// appendHeader begins a request: a place for its size, and a header of version 1.
func appendHeader(b []byte, key protocol.ApiKey, version int16, client string) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, correlation)
	return appendString(b, client)
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

func appendInt16(b []byte, v int16) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func appendInt32(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

// exchange sends a request and reads its answer into buf, which grows as
// needed. An answer above limit bytes is refused before it is read.
func exchange(rw io.ReadWriter, request, buf []byte, limit int) ([]byte, error) {
	binary.BigEndian.PutUint32(request, uint32(len(request)-4))
	if _, err := rw.Write(request); err != nil {
		return buf, err
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return buf, err
	}
	size := int(int32(binary.BigEndian.Uint32(head[:4]))) - 4
	if size < 0 || size > limit {
		return buf, fmt.Errorf("the broker answers with %d bytes; at most %d are taken", size, limit)
	}
	if id := binary.BigEndian.Uint32(head[4:]); id != correlation {
		return buf, fmt.Errorf("the broker answers request %d, not %d", id, correlation)
	}
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	_, err := io.ReadFull(rw, buf)
	return buf, err
}

// cursor reads an answer. After the first read past the end every read gives
// zero and err is set, so that a caller checks once.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.err, c.b = errShort, nil
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) int16() int16 {
	if v := c.take(2); v != nil {
		return int16(binary.BigEndian.Uint16(v))
	}
	return 0
}

func (c *cursor) int32() int32 {
	if v := c.take(4); v != nil {
		return int32(binary.BigEndian.Uint32(v))
	}
	return 0
}

func (c *cursor) int64() int64 {
	if v := c.take(8); v != nil {
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

func (c *cursor) string() string {
	n := c.int16()
	if n < 0 {
		return ""
	}
	return string(c.take(int(n)))
}

// varint reads a zigzag varint of Kafka's record format.
func (c *cursor) varint() int64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		v := c.b[0]
		c.b = c.b[1:]
		return int64(v>>1) ^ -int64(v&1)
	}
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.err, c.b = errShort, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

// bytes reads a length and as many bytes; -1 is nil, 0 is empty and not nil.
func (c *cursor) bytes() []byte {
	n := c.varint()
	if n < 0 {
		return nil
	}
	if n > int64(len(c.b)) {
		c.err, c.b = errShort, nil
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}
