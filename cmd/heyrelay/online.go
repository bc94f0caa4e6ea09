package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/config"
	"heyrelay/internal/heymarket"
	"heyrelay/internal/relay"
	"heyrelay/internal/smarthost"
)

// online checks a configuration with the services that it names, without side effects.
type online struct {
	p       *program
	cfg     *config.Config
	failed  []error // what serve could not work with
	unknown bool    // whether a failure may be temporary
}

// checkOnline reports what works on standard output. Its error lists what does not.
func checkOnline(p *program, cfg *config.Config) error {
	o := online{p: p, cfg: cfg}
	for _, name := range slices.Sorted(maps.Keys(cfg.Teams)) {
		if inboxes, ok := o.team(name); ok {
			o.routes(name, inboxes)
		}
	}
	o.bucket()
	o.mailServers()
	return o.err()
}

// err returns what failed, with the exit code for it.
func (o *online) err() error {
	code := exitConfig
	if o.unknown {
		code = exitFailed
	}
	if err := errors.Join(o.failed...); err != nil {
		return coded{code, err}
	}
	return nil
}

// team tries each credential of a team. It reports whether one works, and the
// inboxes that the API lists.
func (o *online) team(name string) (inboxes []heymarket.Inbox, ok bool) {
	var failures []error
	for _, c := range credentials(o.cfg.Teams[name]) {
		list, err := o.inboxes(name, c.team)
		if err != nil {
			failures = append(failures, o.failure(name, c.name, err))
			o.unknown = o.unknown || !isRefusal(err)
			continue
		}
		fmt.Fprintf(o.p.stdout, "team %s: %s works, %d inbox(es)\n", name, c.name, len(list))
		inboxes = list
		ok = true
	}
	if !ok {
		o.failed = append(o.failed, failures...)
		return nil, false
	}
	for _, err := range failures {
		fmt.Fprintf(o.p.stdout, "warning: %s; the other one is used\n", printable(err.Error()))
	}
	return inboxes, true
}

// failure says whether a credential does not work, or was not even looked at.
func (o *online) failure(team, credential string, err error) error {
	if isRefusal(err) {
		return fmt.Errorf("team %s: %s does not work: %w", team, credential, err)
	}
	return fmt.Errorf("team %s: %s cannot be checked: %w; check %s and the network",
		team, credential, err, o.cfg.Key("heymarket.base_url"))
}

// credential is a team with only one of its credentials.
type credential struct {
	name string
	team config.Team
}

func credentials(t config.Team) []credential {
	if !t.APIKey.IsZero() {
		return []credential{{"the API key", t}}
	}
	var all []credential
	for _, s := range t.Secrets {
		one := t
		one.Secrets = []config.APISecret{s}
		all = append(all, credential{"secret " + s.ID, one})
	}
	return all
}

// inboxes lists the inboxes of a team.
func (o *online) inboxes(name string, team config.Team) ([]heymarket.Inbox, error) {
	cfg := *o.cfg
	cfg.Teams = map[string]config.Team{name: team}
	client, err := relay.Client(&cfg, name, relay.Parts{UserAgent: "heyrelay/" + version()})
	if err != nil {
		return nil, err
	}
	return client.Inboxes(o.p.ctx)
}

// isRefusal reports whether the API refused credentials. Other failures may be
// temporary.
func isRefusal(err error) bool {
	var failure *heymarket.Error
	return errors.As(err, &failure) && (failure.Class == heymarket.Denied || failure.Class == heymarket.Forbidden)
}

// routes checks the inboxes and creators of a team's routes. Heymarket's documents
// disagree on whose number a creator is, so that one that is not listed is a warning.
func (o *online) routes(team string, inboxes []heymarket.Inbox) {
	for _, r := range o.cfg.Routes {
		if r.Team != team {
			continue
		}
		i := slices.IndexFunc(inboxes, func(b heymarket.Inbox) bool { return b.ID == r.Inbox })
		if i < 0 {
			err := fmt.Errorf("route %s: team %s has no inbox %d; it has %s", r.Name, team, r.Inbox, listed(inboxes))
			o.failed = append(o.failed, err)
			continue
		}
		inbox := inboxes[i]
		m := slices.IndexFunc(inbox.Members, func(m heymarket.Member) bool { return m.ID == r.CreatorID })
		if m < 0 {
			fmt.Fprintf(o.p.stdout,
				"warning: route %s: creator_id %d is not listed as a member of inbox %d; the API may refuse it\n",
				r.Name, r.CreatorID, r.Inbox)
			continue
		}
		fmt.Fprintf(o.p.stdout, "route %s: inbox %s and creator %s exist\n", r.Name,
			titled(inbox.ID, inbox.Name), titled(r.CreatorID, inbox.Members[m].Name))
	}
}

// listed names inboxes, not all of a large account.
func listed(inboxes []heymarket.Inbox) string {
	const most = 5
	var names []string
	for _, b := range inboxes[:min(len(inboxes), most)] {
		names = append(names, titled(b.ID, b.Name))
	}
	if len(inboxes) > most {
		names = append(names, "others (heyrelay inboxes lists them)")
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

// answerTime is how long a bucket or a mail server may take to answer.
const answerTime = 30 * time.Second

// bucket checks whether the bucket that files are stored in can be used.
func (o *online) bucket() {
	if !strings.HasPrefix(o.cfg.Blobs.URL, "s3:") {
		return
	}
	store, err := openBlobs(o.cfg)
	if err == nil {
		ctx, cancel := context.WithTimeout(o.p.ctx, answerTime)
		defer cancel()
		err = store.Ping(ctx)
	}
	if err != nil {
		o.failed = append(o.failed, fmt.Errorf("blobs.url: %w", err))
		o.unknown = o.unknown || !errors.Is(err, blob.ErrDenied)
		return
	}
	fmt.Fprintln(o.p.stdout, "blobs.url: the bucket responds")
}

// mailServers checks whether the mail servers of the configuration answer, and accept the login.
func (o *online) mailServers() {
	o.mailServer("bounces.smarthost", o.cfg.Bounces.Hop())
	for _, r := range o.cfg.Routes {
		o.mailServer("route "+r.Name+": shadow", r.Shadow)
		if offers, ok := o.mailServer("route "+r.Name+": smarthost", r.Smarthost); ok {
			o.warnOf(r, offers)
		}
	}
}

// mailServer opens a session with a mail server, if hop names one, and sends no mail. ok is false if it
// could not.
func (o *online) mailServer(purpose string, hop config.NextHop) (offers smarthost.Offers, ok bool) {
	if hop.Next == "" {
		return offers, false
	}
	ctx, cancel := context.WithTimeout(o.p.ctx, answerTime)
	defer cancel()
	session, err := relay.MailServer(o.cfg, hop).Connect(ctx)
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("no response within %v", answerTime)
	case err == nil:
		defer session.Close()
		fmt.Fprintf(o.p.stdout, "%s: %s responds%s\n", purpose, hop.Next, loggedIn(hop.User))
		if session.NoTLS != nil {
			fmt.Fprintf(o.p.stdout, "warning: %s: mail goes there in plaintext, as STARTTLS fails: %v\n", purpose, session.NoTLS)
		}
		return session.Offers, true
	}
	if !errors.As(err, new(smarthost.Denied)) {
		o.unknown = true
		err = fmt.Errorf("%w; check the address and the network", err)
	}
	o.failed = append(o.failed, fmt.Errorf("%s: %s: %w", purpose, hop.Next, err))
	return offers, false
}

// loggedIn is the rest of a sentence about a mail server that a user, if there is one, has logged in to.
func loggedIn(user string) string {
	if user == "" {
		return ""
	}
	return ", and accepts the login of " + user
}

// warnOf warns of mail that the smarthost of a route would refuse, and the route accepts.
func (o *online) warnOf(r config.Route, offers smarthost.Offers) {
	var warnings []string
	if limit := o.cfg.Limits.MessageSize; 0 < offers.Size && offers.Size < int64(limit) {
		warnings = append(warnings, fmt.Sprintf("takes messages of at most %d bytes, and %s is %v: larger ones fail",
			offers.Size, o.cfg.Key("limits.message_size"), limit))
	}
	if !offers.EightBit {
		warnings = append(warnings, "does not offer 8BITMIME: messages with 8-bit content fail")
	}
	for _, w := range warnings {
		fmt.Fprintf(o.p.stdout, "warning: route %s: the smarthost %s\n", r.Name, w)
	}
}

// titled writes a number and, if there is one, its name.
func titled(id int64, name string) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", id, name))
}
