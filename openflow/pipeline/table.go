package pipeline

import "ovsmesh/openflow/flow"

// Numbers of the tables; those between are kept free for what is to come.
const (
	TableClassify  uint8 = 0
	TableSecurity  uint8 = 10
	TableAddresses uint8 = 20
	TableLookup    uint8 = 60
	TableFlood     uint8 = 70
)

// Table describes a table of the pipeline for people and programs.
type Table struct {
	Number  uint8
	Name    string
	Purpose string
	Miss    flow.Actions // what happens to a frame that no other flow matches
}

// Tables returns the tables in the order in which a frame passes them.
func Tables() []Table {
	return []Table{
		{TableClassify, "classify", "which network a port belongs to", nil},
		{TableSecurity, "port-security", "source addresses that a VIF may use", nil},
		{TableAddresses, "arp-nd", "answers to ARP, and neighbour solicitations to the one that they ask for",
			flow.Actions{flow.GotoTable{Table: TableLookup}}},
		{TableLookup, "l2-lookup", "known unicast to its port or tunnel", nil},
		{TableFlood, "flood", "all else: from a VIF to everyone, from a tunnel to VIFs only", nil},
	}
}
