package cqrs

// MemoryTx is the transaction of a Memory: what it puts and deletes is seen by
// itself at once and by others when it is committed. It is not safe for
// concurrent use.
type MemoryTx[V any] struct {
	memory *Memory[V]
	writes map[string]map[string]*V // nil for a deleted row
}

// Get returns a row of a table that [Model.Table] named.
func (tx *MemoryTx[V]) Get(table, key string) (V, bool) {
	if row, written := tx.writes[table][key]; written {
		if row == nil {
			var none V
			return none, false
		}
		return *row, true
	}
	return tx.memory.Row(table, key)
}

// Put sets a row.
func (tx *MemoryTx[V]) Put(table, key string, row V) { tx.write(table, key, &row) }

// Delete removes a row, if it is there.
func (tx *MemoryTx[V]) Delete(table, key string) { tx.write(table, key, nil) }

func (tx *MemoryTx[V]) write(table, key string, row *V) {
	if tx.writes[table] == nil {
		tx.writes[table] = make(map[string]*V)
	}
	tx.writes[table][key] = row
}

func (tx *MemoryTx[V]) commit() {
	for table, rows := range tx.writes {
		stored := tx.memory.tables[table]
		if stored == nil {
			stored = make(map[string]V)
			tx.memory.tables[table] = stored
		}
		for key, row := range rows {
			if row == nil {
				delete(stored, key)
			} else {
				stored[key] = *row
			}
		}
	}
}
