package drill

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/ingestd/ingestd/internal/mariadbtest"
)

// A drill takes the settings of a configuration, and nothing of what is used
// already: its ports, its directory, its tables. It shows no secret.
func TestConfiguration(t *testing.T) {
	const secret = "pa55-w0rd"
	var taken [3]string
	for i := range taken {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		taken[i] = l.Addr().String()
	}

	dsn, err := mysql.ParseDSN(mariadbtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	db := mariadbtest.DB(t, dsn.FormatDSN())
	user := dsn.DBName + "_u"
	for _, query := range []string{
		fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY '%s'", user, secret),
		fmt.Sprintf("GRANT ALL ON %s.* TO '%s'@'%%'", dsn.DBName, user),
		"CREATE TABLE messages (mine INT)",
	} {
		if _, err := db.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	defer func() { _, _ = db.ExecContext(t.Context(), "DROP USER '"+user+"'@'%'") }()
	dsn.User, dsn.Passwd = user, secret
	t.Setenv("DRILL_DSN", dsn.FormatDSN())

	dir := t.TempDir()
	file := filepath.Join(dir, "mine.hcl")
	text := fmt.Sprintf(`
		data_dir = %q
		log { format = "json" }
		router { batch_size = 3 }
		transport "websocket" { listen = %q }
		transport "websocket" "edge" { listen = %q }
		admin { listen = %q }
		sink "mysql" {
			dsn           = env("DRILL_DSN")
			create_tables = false
			streams_table = ""
		}`, filepath.Join(dir, "data"), taken[0], taken[1], taken[2])
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	r := run(t, "--config", file, "--json", "--keep", "--kills=1", "--rate=1000", "--min-acked=10")
	if r.status != 0 || !r.report.OK {
		t.Fatalf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
	log, err := os.ReadFile(filepath.Join(r.report.Kept, "ingestd.log"))
	if err != nil {
		t.Fatal(err)
	}
	if all := r.stdout + r.stderr + string(log); strings.Contains(all, secret) || !strings.Contains(all, "ready: ") {
		t.Errorf("it shows a secret, or nothing:\n%s", all)
	}
	var tables string
	err = db.QueryRowContext(t.Context(), "SELECT GROUP_CONCAT(table_name ORDER BY table_name)"+
		" FROM information_schema.tables WHERE table_schema = DATABASE()").Scan(&tables)
	if want := "ingest_drill_messages_" + string(r.report.Run) + ",ingest_meta,messages"; err != nil || tables != want {
		t.Errorf("the tables are %s, not %s: %v", tables, want, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		t.Error("the configured data_dir was used")
	}
}
