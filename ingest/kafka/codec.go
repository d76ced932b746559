package kafka

import (
	"bytes"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/compress"
)

// unpack appends the decompressed bytes of a batch's body to dst; above limit
// bytes it is an error, so that a small batch cannot fill the memory.
func unpack(dst, packed []byte, codec Compression, limit int) ([]byte, error) {
	if codec > Zstd {
		return dst, fmt.Errorf("unknown compression %d", codec)
	}
	r := compress.Compression(codec).Codec().NewReader(bytes.NewReader(packed))
	defer r.Close()
	start := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		room := min(cap(dst), start+limit+1)
		n, err := r.Read(dst[len(dst):room])
		dst = dst[:len(dst)+n]
		if len(dst)-start > limit {
			return dst, fmt.Errorf("it unpacks to more than %d bytes", limit)
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, fmt.Errorf("cannot unpack %s: %w", compress.Compression(codec), err)
		}
	}
}

// pack compresses the body of a batch.
func pack(body []byte, codec Compression) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(body) / 2)
	w := compress.Compression(codec).Codec().NewWriter(&out)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
