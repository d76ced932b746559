package logrecord

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// Fingerprint is the hash by which a record is known again: with its timestamp
// it tells whether a log is still the log that a position came from. It is
// persisted with watermarks, so it never changes:
//
//	s1 = XXH3(len(key)+1 | len(value)+1)   two uint64, little endian; 0 for nil
//	s2 = XXH3 of the key with seed s1
//	     XXH3 of the value with seed s2
func Fingerprint(r *Record) uint64 {
	var lens [16]byte
	binary.LittleEndian.PutUint64(lens[:8], lengthOf(r.Key))
	binary.LittleEndian.PutUint64(lens[8:], lengthOf(r.Value))
	s := xxh3.Hash(lens[:])
	s = xxh3.HashSeed(r.Key, s)
	return xxh3.HashSeed(r.Value, s)
}

func lengthOf(b []byte) uint64 {
	if b == nil {
		return 0
	}
	return uint64(len(b)) + 1
}
