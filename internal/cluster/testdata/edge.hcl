# An edge: from clients into JetStream.
transport "websocket" {
  listen        = env("LISTEN")
  on_disconnect = "keep" # its client may go on at another edge
}

router {
  batch_wait = "100ms"
}

sink "nats" {
  url      = [env("NATS_1"), env("NATS_2"), env("NATS_3")]
  replicas = 3
}

admin {
  listen = "127.0.0.1:0"
}
