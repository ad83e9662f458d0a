// Package admin is the JSON API for operators, under /admin/. It trusts whoever holds
// the admin token, which is made at the first start and kept in the data directory for its owner
// alone. The console will use it; today it reloads the configuration.
//
// Start reading at admin.go.
package admin
