package analysis

import "math"

// logMeanExp is the logarithm of the mean of the exponentials of logs, without
// overflow: e-values are averaged, but kept as logarithms.
func logMeanExp(logs []float64) float64 {
	return logSumExp(logs) - math.Log(float64(len(logs)))
}

// logSumExp is the logarithm of the sum of the exponentials of logs.
func logSumExp(logs []float64) float64 {
	largest := math.Inf(-1)
	for _, l := range logs {
		largest = max(largest, l)
	}
	if math.IsInf(largest, 0) {
		return largest
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - largest)
	}
	return largest + math.Log(sum)
}

// logNormalCDF is ln Phi(x), also far in the left tail, where Phi underflows:
// there the asymptotic series of Mills' ratio takes over (Abramowitz and Stegun
// 26.2.12).
func logNormalCDF(x float64) float64 {
	if x > -30 {
		return math.Log(0.5 * math.Erfc(-x/math.Sqrt2))
	}
	// 1 - 1/x^2 + 3/x^4 - 15/x^6: beyond -30 the next term is below 2e-10 of it.
	y := 1 / (x * x)
	return -x*x/2 - math.Log(-x) - math.Log(2*math.Pi)/2 + math.Log1p(y*(-1+y*(3-15*y)))
}

// logLimit is the logarithm of 1/level: an e-value that reaches it rejects at
// that level.
func logLimit(level float64) float64 { return -math.Log(level) }
