// Package config reads the configuration: one strict YAML file, the environment
// over it, and flags over both. It reports all problems at once, each with file,
// line, column and key path and with what is allowed, and it never prints a
// secret: no value is quoted unless it is plainly none, and YAML's own errors,
// which quote the source, are put into other words.
//
// It knows no platform (their names and needs are given to it), opens no database
// and starts nothing. The result is plain values that the caller owns.
//
// Start reading at Load in config.go. The sections are in account.go, pool.go (with
// policy.go, commit.go, fallback.go and errorrule.go) and key.go, the single settings
// with their environment variables in setting.go; node.go walks the YAML tree and value.go reads single values. example.yaml is
// the documentation of the file, and a test loads it.
package config
