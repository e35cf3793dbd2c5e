# Keys: `files` is the buckets' own, `data` wraps what the functions seal in documents.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
    time   = { source = "hashicorp/time" }
  }
}

# Google never deletes a ring or the name of a key. What a dev project leaves is taken over by import (README).
resource "google_kms_key_ring" "this" {
  project  = var.project
  location = var.region
  name     = var.name
}

resource "google_kms_crypto_key" "this" {
  #checkov:skip=CKV_GCP_82:prevent_destroy cannot differ between prod and dev; deletion_policy does.
  for_each = toset(["data", "files"])

  key_ring        = local.ring
  name            = each.value
  rotation_period = "7776000s" # 90 days; earlier versions go on decrypting

  destroy_scheduled_duration = "2592000s" # 30 days in which a version's destruction can be taken back
  deletion_policy            = var.production ? "PREVENT" : "ABANDON"
}

resource "google_kms_crypto_key_iam_member" "storage" {
  crypto_key_id = local.keys["files"]
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = "serviceAccount:${var.storage_agent}"
}

# A bucket is refused while its key does not know the right yet.
resource "time_sleep" "granted" {
  create_duration = "30s"

  triggers = {
    grant = "${google_kms_crypto_key_iam_member.storage.crypto_key_id} ${google_kms_crypto_key_iam_member.storage.member}"
  }
}

locals {
  ring = "projects/${var.project}/locations/${var.region}/keyRings/${google_kms_key_ring.this.name}"
  keys = { for name, key in google_kms_crypto_key.this : name => "${local.ring}/cryptoKeys/${key.name}" }
}
