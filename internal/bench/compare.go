package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// sample is one round of a workload at one proxy.
type sample struct {
	result
	cpu time.Duration
}

// warmUp is what each proxy gets before the rounds.
const warmUp = 1 // second

// compare runs the workloads and prints their table, a row as soon as it is known. It fails,
// after the last one, if a proxy has served nothing.
func compare(ctx context.Context, l *lab, o options, all []load, out io.Writer) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprint(out, tableHead)
	var dead error
	for _, w := range all {
		r, err := measure(ctx, l, o, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		fmt.Fprint(out, row(w, r))
		if _, known := r.ratio(); !known {
			dead = errors.Join(dead, fmt.Errorf("%s: no round was served", w.name))
		}
	}
	fmt.Fprintln(out)
	return dead
}

// rounds are the samples of a workload: those of the same index ran one after the other.
type rounds struct{ nginx, paddock []sample }

func measure(ctx context.Context, l *lab, o options, w load) (rounds, error) {
	var r rounds
	for i := -1; i < o.rounds; i++ {
		secs := o.secs
		if i < 0 {
			secs = warmUp
		}
		n, err := once(ctx, l, l.against(w.against), w, secs)
		if err != nil {
			return r, err
		}
		p, err := once(ctx, l, l.house, w, secs)
		if err != nil {
			return r, err
		}
		if i >= 0 {
			r.nginx, r.paddock = append(r.nginx, n), append(r.paddock, p)
		}
	}
	return r, nil
}

// slack is what a generator gets beyond its time to start and to stop.
const slack = 30 * time.Second

func once(ctx context.Context, l *lab, p *proxy, w load, secs int) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(secs)*time.Second+slack)
	defer cancel()
	args := w.generator.command(l, p, secs)
	before := cpu(p.cmd.Process.Pid)
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).Output()
	used := cpu(p.cmd.Process.Pid) - before
	if err != nil {
		return sample{}, fmt.Errorf("%s at %s: %w", args[0], p.name, err)
	}
	r, err := w.generator.read(l, string(out))
	if err != nil {
		return sample{}, fmt.Errorf("at %s: %w", p.name, err)
	}
	return sample{r, used}, p.trim()
}
