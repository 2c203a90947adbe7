# The configuration of ingestd. Every value here is the default: an empty file, or
# none, means the same.
#
# Durations are written like "500ms", "10s", "1h30m"; sizes like "64KiB", "1MiB",
# "2GiB". env("NAME") and env("NAME", "default") read the environment. null stands
# for the default. One value can be overridden on the command line:
#
#   ingestd run --set router.batch_size=50
#
# SIGHUP reads the file again. What cannot change without a restart is named in
# the log then; log.level, router, shutdown_timeout, the retries, who may connect, and
# what a connection may do change at once.

data_dir         = "ingest-data" # spool, dead letters, numbers, lock file
shutdown_timeout = "30s"         # what is not stored by then stays in the spool, or goes to a file in data_dir

log {
  level  = "info" # trace, debug, info, warn, error
  format = "text" # text, json; always on stderr
}

# A way in. There may be several, of a name each: transport "websocket" "edge" { }
transport "websocket" {
  listen           = "127.0.0.1:7001"
  path             = "/ws"
  ops              = ["report"] # the ops that are stored
  ack              = "stored"   # stored: in the sink; spooled: on disk here (needs the spool)
  on_disconnect    = "done"     # done: the streams of a client that is gone are marked done; keep
  disconnect_grace = "0s"       # how long it may take to come back before that
  max_message_size = "1MiB"
  ping_interval    = "25s" # 0s: no pings
  ping_timeout     = "10s"

  # What a connection may do. Rates are kept by reading more slowly.
  frame_timeout       = "10s" # for a message to end that has begun; 0s: none
  max_fragments       = 1000  # of a message
  messages_per_second = 0     # 0: no limit
  bytes_per_second    = "0B"
  burst               = "1s"  # of how much time it may make up for
  compression         = false # clients may compress what they send

  max_streams_per_connection = 0 # with messages that are not settled; 0: no limit

  # Who may connect. Without auth everybody may who reaches the port.
  origins         = []    # web pages of other hosts: "https://app.example.com", "https://*.example.com", "*"
  require_origin  = false # true: only web pages
  trusted_proxies = []    # networks whose X-Forwarded-For is believed: "10.0.0.0/8"
  max_connections = 0     # past it: 503; 0: as the limit of open files allows

  max_connections_per_address = 0 # 0: no limit

  # tls {
  #   cert      = "cert.pem" # read again when it changes
  #   key       = "key.pem"
  #   client_ca = "" # the roots of the certificates that clients must show
  # }

  # auth {
  #   query = false    # true: a token may also be in the URL, ?token=
  #   file  = "tokens" # a line each: NAME TOKEN, or NAME sha256:HEX, and perhaps ID,ID,PREFIX*
  #   token "edge-1" {
  #     value   = env("INGEST_TOKEN") # or sha256 = "HEX"
  #     sha256  = ""
  #     ids     = null # every id; ["17", "sensor-*"]
  #     expires = ""   # never; "2027-01-31T00:00:00Z"
  #   }
  # }
}

# Another way in: POST requests, answered when their messages are stored. A transport
# block replaces the default one: write transport "websocket" { } beside it to have both.
#
# transport "http" {
#   listen           = "127.0.0.1:7003"
#   path             = "/v1/messages"
#   ops              = ["report"]
#   ack              = "stored"
#   max_body_size    = "8MiB"  # as it is sent and as it is decompressed
#   max_message_size = "1MiB"
#   max_bodies       = "64MiB" # what all bodies may take together
#   body_timeout     = "10s"   # to arrive; a second more for each 16 KiB that have
# }

# A way in that dials: feeds, which are websocket servers of others.
#
# transport "websocket_client" {
#   url              = env("FEED_URL") # wss://feed.example.com/v1; a list: several
#   subprotocols     = []
#   subscribe        = null # frames that are sent at first, "{\"type\":\"subscribe\"}"; a list: several
#   ops              = ["report"]
#   max_message_size = "1MiB"  # a larger frame is left out
#   connect_timeout  = "10s"
#   retry_min        = "500ms" # a lost connection is made again after a random time up to this, growing to
#   retry_max        = "1m"
#   ping_interval    = "25s" # 0s: no pings
#   ping_timeout     = "10s"
#
#   header "Authorization" {
#     value = env("FEED_AUTHORIZATION")
#   }
#
#   tls {
#     ca          = "" # the roots; those of the system
#     cert        = "" # a certificate to show
#     key         = ""
#     server_name = "" # that of the URL
#   }
#
#   # In any transport: where the fields are in messages that are not of the form of
#   # our own. The first path counts that leads to something; "=x" is a constant.
#   decode {
#     id   = ["data.device.serial", "serial"] # must be given
#     op   = null                             # report
#     seq  = null                             # none; of no use for a feed
#     time = null                             # when it was received
#     code = null                             # 0
#     data = null                             # ".": the whole message
#   }
# }

router {
  batch_size   = 10       # a stream's batch is ready at this many messages,
  batch_bytes  = "1MiB"   # or this many bytes,
  batch_wait   = "10s"    # or this long after its first message
  idle_timeout = "1m"     # an idle stream is forgotten after this long
  max_streams  = 1000000  # live ones; past it: error too_many_streams
  max_pending  = "256MiB" # accepted, not yet stored, all streams together
  when_full    = "block"  # block: the socket is not read, which is back-pressure; reject
}

delivery {
  spool     = false   # true: on disk before anything else; outlives kill -9 and a power cut
  spool_max = "10GiB" # the most that it may take
  retry_min = "100ms" # after a failure, growing to
  retry_max = "30s"
}

# Where messages are stored: exactly one.
sink "sqlite" {
  path = "ingest.db"
}

# sink "mysql" {
#   dsn            = env("INGEST_MYSQL_DSN") # user:password@tcp(host:3306)/database
#   create_tables  = true
#   messages_table = "messages"
#   streams_table  = "streams" # "" keeps no stream rows
#   writers        = 2         # connections that write
# }

# sink "stdout" {
#   format = "json" # one JSON object a line
# }

# A stream of NATS, from which other daemons take the messages.
#
# sink "nats" {
#   url              = ["nats://127.0.0.1:4222"] # servers of one cluster
#   user             = ""                        # with password; or one of the next three
#   password         = ""                        # env("NATS_PASSWORD")
#   token            = ""
#   nkey_file        = ""
#   credentials_file = ""
#   connect_timeout  = "5s"
#   stream           = "ingest" # made where it is missing, with what follows
#   subject          = "ingest"
#   partitions       = 64      # as many daemons can read it; for ever
#   replicas         = 1       # 3: one server of NATS may fail
#   storage          = "file"  # memory
#   max_bytes        = "10GiB" # then it takes no more
#   ack_timeout      = "5s"
#   writers          = 1
#   group_size       = 8000 # messages that are published together
# }

# The transport that reads it, in daemons with another sink. It has the same settings
# of the connection, and as the sink it may have a block tls, as a feed has.
#
# transport "nats" {
#   stream = "ingest"
#   group  = "ingest" # the daemons of a group share the partitions
#   name   = ""       # that of the host
# }

# The page, its API, /metrics, /healthz and /readyz
admin {
  listen = "127.0.0.1:7002" # "" turns it off
  token  = ""               # needed on any address but this machine's: env("INGESTD_ADMIN_TOKEN")
  hosts  = []               # further names of this server, as those of a proxy; they need the token
}
