package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"heyrelay/internal/blob"
	"heyrelay/internal/cleaning"
	"heyrelay/internal/config"
	"heyrelay/internal/spool"
)

type blobsCmd struct {
	List   blobsListCmd   `cmd:"" help:"List attachments with their links, newest first."`
	Revoke blobsRevokeCmd `cmd:"" help:"Revoke the links of a message."`
	GC     blobsGCCmd     `cmd:"" name:"gc" help:"Delete files that no link needs any longer."`
}

type blobsListCmd struct {
	configured
	QueueID string `arg:"" optional:"" name:"queue-id" help:"Only attachments of this message, by its queue id."`
	Route   string `placeholder:"NAME" help:"Only attachments of this route."`
	Limit   int    `default:"100" placeholder:"N" help:"List at most N attachments (${default})."`
	JSON    bool   `name:"json" help:"Print JSON, one object per line."`
}

// Help says what the columns mean.
func (blobsListCmd) Help() string {
	return `The links themselves are not stored: only recipients have them. A file stays
in the list until it is deleted, within minutes after its last link has ended.`
}

// Run lists what matches.
func (c blobsListCmd) Run(p *program) error {
	f := spool.AttachmentFilter{QueueID: c.QueueID, Route: c.Route, Limit: c.Limit}
	return c.read(p, func(r spool.Reader) error {
		page, err := r.Attachments(p.ctx, f)
		if err != nil {
			return err
		}
		if page.Older != 0 {
			printMore(p, c.Limit)
		}
		if c.JSON {
			return printLines(p, withStates(page.Attachments))
		}
		return printAttachments(p.stdout, page.Attachments)
	})
}

// linked is an attachment with the state of its link.
type linked struct {
	spool.Attachment
	Link string `json:"link"`
}

func withStates(list []spool.Attachment) (all []linked) {
	for _, a := range list {
		all = append(all, linked{a, a.State(time.Now())})
	}
	return all
}

func printAttachments(out io.Writer, list []spool.Attachment) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "QUEUE ID\tACCEPTED\tROUTE\tLINK\tUNTIL\tBYTES\tTYPE\tNAME")
	for _, a := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", a.QueueID, when(a.Accepted), a.Route, a.State(time.Now()),
			when(a.Expires), a.Size, printable(a.ContentType), printable(a.Name))
	}
	return w.Flush()
}

type blobsRevokeCmd struct {
	configured
	QueueIDs []string `arg:"" name:"queue-id" help:"The queue ids of the messages (see the 250 reply or the log)."`
}

// Help says what happens to the files.
func (blobsRevokeCmd) Help() string {
	return `The links stop working at once, and cannot be restored. A file is deleted
within minutes, unless another message has a link to it.`
}

// Run revokes the links of each message.
func (c blobsRevokeCmd) Run(p *program) error {
	return c.withOperator(p, func(_ *config.Config, op spool.Operator) error {
		for _, id := range c.QueueIDs {
			n, err := op.Revoke(p.ctx, time.Now(), id)
			switch {
			case errors.Is(err, spool.ErrNotFound):
				return fmt.Errorf("message %s has no attachments in this spool; see heyrelay blobs list", id)
			case err != nil:
				return err
			}
			fmt.Fprintf(p.stdout, "%s: %s revoked\n", id, count(n, "link"))
		}
		return nil
	})
}

type blobsGCCmd struct{ configured }

// Help says why nobody needs this command.
func (blobsGCCmd) Help() string {
	return `A running relay does the same every ten minutes, and looks once a day for files
of messages that were not accepted. Both can run at the same time. A file that
belongs to no message is deleted when it is older than a day.`
}

// Run cleans the blob store, and prints what went.
func (c blobsGCCmd) Run(p *program) error {
	cfg, err := c.load(p)
	if err != nil {
		return err
	}
	return changeSpool(p, cfg, func(op spool.Operator) error {
		if cfg.Blobs.URL == "" {
			return errors.New("the configuration has no blobs.url: no files are kept")
		}
		if folder, ok := blob.Folder(cfg.Blobs.URL); ok { // or it would be made, for the wrong user perhaps
			if _, err := os.Stat(folder); err != nil {
				return fmt.Errorf("blobs.url: %w; heyrelay serve creates it", err)
			}
		}
		store, err := openBlobs(cfg)
		if err != nil {
			return err
		}
		cleaner := &cleaning.Cleaner{Spool: op, Blobs: store, Now: time.Now}
		done, err := cleaner.Round(p.ctx, true)
		fmt.Fprintf(p.stdout, "%s ended, %s without a message, %s deleted\n",
			count(done.Links, "link"), count(done.Strays, "file"), count(done.Objects, "file"))
		return err
	})
}

// openBlobs opens the blob store of a configuration.
func openBlobs(cfg *config.Config) (blob.Store, error) {
	return blob.Open(cfg.Blobs.URL, blob.Options{
		AccessKey: func() string { return cfg.Blobs.AccessKeyID },
		SecretKey: cfg.Blobs.SecretAccessKey.Reveal,
	})
}

// checkBlobs returns the error that serve would return.
func checkBlobs(cfg *config.Config) error {
	if cfg.Blobs.URL == "" {
		return nil
	}
	return blob.CheckStore(cfg.Blobs.URL)
}
