package ripcord

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Duration is a time.Duration that is a number of seconds in JSON.
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String formats d like time.Duration.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes seconds.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).Seconds()) }

// UnmarshalJSON reads seconds.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var seconds float64
	if err := json.Unmarshal(data, &seconds); err != nil {
		return fmt.Errorf("duration in seconds: %w", err)
	}
	nanoseconds := math.Round(seconds * float64(time.Second)) // truncated, 8.2 would shrink with each trip
	if math.Abs(nanoseconds) >= math.MaxInt64 {
		return fmt.Errorf("duration in seconds: %v is out of range", seconds)
	}
	*d = Duration(nanoseconds)
	return nil
}
