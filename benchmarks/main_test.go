package benchmarks_test

import (
	"testing"

	"github.com/parlance-go/parlance/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }
