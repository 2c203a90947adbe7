package jet

import _ "github.com/nats-io/nats.go/jetstream"
