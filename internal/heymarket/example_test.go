package heymarket_test

import (
	"context"
	"errors"
	"fmt"

	"heyrelay/internal/heymarket"
	"heyrelay/internal/sandbox"
)

// The response to an opener names its conversation; a reply goes there.
func ExampleClient_Send() {
	client, err := heymarket.New(heymarket.Options{
		Secrets:   []heymarket.Secret{{ID: sandbox.DemoSecretID, Key: sandbox.DemoSecretKey}},
		Transport: sandbox.New(sandbox.Options{}), // a real one: heymarket.NewTransport()
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	opened, err := client.Send(context.Background(), heymarket.Email{
		CreatorID: 55,
		Inbox:     202,
		LocalID:   "0198c5a2-0001",
		Text:      "<p>Your order is on its way.</p>",
		RawText:   "Your order is on its way.",
		ConvTitle: "Order 4711",
		Targets:   heymarket.Targets([]string{"ann@example.com"}, nil),
	})
	fmt.Println(opened.ConvoID, err)

	replied, err := client.Send(context.Background(), heymarket.Email{
		CreatorID: 55,
		Inbox:     202,
		LocalID:   "0198c5a2-0002",
		Text:      "<p>It has arrived.</p>",
		RawText:   "It has arrived.",
		ConvoID:   opened.ConvoID,
	})
	fmt.Println(replied.ConvoID, err)
	// Output:
	// 9001 <nil>
	// 9001 <nil>
}

// An error has a class, and reports whether the call may have been carried out
// anyway.
func ExampleError() {
	client, err := heymarket.New(heymarket.Options{APIKey: sandbox.DemoAPIKey, Transport: sandbox.New(sandbox.Options{})})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, to := range []string{"permerror", "dropafter", "refused"} {
		_, err := client.Send(context.Background(), heymarket.Email{
			CreatorID: 55,
			Inbox:     202,
			LocalID:   to,
			Text:      "x",
			RawText:   "x",
			Targets:   []string{"to:" + to + "@example.com"},
		})
		if e, ok := errors.AsType[*heymarket.Error](err); ok {
			fmt.Printf("%v, unknown %t: %v\n", e.Class, e.Unknown, e)
		}
	}
	// Output:
	// invalid, unknown false: the API returned 400: bad_data: fault requested
	// again, unknown true: no response from the API: EOF
	// again, unknown false: no response from the API: dial tcp: connection refused
}
