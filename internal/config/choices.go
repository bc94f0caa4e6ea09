package config

// The choices that a key offers.
const (
	BareLFRepair = "repair"
	BareLFRefuse = "refuse"

	TLSNone     = "none"
	TLSStart    = "starttls"
	TLSImplicit = "implicit"

	PriorityHigh   = "high"
	PriorityNormal = "normal"
	PriorityBulk   = "bulk"

	AnswerQueued = "queued"
	AnswerSent   = "sent"

	QueuedFalseFlag = "flag"
	QueuedFalseFail = "fail"

	RecipientsEnvelope = "envelope"
	RecipientsHeaders  = "headers"

	BCCSeparate = "separate"
	BCCReject   = "reject"

	AttachmentsReject    = "reject"
	AttachmentsLink      = "link"
	AttachmentsSmarthost = "smarthost"
	AttachmentsDrop      = "drop"

	ImagesEmbed = "embed"
	ImagesLink  = "link"
	ImagesDrop  = "drop"

	LinkCalendar = "calendar"
	LinkMessage  = "message"

	SubjectChanged = "changed"
	SubjectAlways  = "always"
	SubjectNever   = "never"

	JoinAlways = "always"
	JoinNever  = "never"

	EventFailed   = "failed"
	EventFlagged  = "flagged"
	EventHeld     = "held"
	EventReleased = "released"
	EventBacklog  = "backlog"
	EventOldest   = "oldest"

	RoleRead    = "read"
	RoleOperate = "operate"

	LogText = "text"
	LogJSON = "json"

	AddressesMasked = "masked"
)
