package codec

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/freshet/freshet/transforms/agg/pack"
	"github.com/freshet/freshet/transforms/window"
)

const closedMagic = "FRSC"

// Closed names a closed part within the open one, so that no other can stand
// beside it unnoticed. The zero Closed says that there is none.
type Closed struct {
	Size int
	Sum  uint64
}

// ClosedOf names a closed part that AppendClosed wrote.
func ClosedOf(blob []byte) Closed {
	if len(blob) < checksumSize {
		return Closed{}
	}
	return Closed{Size: len(blob), Sum: binary.LittleEndian.Uint64(blob[len(blob)-checksumSize:])}
}

// AppendClosed appends the closed part of an entity's settled state, nothing
// where there is none.
func AppendClosed(dst []byte, h Header, p *window.Plan, s *window.State) []byte {
	start := len(dst)
	dst = append(append(dst, closedMagic...), entityVersion)
	dst = appendKeyEcho(dst, h.Key)
	body := len(dst)
	if dst = p.AppendClosed(dst, s); len(dst) == body {
		return dst[:start]
	}
	return seal(dst, start)
}

// cutClosed takes the name of the closed part off the front of an open part's rest.
func cutClosed(b []byte) (body []byte, named Closed, err error) {
	r := pack.NewReader(b)
	size := r.Uint()
	if size > math.MaxInt32 {
		return nil, named, fmt.Errorf("%w: a closed part of %d bytes", ErrMalformed, size)
	}
	if named.Size = int(size); size > 0 {
		named.Sum = r.Uint64()
	}
	if err := r.Err(); err != nil {
		return nil, named, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return r.Rest(), named, nil
}

// openClosed verifies a closed part and gives its body, nil where there is none.
func openClosed(blob []byte, named Closed, key []byte) ([]byte, error) {
	switch {
	case named.Size == 0 && len(blob) == 0:
		return nil, nil
	case named.Size == 0:
		return nil, fmt.Errorf("%w: one stands there, but the open part names none", ErrClosed)
	case len(blob) == 0:
		return nil, fmt.Errorf("%w: it is missing", ErrClosed)
	}
	body, err := unseal(blob, 0, closedMagic, entityVersion)
	if err == nil {
		body, err = checkKey(body, key)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("closed part: %w", err)
	case ClosedOf(blob) != named:
		return nil, fmt.Errorf("%w: it is of another state", ErrClosed)
	case len(body) == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrClosed)
	}
	return body, nil
}
