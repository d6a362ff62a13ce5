// Package sqlite keeps events, and the read models made of them, in one SQLite
// file: the embedded default, with no server to run and no C compiler to need.
//
//	db, err := sqlite.Open(ctx, "app.db", sqlite.Config{})
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//
//	store := eventstore.New(db.EventStore(), eventstore.Config{})
//	_, err = store.Append(ctx, "content-42", eventstore.NoStream, uploaded)
//
//	rows, err := db.Reader().QueryContext(ctx, `SELECT id FROM contents WHERE contents MATCH ?`, words)
//
// Several processes may have the file open. What is acknowledged is on the disk:
// a process can be killed at any moment and the machine lose its power. Appends
// that wait for each other share one flush to disk.
//
// # When not to use it
//
// SQLite lets one writer in at a time, on one machine: for more, use
// adapters/postgres. A network file system does not lock files well enough.
//
// # Files
//
// Beside the file stand its write-ahead log (-wal) and an index of that (-shm),
// as long as anybody has it open; back up all three as one, or better with
// VACUUM INTO. A program that opens the file by other means than SQLite, such
// as os.Open, and closes it again, takes away the locks that this process holds
// on it: https://www.sqlite.org/howtocorrupt.html, section 2.2.
//
// Tables of the package begin with parlance_; all other names are the
// program's.
package sqlite
