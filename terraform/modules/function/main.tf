# One row of the catalog: its zip, its function, who may call it. What calls a row without a path stands in events.tf.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

resource "google_storage_bucket_object" "source" {
  bucket       = var.sources_bucket
  name         = "${var.name}/${var.row.bundle.sha256}.zip"
  source       = var.bundle_file
  content_type = "application/zip"

  lifecycle {
    create_before_destroy = true # the function has its zip until it has the next
  }
}

resource "google_cloudfunctions2_function" "this" {
  project  = var.project
  location = var.region
  name     = var.name

  build_config {
    runtime           = "python312"
    entry_point       = var.row.bundle.entry_point
    service_account   = "projects/${var.project}/serviceAccounts/${var.build_account}"
    docker_repository = var.repository

    source {
      storage_source {
        bucket = google_storage_bucket_object.source.bucket
        object = google_storage_bucket_object.source.name
        # Where it is left out, the generation of the former zip would be asked for at the name of the new one.
        generation = google_storage_bucket_object.source.generation
      }
    }

    automatic_update_policy {}
  }

  service_config {
    service_account_email            = var.account
    available_memory                 = "${var.row.memory}Mi"
    available_cpu                    = tostring(var.row.cpu)
    max_instance_request_concurrency = var.row.concurrency
    timeout_seconds                  = var.row.timeout
    min_instance_count               = var.row.min_instances
    max_instance_count               = var.row.max_instances
    ingress_settings                 = var.ingress
    all_traffic_on_latest_revision   = true

    environment_variables = merge(var.environment, {
      THREADS = tostring(var.row.concurrency)
      # The platform's default is a logging of its own, which reads every line again to add an id. Ours have one.
      LOG_EXECUTION_ID = "false"
    })

    dynamic "secret_environment_variables" {
      for_each = var.secrets
      content {
        key        = secret_environment_variables.key
        project_id = var.project
        secret     = secret_environment_variables.value.secret
        version    = secret_environment_variables.value.version
      }
    }
  }

  dynamic "event_trigger" {
    for_each = local.firestore[*]
    content {
      event_type            = event_trigger.value.event
      trigger_region        = event_trigger.value.location
      service_account_email = var.events_account
      retry_policy          = "RETRY_POLICY_RETRY"

      event_filters {
        attribute = "database"
        value     = event_trigger.value.database
      }

      event_filters {
        attribute = "document"
        value     = event_trigger.value.document
        operator  = "match-path-pattern"
      }
    }
  }
}

# A function's service has its name. With another function of that name the right has to be granted again.
resource "google_cloud_run_v2_service_iam_member" "invoker" {
  project  = var.project
  location = var.region
  name     = google_cloudfunctions2_function.this.name
  role     = "roles/run.invoker"
  member   = var.public ? "allUsers" : "serviceAccount:${var.events_account}"

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.this.id]
  }
}

locals {
  firestore = try(var.trigger.firestore, null)
  messages  = try(var.trigger.messages, null)
  schedule  = try(var.trigger.schedule, null)
}
