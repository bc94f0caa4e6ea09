package intake

import (
	"fmt"
	"slices"
	"strings"

	"heyrelay/internal/config"
	"heyrelay/internal/spool"
	"heyrelay/mimeconv"
	"heyrelay/smtpd"
	"heyrelay/threading"
)

// audiences returns who gets the message and who sees whom, the visible recipients
// first, and all recipients in a flat list.
func (s *submission) audiences() (all []threading.Audience, rcpt []string, err error) {
	rcpt, err = s.recipients()
	if err != nil {
		return nil, nil, err
	}
	to, cc := s.roles(rcpt)
	rcpt = threading.Without(rcpt, s.route.OwnAddresses.Match)
	for _, r := range rcpt {
		if len(s.route.OnlyRecipients) > 0 && !s.route.OnlyRecipients.Match(r) {
			return nil, nil, fmt.Errorf("%w: %s does not match only_recipients of route %s",
				errRecipient, r, s.route.Name)
		}
	}
	all = threading.Split(rcpt, to, cc)
	n := 0
	for _, a := range all {
		if a.Blind && s.route.BCC == config.BCCReject {
			return nil, nil, fmt.Errorf("%w: %s is in neither To nor Cc, and route %s has bcc: reject",
				errBlind, a.To[0], s.route.Name)
		}
		n += len(a.To) + len(a.Cc)
	}
	if s.route.Recipients == config.RecipientsHeaders && n > s.most { // a header can name thousands
		return nil, nil, fmt.Errorf("%w: %d, the limit is %d (limits.recipients)", errCrowd, n, s.most)
	}
	if s.control.convoID != 0 && all[0].Blind {
		return nil, nil, fmt.Errorf("%w: %sConvo-Id applies to recipients in To and Cc, and there are none",
			errControl, controlPrefix)
	}
	return all, rcpt, nil
}

// recipients returns who gets the message: the envelope's recipients, or the
// header's on a route with recipients: headers.
func (s *submission) recipients() ([]string, error) {
	if s.route.Recipients != config.RecipientsHeaders {
		return s.known(s.env.Rcpt)
	}
	rcpt := slices.Concat(addrs(s.header.To), addrs(s.header.Cc), addrs(s.header.Bcc), s.env.Rcpt)
	mailbox := threading.Canonical(s.route.RelayMailbox)
	rcpt = slices.DeleteFunc(rcpt, func(r string) bool { return threading.Canonical(r) == mailbox })
	if len(rcpt) == 0 {
		return nil, fmt.Errorf("%w: To, Cc, Bcc and the envelope name nobody but %s",
			errNobody, s.route.RelayMailbox)
	}
	rcpt, err := s.known(rcpt)
	if err != nil {
		return nil, err
	}
	for _, r := range rcpt {
		if err := smtpd.CheckAddress(r, true); err != nil {
			return nil, fmt.Errorf("%w: %q: %w", errNobody, r, err)
		}
	}
	return rcpt, nil
}

// known replaces recipients by their aliases. A local one without an alias is an error.
func (s *submission) known(rcpt []string) ([]string, error) {
	var all []string
	for _, r := range rcpt {
		to, ok := s.alias(r)
		if !ok {
			return nil, fmt.Errorf("%w: %q", errLocal, r)
		}
		all = append(all, to)
	}
	return all, nil
}

// roles returns the addresses in To and Cc, or those of the newest block of Resent
// fields that names a recipient (RFC 5322, section 3.6.6).
func (s *submission) roles(rcpt []string) (to, cc []string) {
	for _, block := range s.header.Resent { // newest first
		to, cc := s.named(block.To), s.named(block.Cc)
		if threading.Intersects(rcpt, slices.Concat(to, cc)) {
			return to, cc
		}
	}
	return s.named(s.header.To), s.named(s.header.Cc)
}

// named returns the addresses of a header field, aliases replaced.
func (s *submission) named(list []mimeconv.Address) []string {
	all := addrs(list)
	for i := range all {
		all[i], _ = s.alias(all[i])
	}
	return all
}

// checkTargets returns an error if more recipients see each other than the API may have.
func (s *submission) checkTargets(audiences []threading.Audience) error {
	for _, a := range audiences {
		if n := len(a.To) + len(a.Cc); n > s.team.MaxTargets {
			return fmt.Errorf("%w: %d in To and Cc; the limit is %d (teams.%s.max_targets)",
				errTooMany, n, s.team.MaxTargets, s.route.Team)
		}
	}
	return nil
}

// addDSN adds to each request the reports that the client requested for its
// recipients. A recipient that only a header names gets the requests made for the
// relay mailbox, as an alias does (RFC 3461, section 5.2.7.3).
func addDSN(requests []spool.Request, s *submission) {
	isRequest := func(d smtpd.DSN) bool { return d.Notify != nil || d.Original != "" }
	if !slices.ContainsFunc(s.env.DSN, isRequest) {
		return
	}
	requested := make(map[string]spool.DSN)
	for i, d := range s.env.DSN {
		to, _ := s.alias(s.env.Rcpt[i])
		name, request := threading.Canonical(to), spool.DSN(d)
		if earlier, again := requested[name]; again {
			request = earlier.And(request)
		}
		requested[name] = request
	}
	for i := range requests {
		r := &requests[i]
		for _, a := range slices.Concat(r.To, r.Cc) {
			d, named := requested[threading.Canonical(a)]
			if !named {
				d.Notify = requested[threading.Canonical(s.route.RelayMailbox)].Notify
			}
			r.DSN = append(r.DSN, d)
		}
	}
}

func addrs(list []mimeconv.Address) []string {
	var all []string
	for _, a := range list {
		all = append(all, strings.TrimSpace(a.Addr))
	}
	return all
}
