# The two accounts that run no code of ours: `events` calls the functions that wait for events, `builds` builds all.

resource "google_service_account" "events" {
  project      = var.project
  account_id   = "events"
  display_name = "Calls functions with events, messages and ticks"
}

resource "google_project_iam_member" "events" {
  project = var.project
  role    = "roles/eventarc.eventReceiver"
  member  = "serviceAccount:${local.events}"
}

# A push carries an identity token of this account, which Pub/Sub asks for.
resource "google_service_account_iam_member" "push" {
  service_account_id = "projects/${var.project}/serviceAccounts/${local.events}"
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = "serviceAccount:${var.pubsub_agent}"
}

resource "google_service_account" "build" {
  project      = var.project
  account_id   = "builds"
  display_name = "Builds the functions"
}

resource "google_project_iam_member" "build_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = "serviceAccount:${local.build}"
}

resource "google_artifact_registry_repository_iam_member" "build" {
  project    = var.project
  location   = split("/", var.repository)[3]
  repository = basename(var.repository)
  role       = "roles/artifactregistry.writer"
  member     = "serviceAccount:${local.build}"
}

resource "google_storage_bucket_iam_member" "build" {
  bucket = var.sources_bucket
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${local.build}"
}

# Cloud Functions copies a source to a bucket of its own, made with the first function, and has it built from there.
resource "google_project_iam_member" "build_sources" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = "serviceAccount:${local.build}"

  condition {
    title      = "sources of functions"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-\")"
  }
}
