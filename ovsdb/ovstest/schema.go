package ovstest

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// schemaWithout writes a schema file that lacks columns, each "Table.column",
// as that of an older Open vSwitch does, and returns its path; that of the
// installed schema where there are none to leave out.
func schemaWithout(path string, columns []string) (string, error) {
	if len(columns) == 0 {
		return schemaFile, nil
	}
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		return "", err
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		return "", fmt.Errorf("%s: %w", schemaFile, err)
	}
	// The checksum would no longer be right; it need not be there.
	delete(schema, "cksum")
	tables, _ := schema["tables"].(map[string]any)
	for _, c := range columns {
		table, column, _ := strings.Cut(c, ".")
		t, _ := tables[table].(map[string]any)
		in, _ := t["columns"].(map[string]any)
		if _, ok := in[column]; !ok {
			return "", fmt.Errorf("%s has no column %q to leave out", schemaFile, c)
		}
		delete(in, column)
	}
	if text, err = json.Marshal(schema); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, text, 0o644)
}
