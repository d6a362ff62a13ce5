//go:build !unix

package blob

// syncFolder does nothing: folders cannot be flushed here.
func syncFolder(string) error { return nil }
