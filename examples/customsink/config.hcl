# What is not said here has its default: see config.hcl at the top of the module.

router {
  batch_wait = "1s"
}

sink "csv" {
  path  = "messages.csv"
  comma = ";"
}
