package topology

import (
	"fmt"
	"strings"
)

// suggest returns what a misspelt word may have meant, as the end of a
// sentence; "" if nothing comes near.
func suggest(word string, known []string) string {
	best, nearest := "", 3
	if len(word) > maxName {
		return ""
	}
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < nearest && d < len(k) {
			best, nearest = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// distance is the number of letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			corner, row[j+1] = row[j+1], min(corner+cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
