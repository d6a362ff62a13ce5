package retry

import (
	"errors"
	"strconv"
	"strings"
)

// streamError is what errors.As finds in an error of net/http about a stream of
// HTTP/2: the type of that error is not exported, but makes itself into any of the
// same fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "stream error " + strconv.Itoa(int(e.Code)) }

// The codes of RFC 9113, section 7, by which a server ends a stream for reasons of
// its own. The others say that somebody breaks the protocol.
const (
	codeNoError       = 0x0
	codeInternalError = 0x2
	codeRefusedStream = 0x7
	codeCancel        = 0x8
	codeEnhanceCalm   = 0xb
)

// Of a connection of HTTP/2 that has ended net/http tells in these words only.
const (
	goAwayAndClosed = "http2: server sent GOAWAY and closed the connection"
	connectionLost  = "http2: client connection lost"
)

// closedByPeer reports whether the other side has ended a stream or a connection of
// HTTP/2.
func closedByPeer(err error) bool {
	var stream streamError
	if errors.As(err, &stream) {
		switch stream.Code {
		case codeNoError, codeInternalError, codeRefusedStream, codeCancel, codeEnhanceCalm:
			return true
		}
	}
	closed := false
	walk(err, func(e error) bool {
		text := e.Error()
		closed = closed || strings.HasPrefix(text, goAwayAndClosed) || text == connectionLost
		return true
	})
	return closed
}
