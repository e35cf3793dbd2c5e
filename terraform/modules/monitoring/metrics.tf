# Metrics of our own log's lines (functions/printpipe/domain/measures.py).

locals {
  ours = "resource.type=\"cloud_run_revision\" AND jsonPayload.event"

  # By the name in the line: what it says, and the fields that tell its series apart.
  measures = {
    command_latency = {
      description = "from a command's creation until it was claimed, or ended"
      labels      = ["stage", "type", "lane"]
    }
    dispatch_wait = {
      description = "from when a job first waited until a run of it was given to a printer"
      labels      = ["priority"]
    }
    queue_age = {
      description = "how long the oldest job has waited that is waiting still"
      labels      = []
    }
    consumer_lag = {
      description = "from a message's publication until its consumer had dealt with it"
      labels      = ["consumer"]
    }
  }
}

resource "google_logging_metric" "measure" {
  for_each = local.measures

  project         = var.project
  name            = "${var.name}/${each.key}"
  description     = "Seconds ${each.value.description}"
  filter          = "${local.ours}=\"metric\" AND jsonPayload.name=\"${each.key}\""
  value_extractor = "EXTRACT(jsonPayload.seconds)"

  label_extractors = { for label in each.value.labels : label => "EXTRACT(jsonPayload.${label})" }

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "DISTRIBUTION"
    unit         = "s"
    display_name = replace(each.key, "_", " ")

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }

  # From 50 ms to six days.
  bucket_options {
    exponential_buckets {
      num_finite_buckets = 40
      growth_factor      = 1.5
      scale              = 0.05
    }
  }
}

resource "google_logging_metric" "dead_letters" {
  project     = var.project
  name        = "${var.name}/dead_letters"
  description = "Messages that no attempt dealt with, once for each of their deaths"
  filter      = "${local.ours}=\"message_dead_lettered\""

  label_extractors = { for label in ["consumer", "kind"] : label => "EXTRACT(jsonPayload.${label})" }

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "INT64"
    unit         = "1"
    display_name = "dead letters"

    dynamic "labels" {
      for_each = ["consumer", "kind"]

      content {
        key        = labels.value
        value_type = "STRING"
      }
    }
  }
}
