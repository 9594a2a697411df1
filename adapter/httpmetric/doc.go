// Package httpmetric reads metrics from anything that answers with JSON over
// HTTP: JSONPath expressions say where in it the numbers are.
//
// Where an expression or the address names ${side.addresses}, each instance of a
// side is asked for by itself and is a series of its own, so that one which starts
// again is seen to.
package httpmetric
