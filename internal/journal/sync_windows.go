package journal

// ignoreUnsupported: directories cannot be synced there, and need not be.
func ignoreUnsupported(error) error { return nil }
