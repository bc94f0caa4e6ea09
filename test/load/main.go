// Command load measures how much mail a server relays, and what that costs: rates to the last delivery,
// latencies of the acceptance, losses and duplicates, CPU and memory. Loader, sink and the servers that
// heyrelay is compared with are processes of their own, on loopback:
//
//	go run ./test/load compare                                  # heyrelay, Postfix and others, in turn
//	go run ./test/load compare --only "4 KB" --before OLD       # two builds of heyrelay, in turn
//	go run ./test/load profile --out DIR                        # where heyrelay's time and memory go
//	go run ./test/load sink --latency 50ms                      # an API that costs little
//	go run ./test/load send 127.0.0.1:2525 --body 30KB          # mail for any server
//
// Rates are worth something only as ratios of one run: machines differ, and are noisy. The CPU time of a
// message is steadier.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

type commands struct {
	Compare compareCmd `cmd:"" help:"Measure heyrelay and other servers in turn, and print or write the table."`
	Profile profileCmd `cmd:"" help:"Write profiles of heyrelay under each load: CPU, allocations, blocking, mutexes."`
	Send    sendCmd    `cmd:"" help:"Send mail to a server, and print how long it took to accept it."`
	Sink    sinkCmd    `cmd:"" help:"Serve the part of the API that takes mail, and count it."`
	Gateway gatewayCmd `cmd:"" help:"Serve SMTP, and call the API before the reply: what heyrelay is without a spool."`
	Discard discardCmd `cmd:"" help:"Serve SMTP, read each message and discard it: the bound of any server."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command := kong.Parse(&commands{}, kong.Description("Measures how much mail a server relays."))
	command.BindTo(ctx, (*context.Context)(nil))
	command.FatalIfErrorf(command.Run())
}
