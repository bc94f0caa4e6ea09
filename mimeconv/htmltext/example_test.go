package htmltext_test

import (
	"fmt"

	"heyrelay/mimeconv/htmltext"
)

func ExampleRender() {
	fmt.Println(htmltext.Render(`<h1>Your order</h1>
<table><tr><th>Item<th>Price<tr><td>Tea<td>4.00</table>
<p>It is <a href="https://shop.example.com/4711">on its way</a>.`, 1<<20))
	// Output:
	// Your order
	//
	// Item | Price
	// Tea | 4.00
	//
	// It is on its way <https://shop.example.com/4711>.
}
