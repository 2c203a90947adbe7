# Messages from the public feed of an exchange, whose form is not that of ingestd: the
# id of a ticker is inside of lists. The ticker of each product is a stream of its own.
# The exchange repeats nothing: what it sends while the connection is lost is missing
# here, and the next ticker tells the state.

transport "websocket_client" "exchange" {
  url = "wss://advanced-trade-ws.coinbase.com"

  # What is sent when the connection is open: a frame each.
  subscribe = [
    "{\"type\":\"subscribe\",\"channel\":\"ticker\",\"product_ids\":[\"BTC-USD\",\"ETH-USD\"]}",
    "{\"type\":\"subscribe\",\"channel\":\"heartbeats\"}",
  ]

  # For a feed that asks who is there:
  #
  # header "Authorization" {
  #   value = "Bearer ${env("FEED_TOKEN")}"
  # }

  ops = ["ticker"]

  # Confirmations and heartbeats have no product: they are streams, too, by the
  # name of their channel.
  decode {
    id   = ["events.0.tickers.0.product_id", "channel"]
    op   = ["events.0.tickers.0.type", "=report"]
    time = "timestamp"
    data = ["events.0.tickers.0", "."]
  }
}

# The spool takes what comes while the database is away: the feed does not wait.
delivery {
  spool = true
}
