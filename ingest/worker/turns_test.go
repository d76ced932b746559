package worker

import "testing"

func has(place <-chan struct{}) bool {
	select {
	case <-place:
		return true
	default:
		return false
	}
}

// TestTurns: they come in the order of asking, whoever looks how often; a place that
// is given up keeps nobody waiting.
func TestTurns(t *testing.T) {
	var line turns
	a := line.ask()
	if !has(a) {
		t.Fatal("nobody is there, and the first one waits")
	}
	b, c, d, e := line.ask(), line.ask(), line.ask(), line.ask()
	for range 100 {
		if has(b) || has(c) || has(d) || has(e) {
			t.Fatal("two have the turn")
		}
	}
	line.leave(c)
	line.give()
	if has(c) || has(d) || has(e) || !has(b) {
		t.Fatal("the turn is not that of who asked first")
	}
	line.give()
	line.leave(d) // whose turn it is, and who has not seen it
	if has(c) || !has(e) {
		t.Fatal("a turn went with who left")
	}
	line.leave(nil)
	line.give()
	if !has(line.ask()) {
		t.Fatal("the line is empty, and the next one waits")
	}
}
