module github.com/parlance-go/parlance/internal/breakermodel

go 1.26.0

require (
	github.com/parlance-go/parlance v0.0.0
	pgregory.net/rapid v1.3.0
)

replace github.com/parlance-go/parlance => ../..
