package console

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"heyrelay/internal/access"
	"heyrelay/internal/blob"
	"heyrelay/internal/spool"
)

// linksRevoked is what revoke did, in the query of the address that it goes back to.
const linksRevoked = "links revoked"

// attachmentItem is a file of a message.
type attachmentItem struct {
	Name, Type, Size, Download string
	State                      string // of its link
	Ends                       instant
}

// attachmentItems describes the files of a message.
func (c *console) attachmentItems(m spool.MessageDetail) (all []attachmentItem) {
	for _, a := range m.Attachments {
		item := attachmentItem{
			Name:  a.Name,
			Type:  a.ContentType,
			Size:  size(a.Size),
			State: a.State(c.Now()),
			Ends:  c.instant(a.Expires),
		}
		if c.Blobs != nil {
			item.Download = fmt.Sprintf("%s/%d/file", messageLink(m.QueueID), a.Number)
		}
		all = append(all, item)
	}
	return all
}

// openLinks counts the links of a message that can be used.
func (c *console) openLinks(m spool.MessageDetail) (n int) {
	for _, a := range m.Attachments {
		if a.State(c.Now()) == spool.LinkOpen {
			n++
		}
	}
	return n
}

// revokeLink leads to the confirmation of the end of a message's links; "" if none can be used.
func (c *console) revokeLink(m spool.MessageDetail) string {
	if c.openLinks(m) == 0 {
		return ""
	}
	return messageLink(m.QueueID) + "/revoke"
}

// confirmRevoke asks before the links of a message end.
func (c *console) confirmRevoke(w http.ResponseWriter, r *http.Request) error {
	m, err := c.Operator.Show(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	back := messageLink(m.QueueID)
	n := c.openLinks(m)
	p := confirmPage{
		frame:    frameOf(c, r, "messages"),
		Title:    "Revoke " + number(n, "link") + "?",
		Action:   back + "/revoke",
		Button:   "Revoke " + number(n, "link"),
		Back:     back,
		Bad:      true,
		Possible: n > 0 && access.RoleOf(r.Context()) >= access.Operate,
		Facts: []string{
			"Recipients can no longer download the files of this message. This cannot be undone.",
			"The files are deleted within minutes, unless another message has a link to them.",
		},
	}
	switch {
	case n == 0:
		p.Title = "Nothing to revoke"
		p.Facts = []string{"The message has no link that can be used."}
	case !p.Possible:
		p.Warning = mayOnlyRead
	}
	return c.render(w, http.StatusOK, "confirm", p)
}

// revoke ends the links of a message, and goes back to it.
func (c *console) revoke(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	n, err := c.Revoke(context.WithoutCancel(r.Context()), id)
	if err != nil {
		return err
	}
	to := backWith(messageLink(id), url.Values{"done": {linksRevoked}, "n": {strconv.Itoa(n)}})
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// downloadTime is how long a download may take without an octet being written.
const downloadTime = time.Minute

// file answers with an attachment, whatever the state of its link. A browser stores it, and never
// shows it.
func (c *console) file(w http.ResponseWriter, r *http.Request) error {
	m, err := c.Operator.Show(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	named := func(a spool.Attachment) bool { return strconv.FormatInt(a.Number, 10) == r.PathValue("n") }
	i := slices.IndexFunc(m.Attachments, named)
	if i < 0 || c.Blobs == nil {
		return noFile
	}
	a := m.Attachments[i]
	object, err := c.Blobs.Open(r.Context(), a.Key)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return noFile
	case err != nil:
		c.recordError(r, err)
		return visible{
			http.StatusServiceUnavailable, "The file cannot be read now",
			"The blob store does not respond. The log has the cause. Try again later.",
		}
	}
	defer object.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}))
	http.ServeContent(patient{w, http.NewResponseController(w)}, r, "", time.Time{}, object)
	return nil
}

var noFile = visible{
	http.StatusNotFound, "No such file", "Files are deleted soon after their last link has expired or was revoked.",
}

// patient gives each write of a long answer the time that a whole short one has.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	_ = p.control.SetWriteDeadline(time.Now().Add(downloadTime)) // a test's writer has none
	return p.ResponseWriter.Write(b)
}
