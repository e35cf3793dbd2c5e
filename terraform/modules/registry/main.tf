# Where the functions' images are kept.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

resource "google_artifact_registry_repository" "this" {
  #checkov:skip=CKV_GCP_84:Images hold the functions' code and no data; what is read with them is encrypted by Google.
  project       = var.project
  location      = var.region
  repository_id = var.name
  format        = "DOCKER"
  description   = "Images of the functions"

  # What is kept by one policy is not deleted by the other: a function that is never changed keeps its image.
  cleanup_policies {
    id     = "newest"
    action = "KEEP"

    most_recent_versions {
      keep_count = 5
    }
  }

  cleanup_policies {
    id     = "old"
    action = "DELETE"

    condition {
      tag_state  = "ANY"
      older_than = "2592000s" # 30 days
    }
  }
}
