# Conditions in PromQL: as filters they would need a metric that exists already, which a log-based one does not until
# minutes after it was made, and so would fail the first apply.

locals {
  alerts = {
    errors = {
      title    = "A function fails"
      severity = "ERROR"
      duration = "0s"
      query    = <<-EOT
        sum by (service_name) (increase(${local.failures}[10m])) >= 5
        and
        sum by (service_name) (increase(${local.failures}[10m]))
          / sum by (service_name) (increase(${local.requests}[10m])) > 0.05
      EOT
      text     = "More than 5 % of a function's requests, and at least five, were answered with 5xx in ten minutes. Its log says why: `jsonPayload.event=(\"request_broke\" OR \"trigger_broke\" OR \"index_missing\")`."
    }
    backlog = {
      title    = "A trigger does not keep up"
      severity = "ERROR"
      duration = "300s"
      query    = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{${local.trigger}}) > 600"
      text     = "A message has waited for a function for more than ten minutes. After five attempts it becomes a dead letter."
    }
    parked = {
      title    = "Dead letters are not stored"
      severity = "CRITICAL"
      duration = "0s"
      query    = "sum by (subscription_id) (increase(pubsub_googleapis_com:subscription_dead_letter_message_count{${local.bus},subscription_id=\"trigger-dead-letter-stored\"}[10m])) > 0"
      text     = "The function that stores dead letters could not either. They are kept for 31 days in the topic `dead-letters-parked`, which has no subscription: make one and seek it back."
    }
    queue = {
      title    = "A job waits for long"
      severity = "WARNING"
      duration = "300s"
      query    = "histogram_quantile(0.99, sum by (le) (increase(${local.logged}queue_age_bucket{${local.run}}[15m]))) > ${var.queue_age_seconds}"
      text     = "The job that has waited longest has waited longer than it should. `GET /api/print-jobs/{id}` says what for."
    }
    silent = {
      title    = "A site leaves commands lying"
      severity = "ERROR"
      duration = "0s"
      query    = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{${local.site}}) > 300"
      text     = "A command, perhaps a stop, has waited for a site's agent for more than five minutes; the subscription's name has the site's id. At the site: `printpipe-agent doctor`."
    }
  }

  # By a line of the log itself: at once, with what the line says.
  lines = {
    dead_letters = {
      title    = "A message is a dead letter"
      severity = "ERROR"
      filter   = google_logging_metric.dead_letters.filter
      period   = "300s"
      labels   = ["consumer", "kind", "deadLetterId", "organizationId"]
      text     = "No attempt of a function dealt with a message. `GET /api/v1/dead-letters` shows it with its error; when the cause is mended, `POST /api/v1/dead-letters/{id}/replay` delivers it again."
    }
    offline = {
      title    = "A site's agent fell silent"
      severity = "WARNING"
      filter   = "${local.ours}=\"site_silent\""
      period   = "3600s"
      labels   = ["recipientId", "organizationId"]
      text     = "Nothing has been heard of a site's agent for minutes; its printers go on with what they print. `GET /health` counts agents. At the site: `printpipe-agent doctor`."
    }
  }

  title    = "${var.name} ${var.environment}"
  channels = [for email in sort(var.emails) : google_monitoring_notification_channel.email[email].name]
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.emails

  project      = var.project
  display_name = each.key
  type         = "email"
  labels       = { email_address = each.key }

  # What a policy still refers to cannot be removed: it lets go of it first.
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_monitoring_alert_policy" "query" {
  for_each = local.alerts

  project               = var.project
  display_name          = "${local.title}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query                     = trimspace(each.value.query)
      duration                  = each.value.duration
      evaluation_interval       = "60s"
      disable_metric_validation = true
    }
  }

  documentation {
    content   = each.value.text
    mime_type = "text/markdown"
  }

  depends_on = [google_logging_metric.measure]
}

resource "google_monitoring_alert_policy" "line" {
  for_each = local.lines

  project               = var.project
  display_name          = "${local.title}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels

  conditions {
    display_name = each.value.title

    condition_matched_log {
      filter           = each.value.filter
      label_extractors = { for label in each.value.labels : label => "EXTRACT(jsonPayload.${label})" }
    }
  }

  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = each.value.period
    }
  }

  documentation {
    content   = each.value.text
    mime_type = "text/markdown"
  }
}

resource "google_monitoring_uptime_check_config" "health" {
  project          = var.project
  display_name     = "${local.title}: health"
  period           = "300s"
  timeout          = "30s"
  selected_regions = ["ASIA_PACIFIC", "EUROPE", "USA_VIRGINIA"]

  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project, host = var.host }
  }

  http_check {
    path         = var.health_path
    port         = 443
    use_ssl      = true
    validate_ssl = true

    accepted_response_status_codes {
      status_class = "STATUS_CLASS_2XX"
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_monitoring_alert_policy" "health" {
  project               = var.project
  display_name          = "${local.title}: The API does not answer"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels

  conditions {
    display_name = "health"

    condition_threshold {
      filter = join(" AND ", [
        "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\"",
        "metric.labels.check_id=\"${google_monitoring_uptime_check_config.health.uptime_check_id}\"",
        "resource.type=\"uptime_url\"",
      ])
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "60s"

      # How many of the places that ask from found it failing when they last did.
      aggregations {
        alignment_period     = "1200s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.*"]
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    content   = "`https://${var.host}${var.health_path}` failed from two places at least: 503 says that Firestore does not answer."
    mime_type = "text/markdown"
  }
}
