package spool

import "time"

// Conversation is our record of one of the API's conversations.
type Conversation struct {
	ID           int64     `json:"conversation"` // our own number of it
	Team         string    `json:"team"`
	Inbox        int64     `json:"inbox"`
	Participants []string  `json:"participants"`
	ConvoID      int64     `json:"convo_id,omitempty"` // 0 until the API has given one
	Title        string    `json:"title"`              // of the message that opened it
	LastUsed     time.Time `json:"last_used"`          // when its last message was accepted
}

// Letter is a request as a part of its conversation.
type Letter struct {
	Entry
	Joined  bool   `json:"joined"`              // it found the conversation, and did not open it
	By      string `json:"joined_by,omitempty"` // which field named the id that found the conversation
	Head    []byte `json:"-"`                   // beginning of the source, at most LetterHead bytes; nil: none, or damaged
	Excerpt string `json:"-"`                   // beginning of the text, at most LetterExcerpt characters
}

// What a Letter has of its message.
const (
	LetterHead    = 16 << 10
	LetterExcerpt = 600
)
