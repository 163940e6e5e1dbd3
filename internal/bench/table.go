package main

import (
	"fmt"
	"time"
)

const tableHead = `
| workload | nginx, µs | Paddock, µs | ratio | goal | | requests a second | p99 | errors |
|---|---|---|---|---|---|---|---|---|
`

// row is a workload's: medians of the rounds, and for the ratio the median of the rounds' ratios. Pairs are
// nginx's and Paddock's.
func row(w load, r rounds) string {
	ratio, known := r.ratio()
	if !known {
		return fmt.Sprintf("| %s | | | no round was served | | | | | %d, %d |\n", w.name, failures(r.nginx), failures(r.paddock))
	}
	return fmt.Sprintf("| %s | %.1f | %.1f | %.2f | %s | %s | %.0f, %.0f | %s, %s | %d, %d |\n", w.name,
		perRequest(r.nginx), perRequest(r.paddock), ratio, goal(w), verdict(w, ratio),
		rate(r.nginx), rate(r.paddock), latency(r.nginx), latency(r.paddock), failures(r.nginx), failures(r.paddock))
}

// ratio is the median of Paddock's CPU time for a request by nginx's in the same round, of
// the rounds in which both have served.
func (r rounds) ratio() (float64, bool) {
	var all []float64
	for i, n := range r.nginx {
		p := r.paddock[i]
		if n.requests > 0 && p.requests > 0 && n.cpu > 0 {
			all = append(all, p.microseconds()/n.microseconds())
		}
	}
	return median(all), len(all) > 0
}

// microseconds is the CPU time for a request.
func (s sample) microseconds() float64 {
	return float64(s.cpu) / float64(s.requests) / float64(time.Microsecond)
}

func goal(w load) string {
	if w.goal == 0 {
		return "-"
	}
	return fmt.Sprintf("≤ %.2f", w.goal)
}

// verdict is by the two digits that are printed.
func verdict(w load, ratio float64) string {
	switch over := ratio - w.goal; {
	case w.goal == 0:
		return ""
	case over < 0.005:
		return "met"
	default:
		return fmt.Sprintf("missed by %.2f", over)
	}
}

func perRequest(all []sample) float64 { return medianOf(all, sample.microseconds) }

func rate(all []sample) float64 {
	return medianOf(all, func(s sample) float64 { return float64(s.requests) / s.elapsed.Seconds() })
}

func latency(all []sample) string {
	p99 := time.Duration(medianOf(all, func(s sample) float64 { return float64(s.p99) }))
	if p99 == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", p99.Seconds()*1000)
}

// medianOf is the median over the rounds that were served.
func medianOf(all []sample, of func(sample) float64) float64 {
	var values []float64
	for _, s := range all {
		if s.requests > 0 && s.elapsed > 0 {
			values = append(values, of(s))
		}
	}
	return median(values)
}

func failures(all []sample) int {
	sum := 0
	for _, s := range all {
		sum += s.errors
	}
	return sum
}
