# An edge: from its clients into JetStream. It acks a message once two of the three
# nodes have it on their disks.

transport "websocket" {
  listen        = env("LISTEN", "127.0.0.1:7001")
  on_disconnect = "keep" # a client that is gone may be at another edge by now
}

router {
  batch_wait = "200ms"
}

sink "nats" {
  url = [
    env("NATS_1", "nats://127.0.0.1:4222"),
    env("NATS_2", "nats://127.0.0.1:4223"),
    env("NATS_3", "nats://127.0.0.1:4224"),
  ]
  replicas = 3 # what there is of each message
}

admin {
  listen = env("ADMIN", "127.0.0.1:7002")
}
