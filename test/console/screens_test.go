package console

import (
	"flag"
	"os"
	"path/filepath"

	"github.com/chromedp/chromedp"
)

var screens = flag.String("screens", "", "write a picture of each page to this directory")

const printerMail = `<html><body style="font-family: sans-serif"><h2 style="color:#a33">The printer burns</h2>
<p>Room 12, since <b>ten o'clock</b>. The <a href="https://example.com/tickets/1">ticket</a> has a picture.</p>
<table border="1" cellpadding="6" style="border-collapse: collapse"><tr><th>Device</th><th>State</th></tr>
<tr><td>Printer</td><td>burning</td></tr><tr><td>Scanner</td><td>warm</td></tr></table></body></html>`

// filesMail has two attachments.
const filesMail = "Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\n\r\nThank you. The invoice is attached.\r\n" +
	"--b\r\nContent-Type: application/pdf; name=\"Rechnung f\u00fcr Anna Kr\u00e4mer 5001.pdf\"\r\n\r\n" +
	"%PDF-1.4 and the rest\r\n" +
	"--b\r\nContent-Type: text/csv; name=items.csv\r\n\r\nitem;price\r\nprinter;99\r\n--b--\r\n"

// picture stores what the page looks like in a window of some width.
func (b *tab) picture(name string, width int64) {
	b.Helper()
	b.do(chromedp.EmulateViewport(width, 900, chromedp.EmulateScale(1)))
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*screens, name+".png"), small(b, png), 0o600); err != nil {
		b.Fatal(err)
	}
}
