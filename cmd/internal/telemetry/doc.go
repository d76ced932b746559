// Package telemetry is how a process shows itself to operators: metrics for
// Prometheus, spans for OpenTelemetry, and the address where health and profiles
// are asked for. What is counted is counted by the parts; this package names it.
package telemetry
