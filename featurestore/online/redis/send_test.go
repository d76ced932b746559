package redis

import (
	"errors"
	"slices"
	"testing"

	client "github.com/redis/go-redis/v9"
)

// refused is an answer of a server.
type refused string

func (e refused) Error() string { return string(e) }
func (refused) RedisError()     {}

// TestWhatIsReadBehind: what a lane says of itself is read again where its blobs are, so
// that it is never older than they are; the blobs, which may be older, are not.
func TestWhatIsReadBehind(t *testing.T) {
	const away, no = refused("TRYAGAIN the slot moves"), refused("WRONGTYPE of something")
	for name, c := range map[string]struct {
		blobs, meta error
		again       []int
	}{
		"both are answered":         {nil, nil, nil},
		"the blobs are elsewhere":   {away, nil, []int{0, 1}},
		"the lane is elsewhere":     {nil, away, []int{1}},
		"both are":                  {away, away, []int{0, 1}},
		"the lane's is older":       {nil, errOlder, []int{1}},
		"the blobs do not pass":     {no, nil, nil},
		"the connection has broken": {errors.New("broken"), errors.New("broken"), []int{0, 1}},
	} {
		cmds := make([]routed, 3) // the third is of another lane, and is answered
		for i, err := range []error{c.blobs, c.meta, nil} {
			cmds[i] = routed{cmd: client.NewSliceCmd(t.Context(), "mget"), key: string(rune('0' + i)), paired: i == 0}
			cmds[i].cmd.SetErr(err)
		}
		var again []int
		for _, x := range unfinished(cmds, 0, true) {
			again = append(again, int(x.key[0]-'0'))
		}
		if !slices.Equal(again, c.again) {
			t.Errorf("%s: %v are sent again, want %v", name, again, c.again)
		}
	}
}
