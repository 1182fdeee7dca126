package configfile

import "strings"

// Nearest returns the candidate that s was most likely meant to be, or "" where
// none is near: one that begins with it, else the fewest letters to add, drop
// or change, at most a third of the word.
func Nearest(s string, candidates []string) string {
	best, least := "", len(s)/3+2
	for _, c := range candidates {
		if len(s) > 3 && strings.HasPrefix(strings.ToLower(c), strings.ToLower(s)) {
			return c // cut short
		}
		if d := distance(strings.ToLower(s), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
