package schema

// Each put method replaces one row, nil for none, and keeps the indexes. An
// index entry is taken away only if it still points at the row that goes: in
// one transaction a name or a port may pass from one row to another, in either
// order.

func (db *DB) putOpen(t *tally, u RowUpdate, row *OpenvSwitch) {
	if row == nil {
		if db.Open.UUID != u.UUID {
			return
		}
		row = &OpenvSwitch{}
	}
	t.opened(db.Open, row)
	db.Open = row
}

func (db *DB) putBridge(t *tally, uuid string, row *Bridge) {
	old := db.Bridges[uuid]
	if old != nil {
		unname(db.bridgeByName, old.Name, old)
		db.count(old.ExternalIDs, -1)
		db.unnote(old)
	}
	var was, is []string
	if old != nil {
		was = old.Ports
	}
	if row == nil {
		delete(db.Bridges, uuid)
	} else {
		db.Bridges[uuid] = row
		db.bridgeByName[row.Name] = row
		db.count(row.ExternalIDs, 1)
		db.note(row)
		is = row.Ports
	}
	gone, come := differ(was, is)
	relink(db.bridgeOfPort, uuid, gone, come)
	t.bridge(old, row, gone, come)
}

func (db *DB) putPort(t *tally, uuid string, row *Port) {
	old := db.Ports[uuid]
	var was, is []string
	if old != nil {
		unname(db.portByName, old.Name, old)
		db.disown(old)
		db.count(old.ExternalIDs, -1)
		was = old.Interfaces
	}
	if row == nil {
		delete(db.Ports, uuid)
	} else {
		db.Ports[uuid] = row
		db.portByName[row.Name] = row
		db.own(row)
		db.count(row.ExternalIDs, 1)
		is = row.Interfaces
	}
	gone, come := differ(was, is)
	relink(db.portOfInterface, uuid, gone, come)
	t.port(old, row)
}

func (db *DB) putInterface(t *tally, uuid string, row *Interface) {
	old := db.Interfaces[uuid]
	if old != nil {
		unname(db.interfaceByName, old.Name, old)
	}
	if row == nil {
		delete(db.Interfaces, uuid)
	} else {
		db.Interfaces[uuid] = row
		db.interfaceByName[row.Name] = row
	}
	t.iface(old, row)
}

func (db *DB) putController(t *tally, uuid string, row *Controller) {
	_, had := db.Controllers[uuid]
	if row == nil {
		delete(db.Controllers, uuid)
	} else {
		db.Controllers[uuid] = row
	}
	if had || row != nil {
		t.controllers = append(t.controllers, uuid)
	}
}

// count counts a row of an owner in or out.
func (db *DB) count(externalIDs map[string]string, n int) {
	owner := externalIDs[KeyOwner]
	if owner == "" {
		return
	}
	if db.owners[owner] += n; db.owners[owner] == 0 {
		delete(db.owners, owner)
	}
}

func (db *DB) own(p *Port) {
	if p.ExternalIDs[KeyOwner] == "" {
		return
	}
	db.owned[p.UUID] = p
	network := p.ExternalIDs[KeyNetwork]
	if network == "" {
		return
	}
	if db.ofNetwork[network] == nil {
		db.ofNetwork[network] = map[string]*Port{}
	}
	db.ofNetwork[network][p.UUID] = p
}

func (db *DB) disown(p *Port) {
	delete(db.owned, p.UUID)
	network := p.ExternalIDs[KeyNetwork]
	delete(db.ofNetwork[network], p.UUID)
	if len(db.ofNetwork[network]) == 0 {
		delete(db.ofNetwork, network)
	}
}

func (db *DB) note(b *Bridge) {
	for key := range b.ExternalIDs {
		network, ok := Noted(key)
		if !ok {
			continue
		}
		if db.noting[network] == nil {
			db.noting[network] = map[string]*Bridge{}
		}
		db.noting[network][b.UUID] = b
	}
}

func (db *DB) unnote(b *Bridge) {
	for key := range b.ExternalIDs {
		network, ok := Noted(key)
		if !ok {
			continue
		}
		delete(db.noting[network], b.UUID)
		if len(db.noting[network]) == 0 {
			delete(db.noting, network)
		}
	}
}

func unname[R Row](names map[string]*R, name string, row *R) {
	if names[name] == row {
		delete(names, name)
	}
}

// relink notes that parent has let go of some children and got others.
func relink(parentOf map[string]string, parent string, gone, come []string) {
	for _, id := range gone {
		if parentOf[id] == parent {
			delete(parentOf, id)
		}
	}
	for _, id := range come {
		parentOf[id] = parent
	}
}

// differ returns what is only in was and what is only in is.
func differ(was, is []string) (gone, come []string) {
	if len(was) == 0 {
		return nil, is
	}
	if len(is) == 0 {
		return was, nil
	}
	had := make(map[string]struct{}, len(was))
	for _, id := range was {
		had[id] = struct{}{}
	}
	for _, id := range is {
		if _, ok := had[id]; ok {
			delete(had, id)
		} else {
			come = append(come, id)
		}
	}
	for id := range had {
		gone = append(gone, id)
	}
	return gone, come
}
