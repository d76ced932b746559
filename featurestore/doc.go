// Package featurestore is the vocabulary of Freshet: the types, values,
// instants, positions and statuses that every other package speaks of.
//
// It owns words, not behaviour: it does no I/O, holds no state, and imports the
// standard library only. What a value means stands in transforms/; where its
// state lives stands in featurestore/online and featurestore/offline.
package featurestore
