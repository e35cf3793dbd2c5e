# Topics: one per schema for what happens, two for what nobody took, one for the clock's ticks.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

resource "google_pubsub_schema" "this" {
  for_each = local.schemas

  project    = var.project
  name       = each.key
  type       = "PROTOCOL_BUFFER"
  definition = file("${var.schemas_dir}/${each.value}")
}

resource "google_pubsub_topic" "this" {
  for_each = local.schemas
  #checkov:skip=CKV_GCP_83:Messages say that something happened and hold no secret; Google encrypts them.

  project                    = var.project
  name                       = each.key
  message_retention_duration = "604800s" # 7 days, in which any subscription can be set back

  schema_settings {
    schema   = "projects/${var.project}/schemas/${google_pubsub_schema.this[each.key].name}"
    encoding = "JSON"
  }

  message_storage_policy {
    allowed_persistence_regions = var.regions
  }
}

resource "google_pubsub_topic" "dead_letters" {
  for_each = {
    dead-letters        = "604800s"  # 7 days: a function stores them
    dead-letters-parked = "2678400s" # 31 days: nobody took these, and only a person will
  }
  #checkov:skip=CKV_GCP_83:As the topics that they come from.

  project                    = var.project
  name                       = each.key
  message_retention_duration = each.value

  message_storage_policy {
    allowed_persistence_regions = var.regions
  }
}

resource "google_pubsub_topic" "schedules" {
  #checkov:skip=CKV_GCP_83:Ticks say nothing.
  project = var.project
  name    = "schedules"

  message_storage_policy {
    allowed_persistence_regions = var.regions
  }
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = {
    for pair in setproduct(keys(local.schemas), var.publishers) :
    "${pair[0]} ${split("@", pair[1])[0]}" => { topic = pair[0], email = pair[1] }
  }

  project = var.project
  topic   = google_pubsub_topic.this[each.value.topic].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${each.value.email}"
}

# Pub/Sub itself moves what was tried in vain.
resource "google_pubsub_topic_iam_member" "forwarder" {
  for_each = google_pubsub_topic.dead_letters

  project = var.project
  topic   = each.value.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${var.pubsub_agent}"
}

locals {
  schemas = { for name in fileset(var.schemas_dir, "*.proto") : trimsuffix(name, ".proto") => name }
}
