# A daemon beside another one: from clients into the database.
transport "websocket" {
  listen        = env("LISTEN")
  on_disconnect = "keep" # its client may go on at the other one
}

router {
  batch_wait = "100ms"
}

sink "mysql" {
  dsn = env("DSN")
}

admin {
  listen = "127.0.0.1:0"
}
