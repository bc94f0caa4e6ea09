package console

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"heyrelay/internal/spool"
)

// conversationPage shows a conversation as a thread.
type conversationPage struct {
	frame
	Title, Team, Count, Announce string
	Inbox, ConvoID               int64
	Participants                 []string
	LastUsed                     instant
	Letters                      []letterItem
	Newest, Older                string // links
}

// letterItem is a message of the thread.
type letterItem struct {
	entryItem
	Sender, Excerpt, By string
	IDs                 []idItem
}

// idItem is an id that leads to the conversation.
type idItem struct{ Field, ID string }

const lettersPerPage = 50

func (c *console) conversation(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil {
		return spool.ErrNotFound
	}
	below, _ := strconv.ParseInt(r.URL.Query().Get("from"), 10, 64) // 0 for the last ones
	conversation, letters, err := c.Operator.Conversation(r.Context(), id, below, lettersPerPage+1)
	if err != nil {
		return err
	}
	p := conversationPage{
		frame:        frameOf(c, r, "messages"),
		Title:        titleOf(conversation.Title),
		Team:         conversation.Team,
		Inbox:        conversation.Inbox,
		ConvoID:      conversation.ConvoID,
		Participants: conversation.Participants,
		LastUsed:     c.instant(conversation.LastUsed),
	}
	at := fmt.Sprintf("/conversations/%d", id)
	if below > 0 {
		p.Newest = at
	}
	if len(letters) > lettersPerPage {
		letters = letters[:lettersPerPage]
		p.Older = fmt.Sprintf("%s?from=%d", at, letters[len(letters)-1].Number)
	}
	p.Count = number(len(letters), "message")
	if p.Older != "" || p.Newest != "" {
		p.Count += " of more"
	}
	for i := len(letters) - 1; i >= 0; i-- { // a thread is read from its beginning
		p.Letters = append(p.Letters, c.letterItem(letters[i]))
	}
	if len(letters) > 0 {
		p.Announce = "Last: " + titleOf(letters[0].Title) + ", " + letters[0].State
	}
	return c.render(w, http.StatusOK, "conversation", p)
}

func (c *console) letterItem(l spool.Letter) letterItem {
	return letterItem{
		entryItem: c.entryItem(l.Entry),
		Sender:    senderOf(l.Sender),
		Excerpt:   strings.TrimSpace(l.Excerpt),
		By:        l.By,
		IDs:       idsOf(l.Head),
	}
}

// threadFields are the header fields with ids (RFC 5322, section 3.6.4).
var threadFields = []string{"Message-Id", "In-Reply-To", "References"}

// maxIDs is how many ids of a field are shown.
const maxIDs = 20

// idsOf reads the ids from the beginning of a source, as far as they can be read.
func idsOf(head []byte) (all []idItem) {
	// What was read before an error counts: the head may be cut, and mail is often damaged.
	header, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(head))).ReadMIMEHeader()
	for _, field := range threadFields {
		for i, id := range strings.Fields(header.Get(field)) {
			if i == maxIDs {
				break
			}
			all = append(all, idItem{Field: field, ID: strings.ToValidUTF8(id, "\uFFFD")})
		}
	}
	return all
}
