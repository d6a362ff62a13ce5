module github.com/parlance-go/parlance/benchmarks

go 1.26

require github.com/parlance-go/parlance v0.0.0

replace github.com/parlance-go/parlance => ..
