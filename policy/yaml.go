package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxFile   = 1 << 20 // bytes
	maxTokens = 10_000  // bound the depth too: the parser's recursion has no other end
)

// SettingsError is one problem of a file. See [LoadYAML].
type SettingsError struct {
	// Line and Column are where the problem is, from 1.
	Line, Column int
	// Problem says what is wrong and what would be right.
	Problem string
}

// Error tells the position and the problem.
func (e *SettingsError) Error() string {
	return fmt.Sprintf("policy: settings: line %d, column %d: %s", e.Line, e.Column, e.Problem)
}

// LoadYAML reads Settings from a file of at most 1 MiB:
//
//	service_timeouts:              # of a call, with all its attempts and delays
//	  api_gateway_to_service: 5s
//	  service_to_service: 10s
//	  service_to_database: 15s
//	  service_to_external_api: 30s
//	retry_configuration:
//	  max_attempts: 3              # with the first, 1 to 1000
//	  base_delay: 100ms            # longest delay before the second attempt
//	  max_delay: 5s                # and before any, at least base_delay
//	  multiplier: 2.0              # growth of the delay, at least 1
//	  jitter: true                 # full; false is none; or a name, see below
//	  attempt_timeout: 2s          # of each attempt; no default: no bound
//	  retry_conditions:            # see below
//	    - network_timeout
//	    - service_unavailable (503)
//	  non_retry_conditions:
//	    - bad_request (400)
//	  budget:                      # of all retries together; no default: no bound
//	    ratio: 0.2                 # retries for each call, above 0, at most 1000
//	    min_per_second: 10         # and so many more, 0 or more
//	    window: 10s                # how long a call counts, at least 1ms
//	circuit_breaker:
//	  failure_threshold: 5         # failures in a row that open it, 1 or more
//	  failure_rate: 0.5            # or so large a part of the calls, above 0, at most 1; no default
//	  slow_call_rate: 0.5          # or of slow calls; no default; needs:
//	  slow_call_threshold: 1s      # what is slow; no default
//	  min_calls: 20                # before a rate counts, 1 to 100000
//	  monitoring_period: 10s       # how far back rates look, at least 1ms
//	  reset_timeout: 60s           # how long it stays open
//	  max_reset_timeout: 10m       # and at most, after probes that failed; at least reset_timeout
//	  half_open_probes: 1          # that must succeed to close it, 1 to 64
//	bulkhead:                      # no default: none. "bulkhead: {}" has the defaults
//	  max_concurrent: 64           # calls under way at once, 1 or more
//	  max_queue: 0                 # calls that wait, 0 or more
//	  max_wait: 1s                 # how long they do; needs max_queue; no default: no bound
//
// Every key may be left out. The values above are the defaults, save where "no
// default" is noted and for the conditions; failure_threshold has none if one of the
// rates is set. A duration has a unit, as [time.ParseDuration] reads it, and is above
// 0.
//
// jitter is true, false, full, equal, decorrelated, proportional or none; see
// [retry.Jitter].
//
// A condition is network_timeout, connection_failure (refused, reset, closed, or a
// name that could not be looked up for now), or the name of an HTTP status from 400
// to 599 in lower case with underscores, and best with its code. If there are
// retry_conditions, only these are retried; without them what [retry.Transient] says
// is, but for the non_retry_conditions. That is [retry.Config].RetryIf: marks such as
// [retry.Permanent] go before it, an attempt that ran into attempt_timeout is always
// retried, and a POST is not sent again whatever it says.
//
// LoadYAML knows no other keys, takes no value of another kind (no text for a
// number), and no anchors, aliases, tags, directives, or second document. An empty file has all
// defaults. The error joins a [*SettingsError] for each problem, in the order of the
// file, or says that r could not be read. LoadYAML panics if r is nil.
func LoadYAML(r io.Reader) (*Settings, error) {
	if r == nil {
		panic("policy: LoadYAML: r is nil")
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("policy: settings: read: %w", err)
	}
	document, problem := parse(text)
	if problem != nil {
		return nil, problem
	}
	var f file
	s := f.settings(document)
	if len(f.problems) == 0 {
		return s, nil
	}
	slices.SortStableFunc(f.problems, func(a, b *SettingsError) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	all := make([]error, len(f.problems))
	for i, problem := range f.problems {
		all[i] = problem
	}
	return nil, errors.Join(all...)
}

// parse returns the one document of a file, nil if it is empty.
func parse(text []byte) (document ast.Node, problem *SettingsError) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(text) > maxFile {
		return nil, &SettingsError{1, 1, "the file has more than 1 MiB"}
	}
	if at := firstInvalid(text); at >= 0 {
		before := text[:at]
		line := bytes.Count(before, []byte("\n")) + 1
		column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
		return nil, &SettingsError{line, column, fmt.Sprintf("byte %#02x is no UTF-8 text", text[at])}
	}
	// No file is known that makes this version of the parser panic; one that does
	// is not valid either.
	defer func() {
		if v := recover(); v != nil {
			document, problem = nil, &SettingsError{1, 1, fmt.Sprintf("not valid YAML: %v", v)}
		}
	}()
	tokens := lexer.Tokenize(string(text))
	if len(tokens) > maxTokens {
		return nil, at(tokens[maxTokens], "the file has too many parts, more than 10000")
	}
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // found here, with both positions
	if err != nil {
		return nil, syntaxError(err)
	}
	var documents []*ast.DocumentNode
	for _, d := range parsed.Docs {
		if directive, ok := d.Body.(*ast.DirectiveNode); ok {
			return nil, at(directive.GetToken(), "a directive is not taken here")
		}
		if d.Body != nil || d.Start != nil {
			documents = append(documents, d)
		}
	}
	switch len(documents) {
	case 0:
		return nil, nil
	case 1:
		return documents[0].Body, nil
	default:
		return nil, at(documents[1].Start, "a second document begins, want one")
	}
}

// firstInvalid returns where the first byte is that is no UTF-8, or -1.
func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

func syntaxError(err error) *SettingsError {
	if e, ok := errors.AsType[interface {
		error
		GetToken() *token.Token
		GetMessage() string
	}](err); ok {
		return at(e.GetToken(), "not valid YAML: "+e.GetMessage())
	}
	return &SettingsError{1, 1, "not valid YAML: " + err.Error()}
}

// at returns a problem at a token, or at the beginning if there is none.
func at(t *token.Token, problem string) *SettingsError {
	e := &SettingsError{1, 1, problem}
	if t != nil && t.Position != nil {
		e.Line, e.Column = max(t.Position.Line, 1), max(t.Position.Column, 1)
	}
	return e
}
