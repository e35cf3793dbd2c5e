# A LAN site whose agent takes its commands from Pub/Sub: an account, and two subscriptions that only it pulls.
# Names and filters are what the functions tell the agent (functions/printpipe/domain/pubsub.py).

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

resource "google_service_account" "this" {
  project      = var.project
  account_id   = "pp-${substr(sha256(var.recipient_id), 0, 27)}"
  display_name = "Site ${var.recipient_id}"
}

resource "google_pubsub_subscription" "this" {
  for_each = toset(["normal", "priority"])

  project = var.project
  name    = "printer-commands-${var.recipient_id}-${each.value}"
  topic   = var.topic
  filter  = "attributes.recipient = \"${var.recipient_id}\" AND attributes.lane = \"${each.value}\""

  ack_deadline_seconds       = 10       # what an agent did not get to keep comes again soon
  message_retention_duration = "86400s" # no command lives longer than a day

  retry_policy {
    minimum_backoff = "0s"
    maximum_backoff = "10s"
  }

  dead_letter_policy {
    dead_letter_topic     = var.dead_letter_topic
    max_delivery_attempts = 20
  }

  expiration_policy {
    ttl = "" # never: a site may stand still for a season
  }
}

resource "google_pubsub_subscription_iam_member" "agent" {
  for_each = google_pubsub_subscription.this

  project      = var.project
  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${local.account}"
}

# Pub/Sub itself takes what was tried in vain out of the subscriptions.
resource "google_pubsub_subscription_iam_member" "forwarder" {
  for_each = google_pubsub_subscription.this

  project      = var.project
  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${var.pubsub_agent}"
}

# No key of the account is ever made: the functions give its agent tokens of an hour.
resource "google_service_account_iam_member" "tokens" {
  for_each = { for email in var.token_creators : split("@", email)[0] => email }

  service_account_id = "projects/${var.project}/serviceAccounts/${local.account}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${each.value}"
}

locals {
  account = "${google_service_account.this.account_id}@${var.project}.iam.gserviceaccount.com"
}
