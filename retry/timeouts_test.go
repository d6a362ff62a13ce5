package retry_test

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parlance-go/parlance/internal/assert"
	"github.com/parlance-go/parlance/retry"
)

func TestTimeouts_haveADefaultForEachHop(t *testing.T) {
	t.Parallel()
	own := retry.Timeouts{
		GatewayToService: 1, ServiceToService: 2, ServiceToDatabase: 3, ServiceToExternal: 4,
	}
	for _, test := range []struct {
		hop       retry.Hop
		name      string
		byDefault time.Duration
		own       time.Duration
	}{
		{retry.GatewayToService, "gateway to service", 5 * time.Second, 1},
		{retry.ServiceToService, "service to service", 10 * time.Second, 2},
		{retry.ServiceToDatabase, "service to database", 15 * time.Second, 3},
		{retry.ServiceToExternal, "service to external", 30 * time.Second, 4},
	} {
		assert.Equal(t, test.hop.String(), test.name)
		assert.Equal(t, retry.Timeouts{}.For(test.hop), test.byDefault)
		assert.Equal(t, own.For(test.hop), test.own)
	}
	assert.Equal(t, retry.Timeouts{ServiceToService: -1}.For(retry.ServiceToService), 10*time.Second)
}

func TestTimeouts_knowNoOtherHop(t *testing.T) {
	t.Parallel()
	assert.Equal(t, retry.Hop(99).String(), "Hop(99)")
	value := assert.Panics(t, func() { retry.Timeouts{}.For(99) })
	assert.Equal(t, value, any("retry: Timeouts.For: there is no Hop(99)"))
}

func TestTimeouts_Context_saysWhichTimeItWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ctx, cancel := retry.Timeouts{}.Context(t.Context(), retry.ServiceToService)
		defer cancel()
		<-ctx.Done()
		assert.Equal(t, time.Since(begin), 10*time.Second)
		assert.Equal(t, ctx.Err(), context.DeadlineExceeded)
		cause := context.Cause(ctx)
		assert.Equal(t, cause.Error(), "retry: timeout of 10s for service to service")
		assert.ErrorIs(t, cause, context.DeadlineExceeded)
		assert.True(t, (&url.Error{Err: cause}).Timeout(), "it is a timeout to net/http too")
		assert.True(t, retry.Transient(cause))
	})
}

func TestTimeouts_Context_keepsAnEarlierDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reason := errors.New("the page is gone")
		outer, cancelOuter := context.WithTimeoutCause(t.Context(), time.Second, reason)
		defer cancelOuter()
		ctx, cancel := retry.Timeouts{}.Context(outer, retry.ServiceToDatabase)
		defer cancel()
		begin := time.Now()
		<-ctx.Done()
		assert.Equal(t, time.Since(begin), time.Second)
		assert.Equal(t, context.Cause(ctx), reason)
	})
}
