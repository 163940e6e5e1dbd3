package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"paddock/proxy"
)

// states are Supervisor's, each a series.
var states = [...]string{"STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"}

func (s series) keeper(k Keeper) {
	s.flag(configOK, k.ReloadOK)
	s.gauge(configTime, seconds(k.ReloadTime))
	s.counter(configReloads, k.ReloadsOK, "success")
	s.counter(configReloads, k.ReloadsFailed, "failure")
	for i := range k.Processes {
		s.process(&k.Processes[i])
	}
	for app, generation := range k.Generations {
		s.gauge(appGeneration, float64(generation), app)
	}
	for app, d := range k.Deploys {
		for _, result := range DeployResults {
			s.counter(deploys, d.Results[result], app, result)
		}
		s.histogram(deployDuration, d.Seconds.histogram(), app)
	}
}

// The values of the label "result" of deploys, and of "reason" of restarts.
const (
	DeploySucceeded = "success"
	DeployFailed    = "failure"
	DeployCancelled = "cancelled"

	RestartExit    = "exit"    // it ended
	RestartFailed  = "failed"  // a start failed, and is tried again
	RestartHealth  = "health"  // it was not ready within health_timeout
	RestartRequest = "request" // a command, or a reload that changed the program
	RestartDeploy  = "deploy"  // a new generation beside the old one
)

// DeployResults are all results of a deploy.
var DeployResults = [...]string{DeploySucceeded, DeployFailed, DeployCancelled}

func (s series) process(p *Process) {
	labels := []string{p.Kind, p.Name}
	if !p.Started.IsZero() {
		s.gauge(processStart, seconds(p.Started), labels...)
	}
	s.gauge(processCount, float64(p.Processes), labels...)
	s.gauge(processRSS, float64(p.RSS), labels...)
	s.send(processCPU, prometheus.CounterValue, p.CPU.Seconds(), labels)
	s.gauge(processFiles, float64(p.OpenFiles), labels...)
	if p.State == "" {
		return // the keeper has no state: who asks gets an answer
	}
	s.flag(processUp, p.State == "RUNNING", labels...)
	for _, state := range states {
		s.flag(processState, p.State == state, p.Kind, p.Name, state)
	}
	for _, reason := range restartReasons(p.Kind) {
		s.counter(processRestarts, p.Restarts[reason], p.Kind, p.Name, reason)
	}
	for code, n := range p.Exits {
		s.counter(processExits, n, p.Kind, p.Name, code)
	}
	s.gauge(processBackoff, p.Backoff.Seconds(), labels...)
	s.counter(processDropped, p.Dropped, labels...)
}

// restartReasons are those that a kind of process can have.
func restartReasons(kind string) []string {
	all := []string{RestartExit, RestartFailed, RestartRequest}
	if kind == "app" {
		all = append(all, RestartHealth, RestartDeploy)
	}
	return all
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// histogram adds the buckets up, as Prometheus has them.
func (t *Times) histogram() proxy.Histogram {
	h := proxy.Histogram{Buckets: make(map[float64]uint64, len(DeployBounds)), Sum: t.Sum}
	for i, n := range t.Buckets {
		h.Count += n
		if i < len(DeployBounds) {
			h.Buckets[DeployBounds[i]] = h.Count
		}
	}
	return h
}
