output "name" {
  description = "The function's name, when it may be called."
  value       = google_cloudfunctions2_function.this.name
  depends_on  = [google_cloud_run_v2_service_iam_member.invoker]
}

output "url" {
  description = "Its own URL, after which the documented path follows."
  value       = "https://${var.region}-${var.project}.cloudfunctions.net/${google_cloudfunctions2_function.this.name}"
}

output "subscription" {
  description = "The id of its subscription; null where it has none."
  value       = one(google_pubsub_subscription.this[*].name)
}
