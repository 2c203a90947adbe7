# A writer daemon: from JetStream into the database. All that run share the
# partitions of the stream, and take over those of one that is gone.

transport "nats" {
  url = [
    env("NATS_1", "nats://127.0.0.1:4222"),
    env("NATS_2", "nats://127.0.0.1:4223"),
    env("NATS_3", "nats://127.0.0.1:4224"),
  ]
  name = env("NAME", "")
}

router {
  batch_wait = "200ms"
}

# A file serves both writers here, as they are on one machine. Elsewhere it is a
# server: sink "mysql" { dsn = env("INGEST_MYSQL_DSN") }
sink "sqlite" {
  path = env("DATABASE", "ingest.db")
}

admin {
  listen = env("ADMIN", "127.0.0.1:7004")
}
