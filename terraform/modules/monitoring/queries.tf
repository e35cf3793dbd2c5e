# How PromQL names Cloud Monitoring's metrics, and which of their series are ours.

locals {
  # A log-based metric, as metrics.tf names it.
  logged = "logging_googleapis_com:user_${replace(var.name, "-", "_")}_"

  run     = "monitored_resource=\"cloud_run_revision\",service_name=~\"(${join("|", local.families)})-.+\""
  bus     = "monitored_resource=\"pubsub_subscription\""
  trigger = "${local.bus},subscription_id=~\"(trigger-|eventarc-).+\""
  site    = "${local.bus},subscription_id=~\"printer-commands-.+\""

  # Two kinds of resources have these, and a query has to choose.
  documents = "monitored_resource=\"firestore.googleapis.com/Database\",database_id=\"(default)\""

  # With what functions' names begin.
  families = sort(distinct([for name in var.functions : split("-", name)[0]]))

  requests = "run_googleapis_com:request_count{${local.run}}"
  failures = "run_googleapis_com:request_count{${local.run},response_code_class=\"5xx\"}"
  pulls    = "pubsub_googleapis_com:subscription_pull_request_count{${local.site}}"
}
