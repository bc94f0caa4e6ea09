package smtpd_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/smtp"
	"strings"

	"heyrelay/smtpd"
)

// printer is a Handler that prints what it takes over.
type printer struct{}

func (printer) Handle(_ context.Context, env *smtpd.Envelope, raw []byte) smtpd.Reply {
	fmt.Printf("%s: from %s to %v: %q\n", env.QueueID, env.From, env.Rcpt, raw)
	return smtpd.Reply{Code: 250, Enhanced: "2.0.0", Text: "Ok: queued as " + env.QueueID}
}

func ExampleServer() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	setup := smtpd.NewSetup(smtpd.Settings{
		Hostname: "relay.example.com",
		Handler:  printer{},
		Listeners: map[string]smtpd.Access{"local": {
			Name:  "listeners[0]",
			Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		}},
	})
	server := smtpd.New(smtpd.Options{
		Setup: func() *smtpd.Setup { return setup },
		NewID: func() string { return "4fQ2" },
		Log: func(e smtpd.Event) {
			fmt.Printf("%d %s %s\n", e.Code, e.Enhanced, e.Reason)
		},
	})
	wait := server.Serve(smtpd.Listener{Listener: l, ID: "local"})

	send := func(to, text string) {
		err := smtp.SendMail(l.Addr().String(), nil, "app@example.com", []string{to}, []byte(text))
		if err != nil {
			fmt.Println("the client got", strings.Fields(err.Error())[0])
		}
	}
	send("alice@example.com", "Subject: Hello\r\n\r\nHow are you?\r\n")
	send("alice@[192.0.2.1]", "Subject: Hello\r\n\r\nAre you there?\r\n")

	fmt.Println(server.Shutdown(context.Background()), wait())
	// Output:
	// 4fQ2: from app@example.com to [alice@example.com]: "Subject: Hello\r\n\r\nHow are you?\r\n"
	// 553 5.1.3 Invalid recipient "alice@[192.0.2.1]": the domain is an address literal, not a host name
	// the client got 553
	// <nil> <nil>
}

func ExampleCheckAddress() {
	fmt.Println(smtpd.CheckAddress("alice@example.com", false))
	fmt.Println(smtpd.CheckAddress("alice,cc:eve@evil.example", false))
	fmt.Println(smtpd.CheckAddress("jörg@bücher.example", false))
	fmt.Println(smtpd.CheckAddress("jörg@bücher.example", true))
	// Output:
	// <nil>
	// the local part contains the character ','
	// the local part contains the character '\u00f6', which requires SMTPUTF8
	// <nil>
}
