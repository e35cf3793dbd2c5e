# Secrets, whose values are in no plan and no state; who may read which.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
    random = { source = "hashicorp/random" }
  }
}

resource "google_secret_manager_secret" "this" {
  for_each = var.secrets

  project   = var.project
  secret_id = "${var.name}-${replace(each.value, "_", "-")}"

  # The other two go when the settings do without them.
  deletion_policy = var.production && contains(["api_keys", "fetch_token_secret"], each.value) ? "PREVENT" : "DELETE"

  replication {
    auto {}
  }
}

# Another one in every run; written only when a secret's version is.
ephemeral "random_password" "made" {
  for_each = var.secrets

  length  = 64
  special = false
}

resource "google_secret_manager_secret_version" "this" {
  for_each = var.secrets

  secret                 = "projects/${var.project}/secrets/${google_secret_manager_secret.this[each.value].secret_id}"
  secret_data_wo         = coalesce(local.given[each.value], ephemeral.random_password.made[each.value].result)
  secret_data_wo_version = tostring(var.versions[each.value])

  # The one before is there until the functions have the new one, and can be enabled again afterwards.
  deletion_policy = "DISABLE"
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "accessor" {
  for_each = merge([
    for secret, emails in var.accessors : {
      for email in emails : "${secret} ${split("@", email)[0]}" => { secret = secret, email = email }
    }
  ]...)

  project   = var.project
  secret_id = google_secret_manager_secret.this[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${each.value.email}"
}

locals {
  given = {
    api_keys           = var.api_keys
    fetch_token_secret = var.fetch_token_secret
    jwt_secret         = var.jwt_secret
    smtp_password      = var.smtp_password
  }
}
