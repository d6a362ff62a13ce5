package service

import (
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/parlance-go/parlance/retry"
)

// guard puts around a service what protects it from its callers, and its callers
// from it.
func guard(next http.Handler, host string, logger *slog.Logger) http.Handler {
	return recovering(ours(http.MaxBytesHandler(retry.DeadlineHandler(next, longest), maxRequest), host), logger)
}

// recovering answers 500 when a handler panics: the caller should learn that
// trying again may help, and not only that a connection broke off.
func recovering(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch reason := recover(); reason {
			case nil:
			case http.ErrAbortHandler:
				panic(reason)
			default:
				logger.Error("handler panicked", "path", r.URL.Path, "panic", reason, "stack", string(debug.Stack()))
				answer(w, http.StatusInternalServerError, problem{"the service broke down on this request"})
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// ours refuses requests that name another host. A page in a browser on this
// machine could otherwise be made to ask, by a name that leads here (DNS
// rebinding).
func ours(next http.Handler, host string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			answer(w, http.StatusMisdirectedRequest, problem{"this service is for its own program"})
			return
		}
		next.ServeHTTP(w, r)
	})
}
