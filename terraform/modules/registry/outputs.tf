output "repository" {
  description = "The repository: projects/…/locations/…/repositories/…"
  value       = "${local.location}/repositories/${google_artifact_registry_repository.this.repository_id}"
}

locals {
  location = "projects/${var.project}/locations/${var.region}"
}
