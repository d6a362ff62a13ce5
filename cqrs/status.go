package cqrs

// Status is where a version of a projection stands.
type Status uint8

const (
	// Building is a version that nobody reads yet: it has not caught up.
	Building Status = iota + 1

	// Active is the version that is read. A projection has one at most.
	Active

	// Retired is a version that another one has taken the place of. It no longer
	// moves, but is still there.
	Retired

	// Dropped is a version whose tables are gone.
	Dropped
)

func (s Status) String() string {
	switch s {
	case Building:
		return "building"
	case Active:
		return "active"
	case Retired:
		return "retired"
	case Dropped:
		return "dropped"
	default:
		return "invalid status"
	}
}

// CheckStatus decides for targets whether SetStatus may make one status of
// another, and whether there is anything to change.
func CheckStatus(from, to Status) (change bool, err error) {
	switch {
	case from == to, from == Active && to == Building:
		return false, nil
	case from == Active && (to == Retired || to == Dropped):
		return false, ErrActive
	case to == Building && (from == Retired || from == Dropped),
		to == Retired && from == Building,
		to == Dropped && (from == Building || from == Retired):
		return true, nil
	default:
		return false, invalidf("make a version %s that is %s", to, from)
	}
}
