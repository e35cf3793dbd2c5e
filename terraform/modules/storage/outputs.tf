output "files_bucket" {
  description = "The name of the bucket of print files and pictures (GCS_BUCKET_NAME)."
  value       = google_storage_bucket.files.name
}

output "sources_bucket" {
  description = "The name of the bucket of the functions' zips."
  value       = google_storage_bucket.sources.name
}
