package schema

import "math"

func floatFromBits(n int64) float64 { return math.Float64frombits(uint64(n)) }
func floatToBits(f float64) int64   { return int64(math.Float64bits(f)) }
