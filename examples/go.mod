module github.com/parlance-go/parlance/examples

go 1.26

require (
	github.com/parlance-go/parlance v0.0.0
	github.com/yuin/goldmark v1.8.7
	golang.org/x/net v0.58.0
)

require golang.org/x/text v0.41.0 // indirect

replace github.com/parlance-go/parlance => ..
