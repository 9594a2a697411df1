package health

// Passwords gives tests what is hidden of a database's address.
func Passwords(at string) []string { return passwords(at) }

// GRPCAnswer gives fuzzing the decoder of answers.
func GRPCAnswer(frame []byte) (uint64, error) { return grpcAnswer(frame) }
