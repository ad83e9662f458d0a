// Package app builds everything and owns the order of start and stop: configuration,
// sealed store, snapshot, gateway, server, background loops. It is the only package that
// knows all the others; nothing below it imports it.
//
// Start reading at app.go.
package app
