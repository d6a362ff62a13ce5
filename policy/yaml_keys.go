package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/parlance-go/parlance/breaker"
	"github.com/parlance-go/parlance/retry"
)

// A draft is what a file says, in the Configs that it becomes.
type draft struct {
	settings   Settings
	conditions conditions
	budget     retry.BudgetConfig
	bulkhead   BulkheadConfig
}

// settings reads a whole document.
func (f *file) settings(document ast.Node) *Settings {
	f.seen, f.conditions = map[string]value{}, map[condition]value{}
	var d draft
	if document != nil {
		section(d.keys())(f, value{path: root, key: document.GetToken(), node: document})
	}
	if len(f.problems) == 0 {
		f.compare(&d)
	}
	if len(f.problems) == 0 {
		f.finish(&d)
	}
	return &d.settings
}

// keys are all keys of a file, documented at [LoadYAML].
func (d *draft) keys() map[string]reading {
	s := &d.settings
	return map[string]reading{
		"service_timeouts": section(map[string]reading{
			"api_gateway_to_service":  duration(&s.Timeouts.GatewayToService),
			"service_to_service":      duration(&s.Timeouts.ServiceToService),
			"service_to_database":     duration(&s.Timeouts.ServiceToDatabase),
			"service_to_external_api": duration(&s.Timeouts.ServiceToExternal),
		}),
		"retry_configuration": section(map[string]reading{
			"max_attempts":         whole(&s.Retry.MaxAttempts, 1, 1000),
			"base_delay":           duration(&s.Retry.BaseDelay),
			"max_delay":            duration(&s.Retry.MaxDelay),
			"multiplier":           number(&s.Retry.Multiplier, "1 or more", func(n float64) bool { return n >= 1 }),
			"jitter":               jitter(&s.Retry.Jitter),
			"attempt_timeout":      duration(&s.AttemptTimeout),
			"retry_conditions":     list(&d.conditions.only, 1),
			"non_retry_conditions": list(&d.conditions.never, 0),
			"budget": section(map[string]reading{
				"ratio": number(&d.budget.Ratio, "above 0 and at most 1000",
					func(n float64) bool { return n > 0 && n <= 1000 }),
				"min_per_second": number(&d.budget.MinPerSecond, "0 or more", func(n float64) bool { return n >= 0 }),
				"window":         durationFrom(&d.budget.Window, time.Millisecond),
			}),
		}),
		"circuit_breaker": section(map[string]reading{
			"failure_threshold":   whole(&s.Breaker.ConsecutiveFailures, 1, noBound),
			"failure_rate":        number(&s.Breaker.FailureRate, "above 0 and at most 1", isPart),
			"slow_call_rate":      number(&s.Breaker.SlowCallRate, "above 0 and at most 1", isPart),
			"slow_call_threshold": duration(&s.Breaker.SlowCallThreshold),
			"min_calls":           whole(&s.Breaker.MinCalls, 1, 100_000),
			"monitoring_period":   durationFrom(&s.Breaker.Window, time.Millisecond),
			"reset_timeout":       duration(&s.Breaker.ResetTimeout),
			"max_reset_timeout":   duration(&s.Breaker.MaxResetTimeout),
			"half_open_probes":    whole(&s.Breaker.Probes, 1, 64),
		}),
		"bulkhead": section(map[string]reading{
			"max_concurrent": whole(&d.bulkhead.MaxConcurrent, 1, noBound),
			"max_queue":      whole(&d.bulkhead.MaxQueue, 0, noBound),
			"max_wait":       duration(&d.bulkhead.MaxWait),
		}),
	}
}

func isPart(n float64) bool { return n > 0 && n <= 1 }

// jitter reads true, false or the name of a kind.
func jitter(into *retry.Jitter) reading {
	return func(f *file, v value) {
		switch node := v.node.(type) {
		case *ast.BoolNode:
			*into = retry.FullJitter
			if !node.Value {
				*into = retry.NoJitter
			}
			return
		case *ast.StringNode:
			for kind := retry.FullJitter; kind <= retry.NoJitter; kind++ {
				if node.Value == kind.String() {
					*into = kind
					return
				}
			}
		}
		f.refuse(v, "is %s, want true, false, full, equal, decorrelated, proportional or none", show(v.node))
	}
}

// list reads at least so many conditions.
func list(into *[]condition, least int) reading {
	return func(f *file, v value) {
		node, ok := v.node.(*ast.SequenceNode)
		if !ok {
			f.refuse(v, "is %s, want a list of conditions", show(v.node))
			return
		}
		if len(node.Values) < least {
			f.refuse(v, "is an empty list: to retry nothing, set max_attempts to 1")
		}
		for i, entry := range node.Values {
			key := v.key
			if i < len(node.Entries) {
				key = node.Entries[i].Start // the dash
			}
			f.condition(value{path: v.path, key: key, node: entry}, into)
		}
	}
}

// condition reads one condition of a list. It may be in one list, and once.
func (f *file) condition(v value, into *[]condition) {
	text, ok := v.node.(*ast.StringNode)
	if !ok {
		f.refuse(v, `has an entry that is %s, want a name such as "service_unavailable (503)"`, show(v.node))
		return
	}
	c, err := parseCondition(text.Value)
	if err != nil {
		f.refuse(v, "has an entry that %v", err)
		return
	}
	if first, twice := f.conditions[c]; twice {
		f.refuse(v, "has %s, which is in line %d too, in %s", shorten(text.Value), at(first.node.GetToken(), "").Line, first.path)
		return
	}
	f.conditions[c] = v
	*into = append(*into, c)
}

// compare refuses what two keys say against each other.
func (f *file) compare(d *draft) {
	s := &d.settings
	if v, ok := f.seen["retry_configuration.max_delay"]; ok && s.Retry.MaxDelay < s.Retry.BaseDelay {
		f.refuse(v, "is %s, want at least base_delay, which is %s", show(v.node), s.Retry.BaseDelay)
	}
	if v, ok := f.conditions[networkTimeout]; ok && s.AttemptTimeout > 0 && slices.Contains(d.conditions.never, networkTimeout) {
		f.refuse(v, "has network_timeout, but what runs into attempt_timeout is always retried")
	}
	if v, ok := f.seen["circuit_breaker.slow_call_rate"]; ok && s.Breaker.SlowCallThreshold == 0 {
		f.refuse(v, "is %s, which needs a slow_call_threshold", show(v.node))
	}
	reset := cmp.Or(s.Breaker.ResetTimeout, time.Minute)
	if v, ok := f.seen["circuit_breaker.max_reset_timeout"]; ok && s.Breaker.MaxResetTimeout < reset {
		f.refuse(v, "is %s, want at least reset_timeout, which is %s", show(v.node), reset)
	}
	if v, ok := f.seen["bulkhead.max_wait"]; ok && d.bulkhead.MaxQueue == 0 {
		f.refuse(v, "is %s, but without a max_queue nobody waits", show(v.node))
	}
}

// finish completes the Settings. The constructors have the last word on what is
// possible.
func (f *file) finish(d *draft) {
	s := &d.settings
	s.Retry.RetryIf = d.conditions.retryIf()
	if v, ok := f.seen["retry_configuration.budget"]; ok {
		_, given := f.seen["retry_configuration.budget.min_per_second"]
		d.budget.NoFloor = given && d.budget.MinPerSecond == 0
		var err error
		s.Retry.Budget, err = retry.NewBudget(d.budget)
		f.must(v, err)
	}
	if v, ok := f.seen["retry_configuration"]; ok {
		_, err := retry.New(s.Retry)
		f.must(v, err)
	}
	if v, ok := f.seen["circuit_breaker"]; ok {
		_, err := breaker.New(s.Breaker)
		f.must(v, err)
	}
	if v, ok := f.seen["bulkhead"]; ok {
		s.Bulkhead = &d.bulkhead
		_, err := NewBulkhead(d.bulkhead)
		f.must(v, err)
	}
}

// must refuses a section of which nothing can be made.
func (f *file) must(v value, err error) {
	if err != nil {
		f.refuse(v, "cannot be used: %v", err)
	}
}
