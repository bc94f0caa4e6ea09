package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	for want, info := range map[string]debug.BuildInfo{
		"(devel) ": {},
		"v1.2.3 commit 0123456789ab of 2026-11-25T12:00:00Z ": {
			Main: debug.Module{Version: "v1.2.3"},
			Settings: []debug.BuildSetting{
				{Key: "vcs.revision", Value: "0123456789abcdef"},
				{Key: "vcs.time", Value: "2026-11-25T12:00:00Z"},
				{Key: "vcs.modified", Value: "false"},
			},
		},
		"v1.2.3 commit 0123 with changes ": {
			Main:     debug.Module{Version: "v1.2.3"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123"}, {Key: "vcs.modified", Value: "true"}},
		},
	} {
		if got := describe(&info); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q …", got, want)
		}
	}
}
