# Two buckets: print files and pictures, and the functions' zips.

terraform {
  required_providers {
    google = { source = "hashicorp/google" }
  }
}

resource "google_storage_bucket" "files" {
  #checkov:skip=CKV_GCP_62:Who reads what is told by the functions' audit records; a link is good for minutes.
  #checkov:skip=CKV_GCP_78:What the retention or an erasure removes must be gone.
  project  = var.project
  name     = "${var.project}-${var.name}-files"
  location = upper(var.region)

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.production
  deletion_policy             = var.production ? "PREVENT" : "DELETE"

  encryption {
    default_kms_key_name = var.files_key
  }

  versioning {
    enabled = false
  }

  # Removed is removed: an organization's erasure deletes its objects, and nothing is to be left of them.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  # Pictures that belong to no printer; a link to one is good for FETCH_TOKEN_TTL_MINUTES, at most a day.
  lifecycle_rule {
    condition {
      age            = 1
      matches_prefix = ["pictures/unclaimed/"]
    }
    action {
      type = "Delete"
    }
  }

  # Of multipart uploads in S3's manner, which nothing of ours makes. A resumable one, which UPLOAD_TTL_MINUTES bounds,
  # is none: Cloud Storage ends it after a week.
  lifecycle_rule {
    condition {
      age = 1
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  dynamic "cors" {
    for_each = length(var.web_origins) == 0 ? [] : [sort(var.web_origins)]
    content {
      origin          = cors.value
      method          = ["GET", "HEAD", "PUT"]
      response_header = ["Content-Range", "Content-Type", "ETag", "Range", "X-Goog-Hash", "X-GUploader-UploadID"]
      max_age_seconds = 3600
    }
  }
}

resource "google_storage_bucket" "sources" {
  #checkov:skip=CKV_GCP_62:Only builds read it.
  #checkov:skip=CKV_GCP_78:Every zip is named by its hash, so none is ever overwritten.
  project  = var.project
  name     = "${var.project}-${var.name}-sources"
  location = upper(var.region)

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true # everything in it can be built again
  deletion_policy             = "DELETE"

  encryption {
    default_kms_key_name = var.files_key
  }

  versioning {
    enabled = false
  }

  soft_delete_policy {
    retention_duration_seconds = 604800
  }

  lifecycle_rule {
    condition {
      age = 1
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }
}
