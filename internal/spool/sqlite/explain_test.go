package sqlite

import (
	"maps"
	"strings"
	"testing"
)

const (
	byID = "request USING INTEGER PRIMARY KEY (rowid=?)"
	byR  = "r USING INTEGER PRIMARY KEY (rowid=?)"
)

// plans are the hot statements, each with all the steps of its plan that may touch a
// table.
var plans = map[string]struct {
	query string
	want  []string
}{
	"repeated": {sqlRepeated, []string{"message USING INDEX message_fingerprint (fingerprint=? AND accepted>?)"}},
	"find":     {sqlFind, []string{"l USING PRIMARY KEY (key=?)", "c USING INTEGER PRIMARY KEY (rowid=?)"}},
	"known":    {sqlConvoKnown, []string{"conversation USING INDEX conversation_convo (team=? AND convo_id=?)"}},
	"wanted": {sqlRequestedConvo, []string{
		"r USING INDEX request_requested_convo (team=? AND requested_convo_id=?)",
		"c USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"used":        {sqlLastUsed, []string{"conversation USING INTEGER PRIMARY KEY (rowid=?)"}},
	"head":        {sqlHead, []string{"request USING INDEX request_head (lane=?)"}},
	"class":       {sqlEffectivePriority, []string{byID}},
	"owner":       {sqlOwner, []string{"link USING PRIMARY KEY (key=?)"}},
	"relink":      {sqlRelink, []string{"link USING PRIMARY KEY (key=?)"}},
	"gone":        {sqlUnsent, []string{"request USING INDEX request_message (message=?)"}},
	"revive":      {sqlRevive, []string{byID}},
	"by queue id": {sqlByQueueID, []string{"message USING COVERING INDEX sqlite_autoindex_message_1 (queue_id=?)"}},
	"heard":       {sqlConfirmReply, []string{"message USING INTEGER PRIMARY KEY (rowid=?)"}},
	"due":         {sqlDue, []string{"request USING INDEX request_due (due<?)"}},
	"overdue":     {sqlOverdue, []string{"request USING INDEX request_due (due>?)"}},
	"next due":    {sqlNextDue, []string{"request USING COVERING INDEX request_due"}},
	"wake":        {sqlMakeReady, []string{byID}},
	"gate":        {sqlGate, []string{"gate USING PRIMARY KEY (team=?)"}},
	"lift":        {sqlRelease, []string{"gate USING PRIMARY KEY (team=? AND route=? AND inbox=?)"}},
	"probed":      {sqlProbed, []string{"gate USING PRIMARY KEY (team=? AND route=? AND inbox=?)"}},
	"set back":    {sqlClockSet, []string{"gate USING PRIMARY KEY (team=?)"}},
	"gates":       {sqlHolds, []string{"gate USING INDEX gate_held"}},
	"oldest": {sqlOldest, []string{
		"r USING INDEX request_place (team=? AND route=? AND inbox=? AND state=?)", "m USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"next place": {sqlNextPlace, []string{"request USING COVERING INDEX request_place ((team,route,inbox)>(?,?,?))"}},
	"sendable": {sqlSendable, []string{
		"request USING COVERING INDEX request_place (team=? AND route=? AND inbox=? AND state=?)",
	}},
	"deferred": {sqlDeferred, []string{
		"request USING COVERING INDEX request_place (team=? AND route=? AND inbox=? AND state=? AND rowid>?)",
	}},
	"kept": {sqlStatesAt, []string{
		"request USING COVERING INDEX request_place (team=? AND route=? AND inbox=? AND state<?)",
	}},
	"ready": {sqlReady, []string{
		"request USING COVERING INDEX request_ready (team=? AND effective_priority=? AND (route,inbox)>(?,?))",
	}},
	"search": {sqlSearch, []string{
		"request USING COVERING INDEX request_search (team=? AND effective_priority=? AND (route,inbox)>(?,?))",
	}},
	"unrefused": {sqlUnrefused, []string{
		"request USING INDEX request_ready (team=? AND effective_priority=? AND route=? AND inbox=?)",
	}},
	"sends":         {sqlSends, []string{"attempt USING PRIMARY KEY (request=? AND n>?)"}},
	"to search":     {sqlToSearch, []string{byID}},
	"plain task":    {sqlPlainTask, []string{byR, "m USING INTEGER PRIMARY KEY (rowid=?)"}},
	"set aside":     {sqlSetAside, []string{"gate USING PRIMARY KEY (team=? AND route=? AND inbox=?)"}},
	"is aside":      {sqlIsAside, []string{"gate USING PRIMARY KEY (team=? AND route=? AND inbox=?)"}},
	"aside head":    {sqlAsideHead, []string{"request USING INDEX request_head (lane=?)"}},
	"others queued": {sqlOthersQueued, []string{"request USING INDEX request_queued_priority (lane=?)"}},
	"blocked": {sqlBlocked, []string{
		"h USING INDEX request_place (team=? AND route=? AND inbox=? AND state=?)",
		"q EXISTS USING INDEX request_queued_priority (lane=?)",
	}},
	"claim": {sqlClaim, []string{byID}},
	"finish": {sqlFinish, []string{
		byID, "conversation USING INTEGER PRIMARY KEY (rowid=?)",
		"q USING COVERING INDEX request_queued_priority (lane=?)",
	}},
	"forget": {sqlForget, []string{"conversation USING INTEGER PRIMARY KEY (rowid=?)"}},
	"reopen": {sqlReopen, []string{byID}},
	"aside":  {sqlDetach, []string{byID}},
	"of others": {sqlConvoOfOthers, []string{
		"c USING INTEGER PRIMARY KEY (rowid=?)", "o USING INDEX conversation_convo (team=? AND convo_id=?)",
	}},
	"save convo": {sqlSaveConvo, []string{
		"conversation USING INTEGER PRIMARY KEY (rowid=?)", "o USING INDEX conversation_convo (team=? AND convo_id=?)",
	}},
	"next in lane": {sqlNextInLane, []string{"request USING INDEX request_queued (lane=?)"}},
	"advance":      {sqlAdvance, []string{byID, "request USING COVERING INDEX request_queued_priority (lane=?)"}},
	"release":      {sqlUnclaim, []string{byID}},
	"lost":         {sqlLost, []string{byID}},
	"lapsed":       {sqlLapsed, []string{byID}},
	"lane":         {sqlLaneOf, []string{byID}},
	"active": {sqlActiveAt, []string{
		"request USING COVERING INDEX request_place (team=? AND route=? AND inbox=? AND state=?)",
	}},
	"task": {sqlTask, []string{
		"r USING INTEGER PRIMARY KEY (rowid=?)", "m USING INTEGER PRIMARY KEY (rowid=?)",
		"c USING INTEGER PRIMARY KEY (rowid=?)", "x USING INTEGER PRIMARY KEY (rowid=?)",
		"attempt USING PRIMARY KEY (request=? AND n=?)",
		"gate USING PRIMARY KEY (team=? AND route=? AND inbox=?)",
		"conversation USING INDEX conversation_convo (team=? AND convo_id=?)",
	}},
	"found": {sqlFound, []string{
		byR, "m USING INTEGER PRIMARY KEY (rowid=?)",
		"c USING INTEGER PRIMARY KEY (rowid=?)", "attempt USING PRIMARY KEY (request=?)",
	}},
	"glance": {sqlGlance, []string{byR, "m USING INTEGER PRIMARY KEY (rowid=?)"}},
	"chosen": {sqlChosen, []string{
		byR, "m USING INTEGER PRIMARY KEY (rowid=?)", "c USING INTEGER PRIMARY KEY (rowid=?)",
		"content USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"every": {sqlEvery, []string{"request USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
	"of place": {sqlOfPlace, []string{
		"request USING COVERING INDEX request_place (team=? AND route=? AND inbox=? AND state=? AND rowid>? AND rowid<?)",
	}},
	"held in lanes": {sqlHeldInLanes, []string{
		"request USING INDEX request_held_queued (state=? AND rowid>? AND rowid<?)",
	}},
	"of convo": {sqlOfConvo, []string{
		"request USING COVERING INDEX request_convo (convo_id=? AND rowid>? AND rowid<?)",
	}},
	"in convo": {sqlInConvo, []string{
		"request USING COVERING INDEX request_conversation (conversation=? AND rowid>? AND rowid<?)",
	}},
	"of term": {sqlOfTerm, []string{
		"t USING PRIMARY KEY (key=? AND message>? AND message<?)",
		"r USING COVERING INDEX request_message (message=? AND rowid>? AND rowid<?)",
	}},
	"of message": {sqlOfMessage, []string{
		"m USING COVERING INDEX sqlite_autoindex_message_1 (queue_id=?)",
		"r USING COVERING INDEX request_message (message=? AND rowid>? AND rowid<?)",
	}},
	"convo teams": {sqlConvoTeams, []string{"conversation USING COVERING INDEX conversation_convo (team>?)"}},
	"convos":      {sqlConvos, []string{"conversation USING COVERING INDEX conversation_convo (team=? AND convo_id=?)"}},
	"since":       {sqlSince, []string{"message USING COVERING INDEX message_accepted (accepted>?)"}},
	"before":      {sqlBefore, []string{"message USING COVERING INDEX message_accepted (accepted<?)"}},
	"first of":    {sqlFirstOf, []string{"request USING COVERING INDEX request_message (message=?)"}},
	"last of":     {sqlLastOf, []string{"request USING COVERING INDEX request_message (message=?)"}},
	"message at":  {sqlMessageAt, []string{"request USING INTEGER PRIMARY KEY (rowid<?)"}},
	"terms":       {sqlTerms[7], nil},
	"message": {sqlMessage, []string{
		"message USING COVERING INDEX message_fingerprint (fingerprint=? AND accepted>?)",
	}},
	"not opened": {sqlNoConversation, []string{"conversation USING INTEGER PRIMARY KEY (rowid=?)"}},
	"local id":   {sqlLocalID, []string{byID}},
	"terms end":  {sqlTermsEnd, []string{"request USING COVERING INDEX request_message (message>?)"}},
	"no terms": {sqlNoTerms, []string{
		"r USING INDEX request_message (message>? AND message<?)", "m USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"untermed":      {sqlUntermed, []string{"request USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"}},
	"forget term":   {sqlForgetTerm, []string{"term USING PRIMARY KEY (key=? AND message=?)"}},
	"recipients of": {sqlRecipientsOf, []string{"request USING INDEX request_message (message=?)"}},
	"next terms":    {sqlNextTerms, []string{"term USING PRIMARY KEY ((key,message)>(?,?))"}},
	"prune terms": {sqlPruneTerms, []string{
		"term USING PRIMARY KEY ((key,message)>(?,?) AND (key,message)<(?,?))", "message USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"standing":  {sqlStanding, []string{byID}},
	"own holds": {sqlOwnHolds, []string{"request USING INDEX request_hold"}},
	"leave":     {sqlDrop, []string{byID}},
	"calm": {sqlLowerPriority, []string{
		"request USING INDEX request_head (lane=?)", "request USING COVERING INDEX request_queued_priority (lane=?)",
	}},
	"replied": {sqlReplied, []string{
		"request USING COVERING INDEX request_auto_replied " +
			"(team=? AND inbox=? AND participants=? AND auto_replied>? AND auto_replied<?)",
	}},
	"lane head":   {sqlLaneHead, []string{"request USING INDEX request_head (lane=?)"}},
	"keep one":    {sqlHoldOne, []string{byID}},
	"keep queued": {sqlHoldQueued, []string{"request USING INDEX request_queued_priority (lane=?)"}},
	"keep":        {sqlHoldRequest, []string{byID}},
	"let go":      {sqlReleaseHead, []string{byID}},
	"rename":      {sqlRename, []string{byID}},
	"rescope":     {sqlRescope, []string{byID}},
	"empty of": {sqlEmptyOf, []string{
		"conversation USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		"request USING COVERING INDEX request_conversation (conversation=?)",
	}},
	"moved to": {sqlMovedTo, []string{
		"f USING INTEGER PRIMARY KEY (rowid=?)", "c USING INDEX conversation_moved (moved_from=?)",
	}},
	"opens it": {sqlOpensIt, []string{byID}},
	"forget message": {sqlForgetMessage, []string{
		"message USING INTEGER PRIMARY KEY (rowid=?)", "request USING INDEX request_message (message=?)",
	}},
	"forget content": {sqlForgetContent, []string{
		"content USING INTEGER PRIMARY KEY (rowid=?)", "request USING INDEX request_message (message=?)",
	}},
	"detail": {sqlMessageDetail, []string{"message USING INDEX sqlite_autoindex_message_1 (queue_id=?)"}},
	"requests": {sqlRequests, []string{
		"r USING INDEX request_message (message=?)", "m USING INTEGER PRIMARY KEY (rowid=?)",
		"c USING INTEGER PRIMARY KEY (rowid=?)", "attempt USING PRIMARY KEY (request=?)",
		"f USING INDEX request_conversation (conversation=?)", "o USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"report":   {sqlAddReport, []string{byR, "m USING INTEGER PRIMARY KEY (rowid=?)"}},
	"unreport": {sqlUnreport, []string{"notice USING INDEX notice_request (request=?)"}},
	"answered": {sqlSuppressReports, []string{
		"notice USING INDEX notice_request (request=?)",
		"m USING COVERING INDEX sqlite_autoindex_message_1 (queue_id=?)",
		"r USING COVERING INDEX request_message (message=?)",
	}},
	"release reports": {sqlReleaseReports, []string{
		"notice USING INTEGER PRIMARY KEY (rowid=?)",
		"m USING INDEX sqlite_autoindex_message_1 (queue_id=?)",
		"r USING COVERING INDEX request_message (message=?)",
		"n USING INDEX notice_request (request=?)",
	}},
	"notices":         {sqlNotices, []string{"notice USING INDEX notice_due (way=? AND due<?)"}},
	"put off too far": {sqlDeferredTooFar, []string{"notice USING INDEX notice_due (way=? AND due>?)"}},
	"next notice":     {sqlNextNotice, []string{"notice USING COVERING INDEX notice_due (way=?)"}},
	"about": {sqlReportDetail, []string{
		byR,
		"m USING INTEGER PRIMARY KEY (rowid=?)",
		"a USING PRIMARY KEY (request=? AND n=?)", "f USING PRIMARY KEY (request=? AND n=?) LEFT-JOIN",
		"x USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
	}},
	"standings": {sqlStatuses, []string{
		"m USING COVERING INDEX sqlite_autoindex_message_1 (queue_id=?)", "r USING INDEX request_message (message=?)",
		"a USING PRIMARY KEY (request=? AND n=?) LEFT-JOIN",
	}},
	"next messages": {sqlNextMessages, []string{"message USING INTEGER PRIMARY KEY (rowid>?)"}},
	"prune content": {sqlPruneContent, []string{
		"content USING INTEGER PRIMARY KEY (rowid=?)", "message USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		"r USING COVERING INDEX request_message (message=?)",
		"n USING INDEX notice_request (request=?)",
		"request USING INDEX request_message (message=?)",
	}},
	"old": {sqlOld, []string{
		"message USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "r USING COVERING INDEX request_message (message=?)",
		"n USING INDEX notice_request (request=?)", "request USING INDEX request_message (message=?)",
	}},
	"gone requests": {sqlGoneRequests, []string{"request USING INDEX request_message (message=?)"}},
	"gone count":    {sqlGoneCount, []string{"counter USING PRIMARY KEY (route=? AND state=?)"}},
	"prune tries": {sqlPruneAttempts, []string{
		"attempt USING PRIMARY KEY (request=?)", "request USING COVERING INDEX request_message (message=?)",
	}},
	"prune notices": {sqlPruneNotices, []string{
		"notice USING COVERING INDEX notice_request (request=?)",
		"request USING COVERING INDEX request_message (message=?)",
	}},
	"prune request": {sqlPruneRequest, []string{"request USING INDEX request_message (message=?)"}},
	"prune body":    {sqlPruneBody, []string{"content USING INTEGER PRIMARY KEY (rowid=?)"}},
	"prune message": {sqlPruneMessage, []string{"message USING INTEGER PRIMARY KEY (rowid=?)"}},
	"next links":    {sqlNextLinks, []string{"link USING PRIMARY KEY (key>?)"}},
	"prune links": {sqlPruneLinks, []string{
		"link USING PRIMARY KEY (key>? AND key<?)", "conversation USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"next conversations": {sqlNextConversations, []string{"conversation USING INTEGER PRIMARY KEY (rowid>?)"}},
	"prune conversations": {sqlPruneConversations, []string{
		"conversation USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
		"request USING COVERING INDEX request_conversation (conversation=?)",
	}},
	"delayed":      {sqlDelayed, []string{byID}},
	"reports":      {sqlReportsAfter, []string{"message USING INTEGER PRIMARY KEY (rowid=?)"}},
	"put off":      {sqlDefer, []string{"notice USING INTEGER PRIMARY KEY (rowid=?)"}},
	"last notice":  {sqlLastNotice, []string{"notice"}},
	"done":         {sqlDone, []string{"notice USING INTEGER PRIMARY KEY (rowid=?)"}},
	"place now":    {sqlPlaceNow, []string{byID}},
	"unqueue":      {sqlReleaseQueued, []string{byID}},
	"reroute":      {sqlReroute, []string{byID}},
	"conversation": {sqlConversationDetail, []string{"conversation USING INTEGER PRIMARY KEY (rowid=?)"}},
	"letters": {sqlLetters, []string{
		"r USING INDEX request_conversation (conversation=? AND rowid<?)", "m USING INTEGER PRIMARY KEY (rowid=?)",
		"c USING INTEGER PRIMARY KEY (rowid=?)", "x USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN",
		"attempt USING PRIMARY KEY (request=?)",
	}},
	"entry": {sqlEntry, []string{
		byR, "m USING INTEGER PRIMARY KEY (rowid=?)", "c USING INTEGER PRIMARY KEY (rowid=?)",
		"attempt USING PRIMARY KEY (request=?)",
	}},
	"sent content": {sqlSentContent, []string{
		"m USING INDEX sqlite_autoindex_message_1 (queue_id=?)", "x USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"sent requests": {sqlSentRequests, []string{
		"r USING INDEX request_message (message=?)", "c USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"shared blob": {sqlSharedBlob, []string{
		"blob USING COVERING INDEX blob_digest (route=? AND digest=?)", "blob_store USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"attachment of": {sqlAttachmentOf, []string{
		"a USING INDEX sqlite_autoindex_attachment_1 (link=?)", "b USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"attachments": {sqlAttachments, []string{
		"a USING INTEGER PRIMARY KEY (rowid<?)", "b USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"attachments of route": {sqlAttachmentsOfRoute, []string{
		"a USING INDEX attachment_route (route=? AND rowid<?)", "b USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"attachments of message": {sqlAttachmentsOfMessage, []string{
		"a USING INDEX attachment_queue_id (queue_id=? AND rowid<?)", "b USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"all attachments of message": {sqlAllAttachmentsOfMessage, []string{
		"a USING INDEX attachment_queue_id (queue_id=?)", "b USING INTEGER PRIMARY KEY (rowid=?)",
	}},
	"store in use": {sqlStoreInUse, []string{"blob_store USING INTEGER PRIMARY KEY (rowid=?)"}},
	"unshare one":  {sqlUnshareOne, []string{"blob USING INDEX sqlite_autoindex_blob_1 (key=?)"}},
	"is attached":  {sqlIsAttached, []string{"attachment USING COVERING INDEX attachment_queue_id (queue_id=?)"}},
	"revoke":       {sqlRevoke, []string{"attachment USING INDEX attachment_queue_id (queue_id=?)"}},
	"forget files": {sqlForgetFiles, []string{
		"attachment USING COVERING INDEX attachment_queue_id (queue_id=?)", "message USING INTEGER PRIMARY KEY (rowid=?)",
		"request USING INDEX request_message (message=?)",
	}},
	"ended links":       {sqlEndedLinks, []string{"attachment USING INDEX attachment_ends (ends<?)"}},
	"delete attachment": {sqlDeleteAttachment, []string{"attachment USING INTEGER PRIMARY KEY (rowid=?)"}},
	"blob is garbage": {sqlBlobIsGarbage, []string{
		"blob USING INTEGER PRIMARY KEY (rowid=?)", "attachment USING COVERING INDEX attachment_blob (blob=?)",
	}},
	"delete blob": {sqlDeleteBlob, []string{
		"blob USING INTEGER PRIMARY KEY (rowid=?)", "attachment USING COVERING INDEX attachment_blob (blob=?)",
	}},
	"garbage": {sqlGarbage, []string{"garbage USING PRIMARY KEY (key>?)"}},
	"unknown objects": {sqlUnknownObjects, []string{
		"blob USING COVERING INDEX sqlite_autoindex_blob_1 (key=?)", "garbage USING PRIMARY KEY (key=?)",
	}},
	"deleted": {sqlDeleted, []string{"garbage USING PRIMARY KEY (key=?)"}},
	"tries":   {sqlAttempts, []string{"attempt USING PRIMARY KEY (request=?)", byID}},
}

// TestPlans holds each hot statement to its indexes, so that it costs the same
// with a thousand and with a million requests.
func TestPlans(t *testing.T) {
	s := openSpool(t, Options{})
	for name, c := range plans {
		t.Run(name, func(t *testing.T) {
			got := plan(t, s, c.query)
			missing := map[string]bool{}
			for _, w := range c.want {
				missing["SEARCH "+w] = true
			}
			want := maps.Clone(missing)
			for _, step := range got {
				// An index walked in order, and left at its first row, is no search by SQLite's word.
				step = strings.Replace(step, "SCAN request USING INDEX request_hold", "SEARCH request USING INDEX request_hold", 1)
				step = strings.Replace(step,
					"SCAN request USING COVERING INDEX request_due", "SEARCH request USING COVERING INDEX request_due", 1)
				step = strings.Replace(step, "SCAN gate USING INDEX gate_held", "SEARCH gate USING INDEX gate_held", 1)
				if strings.Contains(strings.ToUpper(step), "SUBQUERY") { // its own steps stand beside it
					continue
				}
				if strings.HasPrefix(step, "SCAN j VIRTUAL TABLE") { // the numbers that are asked for
					continue
				}
				if step == "MERGE (UNION ALL)" || step == "LEFT" || step == "RIGHT" {
					continue
				}
				if strings.HasSuffix(step, "VALUES CLAUSE") || step == "SCAN CONSTANT ROW" { // what is inserted
					continue
				}
				if !want[step] {
					t.Errorf("%s\nthe plan has %q, which is none of %q", c.query, step, c.want)
				}
				delete(missing, step)
			}
			for step := range missing {
				t.Errorf("%s\nthe plan %q lacks %q", c.query, got, step)
			}
		})
	}
}

// plan is what SQLite would do for a query.
func plan(t *testing.T, s *Store, query string) (steps []string) {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	err := eachRow(t.Context(), s.Reader.db, "EXPLAIN QUERY PLAN "+query, args, func(row scanner) error {
		var id, parent, unused int
		var step string
		err := row.Scan(&id, &parent, &unused, &step)
		steps = append(steps, step)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps
}
