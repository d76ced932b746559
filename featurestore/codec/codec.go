// Package codec turns states, keys and rows into versioned bytes and back. The
// formats are specified to the byte in docs/formats. It owns no I/O and no
// meaning: a decoder fails with what was wrong, and never guesses, never panics
// and allocates in proportion to what it reads.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"
)

// Hash is the semantic hash of a definition, cut to 16 bytes.
type Hash [16]byte

// String gives the hash in hexadecimal.
func (h Hash) String() string { return fmt.Sprintf("%x", h[:]) }

// Reasons for which a blob is refused, for errors.Is.
var (
	ErrTruncated  = errors.New("the blob ends early")
	ErrMagic      = errors.New("the blob is of another kind")
	ErrVersion    = errors.New("the blob has a version that this release does not read")
	ErrChecksum   = errors.New("the blob is damaged: its checksum does not agree")
	ErrDefinition = errors.New("the blob belongs to another definition")
	ErrKey        = errors.New("the blob belongs to another key")
	ErrClosed     = errors.New("the closed part does not belong to the open one")
	ErrMalformed  = errors.New("the blob is malformed")
)

// Lane is the lane of a key among n: XXH3(key) mod n.
func Lane(key []byte, n uint16) uint16 { return uint16(xxh3.Hash(key) % uint64(n)) }

const checksumSize = 8

// seal appends the checksum of the blob that begins at start.
func seal(dst []byte, start int) []byte {
	return binary.LittleEndian.AppendUint64(dst, xxh3.Hash(dst[start:]))
}

// unseal checks magic and version at place at, then the checksum, and gives what
// stands between the version and the checksum.
func unseal(blob []byte, at int, magic string, version byte) ([]byte, error) {
	head := at + len(magic) + 1
	if len(blob) < head+checksumSize {
		return nil, ErrTruncated
	}
	if got := blob[at : at+len(magic)]; string(got) != magic {
		return nil, fmt.Errorf("%w: it says %q, not %q", ErrMagic, got, magic)
	}
	if got := blob[at+len(magic)]; got != version {
		return nil, fmt.Errorf("%w: %d, not %d", ErrVersion, got, version)
	}
	end := len(blob) - checksumSize
	if binary.LittleEndian.Uint64(blob[end:]) != xxh3.Hash(blob[:end]) {
		return nil, ErrChecksum
	}
	return blob[head:end], nil
}
