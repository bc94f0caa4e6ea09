// Command load measures how many messages a second reach their end: through
// heyrelay into the sandbox, and, where Postfix is installed and this is root,
// through Postfix into smtp-sink, in turn within one run. A message counts when
// it was delivered, not when it was accepted. Only loopback is used.
//
//	go run ./test/load -messages 4000 -rounds 3
//
// These figures are worth something only as ratios of one run: machines differ
// and are noisy.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"time"
)

// target takes mail at an address and counts what was delivered behind it.
type target interface {
	Name() string
	Address() string
	Delivered() (int, error)
	Close()
}

func main() {
	messages := flag.Int("messages", 4000, "messages in each measurement")
	clients := flag.Int("clients", 32, "clients that send at the same time, a connection each")
	rounds := flag.Int("rounds", 3, "measurements of each kind")
	flag.Parse()
	if err := measure(*messages, *clients, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func measure(messages, clients, rounds int) error {
	targets, err := open()
	if err != nil {
		return err
	}
	defer func() {
		for _, t := range targets {
			t.Close()
		}
	}()
	for _, k := range kinds {
		rates := map[string][]float64{}
		for range rounds {
			for _, t := range targets {
				rate, err := once(t, k, messages, clients)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", t.Name(), k.name, err)
				}
				rates[t.Name()] = append(rates[t.Name()], rate)
			}
		}
		for _, t := range targets {
			all := rates[t.Name()]
			slices.Sort(all)
			const line = "%-22s %-10s %6.0f messages/s to the last delivery " +
				"(min %.0f, max %.0f, %d clients, %d messages, %d rounds)\n"
			fmt.Printf(line, k.name, t.Name(), all[len(all)/2], all[0], all[len(all)-1], clients, messages, rounds)
		}
	}
	return nil
}

// open starts what can be measured here.
func open() ([]target, error) {
	h, err := startHeyrelay()
	if err != nil {
		return nil, err
	}
	targets := []target{h}
	p, err := startPostfix()
	if err != nil {
		fmt.Println("without Postfix:", err)
		return targets, nil
	}
	return append(targets, p), nil
}

// once sends messages and waits for the last to be delivered.
func once(t target, k kind, messages, clients int) (rate float64, err error) {
	before, err := t.Delivered()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := sendAll(t.Address(), k, messages, clients); err != nil {
		return 0, err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(5 * time.Minute)
	for {
		n, err := t.Delivered()
		if err != nil {
			return 0, err
		}
		if n-before >= messages {
			return float64(messages) / time.Since(began).Seconds(), nil
		}
		select {
		case <-tick.C:
		case <-late:
			return 0, fmt.Errorf("%d of %d delivered after five minutes", n-before, messages)
		}
	}
}
