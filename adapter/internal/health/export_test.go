package health

// GRPCAnswer gives fuzzing the decoder of answers.
func GRPCAnswer(frame []byte) (uint64, error) { return grpcAnswer(frame) }
