package main

import "fmt"

type spoolCmd struct {
	Backup spoolBackupCmd `cmd:"" help:"Copy the spool to a file, even while a relay is using it."`
}

type spoolBackupCmd struct {
	configured
	To string `arg:"" name:"file" type:"path" help:"The file, which must not exist yet."`
}

// Help says how a backup is restored.
func (spoolBackupCmd) Help() string {
	return `To restore it: stop the relay, replace the spool with the file, remove the
files next to it that end in -wal and -shm, and start the relay. Requests that
were pending may have been sent since: they are sent again under their
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
