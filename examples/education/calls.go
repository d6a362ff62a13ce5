package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"

	"github.com/parlance-go/parlance/policy"
)

// builtIn says how the services are called if there is no -policy.
//
//go:embed policy.yaml
var builtIn []byte

// loadCalls reads a file, or builtIn if it has no name. The error says where in
// the file something is wrong.
func loadCalls(file string) (policy.Settings, error) {
	name, text := "policy.yaml", builtIn
	if file != "" {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return policy.Settings{}, fmt.Errorf("-policy: %w", err)
		}
		name = file
	}
	settings, err := policy.LoadYAML(bytes.NewReader(text))
	if err != nil {
		return policy.Settings{}, fmt.Errorf("-policy %s: %w", name, err)
	}
	return *settings, nil
}
