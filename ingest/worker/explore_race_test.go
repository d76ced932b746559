//go:build race

package worker

// exploreAtLeast is how many schedules a test explores: what runs in them is one
// goroutine at a time, so that many show no more than few.
const exploreAtLeast = 200
