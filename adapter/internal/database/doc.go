// Package database opens databases by the addresses that plan files give them, and
// says in few words, without secrets, what they answer.
package database
