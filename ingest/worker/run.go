package worker

import "context"

// runBytes bounds the rows that are folded at once from history: the more they
// are, the seldomer an entity is written.
const runBytes = 96 << 20

// ApplyRun applies chunks that follow one another as if they were one: first, and
// of those that next gives as many as are of its partition, until their rows are
// enough. It gives the end of what it has applied, without events, and the chunk
// that next gave behind it, nil for none. A chunk is not used once next is called
// again. The error is next's, or Apply's. The view takes nothing else meanwhile.
func (v *View) ApplyRun(ctx context.Context, first *Chunk, next func() (*Chunk, error)) (run, behind *Chunk, err error) {
	run = &Chunk{Partition: first.Partition, From: first.From, Through: first.Through, LogTime: first.LogTime}
	b, wanted := v.binding[first.Partition.Source]
	if !wanted {
		behind, err = next()
		return run, behind, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mine[run.Partition] = true
	if through := v.through(run.Partition); run.From > through+1 {
		return nil, nil, &rewindError{Offset: through}
	}
	v.begin(run.Partition, b, runBytes/rowBytesOf(&v.view.Bindings[b]))
	for c := first; ; c = behind {
		v.collect(c)
		run.Through, run.LogTime, run.Prints = c.Through, max(run.LogTime, c.LogTime), mergePrints(run.Prints, c.Prints)
		if behind, err = next(); err != nil {
			return nil, nil, err
		}
		if behind == nil || behind.Partition != run.Partition || v.fold.size >= runBytes {
			return run, behind, v.apply(ctx, run)
		}
	}
}

// dropRows gives up the memory of runs, which is large.
func (v *View) dropRows() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fold = foldBuffers{chunk: v.fold.chunk}
}
