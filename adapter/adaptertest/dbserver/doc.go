// Package dbserver gives tests real database servers of their own: on loopback, on a
// free port, gone when the test, or its process, is.
package dbserver
