//go:build !race

package worker

// exploreAtLeast is how many schedules a test explores.
const exploreAtLeast = 5_000
