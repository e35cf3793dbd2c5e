# What calls a function that follows a topic or the clock: a subscription of its name, which pushes to it. A tick of
# the clock is a message, too, so that one whose function fails is tried again and seen.

resource "google_pubsub_subscription" "this" {
  count = local.messages == null ? 0 : 1

  project = var.project
  name    = var.name
  topic   = local.messages.topic
  filter  = local.messages.filter

  # A function that is still at work is not called a second time.
  ack_deadline_seconds       = min(600, max(10, var.row.timeout + 30))
  message_retention_duration = local.messages.retention

  push_config {
    push_endpoint = google_cloudfunctions2_function.this.service_config[0].uri

    oidc_token {
      service_account_email = var.events_account
      audience              = google_cloudfunctions2_function.this.service_config[0].uri
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = var.dead_letter_topic
    max_delivery_attempts = local.messages.attempts
  }

  expiration_policy {
    ttl = "" # never
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}

# Pub/Sub itself takes what was tried in vain out of the subscription.
resource "google_pubsub_subscription_iam_member" "forwarder" {
  count = local.messages == null ? 0 : 1

  project      = var.project
  subscription = google_pubsub_subscription.this[0].name
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${var.pubsub_agent}"
}

resource "google_cloud_scheduler_job" "this" {
  count = local.schedule == null ? 0 : 1

  project   = var.project
  region    = var.region
  name      = var.name
  schedule  = local.schedule.cron
  time_zone = local.schedule.time_zone

  pubsub_target {
    topic_name = local.messages.topic
    data       = base64encode("{}")
    attributes = { function = var.name }
  }

  depends_on = [google_pubsub_subscription.this]
}
