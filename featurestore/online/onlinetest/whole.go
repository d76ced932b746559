package onlinetest

import (
	"testing"

	"github.com/freshet/freshet/featurestore/online"
)

// testWhole holds what replaces a damaged blob: of that, what is left may be the
// beginning of any other, so that all of it is compared.
func testWhole(t *testing.T, s online.Store) {
	f := newFixture(t, s, "v", 1)
	at := int64(-1)
	whole := func(expect, blob []byte, want online.Outcome) {
		t.Helper()
		b := f.step(at, at+1, online.Write{Key: []byte("a"), Expect: expect, Blob: blob})
		b.Whole = true
		f.apply(b, want)
		if want == online.OutcomeOK {
			at++
			f.wantBlob("a", blob)
		}
	}
	damaged := []byte("=\x00\xff damaged")
	whole([]byte{}, damaged, online.OutcomeVersion)
	whole(damaged[:1], damaged, online.OutcomeVersion)
	whole(nil, damaged, online.OutcomeOK)
	for n := range len(damaged) {
		whole(damaged[:n], damaged, online.OutcomeVersion)
	}
	whole(append(damaged[:len(damaged):len(damaged)], 0), damaged, online.OutcomeVersion)
	whole(nil, damaged, online.OutcomeVersion)
	f.wantBlob("a", damaged)
	whole(damaged, damaged[:1], online.OutcomeOK)
	whole(damaged[:1], []byte("x"), online.OutcomeOK)
	whole(damaged[:1], damaged, online.OutcomeVersion)
	whole([]byte("x"), damaged, online.OutcomeOK)
}
