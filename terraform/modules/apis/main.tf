# The Google Cloud services of the project, and the agents by which they act in it.

terraform {
  required_providers {
    google      = { source = "hashicorp/google" }
    google-beta = { source = "hashicorp/google-beta" }
    time        = { source = "hashicorp/time" }
  }
}

data "google_project" "this" {
  count = var.project_number == null ? 1 : 0

  project_id = var.project
}

resource "google_project_service" "this" {
  for_each = var.services

  project = var.project
  service = each.value

  # What is switched off loses what it holds, and something else in the project may use it.
  disable_on_destroy = false
}

# Switching a service on does not yet make its agent, and nobody can be given a right who does not exist.
resource "google_project_service_identity" "this" {
  provider = google-beta
  for_each = toset(["eventarc.googleapis.com", "pubsub.googleapis.com"])

  project = var.project
  service = google_project_service.this[each.value].service
}

# Asking for the address makes this one.
data "google_storage_project_service_account" "this" {
  project = var.project

  depends_on = [google_project_service.this]
}

# An agent that was asked for has no role yet.
resource "google_project_iam_member" "eventarc" {
  #checkov:skip=CKV_GCP_49:The role that Google itself gives this agent, and nobody else has.
  project = var.project
  role    = "roles/eventarc.serviceAgent"
  member  = "serviceAccount:${local.agents.eventarc}"

  depends_on = [google_project_service_identity.this]
}

# Services, agents and rights are there for everybody only some time after they were made.
resource "time_sleep" "settled" {
  create_duration = "60s"

  triggers = {
    services = join(" ", sort(var.services))
  }

  depends_on = [
    google_project_service.this,
    google_project_iam_member.eventarc,
    data.google_storage_project_service_account.this,
  ]
}

locals {
  number = var.project_number == null ? data.google_project.this[0].number : var.project_number

  # Their addresses are documented, and so known before they exist.
  agents = {
    for agent, domain in {
      eventarc  = "gcp-sa-eventarc"
      pubsub    = "gcp-sa-pubsub"
      scheduler = "gcp-sa-cloudscheduler"
      storage   = "gs-project-accounts"
    } : agent => "service-${local.number}@${domain}.iam.gserviceaccount.com"
  }
}
