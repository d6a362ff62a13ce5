package policy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/policy"
	"github.com/parlance-go/parlance/retry"
)

func load(t testing.TB, text string) *policy.Settings {
	t.Helper()
	s, err := policy.LoadYAML(strings.NewReader(text))
	assert.NoError(t, err)
	return s
}

// status is an error with a status.
func status(code int) error { return &retry.StatusError{Code: code} }

func TestSettingsFileLoadsUnchanged(t *testing.T) {
	text, err := os.ReadFile("testdata/settings.yaml")
	assert.NoError(t, err)
	for name, text := range map[string][]byte{
		"as it is":             text,
		"from Windows":         bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n")),
		"with a mark in front": append([]byte("\ufeff---\n"), text...),
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t, string(text))
			assert.Equal(t, s.Timeouts, retry.Timeouts{
				GatewayToService:  5 * time.Second,
				ServiceToService:  10 * time.Second,
				ServiceToDatabase: 15 * time.Second,
				ServiceToExternal: 30 * time.Second,
			})
			retryIf := s.Retry.RetryIf
			s.Retry.RetryIf = nil
			assert.Equal(t, s.Retry, retry.Config{
				MaxAttempts: 3,
				BaseDelay:   100 * time.Millisecond,
				MaxDelay:    5 * time.Second,
				Multiplier:  2,
				Jitter:      retry.FullJitter,
			})
			assert.Equal(t, s.AttemptTimeout, 0)
			assert.Equal(t, s.Breaker, breaker.Config{})
			assert.True(t, s.Bulkhead == nil)

			for err, want := range map[error]bool{
				context.DeadlineExceeded: true,
				status(503):              true,
				status(500):              true,
				status(400):              false,
				status(401):              false,
				status(403):              false,
				status(404):              false,
				status(502):              false, // not in the list
				syscall.ECONNREFUSED:     false,
				errors.New("no idea"):    false,
			} {
				assert.Equal(t, retryIf(err), want, "%v", err)
			}
		})
	}
}

func TestSettingsFileWithAllKeys(t *testing.T) {
	s := load(t, `
retry_configuration:
  jitter: proportional
  attempt_timeout: 2s
  budget: {ratio: 0.1, min_per_second: 0, window: 20s}
circuit_breaker:
  failure_threshold: 7
  failure_rate: 0.5
  slow_call_rate: 1
  slow_call_threshold: 1.5s
  min_calls: 30
  monitoring_period: 15s
  reset_timeout: 45s
  max_reset_timeout: 5m
  half_open_probes: 2
bulkhead:
  max_concurrent: 10
  max_queue: 20
  max_wait: 250ms
`)
	assert.Equal(t, s.AttemptTimeout, 2*time.Second)
	assert.Equal(t, s.Retry.Jitter, retry.ProportionalJitter)
	assert.Equal(t, s.Retry.Budget.Balance(), 0, "without a floor, before the first call")
	assert.True(t, s.Retry.RetryIf == nil)
	assert.Equal(t, s.Breaker, breaker.Config{
		ConsecutiveFailures: 7,
		FailureRate:         0.5,
		SlowCallRate:        1,
		SlowCallThreshold:   1500 * time.Millisecond,
		MinCalls:            30,
		Window:              15 * time.Second,
		ResetTimeout:        45 * time.Second,
		MaxResetTimeout:     5 * time.Minute,
		Probes:              2,
	})
	assert.Equal(t, *s.Bulkhead, policy.BulkheadConfig{MaxConcurrent: 10, MaxQueue: 20, MaxWait: 250 * time.Millisecond})
}

func TestSettingsFileMayLeaveAllOut(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "{}", "retry_configuration: {}"} {
		assert.Equal(t, *load(t, text), policy.Settings{}, "%q", text)
	}
	assert.Equal(t, *load(t, "bulkhead: {}").Bulkhead, policy.BulkheadConfig{}, "one with the defaults")
	assert.Equal(t, load(t, "retry_configuration: {budget: {}}").Retry.Budget.Balance(), 100, "10/s for 10 s")
}

func TestSettingsFileNamesEachJitter(t *testing.T) {
	for text, want := range map[string]retry.Jitter{
		"true":         retry.FullJitter,
		"false":        retry.NoJitter,
		"full":         retry.FullJitter,
		"equal":        retry.EqualJitter,
		"decorrelated": retry.DecorrelatedJitter,
		"proportional": retry.ProportionalJitter,
		"none":         retry.NoJitter,
	} {
		assert.Equal(t, load(t, "retry_configuration: {jitter: "+text+"}").Retry.Jitter, want, text)
	}
}

func TestSettingsFileConditions(t *testing.T) {
	urlError := func(err error) error { return &url.Error{Op: "Get", URL: "http://x", Err: err} }
	timeout := urlError(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded})
	refused := urlError(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})
	closed := urlError(io.EOF)
	unknown := errors.New("no idea")
	for _, c := range []struct {
		name, only, never string
		retried, left     []error
	}{
		{
			name: "timeouts", only: "network_timeout",
			retried: []error{timeout, context.DeadlineExceeded, fmt.Errorf("call: %w", timeout), urlError(fmt.Errorf("proxy: %w", timeout)), &retry.TimeoutError{}},
			left:    []error{refused, closed, status(504), unknown},
		},
		{
			name: "connections", only: "connection_failure",
			retried: []error{refused, closed},
			left:    []error{timeout, status(503), unknown},
		},
		{
			name: "a status without its code", only: "too_many_requests",
			retried: []error{status(429), fmt.Errorf("call: %w", status(429))},
			left:    []error{status(503), timeout},
		},
		{
			name: "any status of HTTP", only: "im_a_teapot (418), network_authentication_required (511), non_existent",
		},
		{
			name: "the defaults, but for some", never: "network_timeout, bad_gateway (502)",
			retried: []error{refused, status(500), status(503)},
			left:    []error{timeout, status(502), status(404), unknown},
		},
		{
			name: "nothing excluded", never: "",
			retried: []error{refused, timeout, status(502)},
			left:    []error{status(404), unknown},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "retry_configuration: {non_retry_conditions: [" + c.never + "]}"
			if c.only != "" {
				text = "retry_configuration: {retry_conditions: [" + c.only + "]}"
			}
			s, err := policy.LoadYAML(strings.NewReader(text))
			if strings.Contains(c.only, "non_existent") {
				assert.Equal(t, strings.Count(err.Error(), "policy: settings: "), 1, "%v", err)
				return
			}
			assert.NoError(t, err)
			retryIf := s.Retry.RetryIf
			if retryIf == nil {
				retryIf = retry.Transient
			}
			for _, err := range c.retried {
				assert.True(t, retryIf(err), "%v", err)
			}
			for _, err := range c.left {
				assert.False(t, retryIf(err), "%v", err)
			}
		})
	}
}

func TestSettingsFileRefuses(t *testing.T) {
	const durations = `with its unit, such as 100ms, 5s or 1m30s`
	for _, c := range []struct {
		text string
		want string // after "policy: settings: "
	}{
		// Durations.
		{"service_timeouts:\n  service_to_service: 5", `line 2, column 23: service_timeouts.service_to_service is 5, want a duration above 0 ` + durations},
		{"service_timeouts:\n  service_to_service: 5 minutes", `line 2, column 23: service_timeouts.service_to_service is "5 minutes", want a duration above 0 ` + durations},
		{"service_timeouts: {service_to_database: -5s}", `line 1, column 41: service_timeouts.service_to_database is "-5s", want a duration above 0 ` + durations},
		{"service_timeouts: {service_to_database: 0s}", `line 1, column 41: service_timeouts.service_to_database is "0s", want a duration above 0 ` + durations},
		{"service_timeouts: {service_to_database: 9999999h}", `line 1, column 41: service_timeouts.service_to_database is "9999999h", want a duration above 0 ` + durations},
		{"service_timeouts: {service_to_database: [5s]}", `line 1, column 41: service_timeouts.service_to_database is a list, want a duration above 0 ` + durations},
		{"service_timeouts: {service_to_database: }", `line 1, column 20: service_timeouts.service_to_database is empty, want a duration above 0 ` + durations},
		{"circuit_breaker: {monitoring_period: 1us}", `line 1, column 38: circuit_breaker.monitoring_period is "1us", want a duration of at least 1ms ` + durations},

		// Numbers.
		{"retry_configuration:\n  max_attempts: 0", `line 2, column 17: retry_configuration.max_attempts is 0, want a whole number from 1 to 1000`},
		{"retry_configuration: {max_attempts: 1001}", `line 1, column 37: retry_configuration.max_attempts is 1001, want a whole number from 1 to 1000`},
		{"retry_configuration: {max_attempts: -1}", `line 1, column 37: retry_configuration.max_attempts is -1, want a whole number from 1 to 1000`},
		{"retry_configuration: {max_attempts: 3.0}", `line 1, column 37: retry_configuration.max_attempts is 3.0, want a whole number from 1 to 1000`},
		{`retry_configuration: {max_attempts: "3"}`, `line 1, column 37: retry_configuration.max_attempts is "3", want a whole number from 1 to 1000, without quotes`},
		{"retry_configuration:\n  retry_conditions:\n    - network_timeout\n    - bad_gateway: 502", `line 4, column 7: retry_configuration.retry_conditions has an entry that is a mapping, want a name such as "service_unavailable (503)"`},
		{"retry_configuration:\n  retry_conditions:\n    - network_timeout\n    -", `line 4, column 5: retry_configuration.retry_conditions has an entry that is empty, want a name such as "service_unavailable (503)"`},
		{"retry_configuration:\n  retry_conditions:\n    - [network_timeout]", `line 3, column 7: retry_configuration.retry_conditions has an entry that is a list, want a name such as "service_unavailable (503)"`},
		{"retry_configuration:\n  max_attempts:\n    - 3", `line 3, column 5: retry_configuration.max_attempts is a list, want a whole number from 1 to 1000`},
		{"retry_configuration: {max_attempts: ~}", `line 1, column 37: retry_configuration.max_attempts is empty, want a whole number from 1 to 1000`},
		{"retry_configuration: {max_attempts: 0x3}", `line 1, column 37: retry_configuration.max_attempts is 0x3, want a whole number from 1 to 1000`},
		{"retry_configuration: {max_attempts: 010}", `line 1, column 37: retry_configuration.max_attempts is 010, want a whole number from 1 to 1000`},
		{"retry_configuration: {max_attempts: 1_0}", `line 1, column 37: retry_configuration.max_attempts is 1_0, want a whole number from 1 to 1000`},
		{"retry_configuration: {max_attempts: true}", `line 1, column 37: retry_configuration.max_attempts is true, want a whole number from 1 to 1000`},
		{"bulkhead: {max_concurrent: 99999999999999999999}", `line 1, column 28: bulkhead.max_concurrent is "99999999999999999999", want a whole number, 1 or more`},
		{"retry_configuration: {multiplier: 0.5}", `line 1, column 35: retry_configuration.multiplier is 0.5, want 1 or more`},
		{"retry_configuration: {multiplier: .nan}", `line 1, column 35: retry_configuration.multiplier is .nan, want 1 or more`},
		{"retry_configuration: {multiplier: .inf}", `line 1, column 35: retry_configuration.multiplier is .inf, want 1 or more`},
		{"retry_configuration: {multiplier: 1_0.0}", `line 1, column 35: retry_configuration.multiplier is 1_0.0, want 1 or more`},
		{"retry_configuration: {budget: {ratio: 0}}", `line 1, column 39: retry_configuration.budget.ratio is 0, want above 0 and at most 1000`},
		{"retry_configuration: {budget: {min_per_second: -0.1}}", `line 1, column 48: retry_configuration.budget.min_per_second is -0.1, want 0 or more`},
		{"circuit_breaker: {failure_rate: 1.1}", `line 1, column 33: circuit_breaker.failure_rate is 1.1, want above 0 and at most 1`},
		{"circuit_breaker: {half_open_probes: 65}", `line 1, column 37: circuit_breaker.half_open_probes is 65, want a whole number from 1 to 64`},
		{"retry_configuration: {jitter: yes}", `line 1, column 31: retry_configuration.jitter is "yes", want true, false, full, equal, decorrelated, proportional or none`},

		// Values that do not go together.
		{"retry_configuration:\n  max_delay: 50ms\n  base_delay: 100ms", `line 2, column 14: retry_configuration.max_delay is "50ms", want at least base_delay, which is 100ms`},
		{"retry_configuration: {attempt_timeout: 1s, non_retry_conditions: [network_timeout]}", `line 1, column 67: retry_configuration.non_retry_conditions has network_timeout, but what runs into attempt_timeout is always retried`},
		{"circuit_breaker: {slow_call_rate: 0.5}", `line 1, column 35: circuit_breaker.slow_call_rate is 0.5, which needs a slow_call_threshold`},
		{"circuit_breaker: {max_reset_timeout: 5s}", `line 1, column 38: circuit_breaker.max_reset_timeout is "5s", want at least reset_timeout, which is 1m0s`},
		{"bulkhead: {max_wait: 5s}", `line 1, column 22: bulkhead.max_wait is "5s", but without a max_queue nobody waits`},

		// Conditions.
		{"retry_configuration: {retry_conditions: network_timeout}", `line 1, column 41: retry_configuration.retry_conditions is "network_timeout", want a list of conditions`},
		{"retry_configuration: {retry_conditions: []}", `line 1, column 41: retry_configuration.retry_conditions is an empty list: to retry nothing, set max_attempts to 1`},
		{"retry_configuration:\n  retry_conditions:\n    - sunspots", `line 3, column 7: retry_configuration.retry_conditions has an entry that is "sunspots", want network_timeout, connection_failure, or an HTTP status such as "service_unavailable (503)"`},
		{"retry_configuration:\n  retry_conditions:\n    - \"-\"", `line 3, column 7: retry_configuration.retry_conditions has an entry that is "-", want network_timeout, connection_failure, or an HTTP status such as "service_unavailable (503)"`},
		{"retry_configuration:\n  retry_conditions:\n    - \"\"", `line 3, column 7: retry_configuration.retry_conditions has an entry that is "", want network_timeout, connection_failure, or an HTTP status such as "service_unavailable (503)"`},
		{"retry_configuration:\n  retry_conditions:\n    - 503", `line 3, column 7: retry_configuration.retry_conditions has an entry that is 503, want a name such as "service_unavailable (503)"`},
		{"retry_configuration:\n  retry_conditions:\n    - not_found (503)", `line 3, column 7: retry_configuration.retry_conditions has an entry that is "not_found (503)", want the name alone or "not_found (404)"`},
		{"retry_configuration:\n  retry_conditions:\n    - network_timeout (504)", `line 3, column 7: retry_configuration.retry_conditions has an entry that is "network_timeout (504)", but network_timeout is no HTTP status and has no code`},
		{"retry_configuration:\n  retry_conditions:\n    - ok (200)", `line 3, column 7: retry_configuration.retry_conditions has an entry that is "ok (200)", want network_timeout, connection_failure, or an HTTP status such as "service_unavailable (503)"`},
		{"retry_configuration:\n  retry_conditions:\n    - not_found\n    - not_found (404)", `line 4, column 7: retry_configuration.retry_conditions has "not_found (404)", which is in line 3 too, in retry_configuration.retry_conditions`},
		{"retry_configuration:\n  non_retry_conditions: [not_found]\n  retry_conditions: [not_found]", `line 3, column 22: retry_configuration.retry_conditions has "not_found", which is in line 2 too, in retry_configuration.non_retry_conditions`},

		// Keys.
		{"service_timeouts: {service_to_mars: 5s}", `line 1, column 20: "service_timeouts.service_to_mars" is unknown, want one of api_gateway_to_service, service_to_database, service_to_external_api, service_to_service`},
		{"retries: {}", `line 1, column 1: "retries" is unknown, want one of bulkhead, circuit_breaker, retry_configuration, service_timeouts`},
		{"Bulkhead: {}", `line 1, column 1: "Bulkhead" is unknown, want one of bulkhead, circuit_breaker, retry_configuration, service_timeouts`},
		{"bulkhead:\n  max_queue: 1\n  max_queue: 1", `line 3, column 3: bulkhead.max_queue is given twice, first in line 2`},
		{"bulkhead: {}\nbulkhead: {}", `line 2, column 1: bulkhead is given twice, first in line 1`},
		{"bulkhead:", `line 1, column 1: bulkhead is empty, want keys and values`},
		{"bulkhead: 5", `line 1, column 11: bulkhead is 5, want keys and values`},
		{"bulkhead: [max_queue]", `line 1, column 11: bulkhead is a list, want keys and values`},
		{"? bulkhead\n: {}", `line 1, column 1: a key is a complex one, want a plain name`},
		{"5: {}", `line 1, column 1: a key is a number, want a plain name`},

		// Documents.
		{"just a text", `line 1, column 1: the file is "just a text", want keys and values`},
		{"- bulkhead", `line 1, column 1: the file is a list, want keys and values`},
		{"null", `line 1, column 1: the file is empty, want keys and values`},
		{"bulkhead: {}\n---\nbulkhead: {}", `line 2, column 1: a second document begins, want one`},
		{"%YAML 1.2\n---\nbulkhead: {}", `line 1, column 1: a directive is not taken here`},
		{"bulkhead: &all {max_queue: 1}", `line 1, column 11: bulkhead is an anchor, want keys and values`},
		{"bulkhead: *all", `line 1, column 11: bulkhead is an alias, want keys and values`},
		{"bulkhead: !!map {}", `line 1, column 11: bulkhead is a tag, want keys and values`},
		{"<<: {bulkhead: {}}", `line 1, column 1: a key is a merge, want a plain name`},
		{"bulkhead:\n\tmax_queue: 1", `line 2, column 1: not valid YAML: found character '	' that cannot start any token`},
		{"bulkhead: {max_queue: 1", `line 1, column 11: not valid YAML: could not find flow mapping end token '}'`},
		{"bulkhead: {}\nx: \"\xff\"", `line 2, column 5: byte 0xff is no UTF-8 text`},
	} {
		s, err := policy.LoadYAML(strings.NewReader(c.text))
		assert.True(t, s == nil, "%q", c.text)
		assert.Error(t, err, "%q", c.text)
		assert.Equal(t, err.Error(), "policy: settings: "+c.want, "%q", c.text)
		problem := assert.ErrorAs[*policy.SettingsError](t, err)
		assert.Equal(t, problem.Error(), err.Error())
	}
}

func TestSettingsFileTellsAllProblemsInOrder(t *testing.T) {
	_, err := policy.LoadYAML(strings.NewReader(`
bulkhead:
  max_concurrent: 0
  max_wait: soon
retry_configuration:
  retry_conditions: [[], x]
  max_attempts: many
`))
	var lines []int
	for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
		lines = append(lines, assert.ErrorAs[*policy.SettingsError](t, one).Line)
	}
	assert.Equal(t, lines, []int{3, 4, 6, 6, 7})
}

func TestSettingsFileIsBounded(t *testing.T) {
	full := "bulkhead: {}\n#" + strings.Repeat("x", 1<<20)
	load(t, full[:1<<20])
	for name, c := range map[string]struct{ text, want string }{
		"a byte too long":      {full[:1<<20+1], "line 1, column 1: the file has more than 1 MiB"},
		"deep lists":           {strings.Repeat("[", 1<<16), "line 1, column 10001: the file has too many parts"},
		"deep blocks":          {strings.Repeat("- ", 1<<16), "line 1, column 20001: the file has too many parts"},
		"deep mappings":        {strings.Repeat("{a: ", 1<<14), "the file has too many parts"},
		"deep as it may be":    {strings.Repeat("{", 10_000), "not valid YAML"},
		"a long text":          {"x: " + strings.Repeat("é", 1<<16), `"x" is unknown`},
		"a long key":           {strings.Repeat("k", 1<<16) + ": 1", `"kkk`},
		"a text that explodes": {"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", `"a" is unknown`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.LoadYAML(strings.NewReader(c.text))
			assert.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
			assert.True(t, len(err.Error()) < 1000, "%d bytes", len(err.Error()))
		})
	}
}

func TestLoadYAMLSaysWhyItCannotRead(t *testing.T) {
	broken := errors.New("broken disk")
	_, err := policy.LoadYAML(iotest.ErrReader(broken))
	assert.ErrorIs(t, err, broken)
	assert.Equal(t, assert.Panics(t, func() { _, _ = policy.LoadYAML(nil) }), any("policy: LoadYAML: r is nil"))
}

func TestZeroSettingsMakePolicies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s policy.Settings
		p, err := s.Policy("payments", retry.ServiceToService)
		assert.NoError(t, err)
		assert.Equal(t, p.Name(), "payments")
		attempts, start := 0, time.Now()
		_, err = policy.Do(t.Context(), p, func(ctx context.Context) (int, error) {
			attempts++
			if attempts == 1 {
				deadline, ok := ctx.Deadline()
				assert.True(t, ok)
				assert.Equal(t, deadline.Sub(start), 10*time.Second)
			}
			return 0, status(503)
		})
		assert.ErrorAs[*retry.Error](t, err)
		assert.Equal(t, attempts, 3)
	})
}

func TestSettingsPoliciesShareTheBudgetAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := load(t, `
retry_configuration: {max_attempts: 2, budget: {ratio: 0.01, min_per_second: 0.2}}
circuit_breaker: {failure_threshold: 4}
bulkhead: {max_concurrent: 1}
`)
		first, err := s.Policy("first", retry.ServiceToService)
		assert.NoError(t, err)
		second, err := s.Policy("second", retry.GatewayToService)
		assert.NoError(t, err)

		attempts := 0
		fail := func(context.Context) (int, error) {
			attempts++
			return 0, status(503)
		}
		_, err = policy.Do(t.Context(), first, fail)
		assert.ErrorIs(t, err, retry.ErrAttempts)
		_, err = policy.Do(t.Context(), first, fail)
		assert.ErrorIs(t, err, retry.ErrAttempts)
		assert.Equal(t, attempts, 4, "two calls have taken both retries")
		_, err = policy.Do(t.Context(), first, fail)
		open := assert.ErrorAs[*breaker.OpenError](t, err)
		assert.Equal(t, open.Name, "first")

		_, err = policy.Do(t.Context(), second, fail)
		assert.ErrorIs(t, err, retry.ErrBudget)
		assert.Equal(t, attempts, 5, "its breaker is closed, but the budget used up")

		_, err = policy.Do(t.Context(), second, func(ctx context.Context) (int, error) {
			return policy.Do(ctx, second, func(context.Context) (int, error) { return 0, nil })
		})
		assert.Equal(t, assert.ErrorAs[*policy.FullError](t, err).Name, "second")
		assert.Equal(t, s.Breaker.Name+s.Bulkhead.Name, "", "the settings are as they were")
	})
}

func TestSettingsRefusePoliciesThatCannotWork(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"retry_configuration: {max_attempts: 10, base_delay: 2s}", []string{`policy: settings for "db", service to database: `, "10 attempts", "15s"}},
		{"retry_configuration: {attempt_timeout: 15s}", []string{"AttemptTimeout is 15s", "Timeout 15s"}},
	} {
		s := load(t, c.text)
		_, err := s.Policy("db", retry.ServiceToDatabase)
		assert.Error(t, err, "%s", c.text)
		for _, want := range c.want {
			assert.Contains(t, err.Error(), want)
		}
		client, err := s.Client("db", retry.ServiceToDatabase)
		assert.Error(t, err)
		assert.True(t, client == nil)
	}

	s := policy.Settings{Bulkhead: &policy.BulkheadConfig{MaxQueue: -1}}
	_, err := s.Policy("x", retry.ServiceToService)
	assert.Contains(t, err.Error(), "MaxQueue is -1")
	s = policy.Settings{Breaker: breaker.Config{FailureRate: 2}}
	_, err = s.Policy("x", retry.ServiceToService)
	assert.Contains(t, err.Error(), "FailureRate is 2")
	s = policy.Settings{Retry: retry.Config{MaxAttempts: -2}}
	_, err = s.Policy("x", retry.ServiceToService)
	assert.Contains(t, err.Error(), "MaxAttempts is -2")
	assert.Panics(t, func() { _, _ = (&policy.Settings{}).Policy("x", retry.Hop(9)) })
}

func FuzzLoadYAML(f *testing.F) {
	text, err := os.ReadFile("testdata/settings.yaml")
	assert.NoError(f, err)
	f.Add(text)
	for _, seed := range []string{
		"", "bulkhead: {}", "bulkhead: {max_queue: 1, max_queue: .inf}", "a: &a [*a]", "- - -", "? a\n: b", "{{{", "0::", "&0: *0\n*0:\n*0:",
		"{{},<<}", "<<: *a", "!t a: !!b", "--- |\n a\n...\n---", "%YAML 1.2\n---", "\"\\x", "'", "a:\n\t- b", "retry_configuration:\n  retry_conditions:\n  - a (1)",
		"circuit_breaker: {failure_rate: 1e-9, reset_timeout: 1ns}", "\ufeff#", "a: \r\r\n b", "retry_configuration: {jitter: |-\n full\n}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := policy.LoadYAML(bytes.NewReader(text))
		if err == nil {
			// What loads is possible, except where two sections contradict each other.
			if _, err := s.Policy("x", retry.ServiceToService); err != nil {
				assert.Contains(t, err.Error(), "policy: Config.")
			}
			return
		}
		assert.True(t, s == nil)
		problems := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			problems = joined.Unwrap()
		}
		lines := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) + 1
		line, column := 0, 0
		for _, one := range problems {
			p := assert.ErrorAs[*policy.SettingsError](t, one)
			assert.True(t, p.Line >= 1 && p.Line <= lines && p.Column >= 1 && p.Problem != "", "%v", one)
			assert.True(t, p.Line > line || p.Line == line && p.Column >= column, "in order: %v", err)
			line, column = p.Line, p.Column
		}
	})
}
