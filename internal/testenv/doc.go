// Package testenv gives tests the real servers they need.
//
// A test asks for a database and gets the URL of a fresh, empty one:
//
//	func TestMain(m *testing.M) { testenv.Main(m) }
//
//	func TestStore(t *testing.T) {
//		pool, err := pgxpool.New(t.Context(), testenv.Postgres(t))
//		...
//	}
//
// The database lives on a PostgreSQL server of the test process's own, which is
// started when the first test asks and stopped by [Main]. It listens on a
// socket in a temporary folder and nowhere else, so any number of test
// processes run side by side and none meets a server of the machine. It
// flushes to disk as in production: a test that passes here has not been made
// to pass by fsync=off. It does not outlive its test process, not even one that
// panics or is killed, and what a killed process leaves on disk is swept by the
// next one.
//
// Two environment variables change where servers come from:
//
//   - PARLANCE_POSTGRES_URL names a running server on which to make the
//     databases instead. Its user must be allowed to create databases.
//   - REQUIRE_BACKENDS=1, which "make test" sets, makes a test fail that would
//     skip because the machine lacks a server.
//
// Only tests, examples and benchmarks may import this package.
package testenv
