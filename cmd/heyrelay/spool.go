package main

import "fmt"

type spoolCmd struct {
	Backup spoolBackupCmd `cmd:"" help:"Copy the spool to a file, also while a relay serves it."`
}

type spoolBackupCmd struct {
	configured
	To string `arg:"" name:"file" type:"path" help:"The file, which must not exist yet."`
}

// Help says how a backup is restored.
func (spoolBackupCmd) Help() string {
	return `To restore it: stop the relay, put the file in the place of the spool and
remove the files beside it that end in -wal and -shm, and start the relay.
What was pending may have been sent since: it is sent again under its
local_id, or searched for first. Mail accepted after the backup is lost.`
}

// Run writes the backup.
func (c spoolBackupCmd) Run(p *program) error {
	if err := c.backup(p, c.To); err != nil {
		return err
	}
	_, err := fmt.Fprintln(p.stdout, "wrote "+c.To)
	return err
}
