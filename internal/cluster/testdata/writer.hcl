# A writer daemon: from JetStream into the database.
transport "nats" {
  url  = [env("NATS_1"), env("NATS_2"), env("NATS_3")]
  name = env("NAME")
}

router {
  batch_wait = "50ms"
}

sink "mysql" {
  dsn = env("DSN")
}

admin {
  listen = "127.0.0.1:0"
}
