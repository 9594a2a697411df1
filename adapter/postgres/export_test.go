package postgres

// Find finds a client program.
var Find = find
