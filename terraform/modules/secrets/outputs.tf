output "ids" {
  description = "Each secret's id, such as printpipe-jwt-secret; it has a version, and its readers have their right."
  value       = { for name, secret in google_secret_manager_secret.this : name => secret.secret_id }
  depends_on = [
    google_secret_manager_secret_version.this,
    google_secret_manager_secret_iam_member.accessor,
  ]
}

output "versions" {
  description = "The version that was written last, by Secret Manager's count."
  value       = { for name, version in google_secret_manager_secret_version.this : name => version.version }
  depends_on  = [google_secret_manager_secret_iam_member.accessor]
}
