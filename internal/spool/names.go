package spool

import (
	"fmt"
	"slices"
	"strings"
)

// These stand in the order of the constants.
var (
	stateNames = []string{
		"queued", "ready", "deferred", "active", "held", "sent", "flagged", "failed", "dropped", "shadowed",
	}
	priorityNames = []string{"high", "normal", "bulk"}
	callNames     = []string{"send", "check-conversation", "find-message"}
)

// String is the state's name in lists and on the command line.
func (s State) String() string { return nameOf(int(s), "State", stateNames) }

// String is the priority's name in lists, headers and the configuration.
func (p Priority) String() string { return nameOf(int(p), "Priority", priorityNames) }

// String is the call's name in the details of a message.
func (c Call) String() string { return nameOf(int(c), "Call", callNames) }

// ParseState reads what State.String writes, letter case aside.
func ParseState(s string) (State, error) {
	i, err := parseName(s, "state", stateNames)
	return State(i), err
}

// AllOpen stands for OpenStates wherever states are named.
const AllOpen = "waiting"

// OpenStates returns the states of requests that have not ended.
func OpenStates() []State { return []State{Queued, Ready, Deferred, Active, Held} }

// ParseStates reads names of states, and AllOpen.
func ParseStates(names []string) (states []State, err error) {
	for _, name := range names {
		if name == AllOpen {
			states = append(states, OpenStates()...)
			continue
		}
		state, err := ParseState(name)
		if err != nil {
			return nil, err
		}
		states = append(states, state)
	}
	return states, nil
}

// ParsePriority reads what Priority.String writes, letter case aside.
func ParsePriority(s string) (Priority, error) {
	i, err := parseName(s, "priority", priorityNames)
	return Priority(i), err
}

func nameOf(i int, kind string, names []string) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("%s(%d)", kind, i)
	}
	return names[i]
}

func parseName(s, kind string, names []string) (int, error) {
	i := slices.Index(names, strings.ToLower(s))
	if i < 0 {
		return 0, fmt.Errorf("no %s is called %q: use one of %s", kind, s, strings.Join(names, ", "))
	}
	return i, nil
}
