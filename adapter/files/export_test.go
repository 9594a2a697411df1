package files

// TempName is what a file of this key is called before it is whole.
func TempName(key string) string { return tempName(key) }
