# Firestore: the one database, its rules and its backups. Its indexes stand in indexes.tf.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

resource "google_firestore_database" "this" {
  project          = var.project
  name             = "(default)"
  location_id      = var.location
  type             = "FIRESTORE_NATIVE"
  database_edition = "STANDARD"

  point_in_time_recovery_enablement = var.production ? "POINT_IN_TIME_RECOVERY_ENABLED" : "POINT_IN_TIME_RECOVERY_DISABLED"

  delete_protection_state = var.production ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy         = var.production ? "PREVENT" : "DELETE"
}

resource "google_firestore_backup_schedule" "daily" {
  count = var.backups.daily_days > 0 ? 1 : 0

  project   = var.project
  database  = google_firestore_database.this.name
  retention = "${var.backups.daily_days * 86400}s"

  daily_recurrence {}
}

resource "google_firestore_backup_schedule" "weekly" {
  count = var.backups.weekly_days > 0 ? 1 : 0

  project   = var.project
  database  = google_firestore_database.this.name
  retention = "${var.backups.weekly_days * 86400}s"

  weekly_recurrence {
    day = "SUNDAY"
  }
}

# A set of rules cannot be changed, nor destroyed while it is released: the next one is made before.
resource "google_firebaserules_ruleset" "this" {
  project = var.project

  source {
    files {
      name    = basename(var.rules_file)
      content = local.rules
    }
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [google_firestore_database.this]
}

resource "google_firebaserules_release" "this" {
  project      = var.project
  name         = "cloud.firestore" # of the database (default), by the platform's own rule
  ruleset_name = "projects/${var.project}/rulesets/${basename(google_firebaserules_ruleset.this.name)}"
}

locals {
  # The file has the collections' default names.
  rules = join("\n", [
    for line in split("\n", file(var.rules_file)) : try(
      replace(line, regex("match /(\\w+)/", line)[0], local.renamed[regex("match /(\\w+)/", line)[0]]),
      line,
    )
  ])

  renamed = {
    files                  = var.collections.files
    printer_commands       = var.collections.printer_commands
    printer_status_updates = var.collections.printer_status_updates
  }
}
