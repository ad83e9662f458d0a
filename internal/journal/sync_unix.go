//go:build !windows

package journal

func ignoreUnsupported(err error) error { return err }
