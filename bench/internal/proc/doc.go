// Package proc reads the CPU time and the memory of process trees from /proc. On a
// system without /proc every figure is zero. It must never touch the processes.
package proc
