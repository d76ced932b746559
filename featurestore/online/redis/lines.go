package redis

import "sync"

// lines are commands that are laid out in memory which is used again: a small batch is
// mostly names and marks, and what these took was most of what an ingester of a slow
// stream left to the garbage collector. What was laid out is valid until free.
type lines struct {
	args   []any
	pieces []piece
	text   []byte
	key    int // where in args the next key goes
	runs   runs
}

// piece is an argument. A pointer to one is an argument that takes no memory of its own.
type piece []byte

// MarshalBinary gives the client what to send.
func (p *piece) MarshalBinary() ([]byte, error) { return *p, nil }

// mostText is how much memory for text is kept, in bytes; that of a large batch is not.
const mostText = 4 << 20

var spareLines = sync.Pool{New: func() any { return &lines{} }}

// free gives the memory back.
func (l *lines) free() {
	if l.reset(); cap(l.text) <= mostText {
		spareLines.Put(l)
	}
}

func (l *lines) reset() {
	clear(l.args)
	clear(l.pieces) // they hold what is not theirs
	l.args, l.pieces, l.text = l.args[:0], l.pieces[:0], l.text[:0]
	l.runs.reset()
}

// begin begins a command with so many keys, and gives its place among all arguments.
func (l *lines) begin(keys int) (start int) {
	start = len(l.args)
	l.args = append(l.args, nil, nil, keys) // what it runs is said when it is sent
	l.key = len(l.args)
	l.args = append(l.args, make([]any, keys)...)
	return start
}

// end is the command that began at a place.
func (l *lines) end(start int) command { return l.args[start:len(l.args):len(l.args)] }

// add adds an argument, which is not copied.
func (l *lines) add(b []byte) { l.args = append(l.args, l.piece(b)) }

// addText adds what stands in the text from a place on.
func (l *lines) addText(start int) { l.add(l.text[start:len(l.text):len(l.text)]) }

// keyText makes what stands in the text from a place on the next key.
func (l *lines) keyText(start int) {
	l.args[l.key] = l.piece(l.text[start:len(l.text):len(l.text)])
	l.key++
}

func (l *lines) piece(b []byte) *piece {
	l.pieces = append(l.pieces, b)
	return &l.pieces[len(l.pieces)-1]
}
