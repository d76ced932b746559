// Package canary watches the write path with records of its own. An ingester
// writes numbered records to a topic of the project, folds them with a worker of
// their own into a view of their own, and reads them back as a lookup would: log,
// fold, store, read. In each key the numbers step by exactly one, so that a record
// that is missing, or counts twice, shows without anybody's data; and so does how
// long a record takes until lookups see it.
//
// It shares code with the views of users, the log and the online store, and nothing
// else: it has its own topic, group, worker, definitions, generation and budget, and
// what becomes of it changes nothing for them. It never sees their events, and it
// mends nothing: what it finds is for people.
package canary
